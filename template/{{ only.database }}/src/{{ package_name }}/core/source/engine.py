"""What the three databases have in common, and where they differ: the interface of an engine."""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, unquote

from mcp.server.mcpserver.exceptions import ToolError
from sqlalchemy import URL, ColumnElement, column, quoted_name, table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.selectable import TableClause

from ..fields import LOOPBACK
from ..parts import NotReady

APART = 5  # connections of one process, at most
CONNECT = 5.0  # seconds to connect, or to wait for a free connection
BYTES = 32  # of a binary value that are shown
LONGEST_KEY = 2_000  # characters of a value that a cursor can hold

Row = Sequence[Any]


@dataclass(frozen=True)
class Column:
    """A column, as the database describes it."""

    name: str
    type: str
    nullable: bool = True
    comment: str = ""
    references: str = ""  # `table.column`


@dataclass(frozen=True)
class Table:
    """A table or view, with the columns that may be read."""

    schema: str
    name: str
    view: bool = False
    comment: str = ""
    columns: Mapping[str, Column] = field(default_factory=dict)
    key: tuple[str, ...] = ()  # the columns that identify a row; without any, rows are counted
    whole: bool = True  # all of its columns

    def narrowed(self, names: Iterable[str]) -> "Table":
        """With these columns alone. Without a column of its key, it has none."""
        chosen = {name: self.columns[name] for name in names}
        return replace(self, columns=chosen, key=self.key if chosen.keys() >= set(self.key) else (), whole=False)

    def clause(self) -> TableClause:
        """The same for SQLAlchemy. Each name is quoted, so that none is taken for a word of SQL.

        With its schema, so that no table of another one, such as PostgreSQL's own, is taken for it.
        """
        columns: list[Any] = [column(quoted_name(name, True)) for name in self.columns]
        return table(quoted_name(self.name, True), *columns, schema=quoted_name(self.schema, True))


@dataclass(frozen=True)
class Fault:
    """What a role may do that it must not, and the statements that take it away; none if only another role helps."""

    what: str
    remedy: tuple[str, ...] = ()


class Engine:
    """One kind of database: how it is opened, kept from writing, described and asked."""

    name = ""

    def open(self, url: SplitResult, tls: "ssl.SSLContext | None", seconds: int) -> AsyncEngine:
        """An engine of SQLAlchemy, which connects when it is first asked."""
        raise NotImplementedError

    def start(self) -> None:
        """Before the first connection."""

    def close(self) -> None:
        """After the last one."""

    async def begin(self, connection: AsyncConnection, seconds: int, of_agent: bool) -> Any:
        """Start a read-only transaction, in which each statement ends on the server after so many seconds.

        Returns what `stop` needs.
        """
        raise NotImplementedError

    async def stop(self, begun: Any) -> None:
        """End on the server what is still done for a call that was cancelled."""

    async def faults(self, connection: AsyncConnection) -> list[Fault]:
        """What the role may do in addition to reading."""
        return []

    def new_role(self, tables: Sequence[Table]) -> list[str]:
        """Statements that make a role which only reads these tables."""
        return []

    def grants(self, tables: Sequence[Table], whom: str) -> list[str]:
        columns = ["" if t.whole else f" ({', '.join(map(self.quoted, t.columns))})" for t in tables]
        places = [f"{self.quoted(t.schema)}.{self.quoted(t.name)}" for t in tables]
        return [f"GRANT SELECT{of} ON {place} TO {whom};" for of, place in zip(columns, places, strict=True)]

    def quoted(self, name: str) -> str:
        """A name as SQL has it."""
        return '"' + name.replace('"', '""') + '"'

    async def tables(self, connection: AsyncConnection) -> tuple[str, list[Table]]:
        """The schema that needs no name, and each table that the role may read, in any schema."""
        raise NotImplementedError

    def restrict(self, tables: Mapping[tuple[str, str], Table]) -> None:
        """Let the database itself refuse other tables and columns, where it can."""

    # ------------------------------------------------------------------------------------ expressions

    def shown(self, of: ColumnElement[Any], column: Column, most: int) -> ColumnElement[Any]:
        """A value for a result, of which one character over `most` travels, or one byte over BYTES."""
        raise NotImplementedError

    def ordered(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """What rows are sorted by."""
        return of

    def position(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """The same for a cursor: text or a number that `resumed` takes."""
        raise NotImplementedError

    def resumed(self, column: Column, given: Any) -> Any:
        """What a column is compared with to go on after a position. Raises ToolError."""
        return self.value(column, given)

    def text(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """A value as text, to look for words in it."""
        raise NotImplementedError

    def value(self, column: Column, given: Any) -> Any:
        """What a column is compared with, given as text. Raises ToolError."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------ query

    def single(self, sql: str) -> str:
        """A statement as the driver must get it, so that it stays one."""
        return sql

    def cut(self, name: str, type: Any, most: int) -> str:
        """A column of a query in SQL, cut like `shown`; `type` is the driver's number for it."""
        raise NotImplementedError


async def rows(connection: AsyncConnection, sql: str) -> Sequence[Row]:
    return [tuple(row) for row in (await connection.exec_driver_sql(sql)).all()]


def address(driver: str, url: SplitResult) -> URL:
    """The URL for SQLAlchemy, without options."""
    return URL.create(
        driver,
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        host=url.hostname,
        port=url.port,
        database=unquote(url.path.removeprefix("/")),
    )


def tls(url: SplitResult, mode: str | None, authority: str) -> "ssl.SSLContext | None":
    """How the connection is encrypted: with a certificate that is checked, unless `sslmode` or loopback says otherwise.

    Raises:
        NotReady: DATABASE_CA cannot be read.
    """
    if mode is None:
        mode = "disable" if url.hostname in LOOPBACK and not authority else "verify-full"
    if mode == "disable":
        return None
    try:
        given = "-----BEGIN" in authority
        context = ssl.create_default_context(
            cafile=authority if authority and not given else None,
            cadata=authority.replace("\\n", "\n") if given else None,
        )
    except (OSError, ValueError) as error:
        raise NotReady(
            f"DATABASE_CA is neither the path of a file of certificates nor such certificates ({error})"
        ) from None
    if mode != "verify-full":
        context.check_hostname = False
    if mode == "require" and not authority:
        context.verify_mode = ssl.CERT_NONE
    return context


def wrong(column: Column, given: object) -> ToolError:
    type = column.type or "any"
    return ToolError(f"{column.name} is of the type {type}, and {str(given)[:100]!r} is not such a value.")
