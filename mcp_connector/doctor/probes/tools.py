"""The tools that clients see, as platforms take them."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ..documents import Object, texts
from ..evidence import Evidence, error, result
from ..exchange import Answer
from ..findings import Seen
from ..survey import PAGES
from ..text import clean
from ..text import listed as row
from .edge import LIMITS
from .transport import losses, misframed, mistyped, words

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
TOOL = {"name": str, "title": str, "description": str, "annotations": dict, "_meta": dict, "icons": list}
TOP = {"oneOf", "anyOf", "allOf"}
TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}
MAPS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
VALUES = {"default", "const", "enum", "example", "examples", "required"}
MANY, GEMINI, MOST = 40, 100, 128
DESCRIPTION = 1_024  # characters


def listed(heard: Evidence) -> Iterator[Seen]:
    """Whether there are tools, not too many, each with a name of its own."""
    answer = heard.heard("list")
    if heard.tools is None:
        if answer and heard.inside and not losses(heard) and answer.status not in (401, 403, *LIMITS):
            said = (error(answer) or {}).get("message", "")
            what = "more than 1 MB" if answer.cut == "size" else "without an end" if answer.cut else clean(said, 80)
            yield Seen("tools-list", f"tools/list answers {answer.status} {what}".strip())
        return
    if answer:
        yield from misframed(answer, "tools/list")
    later = [(n, page) for n in range(2, PAGES + 1) if (page := heard.heard(f"list {n}"))]
    for number, page in later:
        if not isinstance((result(page) or {}).get("tools"), list):
            yield Seen("tools-list", f"page {number} of tools/list answers {page.status} {words(page)}".strip())
    capabilities = (heard.result("own") or {}).get("capabilities")
    if not isinstance(capabilities, dict) or "tools" not in capabilities:
        yield Seen("tools-undeclared", "initialize without the capability tools")
    if heard.endless_tools:
        yield Seen("tools-cursor", "nextCursor leads on and on, to pages that were there before or have no tools")
    if wrong := [*untyped(heard, [answer, *(page for _, page in later)])]:
        yield Seen("tools-types", f"missing, or of another type: {row(wrong)}")
    names = [str(tool.get("name", "")) for tool in heard.tools]
    if not names:
        yield Seen("tools-none", "an empty list of tools")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        yield Seen("tools-twice", f"more than once: {row(twice)}")
    named = [str(tool["name"]) for tool in heard.tools if "name" in tool]
    if odd := [repr(name) for name in named if not NAME.fullmatch(name)]:
        yield Seen("tool-name", row(odd))
    if wrong := [name for name, tool in zip(names, heard.tools, strict=True) if not all(map(an_object, roots(tool)))]:
        yield Seen("tool-schema", f"not a schema of an object: {row(wrong)}")
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


def untyped(heard: Evidence, pages: list[Answer | None]) -> Iterator[str]:
    """Members of the list, or of its tools, for which clients refuse the whole list."""
    lists = [result(page) or {} for page in pages if page]
    yield from (name for said in lists for name in mistyped(said, {"nextCursor": str}))
    every = [tool for said in lists for tool in said.get("tools", [])]
    yield from (f"tool {number}" for number, tool in enumerate(every, 1) if not isinstance(tool, dict))
    for tool in heard.tools or []:
        yield from (f"{name} of {tool.get('name')!r}" for name in mistyped({"name": None, **tool}, TOOL))


def roots(tool: Object) -> list[Object]:
    """The schemas of a tool as they were sent."""
    return [tool.get("inputSchema", {}), tool.get("outputSchema", {"type": "object"})]


def an_object(schema: object) -> bool:
    """Whether clients take it for the schema of an object, as the official SDKs look at it."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    properties, required = schema.get("properties", {}), schema.get("required", [])
    named = isinstance(properties, dict) and all(isinstance(one, dict) for one in properties.values())
    return named and isinstance(required, list) and len(texts(required)) == len(required)


def schemas(heard: Evidence) -> Iterator[Seen]:
    """Whether a platform drops tools for what their schemas hold."""
    tools = heard.tools or []
    for probe, has in FAULTS.items():
        if names := [str(tool.get("name", "")) for tool in tools if any(has(part) for part in parts(tool))]:
            everything = len(names) == len(tools)
            yield Seen(f"{probe}-all" if everything else probe, row(names), {"tools": row(names)})
    given = [(str(tool.get("name", "")), tool) for tool in tools if an_object(tool.get("inputSchema"))]
    if names := [name for name, tool in given if TOP & tool["inputSchema"].keys()]:
        yield Seen("schema-top", row(names), {"tools": row(names)})
    keys = [(name, key) for name, tool in given for key in tool["inputSchema"].get("properties", {})]
    if odd := [f"{key!r} of {name}" for name, key in keys if not PROPERTY.fullmatch(key)]:
        yield Seen("schema-property", row(odd))
    if names := [name for name, tool in given if any(invalid(part) for part in parts(tool))]:
        yield Seen("schema-invalid", row(names), {"tools": row(names)})


def parts(tool: Object) -> Iterator[Object]:
    """Every schema in those of a tool: not the values in them, nor the maps of names."""
    waiting: list[Any] = [tool.get("inputSchema"), tool.get("outputSchema")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            yield value
            for name, inner in value.items():
                if name in MAPS:
                    waiting += inner.values() if isinstance(inner, dict) else []
                elif name not in VALUES:
                    waiting.append(inner)


def invalid(part: Object) -> bool:
    """Whether a schema breaks a rule of JSON Schema that people break by hand."""
    kinds = part.get("type", [])
    lists = [part.get(name, []) for name in ("required", "enum")]
    named = [str(kind) for kind in kinds] if isinstance(kinds, list) else [str(kinds)]
    return not TYPES.issuperset(named) or not all(isinstance(value, list) for value in lists)


def exclusive(part: Object) -> bool:
    return any(isinstance(part.get(n), int) for n in ("exclusiveMinimum", "exclusiveMaximum"))


FAULTS: dict[str, Callable[[Object], bool]] = {
    "schema-ref": lambda part: isinstance(part.get("$ref"), str),
    "schema-types": lambda part: isinstance(part.get("type"), list),
    "schema-exclusive": exclusive,
}
