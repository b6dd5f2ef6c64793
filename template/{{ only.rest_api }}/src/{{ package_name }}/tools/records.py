"""Tools that search, read and change the records of the upstream API."""

import base64
import json
from collections.abc import Sequence
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import BaseModel, Field, NonNegativeInt, TypeAdapter

from ..core.source.answer import answer, compact, weight
from ..upstream import Upstream

MAX_CURSOR = 10_000  # characters
MAX_FIELD = 500  # characters of a field in a list; if it is not text, of its JSON
NOTE = 100  # bytes of a note about what is left out, at most

CURSOR = TypeAdapter(tuple[str | None, NonNegativeInt, Annotated[int, Field(ge=0, le=100)]])

Call = Context[Upstream, Any]
RecordId = Annotated[str, Field(description="Id of the record, as a search returned it")]


class Page(BaseModel):
    """Some of the records that match."""

    records: list[dict[str, Any]]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last")


async def search_records(
    ctx: Call,
    query: Annotated[str, Field(description="Words to look for; empty to list all")] = "",
    limit: Annotated[int, Field(ge=1, le=100, description="Most records to return")] = 20,
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before")] = None,
) -> Annotated[CallToolResult, Page]:
    """Search the records, or list them, a page at a time. Long fields are cut: read a record for the whole."""
    api = upstream(ctx)
    position, skip, size = decode(cursor)
    size = size or limit
    found, following = await api.search(query, size, position)
    after, beyond = encode(following, 0, 0) if following else None, encode(position, len(found), size)
    room = api.max_result - 2 * max(len(after or ""), len(beyond)) - NOTE
    records = fitting(found[skip:][:limit], room)
    taken = skip + len(records)
    following = encode(position, taken, size) if taken < len(found) else after
    return answer(Page(records=records, next_cursor=following), api.max_result)


async def get_record(
    ctx: Call,
    record_id: RecordId,
    fields: Annotated[list[str] | None, Field(description="Fields to return; all if left out")] = None,
) -> Annotated[CallToolResult, dict[str, Any]]:
    """Read one record."""
    api = upstream(ctx)
    record = await api.get(record_id)
    if fields:
        named = set(fields)
        chosen = {name: value for name, value in record.items() if name in named}
        share = api.max_result // max(1, len(chosen)) - NOTE
        chosen = {name: cut(value, characters(value, share)) for name, value in chosen.items()}
        return answer(brief(chosen, api.max_result, api.max_result), api.max_result)
    if weight(record) > api.max_result:
        size, names = len(compact(record)), ", ".join(record)[:1500]
        raise ToolError(f"The record has {size:,} characters, too many at once. Name the `fields` you need of: {names}")
    return answer(record, api.max_result)


async def update_record(
    ctx: Call,
    record_id: RecordId,
    changes: Annotated[dict[str, Any], Field(min_length=1, description="New values of the fields to change")],
) -> Annotated[CallToolResult, dict[str, Any]]:
    """Change fields of one record, and return it with long fields cut. Use it only if the user asked for the change."""
    api = upstream(ctx)
    return answer(brief(await api.update(record_id, changes), api.max_result), api.max_result)


def upstream(ctx: Call) -> Upstream:
    return ctx.request_context.lifespan_context


def brief(record: dict[str, Any], room: int, most: int = MAX_FIELD) -> dict[str, Any]:
    """The record with each long field cut to a note or a beginning, and with the fields that fit into so many bytes."""
    short: dict[str, Any] = {}
    room -= NOTE
    for name, value in record.items():
        shown = cut(value, most)
        room -= weight({name: shown})
        if room < 0:
            return {**short, "…": f"({len(record) - len(short):,} more fields)"}
        short[name] = shown
    return short


def cut(value: Any, most: int) -> Any:
    """The value if it has at most so many characters, else its beginning and how many it has."""
    text = value if isinstance(value, str) else compact(value)
    if len(text) <= most:
        return value
    return f"{value[:most]}… ({len(text):,} characters)" if isinstance(value, str) else f"({len(text):,} characters)"


def characters(value: Any, room: int) -> int:
    """How many characters of a value fit into so many bytes of a result."""
    most = max(0, room // 2)
    while isinstance(value, str) and most and weight(value[:most]) > room:
        most = most * 3 // 4
    return most


def fitting(records: Sequence[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    """The first records that fit into so many bytes together, cut to what a list shows, and at least one."""
    taken: list[dict[str, Any]] = []
    left = room
    for record in records:
        short = brief(record, room)
        left -= weight(short)
        if taken and left < 0:
            break
        taken.append(short)
    return taken


def encode(position: str | None, skip: int, size: int) -> str:
    """A cursor: the API's own for its page, how many records of that page were returned, and its size."""
    cursor = base64.urlsafe_b64encode(json.dumps([position, skip, size]).encode()).decode()
    if len(cursor) > MAX_CURSOR:
        raise ToolError("The upstream API names the next page with a text that is too long. Search for other words.")
    return cursor


def decode(cursor: str | None) -> tuple[str | None, int, int]:
    if not cursor:
        return None, 0, 0
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError
        return CURSOR.validate_json(base64.urlsafe_b64decode(cursor))
    except ValueError:
        raise ToolError("This is not a cursor of a search. Leave it out to begin at the first page.") from None
