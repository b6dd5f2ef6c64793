"""Results of tools: rows as compact JSON text, within one limit on the bytes that are sent."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

import pydantic_core
from mcp_types import CallToolResult, TextContent

from .engine import BYTES

NOTE = 200  # bytes of what stands around the rows, at most
CUT = "…(cut)"


def answer(content: Mapping[str, Any]) -> CallToolResult:
    """The result of a tool, as text alone: as structured content it would be sent twice."""
    return CallToolResult(content=[TextContent(type="text", text=written(content))])


def written(value: object) -> str:
    return pydantic_core.to_json(value).decode()


def weight(value: object) -> int:
    """Bytes that a value takes in a result, whose text is JSON in a string."""
    return len(pydantic_core.to_json(written(value))) - len('""')


def cell(value: Any, most: int) -> Any:
    """A value of a row in JSON types: long text is cut, and bytes are shown as `0x…`."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"0x{bytes(value[:BYTES]).hex()}{CUT if len(value) > BYTES else ''}"
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text if len(text) <= most else text[:most] + CUT


def fitting(rows: Iterable[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    """The first rows that fit into so many bytes together; a single one that does not is cut until it does."""
    taken: list[dict[str, Any]] = []
    for row in rows:
        size = weight(row) + 1
        if size > room:
            return taken or [narrow(row, room)]
        room -= size
        taken.append(row)
    return taken


def narrow(row: dict[str, Any], room: int) -> dict[str, Any]:
    """The row with its texts cut to an equal share, and without the columns that do not fit even so."""
    share = max(50, room // (3 * len(row)) - NOTE)
    kept: dict[str, Any] = {}
    room -= NOTE
    for name, value in row.items():
        shown = cell(value, share) if isinstance(value, str) else value
        room -= weight({name: shown})
        if room < 0:
            return {**kept, "…": f"({len(row) - len(kept):,} more columns: name the columns you need)"}
        kept[name] = shown
    return kept
