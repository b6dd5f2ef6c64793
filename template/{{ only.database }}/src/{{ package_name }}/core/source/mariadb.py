"""MariaDB, through asyncmy. MySQL lacks what keeps a query of an agent from being two statements: EXECUTE IMMEDIATE."""

import re
import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any
from urllib.parse import SplitResult

from sqlalchemy import CHAR, ColumnElement, Double, NullPool, cast, func, literal
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from .engine import APART, BYTES, CONNECT, LONGEST_KEY, Column, Engine, Fault, Table, address, rows, wrong

SYSTEM = "('information_schema', 'performance_schema', 'mysql', 'sys')"
# Each is read for itself and joined by name in Python: the server takes `Users` for `users`, and `cafe` for `café`.
TABLES = f"""
SELECT table_schema, table_name, table_type IN ('VIEW', 'SYSTEM VIEW'), table_comment
FROM information_schema.tables WHERE table_schema NOT IN {SYSTEM}
"""  # noqa: S608
COLUMNS = f"""
SELECT table_schema, table_name, column_name, column_type, is_nullable = 'YES', column_comment
FROM information_schema.columns WHERE table_schema NOT IN {SYSTEM} AND find_in_set('select', privileges)
ORDER BY table_schema, table_name, ordinal_position
"""  # noqa: S608
KEYS = f"""
SELECT table_schema, table_name, column_name
FROM information_schema.statistics WHERE table_schema NOT IN {SYSTEM} AND index_name = 'PRIMARY'
ORDER BY seq_in_index
"""  # noqa: S608
REFERENCES = f"""
SELECT table_schema, table_name, column_name, concat(referenced_table_name, '.', referenced_column_name)
FROM information_schema.key_column_usage
WHERE table_schema NOT IN {SYSTEM} AND referenced_table_name IS NOT NULL
"""  # noqa: S608
WHOM = r"(?:`[^`]*`|'[^']*'|[^\s@]+)"
GRANT = re.compile(rf"GRANT (?P<what>.+?) ON (?P<on>.+?) TO (?P<whom>{WHOM}(?:@{WHOM})?)(?P<rest>.*)", re.DOTALL)
READS = {"SELECT", "SHOW VIEW", "USAGE"}
INTEGERS = {"tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit"}
DECIMALS = {"decimal", "numeric"}
FLOATS = {"float", "double"}
DATES = {"date": date, "datetime": datetime, "timestamp": datetime}
BINARY = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
SHAPES = {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"}
NATIVE = {1, 2, 3, 5, 8, 9, 13}  # numbers of the protocol: whole numbers, DOUBLE and YEAR
ZERO = re.compile(r"(0000-\d\d|\d{4}-00|\d{4}-\d\d(?=-00))-\d\d( \d\d:\d\d:\d\d(\.\d{1,6})?)?")  # no date in Python
TIME = re.compile(r"-?\d{1,3}:\d\d(:\d\d(\.\d{1,6})?)?")


def kind(column: Column) -> str:
    """The name of a column's type, without its length."""
    found = re.match(r"\w+", column.type)
    return found[0].lower() if found else ""


class MariaDB(Engine):
    name = "mariadb"

    def open(self, url: SplitResult, tls: ssl.SSLContext | None, seconds: int) -> AsyncEngine:
        # No mode: some change where a text ends, and ANSI or ORACLE how SHOW GRANTS writes names.
        start = (
            f"SET SESSION max_statement_time={seconds}, lock_wait_timeout={seconds}, tx_read_only=1,"
            " time_zone='+00:00', sql_mode=''"
        )
        arguments: dict[str, Any] = {"connect_timeout": CONNECT, "local_infile": False, "init_command": start}
        if tls:
            arguments["ssl"] = tls
        at = address("mariadb+asyncmy", url)
        self.lone = create_async_engine(at, connect_args=arguments, hide_parameters=True, poolclass=NullPool)
        return create_async_engine(
            at,
            connect_args=arguments,
            hide_parameters=True,
            pool_size=APART,
            max_overflow=0,
            pool_timeout=CONNECT,
            pool_pre_ping=True,
        )

    async def begin(self, connection: AsyncConnection, seconds: int, of_agent: bool) -> Any:
        await connection.exec_driver_sql("START TRANSACTION READ ONLY")
        driver: Any = (await connection.get_raw_connection()).driver_connection
        return int(driver.thread_id())

    async def stop(self, begun: Any) -> None:
        # asyncmy leaves the statement running. The pool may have no connection left for this.
        async with self.lone.connect() as connection:
            await connection.exec_driver_sql(f"KILL {begun}")

    async def faults(self, connection: AsyncConnection) -> list[Fault]:
        faults = []
        found = [GRANT.fullmatch(line) for (line,) in await rows(connection, "SHOW GRANTS")]
        rights = [
            one for one in found if one
        ]  # the others name a role; of an active one, the rights are listed as well
        me = next((one["whom"] for one in rights if "@" in one["whom"]), "")
        for one in rights:
            parts = [part.strip() for part in re.split(r",(?![^(]*\))", one["what"])]
            more = [part for part in parts if part.partition("(")[0].strip() not in READS]
            more += ["GRANT OPTION"] if "GRANT OPTION" in one["rest"] else []
            on, words = one["on"], ", ".join(more)
            if more and (parts == ["ALL PRIVILEGES"] or on == "*.*"):
                return [Fault(f"it has {words[:200]} on {on}")]
            if more and "@" not in one["whom"]:
                faults.append(
                    Fault(f"its role {one['whom']} has {words} on {on}", (f"REVOKE {one['whom']} FROM {me};",))
                )
            elif more:
                faults.append(Fault(f"it has {words} on {on}", (f"REVOKE {words} ON {on} FROM {me};",)))
            elif on in {"*.*", "`mysql`.*"} and parts != ["USAGE"]:
                revoke = f"REVOKE {one['what']} ON {on} FROM {one['whom']};"
                faults.append(Fault("it reads the passwords of all users", (revoke,)))
        return faults

    def new_role(self, tables: Sequence[Table]) -> list[str]:
        return [
            "CREATE USER reader@'%' IDENTIFIED BY 'choose one' WITH MAX_USER_CONNECTIONS 20;",
            *self.grants(tables, "reader@'%'"),
        ]

    async def tables(self, connection: AsyncConnection) -> tuple[str, list[Table]]:
        default = (await connection.exec_driver_sql("SELECT DATABASE()")).scalar_one()
        found: dict[tuple[str, str], Table] = {}
        keys: dict[tuple[str, str], list[str]] = {}
        for schema, name, of in await rows(connection, KEYS):  # of one that may be read in part only, nothing is shown
            keys.setdefault((schema, name), []).append(of)
        references = {tuple(at): target for *at, target in await rows(connection, REFERENCES)}
        for schema, name, view, comment in await rows(connection, TABLES):
            key = tuple(keys.get((schema, name), ()))
            found[schema, name] = Table(schema, name, bool(view), "" if view else comment, {}, key)
        columns: dict[tuple[str, str], dict[str, Column]] = {}
        for schema, name, of, type, nullable, said in await rows(connection, COLUMNS):
            column = Column(of, type, bool(nullable), said, references.get((schema, name, of), ""))
            columns.setdefault((schema, name), {})[of] = column
        return default, [replace(found[at], columns=those) for at, those in columns.items() if at in found]

    def shown(self, of: ColumnElement[Any], column: Column, most: int) -> ColumnElement[Any]:
        if kind(column) in BINARY:
            return func.left(of, BYTES + 1)
        if kind(column) == "float":
            return cast(cast(of, CHAR), Double)  # 0.1 and not 0.10000000149011612
        return self.plain(of, column, most)

    def plain(self, of: ColumnElement[Any], column: Column, most: int) -> ColumnElement[Any]:
        match kind(column):
            case "bit":
                return of.op("+")(literal(0))
            case "float":
                return cast(of, Double)
            case name if name in INTEGERS | FLOATS:
                return of
            case name if name in SHAPES:
                return func.left(func.st_astext(of), most + 1)
            case name if name in TEXTS:
                return func.left(of, most + 1)
        return func.left(cast(of, CHAR), most + 1)

    def ordered(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        # What a cursor is compared with: an ENUM would be sorted by its number, and compared as text.
        match kind(column):
            case "enum" | "set":
                return cast(of, CHAR)
            case "float":
                return cast(of, Double)
        return of

    def position(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        if kind(column) in BINARY:
            return func.left(func.concat("0x", func.hex(of)), LONGEST_KEY + 1)
        return self.plain(of, column, LONGEST_KEY)

    def text(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        return of if kind(column) in TEXTS else cast(of, CHAR)

    def value(self, column: Column, given: Any) -> Any:
        name, text = kind(column), str(given).strip()
        try:
            if name in INTEGERS:
                return int({"true": "1", "false": "0"}.get(text.lower(), text))
            if name in DECIMALS | FLOATS:
                number = Decimal(text)
                if not isfinite(float(number)):
                    raise wrong(column, given)
                return float(number) if name in FLOATS else number
            if name in DATES and not ZERO.fullmatch(text):
                moment = DATES[name].fromisoformat(text)
                if isinstance(moment, datetime) and moment.tzinfo:
                    moment = moment.astimezone(UTC).replace(tzinfo=None)
                return str(moment)
            if name == "time" and not TIME.fullmatch(text):
                raise wrong(column, given)
            if name in BINARY:
                return bytes.fromhex(text.removeprefix("0x"))
        except (ValueError, InvalidOperation, OverflowError):
            raise wrong(column, given) from None
        return str(given)

    def single(self, sql: str) -> str:
        # The driver asks for several statements at once, and there is no way to switch that off.
        written = sql.replace("\\", "\\\\").replace("'", "''")
        return f"EXECUTE IMMEDIATE '{written}'".replace("%", "%%")  # the driver formats

    def cut(self, name: str, type: Any, most: int) -> str:
        quoted = self.quoted(name)
        return quoted if type in NATIVE else f"LEFT({quoted}, {most + 1}) AS {quoted}"

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"
