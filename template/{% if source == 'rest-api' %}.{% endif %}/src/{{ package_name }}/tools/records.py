"""Tools that search, read and change the records of the system behind."""

import base64
import json
from collections.abc import Sequence
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field, NonNegativeInt, TypeAdapter

from ..upstream import Upstream

MAX_RESULT = 60_000  # characters of JSON in one result
MAX_CURSOR = 10_000  # characters of a cursor that is read
MAX_FIELD = 500  # characters of a field's JSON in a list

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
) -> Page:
    """Search the records, or list them, a page at a time. Long fields are cut: read a record for the whole."""
    position, skip, size = decode(cursor)
    size = size or limit
    found, following = await upstream(ctx).search(query, size, position)
    records = fitting([brief(record) for record in found[skip:][:limit]])
    taken = skip + len(records)
    if taken < len(found):
        return Page(records=records, next_cursor=encode(position, taken, size))
    return Page(records=records, next_cursor=encode(following, 0, 0) if following else None)


async def get_record(
    ctx: Call,
    record_id: RecordId,
    fields: Annotated[list[str] | None, Field(description="Fields to return; all if left out")] = None,
) -> dict[str, Any]:
    """Read one record."""
    record = await upstream(ctx).get(record_id)
    if fields:
        named = set(fields)
        chosen = {name: value for name, value in record.items() if name in named}
        return {name: cut(value, MAX_RESULT // len(chosen)) for name, value in chosen.items()}
    if (size := len(json.dumps(record))) > MAX_RESULT:
        names = ", ".join(record)[:2000]
        raise ToolError(f"The record has {size:,} characters, too many at once. Name the `fields` you need of: {names}")
    return record


async def update_record(
    ctx: Call,
    record_id: RecordId,
    changes: Annotated[dict[str, Any], Field(min_length=1, description="New values of the fields to change")],
) -> dict[str, Any]:
    """Change fields of one record, and return it, long fields cut. Use it only when the person asked for the change."""
    return brief(await upstream(ctx).update(record_id, changes))


def upstream(ctx: Call) -> Upstream:
    return ctx.request_context.lifespan_context


def brief(record: dict[str, Any]) -> dict[str, Any]:
    """The record with each long field cut to a note or a beginning."""
    return {name: cut(value) for name, value in record.items()}


def cut(value: Any, most: int = MAX_FIELD) -> Any:
    size = len(json.dumps(value))
    if size <= most:
        return value
    return f"{value[:most]}… ({size:,} characters)" if isinstance(value, str) else f"({size:,} characters)"


def fitting(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first records that fit into one result together, and at least one."""
    taken: list[dict[str, Any]] = []
    room = MAX_RESULT
    for record in records:
        room -= len(json.dumps(record))
        if taken and room < 0:
            break
        taken.append(record)
    return taken


def encode(position: str | None, skip: int, size: int) -> str:
    """A cursor: the API's own for its page, how many records of that page were returned, and its size."""
    return base64.urlsafe_b64encode(json.dumps([position, skip, size]).encode()).decode()


def decode(cursor: str | None) -> tuple[str | None, int, int]:
    if not cursor:
        return None, 0, 0
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError
        return CURSOR.validate_json(base64.urlsafe_b64decode(cursor))
    except ValueError:
        raise ToolError("This is no cursor of a search. Leave it out to begin at the first page.") from None
