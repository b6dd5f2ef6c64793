"""The tools of a database. `tools/` chooses which of them are offered."""

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import Field

from . import search
from .database import Database
from .result import NOTE, answer, cell, fitting, weight

ROWS = 100  # of one result of `query`
CELL = 2_000  # characters of one of its cells
MAX_SQL = 20_000  # characters
END = "\n/**/"  # of a comment that a query leaves open

Call = Context[Database, Any]
TableName = Annotated[str, Field(description="Name of the table, as list_tables returns it")]


def database(ctx: Call) -> Database:
    """The database, for tools of your own: `async with database(ctx).reading() as connection:`."""
    return ctx.request_context.lifespan_context


async def list_tables(
    ctx: Call,
    containing: Annotated[str, Field(description="Part of the names to list; empty to list all")] = "",
) -> CallToolResult:
    """List the tables and views that can be read, with their columns. Call it first."""
    db = database(ctx)
    await db.usable()
    found = [
        {"table": name, **({"comment": table.comment} if table.comment else {}), "columns": list(table.columns)}
        for name, table in db.tables.items()
        if containing.lower() in name.lower()
    ]
    taken = fitting(found, db.max_result - NOTE)
    left = len(found) - len(taken)
    note = {"note": f"{left:,} more tables: look for a part of the name with `containing`"} if left else {}
    return answer({"tables": taken, **note})


async def describe_table(ctx: Call, table: TableName) -> CallToolResult:
    """Describe the columns of a table: types, keys, what they refer to, and comments."""
    db = database(ctx)
    found = await db.table(table)
    columns = []
    for column in found.columns.values():
        described: dict[str, Any] = {"name": column.name, "type": cell(column.type, 1_000), "nullable": column.nullable}
        described |= {"references": column.references} if column.references else {}
        described |= {"comment": column.comment} if column.comment else {}
        columns.append(described)
    whole = {"table": table, "kind": "view" if found.view else "table", "key": list(found.key)}
    whole |= {"comment": found.comment} if found.comment else {}
    taken = fitting(columns, db.max_result - NOTE - weight(whole))
    left = len(columns) - len(taken)
    return answer({**whole, "columns": taken, **({"note": f"{left:,} more columns"} if left else {})})


async def search_rows(
    ctx: Call,
    table: TableName,
    filters: Annotated[
        list[search.Filter], Field(max_length=50, description="Conditions that a row must all meet; none for every row")
    ] = [],  # noqa: B006 - it is the schema's default, and never changed
    columns: Annotated[list[str], Field(description="Columns to return; all if left out")] = [],  # noqa: B006
    order: Annotated[str, Field(description="Column to sort by; the key if left out")] = "",
    descending: Annotated[bool, Field(description="Sort the largest first")] = False,
    limit: Annotated[int, Field(ge=1, le=1_000, description="Most rows to return")] = 50,
    characters: Annotated[
        int, Field(ge=10, le=100_000, description="Most characters of one cell; longer ones are cut")
    ] = 500,
    cursor: Annotated[str, Field(description="`next_cursor` of the page before")] = "",
) -> CallToolResult:
    """Find rows of one table, a page at a time. Call describe_table for the columns first."""
    page = await search.search(database(ctx), table, filters, columns, order, descending, limit, characters, cursor)
    return answer(page._asdict())


async def query(
    ctx: Call,
    sql: Annotated[str, Field(max_length=MAX_SQL, description="One SELECT, without a semicolon")],
) -> CallToolResult:
    """Run one SELECT, for what search_rows cannot do, such as joins and sums. It returns at most 100 rows.

    Name the columns you need, each with a name of its own: some tables refuse `*`.
    """
    db, inner = database(ctx), sql.strip().rstrip("; \n\t")
    if not inner or "\0" in inner:
        raise ToolError("The query is empty, or has a null character. Write one SELECT.")
    inside = f"FROM (\n{inner}{END}) AS q"  # as a table inside of a SELECT, all but a query is an error
    engine = db.engine
    async with db.reading(of_agent=True) as connection:
        first = await connection.exec_driver_sql(engine.single(f"SELECT * {inside} LIMIT 0"))
        described = first.cursor.description if first.cursor else ()
        names = [name for name, *_ in described]
        cut = ", ".join(engine.cut(name, type, CELL) for name, type, *_ in described)
        done = await connection.exec_driver_sql(engine.single(f"SELECT {cut} {inside} LIMIT {ROWS + 1}"))
        rows = done.fetchmany(ROWS + 1)
    shown = [name.removesuffix(END) for name in names]  # SQLite names a column after its text
    found = [{name: cell(value, CELL) for name, value in zip(shown, row, strict=True)} for row in rows[:ROWS]]
    taken = fitting(found, db.max_result - NOTE)
    more = (
        {"note": "There are more rows. Ask for fewer columns or rows, or for sums."} if len(taken) < len(rows) else {}
    )
    return answer({"rows": taken, **more})
