"""Rows of real tables: pages lose and repeat none, each type can be sorted and found, results are bounded."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..lib.databases import PASSWORD, Server
from ..lib.serving import Running
from .calling import call, got
from .conftest import CHARACTERS, Connect

pytestmark = pytest.mark.databases
ENGINES = ["postgresql", "mariadb", "sqlite"]
every_engine = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture(scope="module", params=ENGINES)
def connector(request: pytest.FixtureRequest, url: Callable[[str], str], connect: Connect) -> Iterator[Running]:
    with connect(url(request.param), MAX_RESULT="1048576") as connector:
        yield connector


def pages(connector: Running, table: str, **arguments: Any) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    for _ in range(1_000):
        page = got(connector, "search_rows", table=table, cursor=cursor, **arguments)
        yield page["rows"]
        if not (cursor := page["next_cursor"]):
            return


def test_more_than_100_000_rows_are_paged_through(connector: Running) -> None:
    assert len(CHARACTERS) > 100_000
    seen = [row["code"] for page in pages(connector, "chars", limit=1_000) for row in page]
    assert seen == [code for code, *_ in CHARACTERS]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ["name", "category", "digit"])
def test_5_000_rows_in_any_order_are_5_000_rows(connector: Running, order: str, descending: bool) -> None:
    expected = [row for row in CHARACTERS if row[0] < 6_500]
    assert len(expected) >= 5_000
    below = [{"column": "code", "operator": "<", "value": 6_500}]
    found = pages(connector, "chars", filters=below, order=order, descending=descending, limit=700)
    rows = [row for page in found for row in page]
    assert sorted(row["code"] for row in rows) == [code for code, *_ in expected]
    filled = [row[order] for row in rows if row[order] is not None]
    assert [row[order] for row in rows] == filled + [None] * (len(rows) - len(filled)), "nulls are last"
    if order == "digit":
        assert filled == sorted(filled, reverse=descending)


def test_rows_without_a_key_are_paged_by_their_number(connector: Running) -> None:
    rows = [(row["a"], row["b"]) for page in pages(connector, "unkeyed", limit=2) for row in page]
    assert sorted(rows, key=str) == sorted([(1, "a"), (1, "a"), (2, "b"), (2, "b"), (2, "b"), (3, None)], key=str)


def test_a_row_is_found_by_its_name_in_any_script(connector: Running) -> None:
    name = "GREEK SMALL LETTER OMEGA WITH TONOS"
    for condition in ({"value": name}, {"operator": "contains", "value": "omega with tonos"}):
        filters = [{"column": "name", **condition}, {"column": "category", "value": "Ll"}]
        rows = got(connector, "search_rows", table="chars", filters=filters)["rows"]
        assert name in [row["name"] for row in rows]


# ------------------------------------------------------------------------------------------------------- types

# For each type three values, of which the second and the third are equal; each row is found by what is shown of it.
TYPES = {
    "postgresql": {
        "smallint": ("1", "-2"),
        "integer": ("1", "-2147483648"),
        "bigint": ("1", "9223372036854775807"),
        "numeric(20,5)": ("1.5", "12345678901234.5"),
        "numeric": ("'NaN'", "1e-20"),
        "real": ("0.1", "3.4e38"),
        "double precision": ("0.1", "'Infinity'"),
        "money": ("1.5", "1000000"),
        "text": ("'Ünïcödé 漢字 😀'", "'a\\b''c\"d%'"),
        "varchar(20)": ("'a'", "'B'"),
        "char(5)": ("'a'", "'b'"),
        "bytea": ("'\\xdeadbeef'", "'\\x00'"),
        "date": ("'2026-01-31'", "'infinity'"),
        "timestamp": ("'2026-01-31 10:00:00.123456'", "'0044-03-15 BC'"),
        "timestamptz": ("'2026-01-31 10:00:00+02'", "'-infinity'"),
        "time": ("'10:00'", "'23:59:59.999999'"),
        "timetz": ("'10:00+02'", "'10:00-08'"),
        "interval": ("'1 day 2 hours'", "'-3 months'"),
        "boolean": ("true", "false"),
        "mood": ("'sad'", "'happy'"),
        "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-0000-0000-000000000000'"),
        "inet": ("'10.0.0.1/8'", "'::1'"),
        "cidr": ("'10.0.0.0/8'", "'::/0'"),
        "macaddr": ("'08:00:2b:01:02:03'", "'00:00:00:00:00:00'"),
        "bit(4)": ("B'1010'", "B'0001'"),
        "varbit": ("B'10'", "B''"),
        "int4range": ("'[1,5)'", "'empty'"),
        "text[]": ("'{a,b}'", "'{\"x,y\",NULL}'"),
        "integer[]": ("'{1,2}'", "'{}'"),
        "jsonb": ("'{\"a\": [1, null]}'", "'\"text\"'"),
        "tsvector": ("'a b'", "'c'"),
        "pg_lsn": ("'0/1'", "'F/F'"),
        "positive": ("1", "2"),
    },
    "mariadb": {
        "tinyint": ("1", "-2"),
        "boolean": ("true", "false"),
        "smallint unsigned": ("1", "65535"),
        "int": ("1", "-2147483648"),
        "bigint unsigned": ("1", "18446744073709551615"),
        "decimal(20,5)": ("1.5", "12345678901234.5"),
        "float": ("0.5", "16.25"),
        "double": ("0.1", "1e300"),
        "varchar(40)": ("'Ünïcödé 漢字 😀'", "'a\\\\b''c\"d%'"),
        "char(5)": ("'a'", "'b'"),
        "text": ("'a'", "'B'"),
        "longtext": ("'a'", "'B'"),
        "binary(4)": ("x'deadbeef'", "x'00000000'"),
        "varbinary(10)": ("x'deadbeef'", "x'00'"),
        "blob": ("x'ff'", "x'5c27'"),
        "date": ("'2026-01-31'", "'1000-01-01'"),
        "datetime(6)": ("'2026-01-31 10:00:00.123456'", "'9999-12-31 23:59:59'"),
        "timestamp": ("'2026-01-31 10:00:00'", "'1980-01-01 00:00:00'"),
        "time(3)": ("'-10:00:00.5'", "'100:00:00'"),
        "year": ("2026", "1901"),
        "bit(12)": ("b'101'", "b'111111111111'"),
        "enum('sad','happy')": ("'sad'", "'happy'"),
        "set('a','b')": ("'a'", "'a,b'"),
        "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-0000-0000-000000000000'"),
        "inet6": ("'::1'", "'2001:db8::1'"),
        "json": ("'{\"a\": 1}'", "'[1]'"),
    },
    "sqlite": {
        "INTEGER": ("1", "'text in it'"),
        "REAL": ("0.1", "-1e300"),
        "TEXT": ("'Ünïcödé 漢字 😀'", "'a\\b''c\"d%'"),
        "NUMERIC": ("1.5", "'0012a'"),
        "BLOB": ("x'deadbeef'", "x'00'"),
        "DATE": ("'2026-01-31'", "'no date'"),
        "": ("5", "'x'"),
        "BOOLEAN": ("1", "0"),
    },
}
BEFORE = {"postgresql": "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);"}


@every_engine
def test_each_type_can_be_sorted_by_and_found_by_what_is_shown(
    request: pytest.FixtureRequest, engine: str, url: Callable[[str], str], connect: Connect
) -> None:
    types = TYPES[engine]
    columns = [f"c{n} {type}" for n, type in enumerate(types)]
    rows = [[low for low, _ in types.values()], *[[high for _, high in types.values()]] * 2, ["NULL"] * len(types)]
    sql = BEFORE.get(engine, "") + f"CREATE TABLE types (id integer PRIMARY KEY, {', '.join(columns)});"
    sql += "".join(f"INSERT INTO types VALUES ({n}, {', '.join(row)});" for n, row in enumerate(rows))
    there = request.getfixturevalue(engine)
    if engine == "sqlite":
        import sqlite3

        with sqlite3.connect(there) as database:
            database.executescript(sql)
        database.close()
    else:
        whom = "reader" if engine == "postgresql" else "reader@'%'"
        there.run(f"{sql} GRANT SELECT ON types TO {whom};")
    with connect(url(engine)) as connector:
        shown = {row["id"]: row for row in got(connector, "search_rows", table="types")["rows"]}
        assert len(shown) == 4
        for n, type in enumerate(types):
            name = f"c{n}"
            by: dict[str, Any] = {"order": name, "descending": bool(n % 2), "limit": 1}
            found = [row["id"] for page in pages(connector, "types", **by) for row in page]
            assert sorted(found) == [0, 1, 2, 3], (type, found)
            assert found[-1] == 3, type
            assert abs(found.index(1) - found.index(2)) == 1, type
            for identity, same in ((0, {0}), (1, {1, 2})):
                value = shown[identity][name]
                condition = {"operator": "in", "values": [value]} if identity else {"value": value}
                filters = [{"column": name, **condition}]
                rows_found = got(connector, "search_rows", table="types", filters=filters)["rows"]
                assert {row["id"] for row in rows_found} == same, (type, value, rows_found)


# ------------------------------------------------------------------------------------------------------- names

# Tables of which each is a trap, in a database of their own, and what `search_rows` must find in each.
ODD = {
    "postgresql": (
        """
        CREATE SCHEMA sales; GRANT USAGE ON SCHEMA sales TO reader;
        CREATE TABLE sales.deals (id int PRIMARY KEY, v text); INSERT INTO sales.deals VALUES (1, 'schema');
        CREATE TABLE "sales.deals" (id int PRIMARY KEY, v text); INSERT INTO "sales.deals" VALUES (1, 'dot');
        CREATE TABLE public.pg_settings (id int PRIMARY KEY, v text); INSERT INTO public.pg_settings VALUES (1, 'mine');
        CREATE TABLE covered (id int, v text, PRIMARY KEY (id) INCLUDE (v));
        INSERT INTO covered VALUES (1, 'a'), (2, NULL);
        CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child () INHERITS (parent);
        INSERT INTO parent VALUES (1, 'parent'); INSERT INTO child VALUES (1, 'child'), (2, 'child');
        CREATE TABLE floats (id float8 PRIMARY KEY, v text);
        INSERT INTO floats SELECT 1 + n * 2.3e-16, n FROM generate_series(1, 5) n ON CONFLICT DO NOTHING;
        CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE folded (id text COLLATE folded PRIMARY KEY, v text COLLATE folded);
        INSERT INTO folded VALUES ('b', 'Ada'), ('A', 'ADA'), ('C', NULL);
        GRANT SELECT ON ALL TABLES IN SCHEMA public, sales TO reader;
        ALTER ROLE reader IN DATABASE odd SET search_path = '';
        ALTER ROLE reader IN DATABASE odd SET extra_float_digits = -10;
        """,
        {"sales.deals": 1, '"sales.deals"': 1, "pg_settings": 1, "covered": 2, "parent": 3, "floats": 5, "folded": 3},
    ),
    "mariadb": (
        f"""
        CREATE TABLE Users (id int PRIMARY KEY, v text); INSERT INTO Users VALUES (1, 'upper');
        CREATE TABLE users (id int PRIMARY KEY, v text, w text); INSERT INTO users VALUES (1, 'a', 'b'), (2, 'c', 'd');
        CREATE TABLE cafe (id int PRIMARY KEY, v text); CREATE TABLE `café` (v int PRIMARY KEY);
        INSERT INTO cafe VALUES (1, 'plain'); INSERT INTO `café` VALUES (1), (2);
        SET sql_mode = ''; CREATE TABLE zero (id date PRIMARY KEY, v datetime);
        INSERT INTO zero VALUES ('0000-00-00', '0000-00-00'), ('2026-01-00', '2026-00-00 10:00:00'),
          ('2026-01-31', NULL);
        CREATE USER odd@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON odd.* TO odd@'%';
        """,
        {"Users": 1, "users": 2, "cafe": 1, "café": 2, "zero": 3},
    ),
}


@pytest.mark.parametrize("engine", ODD)
def test_no_table_is_taken_for_another_and_no_row_is_lost(
    request: pytest.FixtureRequest, engine: str, connect: Connect
) -> None:
    server: Server = request.getfixturevalue(engine)
    sql, expected = ODD[engine]
    server.run("CREATE DATABASE odd", {"postgresql": "shop", "mariadb": "mysql"}[engine])
    server.run(sql, "odd")
    user, tables = {"postgresql": ("reader", "public.* sales.*"), "mariadb": ("odd", "")}[engine]
    with connect(server.url(user, "odd"), DATABASE_TABLES=tables) as connector:
        for table, count in expected.items():
            for order in ("", "v"):
                rows = [row for page in pages(connector, table, limit=1, order=order) for row in page]
                assert len({json.dumps(row) for row in rows}) == len(rows) == count, (table, order, rows)
        if engine == "postgresql":
            words = [{"column": "v", "operator": "contains", "value": "ad"}]
            assert len(got(connector, "search_rows", table="folded", filters=words)["rows"]) == 2
        else:
            beyond = [{"column": "v", "operator": "<", "value": "0001-01-01T00:00:00+14:00"}]
            refused, text = call(connector, "search_rows", table="zero", filters=beyond)
            assert refused
            assert text.startswith("v is of the type datetime")


# ------------------------------------------------------------------------------------------------------- sizes


@every_engine
def test_no_result_is_larger_than_the_limit(
    request: pytest.FixtureRequest, engine: str, url: Callable[[str], str], connect: Connect
) -> None:
    """Nor does a huge cell reach the connector: its peak memory stays as it is."""
    there = request.getfixturevalue(engine)
    columns = ", ".join(f"c{n} text" for n in range(200))
    sql = f"CREATE TABLE wide (id integer PRIMARY KEY, {columns}); CREATE TABLE huge (id integer PRIMARY KEY, v %s);"
    sql += f"INSERT INTO wide SELECT code, {', '.join(['name'] * 200)} FROM chars WHERE code < 200;"
    if engine == "sqlite":
        import sqlite3

        with sqlite3.connect(there) as database:
            database.executescript(sql % "text")
            database.execute("INSERT INTO huge VALUES (1, ?)", ["\u9867" * 5_000_000])
        database.close()
    elif engine == "postgresql":
        there.run(sql % "text" + "INSERT INTO huge VALUES (1, repeat('\u9867', 50000000));")
        there.run("GRANT SELECT ON wide, huge TO reader;")
    else:
        there.run(sql % "longtext" + "INSERT INTO huge VALUES (1, repeat('\u9867', 5000000));")
        there.run("GRANT SELECT ON wide TO reader@'%'; GRANT SELECT ON huge TO reader@'%';")
    query = {"DATABASE_QUERY": "true", "MAX_RESULT": "16384"}
    with connect(url(engine), **query) as connector:
        assert call(connector, "search_rows", table="huge", columns=["id"])[0] is False
        before = peak(connector)
        for arguments in (
            {"table": "huge"},
            {"table": "huge", "characters": 100_000},
            {"table": "huge", "filters": [{"column": "v", "operator": "starts", "value": "\u9867"}]},
            {"table": "wide", "limit": 1_000, "characters": 100_000},
            {"table": "wide", "limit": 1, "columns": [f"c{n}" for n in range(200)]},
            {"table": "chars", "limit": 1_000},
        ):
            refused, text = call(connector, "search_rows", **arguments)
            assert not refused, text
            assert json.loads(text)["rows"][0]
            assert len(json.dumps(text, ensure_ascii=False).encode()) <= 16_384
        for tool, arguments in (("list_tables", {}), ("describe_table", {"table": "wide"})):
            refused, text = call(connector, tool, **arguments)
            assert not refused
            assert len(json.dumps(text, ensure_ascii=False).encode()) <= 16_384
        for sql in ("SELECT v FROM huge", "SELECT a.v, b.v AS w FROM huge a, huge b, chars", "SELECT * FROM wide"):
            refused, text = call(connector, "query", sql=sql)
            assert engine == "sqlite" or not refused, text
            assert len(json.dumps(text, ensure_ascii=False).encode()) <= 16_384
        if engine != "sqlite":  # which runs in the connector's process
            assert peak(connector) - before < 8_000


def peak(connector: Running) -> int:
    """The most memory that the process had, in KiB."""
    with open(f"/proc/{connector.process.pid}/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1])


def test_the_password_is_never_shown(postgresql: Server, connect: Connect) -> None:
    with connect(postgresql.url("reader")) as connector:
        postgresql.run(
            "ALTER ROLE reader PASSWORD 'changed';"
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'"
        )
        try:
            refused, text = call(connector, "search_rows", table="chars")
        finally:
            postgresql.run(f"ALTER ROLE reader PASSWORD '{PASSWORD}'")
        assert refused
        assert text == "The database cannot be reached. Try again in a minute."
        assert PASSWORD not in connector.log.read_text()
        assert "InvalidPasswordError" in connector.log.read_text()
        assert not call(connector, "search_rows", table="chars")[0]
