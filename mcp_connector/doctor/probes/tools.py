"""The tools that clients see, as platforms take them."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ..documents import Object
from ..evidence import Evidence, error
from ..findings import Seen
from ..text import clean
from ..text import listed as row
from .transport import losses

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MANY, GEMINI, MOST = 40, 100, 128
DESCRIPTION = 1_024  # characters


def listed(heard: Evidence) -> Iterator[Seen]:
    """Whether there are tools, not too many, each with a name of its own."""
    answer = heard.heard("list")
    if heard.tools is None:
        if answer and heard.inside and not losses(heard) and answer.status not in (401, 403, 429):
            said = (error(answer) or {}).get("message", "")
            what = "more than 1 MB" if answer.cut == "size" else "without an end" if answer.cut else clean(said, 80)
            yield Seen("tools-list", f"tools/list answers {answer.status} {what}".strip())
        return
    capabilities = (heard.result("own") or {}).get("capabilities")
    if not isinstance(capabilities, dict) or "tools" not in capabilities:
        yield Seen("tools-undeclared", "initialize without the capability tools")
    if heard.endless_tools:
        yield Seen("tools-cursor", "nextCursor leads to a page that was there before")
    names = [str(tool.get("name", "")) for tool in heard.tools]
    if not names:
        yield Seen("tools-none", "an empty list of tools")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        yield Seen("tools-twice", f"more than once: {row(twice)}")
    if odd := [name for name in names if not NAME.fullmatch(name)]:
        yield Seen("tool-name", f"{row(odd)}")
    if wrong := [n for n, tool in zip(names, heard.tools, strict=True) if not an_object(tool.get("inputSchema"))]:
        yield Seen("tool-schema", f"inputSchema is not of type object: {row(wrong)}")
    if bare := [name for name, tool in zip(names, heard.tools, strict=True) if not tool.get("description")]:
        yield Seen("tool-description", f"without a description: {row(bare)}")
    described = [str(tool.get("description", "")) for tool in heard.tools]
    if long := [name for name, text in zip(names, described, strict=True) if len(text) >= DESCRIPTION]:
        yield Seen("tool-long", f"description of {DESCRIPTION} characters or more: {row(long)}")
    count = f"{len(names)}{' or more' if heard.more_tools else ''} tools"
    if len(names) > MOST:
        yield Seen("tools-most", count)
    elif len(names) > GEMINI:
        yield Seen("tools-gemini", count)
    elif len(names) > MANY:
        yield Seen("tools-many", count)


def an_object(schema: object) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "object"


def schemas(heard: Evidence) -> Iterator[Seen]:
    """Whether a platform drops tools for what their schemas hold."""
    tools = heard.tools or []
    for probe, has in FAULTS.items():
        if names := [str(tool.get("name", "")) for tool in tools if any(has(part) for part in parts(tool))]:
            everything = len(names) == len(tools)
            yield Seen(f"{probe}-all" if everything else probe, row(names), {"tools": row(names)})


def parts(tool: Object) -> Iterator[Object]:
    """Every object in the schemas of a tool."""
    waiting: list[Any] = [tool.get("inputSchema"), tool.get("outputSchema")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def exclusive(part: Object) -> bool:
    return any(isinstance(part.get(n), int) for n in ("exclusiveMinimum", "exclusiveMaximum"))


FAULTS: dict[str, Callable[[Object], bool]] = {
    "schema-ref": lambda part: isinstance(part.get("$ref"), str),
    "schema-types": lambda part: isinstance(part.get("type"), list),
    "schema-exclusive": exclusive,
}
