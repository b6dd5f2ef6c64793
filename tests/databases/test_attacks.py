"""What is tried through the tools, by database: refused or ended by it, or harmless and named."""

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..lib.databases import Server
from ..lib.serving import Running
from .calling import call, got
from .conftest import Connect

pytestmark = pytest.mark.databases

ATTACKS = tomllib.loads(Path(__file__).with_name("attacks.toml").read_text(encoding="utf-8"))
FILE = Path("/tmp/connector-attack")
SECRETS = ("the-secret", "the-password", "root:x:0:0", "SCRAM-SHA-256", "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19")
LISTED = {"sqlite": {"DATABASE_TABLES": "customers(id, name, email) chars unkeyed people"}}
every_engine = pytest.mark.parametrize("engine", ATTACKS)


@pytest.fixture
def connector(engine: str, url: Callable[[str], str], connect: Connect) -> Iterator[Running]:
    more = LISTED.get(engine, {})
    with connect(url(engine), DATABASE_QUERY="true", DATABASE_TIMEOUT="1", **more) as connector:
        yield connector


def state(engine: str, there: Any) -> object:
    """What attacks would change."""
    if engine == "sqlite":
        return there.read_bytes()
    sql = ["SELECT id, name, password FROM customers ORDER BY id;", "SELECT count(*) FROM secrets;"]
    if engine == "postgresql":
        sql += [
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1;",
            "SELECT rolname, rolsuper, rolconfig FROM pg_roles ORDER BY 1;",
            "SELECT count(*) FROM pg_largeobject_metadata;",
            "SELECT last_value FROM counter;",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';",
        ]
    else:
        sql += [
            "SHOW TABLES;",
            "SELECT User, Super_priv FROM mysql.user ORDER BY 1;",
            "SELECT next_not_cached_value FROM counter;",
            "SELECT coalesce(is_used_lock('a'), 'free');",
        ]
    return there.run("\n".join(sql))


@every_engine
def test_nothing_gets_through_the_tool_for_sql_but_what_is_named_as_harmless(
    request: pytest.FixtureRequest, engine: str, connector: Running, record_property: Callable[[str, object], None]
) -> None:
    there = request.getfixturevalue(engine)
    before = state(engine, there)
    attacks = ATTACKS[engine]
    through = {}
    for sql in [*attacks["tried"], *attacks["harmless"]]:
        refused, text = call(connector, "query", sql=sql)
        assert not [secret for secret in SECRETS if secret in text], (sql, text)
        assert "Traceback" not in text
        if not refused:
            through[sql] = text
    assert set(through) - set(attacks["harmless"]) == set(), through
    assert set(attacks["harmless"]) - set(through) == set()
    assert state(engine, there) == before
    assert not FILE.exists()
    log = connector.log.read_text()
    assert "Traceback" not in log
    tried = len(attacks["tried"]) + len(attacks["harmless"])
    record_property("summary", f"{engine}: {tried} tried, {len(through)} through, all of them harmless and named")


# Each as table, column, order, value and cursor.
INJECTED = [
    "' OR 1=1 --",
    "'; DELETE FROM customers; --",
    "\\'; DELETE FROM customers; -- ",
    '"; DELETE FROM customers; --',
    "`; DELETE FROM customers; --",
    "customers; DELETE FROM customers",
    "customers WHERE 1=1 UNION SELECT v FROM secrets",
    "id) FROM customers; DELETE FROM customers; --",
    "(SELECT v FROM secrets)",
    "secrets",
    "password",
    "information_schema.tables",
    "%s %(id)s :id $1 ? {id}",
    "😀%_/\\",
    "1e400",
    "NaN",
    "\x00",
    "x" * 20_000,
]


@every_engine
def test_no_argument_of_a_search_becomes_sql(request: pytest.FixtureRequest, engine: str, connector: Running) -> None:
    there = request.getfixturevalue(engine)
    before = state(engine, there)
    operators = ["=", "!=", "<", ">=", "in", "contains", "starts"]
    for n, text in enumerate(INJECTED):
        for m, operator in enumerate(operators):
            filters = [{"column": ("id", "name")[(n + m) % 2], "operator": operator, "value": text, "values": [text]}]
            refused, said = call(connector, "search_rows", table="customers", filters=filters)
            assert refused or '"rows":' in said
            assert not [secret for secret in SECRETS if secret in said]
        for arguments in (
            {"table": text},
            {"table": "customers", "columns": [text]},
            {"table": "customers", "order": text},
            {"table": "customers", "cursor": text},
            {"table": "customers", "filters": [{"column": text, "value": "1"}]},
        ):
            refused, said = call(connector, "search_rows", **arguments)
            assert refused, (arguments, said)
        assert call(connector, "describe_table", table=text)[0]
    assert state(engine, there) == before
    assert "Traceback" not in connector.log.read_text()


@every_engine
def test_only_what_is_listed_is_shown(engine: str, url: Callable[[str], str], connect: Connect) -> None:
    with connect(url(engine), DATABASE_TABLES="customers(id, name)") as connector:
        assert [table["columns"] for table in got(connector, "list_tables")["tables"]] == [["id", "name"]]
        assert list(got(connector, "search_rows", table="customers")["rows"][0]) == ["id", "name"]
        for arguments in ({"columns": ["email"]}, {"order": "email"}, {"filters": [{"column": "email"}]}):
            assert call(connector, "search_rows", table="customers", **arguments)[0]
        assert call(connector, "search_rows", table="chars")[0]


def test_a_schema_is_listed_by_name(postgresql: Server, connect: Connect) -> None:
    with connect(postgresql.url("reader"), DATABASE_TABLES="sales.* customers(name)") as connector:
        assert [table["table"] for table in got(connector, "list_tables")["tables"]] == ["sales.deals", "customers"]
        assert got(connector, "search_rows", table="sales.deals")["rows"] == [{"id": 1, "title": "A deal"}]
