"""How arguments are written into a request: the styles of OpenAPI 3.1 §4.8.12.

In every function, None stands for an argument that was not given, and leaves nothing in the request.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mcp.server.mcpserver.exceptions import ToolError
from typing_extensions import TypedDict

from .report import Path

MAX_VALUE = 8_000  # characters of a value in a path; servers take no longer one

Pairs = list[tuple[str, str]]
Part = tuple[str, tuple[str | None, bytes, str | None]]  # of a multipart body: a name, and a file name, content, type


class File(TypedDict):
    """A file to send."""

    name: str
    base64: str


def text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else str(value)


def path(template: str, **values: Any) -> Path:
    """The path in which each value stays in its own segment (RFC 3986 §3.3).

    Raises:
        ToolError: A value is empty or a dot segment, which would name another path.
    """
    written = {name: segment(name, value) for name, value in values.items()}
    return Path(template, written)


def segment(name: str, value: Any) -> str:
    parts = [text(part) for part in (value if isinstance(value, list) else [value])]
    written = ",".join(quote(part, safe="") for part in parts)
    if written in {"", ".", ".."}:
        raise ToolError(f"The {name} must not be {written!r}.")
    if len(written) > MAX_VALUE:
        raise ToolError(f"The {name} is too long.")
    return written


def form(name: str, value: Any, explode: bool = True, join: str = ",") -> Pairs:
    """`tag=a&tag=b`, or `tag=a,b` where `explode` is false."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        pairs = [(key, text(member)) for key, member in value.items() if member is not None]
        return pairs if explode else [(name, join.join(part for pair in pairs for part in pair))]
    if isinstance(value, list):
        return [(name, text(entry)) for entry in value] if explode else [(name, join.join(map(text, value)))]
    return [(name, text(value))]


def deep(name: str, value: Any) -> Pairs:
    """`filter[a][b]=1`. Lists, which the specification leaves open, are written as most servers read them."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [pair for key, member in value.items() for pair in deep(f"{name}[{key}]", member)]
    if isinstance(value, list):
        return [(f"{name}[]", text(entry)) for entry in value]
    return [(name, text(value))]


def as_json(name: str, value: Any) -> Pairs:
    return [] if value is None else [(name, json.dumps(value, separators=(",", ":"), ensure_ascii=False))]


def header(name: str, value: Any) -> dict[str, str]:
    """A header of one line; a list is written with commas.

    Raises:
        ToolError: The value has a line break or another control character, which could begin a header of its own.
    """
    if value is None:
        return {}
    written = ",".join(map(text, value)) if isinstance(value, list) else text(value)
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in written):
        raise ToolError(f"The header {name} must be one line.")
    return {name: written.strip()}


def cookies(**values: Any) -> dict[str, str]:
    pairs = [f"{name}={quote(text(value), safe='')}" for name, value in values.items() if value is not None]
    return {"Cookie": "; ".join(pairs)} if pairs else {}


def given(**values: Any) -> dict[str, Any]:
    """The members of a body that were given. Clients send null for what they leave out, so null is never sent."""
    return {name: value for name, value in values.items() if value is not None}


def field(name: str, value: Any) -> list[Part]:
    """A field of a multipart body, or one for each entry of a list."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [(name, (None, text(entry).encode(), None)) for entry in values]


def file(name: str, value: File | list[File] | None) -> list[Part]:
    """A file in a multipart body, or several.

    Raises:
        ToolError: It is not base64 (RFC 4648 §4).
    """
    files = value if isinstance(value, list) else [] if value is None else [value]
    return [(name, (entry["name"], decoded(entry["base64"]), "application/octet-stream")) for entry in files]


def decoded(written: str) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except ValueError:
        raise ToolError("`base64` of the file is not base64 (RFC 4648 §4).") from None
