"""SQLite, through aiosqlite: a file that is opened for reading, with an authorizer that knows reading alone."""

import re
import sqlite3
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult
from uuid import uuid4

from sqlalchemy import URL, ColumnElement, Text, case, cast, event, func
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ... import stand_in
from .engine import APART, BYTES, CONNECT, LONGEST_KEY, Column, Engine, Table, rows, wrong
from .fields import SAMPLE, file

TABLES = """
SELECT s.name, s.type = 'view', c.name, c.type, c."notnull" OR (c.pk AND upper(c.type) = 'INTEGER'), c.pk,
  coalesce((SELECT f."table" || '.' || coalesce(f."to", '') FROM pragma_foreign_key_list(s.name) f
            WHERE f."from" = c.name LIMIT 1), '')
FROM sqlite_schema s JOIN pragma_table_xinfo(s.name) c
WHERE s.type IN ('table', 'view') AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND c.hidden <> 1
ORDER BY s.name, c.cid
"""
ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_TRANSACTION}
# Those that reach files, and those that make large values of nothing.
# SQLAlchemy's `regexp` is Python's, which holds everything else up while it looks.
REFUSED = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob", "regexp"}
FUNCTIONS = {"json_each", "json_tree"}  # that are read like tables
LARGEST = 8 * 1024 * 1024  # bytes of one value, and of what is made on the way to it
TYPED = re.compile("INT|CHAR|CLOB|TEXT|REAL|FLOA|DOUB|NUM|DEC|BOOL|DATE|TIME", re.IGNORECASE)
STEPS = 10_000  # of SQLite's machine between two looks at the clock

Shown = Mapping[str, frozenset[str]]  # the columns that may be read, by table; both in lower case


class SQLite(Engine):
    name = "sqlite"

    def __init__(self) -> None:
        self.tables_shown: Shown | None = None  # until the tables are known, all of them

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
        # aiosqlite has no public way to these. They may be called in any thread while no other uses the connection.
        raw: sqlite3.Connection = connection.driver_connection._conn
        until = record.info["until"] = [float("inf")]
        raw.text_factory = lambda text: text.decode(errors="replace")
        raw.set_authorizer(self.authorize)
        raw.set_progress_handler(lambda: time.monotonic() > until[0], STEPS)
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        raw.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 100_000)
        raw.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 500)  # nothing interrupts a single comparison

    def authorize(self, action: int, first: str | None, second: str | None, _: str | None, view: str | None) -> int:
        """What SQLite asks for each part of a statement while it compiles it."""
        allowed = action in ALLOWED or self.tables_shown is None
        if action == sqlite3.SQLITE_FUNCTION:
            allowed = (second or "").lower() not in REFUSED
        elif action == sqlite3.SQLITE_READ:
            allowed = self.readable((first or "").lower(), (second or "").lower(), (view or "").lower())
        elif action == sqlite3.SQLITE_PRAGMA and second is None:
            allowed = allowed or first == "read_uncommitted"  # SQLAlchemy asks for it once
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    def readable(self, table: str, column: str, view: str) -> bool:
        known = self.tables_shown
        if known is None or view in known or table in FUNCTIONS or not table:  # a subquery has no name
            return True
        return table in known and (not column or column in known[table])  # count(*) names no column

    def restrict(self, tables: Mapping[tuple[str, str], Table]) -> None:
        self.tables_shown = {t.name.lower(): frozenset(map(str.lower, t.columns)) for t in tables.values()}

    async def begin(self, connection: AsyncConnection, seconds: int) -> None:
        (await connection.get_raw_connection()).info["until"][0] = time.monotonic() + seconds

    async def stop(self, driver: Any) -> None:
        await driver.interrupt()

    async def tables(self, connection: AsyncConnection) -> tuple[str, list[Table]]:
        found: dict[str, Table] = {}
        keys: dict[str, list[tuple[int, str]]] = {}
        for name, view, of, type, filled, place, references in await rows(connection, TABLES):
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
        kind = func.typeof(of)
        whole = case((kind == "text", func.substr(of, 1, LONGEST_KEY + 1)), else_=of)
        return case((kind == "blob", "0x" + func.substr(func.hex(of), 1, LONGEST_KEY)), else_=whole)

    def text(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        return cast(of, Text)

    def value(self, column: Column, given: Any) -> Any:
        if isinstance(given, int | float):
            return given
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
                return float(text) if "." in text or "e" in text.lower() else int(text)
            except ValueError:
                return text
        return text  # SQLite compares it as a number where the column is declared as one

    def cut(self, name: str, type: Any, most: int) -> str:
        quoted = self.quoted(name)
        return (
            f"CASE typeof({quoted}) WHEN 'text' THEN substr({quoted}, 1, {most + 1})"
            f" WHEN 'blob' THEN substr({quoted}, 1, {BYTES + 1}) ELSE {quoted} END AS {quoted}"
        )
