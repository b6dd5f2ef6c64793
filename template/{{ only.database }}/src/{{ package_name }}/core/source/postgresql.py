"""PostgreSQL, through asyncpg. Values travel as text in both directions, so the server alone converts them."""

import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult
from uuid import uuid4

from sqlalchemy import ColumnElement, Double, NullPool, Text, bindparam, cast, collate, func
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import UserDefinedType

from .engine import APART, BYTES, CONNECT, LONGEST_KEY, Column, Engine, Fault, Table, address, rows, wrong

TABLES = """
SELECT n.nspname, c.relname, c.relkind IN ('v', 'm'), coalesce(obj_description(c.oid, 'pg_class'), ''), a.attname,
  format_type(a.atttypid, a.atttypmod)
    || coalesce((SELECT ': ' || string_agg(enumlabel, ', ' ORDER BY enumsortorder)
                 FROM pg_enum WHERE enumtypid = a.atttypid), ''),
  format_type(a.atttypid, -1), NOT a.attnotnull, coalesce(col_description(c.oid, a.attnum), ''),
  coalesce((SELECT f.confrelid::regclass::text || '.' || fa.attname
            FROM pg_constraint f JOIN pg_attribute fa ON fa.attrelid = f.confrelid AND fa.attnum = f.confkey[1]
            WHERE f.contype = 'f' AND f.conrelid = c.oid AND f.conkey = ARRAY[a.attnum] LIMIT 1), ''),
  coalesce((SELECT array_position((i.indkey::int2[])[:i.indnkeyatts - 1], a.attnum)
            FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), -1),
  CASE WHEN c.relhassubclass AND c.relkind = 'r' THEN 0  -- the key is not that of the tables that inherit from it
    ELSE coalesce((SELECT i.indnkeyatts FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), 0) END
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY 1, 2, a.attnum
"""
ROLES = """
SELECT r.rolname, r.rolname = current_user, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication,
  r.rolname LIKE 'pg\\_%'
FROM pg_roles r WHERE pg_has_role(current_user, r.oid, 'MEMBER')
"""
# Who may write, by way of which grantee. The grantee 0 is PUBLIC; `owner` stands for the one who owns a table.
WRITERS = """
SELECT DISTINCT n.nspname, coalesce(g.rolname, 'PUBLIC'), coalesce(g.rolname = current_user, false), p.owner
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  SELECT c.relowner AS grantee, true AS owner
  UNION SELECT x.grantee, false FROM aclexplode(c.relacl) x
    WHERE x.grantee <> c.relowner AND x.privilege_type <> 'SELECT'
  UNION SELECT x.grantee, false FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x
    WHERE a.attrelid = c.oid AND x.grantee <> c.relowner AND x.privilege_type <> 'SELECT') p
LEFT JOIN pg_roles g ON g.oid = p.grantee
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND (p.grantee = 0 OR pg_has_role(current_user, p.grantee, 'MEMBER'))
"""
# Functions that reach files, other servers or other sessions. Some come with extensions, for everyone.
REACHING = """
SELECT p.oid::regprocedure::text, coalesce(g.rolname, 'PUBLIC')
FROM pg_proc p
CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
LEFT JOIN pg_roles g ON g.oid = x.grantee
WHERE (p.proname ~ '^(dblink|pg_read_(binary_)?file$|pg_ls_dir$|pg_stat_file$|pg_file_|lo_import$|lo_export$)'
       OR p.proname IN ('pg_reload_conf', 'pg_switch_wal', 'pg_rotate_logfile', 'pg_promote'))
  AND p.prorettype <> 'fdw_handler'::regtype AND p.proname !~ '^dblink_(get_pkey|build_sql|fdw_validator)'
  AND x.privilege_type = 'EXECUTE' AND (x.grantee = 0 OR pg_has_role(current_user, x.grantee, 'MEMBER'))
ORDER BY 1
"""
BARE_ROLES = {"pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"}
NATIVE = {"smallint", "integer", "bigint", "double precision", "boolean"}
NATIVE_OIDS = {16, 20, 21, 23, 701}  # the same


class PostgreSQL(Engine):
    name = "postgresql"

    def __init__(self) -> None:
        self.bare: dict[str, str] = {}  # the type of a column without its length, by the type with it

    def open(self, url: SplitResult, tls: ssl.SSLContext | None, seconds: int) -> AsyncEngine:
        options: dict[str, Any] = {
            "connect_args": {
                "timeout": CONNECT,
                "ssl": tls or False,
                # A pooler such as PgBouncer gives each transaction another session, where names could be taken.
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                "prepared_statement_name_func": lambda: f"connector_{uuid4().hex}",
            },
            "execution_options": {"postgresql_readonly": True},
            "hide_parameters": True,
        }
        at = address("postgresql+asyncpg", url)
        self.lone = create_async_engine(at, poolclass=NullPool, **options)
        return create_async_engine(
            at, pool_size=APART, max_overflow=0, pool_timeout=CONNECT, pool_pre_ping=True, **options
        )

    async def begin(self, connection: AsyncConnection, seconds: int, of_agent: bool) -> Any:
        # For this transaction alone, because of poolers.
        settings = {
            "statement_timeout": f"{seconds}s",
            "lock_timeout": f"{seconds}s",
            "idle_in_transaction_session_timeout": f"{2 * seconds + 5}s",
            "synchronize_seqscans": "off",  # with the next, this keeps the order of a table without a key
            "max_parallel_workers_per_gather": "0",
            "extra_float_digits": "1",  # so that a cursor holds a value whole; with the next, so that all write alike
            "bytea_output": "hex",
            "datestyle": "ISO",
            "intervalstyle": "postgres",
        }
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        asked = f"SELECT pg_backend_pid(), extract(epoch FROM now())::text, {calls}"  # noqa: S608 - nothing from outside
        [(process, since, *_)] = await rows(connection, asked)
        return process, since

    async def stop(self, begun: Any) -> None:
        # asyncpg asks the server for this, too, but gives up where a task is cancelled more than once, as anyio does.
        process, since = begun
        async with self.lone.connect() as connection:
            await connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid = $1 AND extract(epoch FROM xact_start)::text = $2",
                (process, since),
            )

    async def faults(self, connection: AsyncConnection) -> list[Fault]:
        faults = []
        me = ""
        for name, own, superuser, *makes, predefined in await rows(connection, ROLES):
            quoted = self.quoted(name)
            if own:
                me = quoted
                options = [word for word, has in zip(("ROLE", "DB", "REPLICATION"), makes, strict=True) if has]
                no = {"ROLE": "NOCREATEROLE", "DB": "NOCREATEDB", "REPLICATION": "NOREPLICATION"}
                if superuser:
                    return [Fault("it is a superuser")]
                if options:
                    words = " ".join(no[word] for word in options)
                    faults.append(Fault("it may make roles, databases or replicas", (f"ALTER ROLE {quoted} {words};",)))
            elif superuser or (predefined and name not in BARE_ROLES) or any(makes):
                faults.append(Fault(f"it is a member of {name}", (f"REVOKE {quoted} FROM %(me)s;",)))
        for schema, grantee, own, owner in await rows(connection, WRITERS):
            if owner:
                if own:
                    return [Fault(f"it owns tables in the schema {schema}")]
                remedy = f"REVOKE {self.quoted(grantee)} FROM %(me)s;"
                faults.append(
                    Fault(f"it is a member of {grantee}, which owns tables in the schema {schema}", (remedy,))
                )
            elif own or grantee == "PUBLIC":
                whose = me if own else "PUBLIC"
                revoke = (
                    "REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"
                    f" ON ALL TABLES IN SCHEMA {self.quoted(schema)} FROM {whose};"
                )
                faults.append(Fault(f"it may write to tables in the schema {schema}", (revoke,)))
            else:
                remedy = f"REVOKE {self.quoted(grantee)} FROM %(me)s;"
                faults.append(Fault(f"it is a member of {grantee}, which may write to tables", (remedy,)))
        for function, grantee in await rows(connection, REACHING):
            whose = "PUBLIC" if grantee == "PUBLIC" else self.quoted(grantee)
            what = "it may run functions that reach files, other servers or other sessions"
            faults.append(Fault(what, (f"REVOKE EXECUTE ON FUNCTION {function} FROM {whose};",)))
        filled = [Fault(one.what, tuple(line.replace("%(me)s", me) for line in one.remedy)) for one in faults]
        return list(dict.fromkeys(filled))

    def new_role(self, tables: Sequence[Table]) -> list[str]:
        return [
            "CREATE ROLE reader LOGIN PASSWORD 'choose one' NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 20;",
            "ALTER ROLE reader SET default_transaction_read_only = on;",
            *(
                f"GRANT USAGE ON SCHEMA {self.quoted(schema)} TO reader;"
                for schema in sorted({t.schema for t in tables})
            ),
            *self.grants(tables, "reader"),
        ]

    async def tables(self, connection: AsyncConnection) -> tuple[str, list[Table]]:
        default = (await connection.exec_driver_sql("SELECT coalesce(current_schema(), 'public')")).scalar_one()
        found: dict[tuple[str, str], Table] = {}
        keys: dict[tuple[str, str], list[tuple[int, str]]] = {}
        sizes: dict[tuple[str, str], int] = {}
        for row in await rows(connection, TABLES):
            schema, name, view, comment, of, type, bare, nullable, said, references, place, size = row
            at = schema, name
            columns = {**(found[at].columns if at in found else {}), of: Column(of, type, nullable, said, references)}
            found[at] = Table(schema, name, view, comment, columns)
            self.bare[type] = bare
            sizes[at] = size
            if place >= 0:
                keys.setdefault(at, []).append((place, of))
        whole = {at: tuple(of for _, of in sorted(key)) for at, key in keys.items() if len(key) == sizes[at]}
        return default, [
            Table(t.schema, t.name, t.view, t.comment, t.columns, whole.get(at, ())) for at, t in found.items()
        ]

    def shown(self, of: ColumnElement[Any], column: Column, most: int) -> ColumnElement[Any]:
        if column.type in NATIVE:
            return of
        if column.type == "real":
            return cast(cast(of, Text), Double)  # 0.1 and not 0.10000000149011612
        if column.type == "bytea":
            return cast(func.substring(of, 1, BYTES + 1), Text)
        return func.left(cast(of, Text), most + 1)

    def position(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        return func.left(cast(of, Text), LONGEST_KEY + 1)

    def text(self, of: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        return collate(cast(of, Text), "default")  # LIKE refuses a collation that is not deterministic

    def value(self, column: Column, given: Any) -> Any:
        if "\0" in str(given):
            raise wrong(column, given)
        return cast(bindparam(None, str(given), Text), Named(self.bare.get(column.type, "text")))

    def cut(self, name: str, type: Any, most: int) -> str:
        quoted = self.quoted(name)
        return quoted if type in NATIVE_OIDS else f"left({quoted}::text, {most + 1}) AS {quoted}"


class Named(UserDefinedType[Any]):
    """A type by the name that the server's catalogue gives it."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name
