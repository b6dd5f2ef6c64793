"""What earlier imports wrote, kept beside the tools: one file for each document, to be committed."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..recorded import Problem, shown
from .names import identifier, snake

Json = Any

END = ".import.json"
EXAMPLE = "example"
GENERAL = {"openapi", "swagger", "api", "spec", "schema", "document", "index", "v1", "v2", "v3", "api_docs", ""}


@dataclass
class Known:
    """A tool that an import wrote."""

    name: str
    module: str
    mark: str  # the fingerprint of what was written
    contract: dict[str, Json]
    words: str


@dataclass
class Record:
    """What is known of one document."""

    path: Path
    document: str = ""
    title: str = ""
    tags: list[str] = field(default_factory=list)  # all of whose operations become tools
    operations: list[str] = field(default_factory=list)  # ids of others that do
    tools: dict[str, Known] = field(default_factory=dict)  # by the id of the operation
    refused: dict[str, str] = field(default_factory=dict)  # why, by the id of the operation
    modules: dict[str, str] = field(default_factory=dict)  # by tag
    keys: dict[str, dict[str, str]] = field(default_factory=dict)  # of a module, names of classes by what they name
    classes: dict[str, dict[str, str]] = field(default_factory=dict)  # of a module, fingerprints of classes by name

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(END)

    def text(self) -> str:
        tools = {label: vars(known) for label, known in self.tools.items()}
        content = {key: value for key, value in vars(self).items() if value and key != "path"} | {"tools": tools}
        return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def load(path: Path) -> Record:
    """The record at a path; an empty one if there is no file.

    Raises:
        Problem: It is not what an import wrote.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["tools"] = {label: Known(**known) for label, known in content["tools"].items()}
        return Record(path, **content)
    except FileNotFoundError:
        return Record(path)
    except (ValueError, KeyError, TypeError, AttributeError):
        name = shown(path.name, 100)
        raise Problem(f"tools/{name} is not what an import wrote. Restore it from the last commit.") from None


def others(folder: Path, own: Path) -> list[Record]:
    """Records of other documents."""
    return [load(path) for path in sorted(folder.glob(f"*{END}")) if path != own]


def name_of(location: str, title: str) -> str:
    """What a record is called: by the file of the document, or by the title where the file is called as all are."""
    stem = re.split(r"[/\\]", location.partition("?")[0].rstrip("/"))[-1]
    stem = snake(re.sub(r"(\.(json|ya?ml|openapi|swagger))+$", "", stem, flags=re.IGNORECASE))
    name = stem if stem not in GENERAL else snake(title)
    return identifier(name, "api")[:40].rstrip("_")
