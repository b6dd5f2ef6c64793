"""Rows of one table: typed filters, an order, and pages that lose and repeat no row."""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, TypeAdapter
from sqlalchemy import ColumnElement, and_, case, false, literal_column, or_, select

from .database import Database
from .engine import LONGEST_KEY, Column, Engine, Table
from .result import NOTE, cell, fitting

FETCHED = 4 * 1024 * 1024  # characters of one page that may travel from the database
MAX_CURSOR = 4_000  # characters
LAST = TypeAdapter(list[str | int | float | None])
COUNT = TypeAdapter(tuple[str, NonNegativeInt])


def as_text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(as_text)]


class Filter(BaseModel):
    """A condition on one column."""

    model_config = ConfigDict(extra="forbid")

    column: str
    operator: Literal["=", "!=", "<", "<=", ">", ">=", "in", "contains", "starts", "null", "not null"] = "="
    value: Text = Field("", description="Number, date or text to compare with; dates as 2026-01-31")
    values: list[Text] = Field([], max_length=1_000, description="Those to choose from, with `in`")


class Sorted(NamedTuple):
    """One thing that rows are sorted by."""

    of: ColumnElement[Any]
    column: Column | None  # None for whether another one is null
    descending: bool = False


class Page(NamedTuple):
    rows: list[dict[str, Any]]
    next_cursor: str | None


async def search(
    database: Database,
    name: str,
    filters: Sequence[Filter],
    columns: Sequence[str],
    order: str,
    descending: bool,
    limit: int,
    most: int,
    cursor: str,
) -> Page:
    """A page of rows, each cell with at most so many characters.

    Raises:
        ToolError: A name, a value or the cursor is wrong, or the database refuses.
    """
    table, engine = await database.table(name), database.engine
    there = table.columns
    for one in [*columns, *([order] if order else []), *(filter.column for filter in filters)]:
        if one not in there:
            raise ToolError(f"{name} has no column {one[:100]!r}. It has: {', '.join(list(there)[:100])}.")
    clause = table.clause()
    chosen = list(dict.fromkeys(columns)) or list(there)
    most = min(most, FETCHED // len(chosen))
    limit = min(limit, FETCHED // (most * len(chosen)))
    keys = [*([order] if order else []), *(key for key in table.key if key != order)]
    sort = list(sorted_by(engine, table, clause, keys, descending))
    query = select(
        *(engine.shown(clause.c[one], there[one], most).label(f"c{n}") for n, one in enumerate(chosen)),
        *(
            one.of.label(f"k{n}") if one.column is None else engine.position(one.of, one.column).label(f"k{n}")
            for n, one in enumerate(sort)
        ),
    )
    query = query.where(*(condition(engine, clause.c[f.column], there[f.column], f) for f in filters))
    mark = hashlib.sha256(
        json.dumps([name, order, descending, [f.model_dump() for f in filters]]).encode()
    ).hexdigest()[:12]
    last = decode(cursor, mark, len(sort) if table.key else 0) if cursor else []
    if table.key and last:
        query = query.where(beyond(engine, sort, last))
    elif last:
        query = query.offset(int(last[0]))
    query = query.order_by(*(one.of.desc() if one.descending else one.of.asc() for one in sort)).limit(limit + 1)
    async with database.reading() as connection:
        rows = (await connection.execute(query)).all()
    found = [{key: cell(value, most) for key, value in zip(chosen, row, strict=False)} for row in rows[:limit]]
    taken = fitting(found, database.max_result - NOTE - MAX_CURSOR)
    if len(taken) == len(rows):
        return Page(taken, None)
    if not table.key:
        return Page(taken, encode(mark, [(int(last[0]) if last else 0) + len(taken)]))
    return Page(taken, encode(mark, list(rows[len(taken) - 1][len(chosen) :])))


def sorted_by(engine: Engine, table: Table, clause: Any, keys: Sequence[str], descending: bool) -> Iterator[Sorted]:
    """Nulls last, because databases disagree on their place."""
    for key in keys:
        column = table.columns[key]
        if column.nullable:
            yield Sorted(case((clause.c[key].is_(None), 1), else_=0), None)
        yield Sorted(engine.ordered(clause.c[key], column), column, descending)
    if any(table.columns[key].nullable for key in table.key):  # in SQLite alone, which then lets it be there twice
        yield Sorted(literal_column("_rowid_"), Column("_rowid_", "INTEGER"), descending)


def condition(engine: Engine, of: ColumnElement[Any], column: Column, filter: Filter) -> ColumnElement[bool]:
    match filter.operator:
        case "null":
            return of.is_(None)
        case "not null":
            return of.is_not(None)
        case "in":
            given = filter.values or [filter.value]
            return of.in_([engine.value(column, one) for one in given])
        case "contains":
            return engine.text(of, column).icontains(filter.value, autoescape=True)
        case "starts":
            return engine.text(of, column).istartswith(filter.value, autoescape=True)
    return of.op(filter.operator, is_comparison=True)(engine.value(column, filter.value))


def beyond(engine: Engine, sort: Sequence[Sorted], last: Sequence[Any]) -> ColumnElement[bool]:
    """(a, b) > (x, y), written out, because nulls have no place in a comparison of rows."""
    steps: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for one, value in zip(sort, last, strict=True):
        if value is None:  # all that follow are null, too
            same.append(one.of.is_(None))
            continue
        given = value if one.column is None else engine.resumed(one.column, value)
        steps.append(and_(*same, one.of.op("<" if one.descending else ">", is_comparison=True)(given)))
        same.append(one.of.op("=", is_comparison=True)(given))
    return or_(false(), *steps)


def encode(mark: str, last: Sequence[Any]) -> str:
    """A cursor: which search it continues, and what its last row is sorted by."""
    long = any(isinstance(value, str) and len(value) > LONGEST_KEY for value in last)
    values = [value if isinstance(value, int | float | None) else str(value) for value in last]
    cursor = base64.urlsafe_b64encode(json.dumps([mark, *values], ensure_ascii=False).encode()).decode()
    if long or len(cursor) > MAX_CURSOR:
        raise ToolError("There are more rows, but what they are sorted by is too long for a cursor. Sort otherwise.")
    return cursor


def decode(cursor: str, mark: str, length: int) -> list[Any]:
    """What the last row is sorted by: `length` values, or the number of rows before it if `length` is 0."""
    try:
        read: TypeAdapter[Any] = LAST if length else COUNT
        values: list[Any] = list(read.validate_json(base64.urlsafe_b64decode(cursor[:MAX_CURSOR])))
    except ValueError:
        raise ToolError("This is not a cursor of a search. Leave it out to begin at the first page.") from None
    if values[:1] != [mark] or len(values) != 1 + (length or 1):
        raise ToolError("This cursor is of another search. Send the same table, filters and order, or leave it out.")
    return values[1:]
