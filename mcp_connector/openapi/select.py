"""The operations of a document, and which of them become tools."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from .names import clean
from .resolve import Refused, Schemas
from .swagger2 import METHODS, listed

Json = Any

WARN = 40  # tools, above which models choose badly
MOST = 128  # tools in one request, as several platforms have it


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    id: str  # unique in the document
    method: str
    place: str  # the path
    tag: str
    found: dict[str, Json]
    shared: list[Json] = field(default_factory=list)  # parameters of the path
    servers: list[Json] = field(default_factory=list)  # of the operation or of its path


def operations(schemas: Schemas) -> tuple[list[Operation], list[str]]:
    """Every operation of the document, and what is wrong with single ones, in sentences."""
    every: list[Operation] = []
    said: list[str] = []
    taken: set[str] = set()
    for place, item in (schemas.document.get("paths") or {}).items():
        if place.startswith("x-"):
            continue
        try:
            item = schemas.pointed(item)
        except Refused as refused:
            said.append(f"{clean(place)}: {refused}.")
            continue
        for method in METHODS if isinstance(item, dict) else ():
            found = item.get(method)
            if not isinstance(found, dict):
                continue
            name = f"{method.upper()} {place}"
            label = str(found.get("operationId") or name)
            if label in taken:
                said.append(f"The id {clean(label)[:60]} is given twice, so {clean(name)} goes by its path.")
                label = name
            taken.add(label)
            tags = [tag for tag in listed(found.get("tags")) if isinstance(tag, str) and tag.strip()]
            tag = tags[0] if tags else next((part for part in re.split("[/{}]", place) if part), "api")
            own = listed(found.get("servers")) or listed(item.get("servers"))
            every.append(
                Operation(label, method.upper(), place, clean(tag), found, listed(item.get("parameters")), own)
            )
    return every, said


def chosen(
    every: Iterable[Operation], tags: Collection[str], ids: Collection[str], known: Collection[str]
) -> list[Operation]:
    """Those of the tags, those named by their ids, and those that an earlier import took."""
    return [op for op in every if op.tag in tags or op.id in ids or op.id in known]


def missing(every: Collection[Operation], tags: Collection[str], ids: Collection[str]) -> list[str]:
    """What was asked for and is not in the document."""
    known_tags, known_ids = {op.tag for op in every}, {op.id for op in every}
    return sorted([tag for tag in tags if tag not in known_tags] + [label for label in ids if label not in known_ids])


def counted(every: Iterable[Operation]) -> list[tuple[str, int]]:
    """How many operations each tag has, the largest first."""
    counts = Counter(op.tag for op in every)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
