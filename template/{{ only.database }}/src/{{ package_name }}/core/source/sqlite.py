"""SQLite, through aiosqlite: a file that is opened for reading, with an authorizer that knows reading alone."""

import os
import re
import sqlite3
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult
from uuid import uuid4

from sqlalchemy import URL, ColumnElement, Text, case, cast, event, func, literal
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ... import stand_in
from .engine import APART, BYTES, CONNECT, LONGEST_KEY, Column, Engine, Row, Table, rows, wrong
from .fields import SAMPLE, file

TABLES = """
SELECT s.name, s.type = 'view', c.name, c.type,
  c."notnull" OR (c.pk AND upper(c.type) = 'INTEGER' AND sum(c.pk > 0) OVER (PARTITION BY s.name) = 1), c.pk,
  coalesce((SELECT f."table" || '.' || coalesce(f."to", '') FROM pragma_foreign_key_list(s.name) f
            WHERE f."from" = c.name LIMIT 1), '')
FROM sqlite_schema s JOIN pragma_table_xinfo(s.name) c
WHERE s.type IN ('table', 'view') AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND c.hidden <> 1
  AND {which}
ORDER BY s.name, c.cid
"""
MADE = "(s.type = 'view' OR s.sql LIKE 'create virtual%')"
ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_TRANSACTION}
# Those that reach files, and those that make large values of nothing.
# SQLAlchemy's `regexp` is Python's, which holds everything else up while it looks.
REFUSED = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob", "regexp"}
SCHEMAS = {"sqlite_schema", "sqlite_master", "sqlite_temp_schema", "sqlite_temp_master"}
LARGEST = 8 * 1024 * 1024  # bytes of one value, and of what is made on the way to it
TYPED = re.compile("INT|CHAR|CLOB|TEXT|REAL|FLOA|DOUB|NUM|DEC|BOOL|DATE|TIME", re.IGNORECASE)
STEPS = 10_000  # of SQLite's machine between two looks at the clock


@dataclass
class State:
    """What a connection is used for now."""

    raw: sqlite3.Connection
    until: float = float("inf")  # monotonic seconds
    of_agent: bool = False  # whether an agent wrote the statement


class SQLite(Engine):
    name = "sqlite"

    def __init__(self) -> None:
        self.listed: Mapping[str, frozenset[str]] | None = None  # columns by table, in lower case, once they are known

    def open(self, url: SplitResult, tls: ssl.SSLContext | None, seconds: int) -> AsyncEngine:
        self.sample = f"file:/{uuid4().hex}" if url.geturl() == SAMPLE else ""
        place = self.sample or Path(file(url)).absolute().as_uri()
        how = {"vfs": "memdb"} if self.sample else {"mode": "ro"}
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=place, query={**how, "uri": "true"}),
            connect_args={"timeout": CONNECT},
            hide_parameters=True,
            pool_size=APART,
            max_overflow=0,
            pool_timeout=CONNECT,
        )
        event.listen(engine.sync_engine, "connect", self.bound)
        # Before the connection of a cancelled call is closed, which waits for the end of its statement.
        event.listen(engine.sync_engine.pool, "invalidate", interrupted)
        if not self.sample:
            event.listen(engine.sync_engine, "do_connect", partial(seen, Path(file(url))))
        return engine

    def start(self) -> None:
        if self.sample:  # it is there while one connection is
            self.kept = sqlite3.connect(f"{self.sample}?vfs=memdb", uri=True)
            self.kept.executescript(stand_in.SQL)

    def close(self) -> None:
        if self.sample:
            self.kept.close()

    def bound(self, connection: Any, record: Any) -> None:
        """Let a new connection read and nothing else, and look at the clock."""
        own = raw(connection)
        state = record.info["state"] = State(own)
        own.text_factory = lambda text: text.decode(errors="replace")
        own.set_authorizer(partial(self.authorize, state))
        own.set_progress_handler(lambda: time.monotonic() > state.until, STEPS)
        own.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        own.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 100_000)
        own.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 500)  # nothing interrupts a single comparison

    def authorize(self, state: State, action: int, first: str | None, second: str | None, *_: object) -> int:
        """What SQLite asks for each part of a statement while it compiles it.

        Of a query of an agent, each table and column must be listed, also where a view reads it: SQLite names the view,
        but the name of a common table expression in its place as well.
        """
        allowed = action in ALLOWED or self.listed is None
        if action == sqlite3.SQLITE_FUNCTION:
            allowed = (second or "").lower() not in REFUSED
        elif action == sqlite3.SQLITE_READ:
            allowed = not state.of_agent or self.readable((first or "").lower(), (second or "").lower())
        elif action == sqlite3.SQLITE_PRAGMA and second is None:
            allowed = allowed or first == "read_uncommitted"  # SQLAlchemy asks for it once
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    def readable(self, table: str, column: str) -> bool:
        if column:
            return column in (self.listed or {}).get(table, ())
        return table in (self.listed or {}) or table not in self.there  # count(*), of a table or of a part of the query

    def restrict(self, tables: Mapping[tuple[str, str], Table]) -> None:
        self.listed = {t.name.lower(): frozenset(map(str.lower, t.columns)) for t in tables.values()}

    async def begin(self, connection: AsyncConnection, seconds: int, of_agent: bool) -> Any:
        state: State = (await connection.get_raw_connection()).info["state"]
        state.until, state.of_agent = time.monotonic() + seconds, of_agent
        if of_agent:
            state.raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)

    async def tables(self, connection: AsyncConnection) -> tuple[str, list[Table]]:
        names = "SELECT lower(name) FROM sqlite_schema UNION SELECT lower(name) FROM pragma_module_list"
        self.there = {name for (name,) in await rows(connection, names)} | SCHEMAS
        found: dict[str, Table] = {}
        keys: dict[str, list[tuple[int, str]]] = {}
        for name, view, of, type, filled, place, references in await described(connection):
            columns = {
                **(found[name].columns if name in found else {}),
                of: Column(of, type, not filled, "", references),
            }
            if place:
                keys.setdefault(name, []).append((place, of))
            key = tuple(of for _, of in sorted(keys.get(name, [])))
            found[name] = Table("main", name, bool(view), "", columns, key)
        return "main", list(found.values())

    def shown(self, of: ColumnElement[Any], column: Column, most: int) -> ColumnElement[Any]:
        # A column may hold values of any type, whatever it is declared as.
        kind = func.typeof(of)
        return case(
            (kind == "text", func.substr(of, 1, most + 1)), (kind == "blob", func.substr(of, 1, BYTES + 1)), else_=of
        )

    def position(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        # Byte for byte, because a text may hold what is not UTF-8, or NUL, at which it ends elsewhere.
        bytes = func.substr(func.hex(of), 1, LONGEST_KEY)
        return case(*((func.typeof(of) == kind, literal(kind[0]).concat(bytes)) for kind in ("text", "blob")), else_=of)

    def resumed(self, column: Column, given: Any) -> Any:
        if isinstance(given, int | float):
            return given
        try:
            found = literal(bytes.fromhex(given[1:]))
            return found if given[:1] == "b" else cast(found, Text)
        except ValueError:
            raise wrong(column, given) from None

    def text(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        return cast(of, Text)

    def value(self, column: Column, given: Any) -> Any:
        text = str(given)
        if text.startswith("0x") and ("BLOB" in column.type.upper() or not column.type):
            try:
                return bytes.fromhex(text[2:])
            except ValueError:
                raise wrong(column, given) from None
        if "BOOL" in column.type.upper() and text.lower() in {"true", "false"}:
            return int(text.lower() == "true")
        if not TYPED.search(column.type):
            try:
                number = float(text) if "." in text or "e" in text.lower() else int(text)
                return number if abs(number) < 2**63 else float(number)
            except ValueError:
                return text
        return text  # SQLite compares it as a number where the column is declared as one

    def cut(self, name: str, type: Any, most: int) -> str:
        quoted = self.quoted(name)
        return (
            f"CASE typeof({quoted}) WHEN 'text' THEN substr({quoted}, 1, {most + 1})"
            f" WHEN 'blob' THEN substr({quoted}, 1, {BYTES + 1}) ELSE {quoted} END AS {quoted}"
        )


async def described(connection: AsyncConnection) -> list[Row]:
    """The columns of each table and view, but of no view of what is gone, and no table of a module that is not here."""

    async def asked(which: str, *given: str) -> list[Row]:
        return [tuple(row) for row in (await connection.exec_driver_sql(TABLES.format(which=which), given)).all()]

    try:
        return await asked("true")
    except DBAPIError as error:
        if not broken(error):
            raise
    found = await asked(f"NOT {MADE}")
    for (name,) in await rows(connection, f"SELECT s.name FROM sqlite_schema s WHERE {MADE} ORDER BY s.name"):  # noqa: S608
        try:
            found += await asked("s.name = ?", name)
        except DBAPIError as error:
            if not broken(error):
                raise
    return found


def broken(error: DBAPIError) -> bool:
    """Whether SQLite refuses what a statement says, such as a view in it; neither the file nor the time is to blame."""
    return getattr(error.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR


def raw(connection: Any) -> sqlite3.Connection:
    """SQLite's own connection, which aiosqlite does not publish: it may be used in any thread while no other does."""
    own: sqlite3.Connection = connection.driver_connection._conn
    return own


def interrupted(connection: Any, *_: object) -> None:
    with suppress(ValueError):  # it is closed
        raw(connection).interrupt()


def seen(file: Path, *_: object) -> None:
    """Say that there is no file before aiosqlite does, which leaves an error of a thread behind."""
    if not file.is_file() or not os.access(file, os.R_OK):
        raise sqlite3.OperationalError("unable to open database file")
