"""Roles that may do more than read are refused at the start, with the statements that mend them."""

from typing import Any

import pytest

from ..lib.databases import PASSWORD, Server
from .conftest import Check

pytestmark = pytest.mark.databases

POSTGRESQL = {
    "makes roles": ("ALTER ROLE one CREATEROLE CREATEDB", "may make roles"),
    "replicates": ("ALTER ROLE one REPLICATION", "may make roles, databases or replicas"),
    "inserts": ("GRANT INSERT ON chars TO one", "may write to tables in the schema public"),
    "updates a column": ("GRANT UPDATE (name) ON chars TO one", "may write"),
    "everyone deletes": ("GRANT DELETE ON unkeyed TO PUBLIC", "may write"),
    "truncates": ("GRANT TRUNCATE ON sales.deals TO one", "schema sales"),
    "a group deletes": (
        "CREATE ROLE team; GRANT DELETE ON chars TO team; GRANT team TO one",
        "member of team, which may write",
    ),
    "a group that it could switch to": (
        "ALTER ROLE one NOINHERIT; CREATE ROLE team2; GRANT INSERT ON chars TO team2; GRANT team2 TO one",
        "member of team2",
    ),
    "a group owns": (
        "CREATE ROLE owners; CREATE TABLE owned (id int); ALTER TABLE owned OWNER TO owners; GRANT owners TO one",
        "owners, which owns tables",
    ),
    "it owns": ("CREATE TABLE its (id int); ALTER TABLE its OWNER TO one", "owns tables"),
    "member of a superuser": ("ALTER ROLE one NOINHERIT; GRANT admin TO one", "member of admin"),
    "runs dblink": ("GRANT EXECUTE ON FUNCTION dblink(text, text) TO PUBLIC", "reach files, other servers"),
    "reads files": ("GRANT EXECUTE ON FUNCTION pg_read_file(text) TO one", "reach files"),
    **{
        f"member of {role}": (f"GRANT {role} TO one", f"member of {role}")
        for role in (
            "pg_read_server_files",
            "pg_write_server_files",
            "pg_execute_server_program",
            "pg_read_all_data",
            "pg_write_all_data",
            "pg_signal_backend",
        )
    },
}
MARIADB = {
    "inserts": ("GRANT INSERT, DELETE ON shop.chars TO one@'%'", "INSERT, DELETE on `shop`.`chars`"),
    "updates a column": ("GRANT UPDATE (name) ON shop.chars TO one@'%'", "UPDATE (`name`)"),
    "everything in the database": ("GRANT ALL PRIVILEGES ON shop.* TO one@'%'", "ALL PRIVILEGES on `shop`.*"),
    "grants": ("GRANT SELECT ON shop.chars TO one@'%' WITH GRANT OPTION", "GRANT OPTION"),
    "files": ("GRANT FILE ON *.* TO one@'%'", "FILE on *.*"),
    "processes": ("GRANT PROCESS ON *.* TO one@'%'", "PROCESS on *.*"),
    "reads everything": ("GRANT SELECT ON *.* TO one@'%'", "passwords of all users"),
    "reads the users": ("GRANT SELECT ON mysql.* TO one@'%'", "passwords of all users"),
    "runs a function": ("GRANT EXECUTE ON FUNCTION shop.forget_all TO one@'%'", "EXECUTE"),
    "a default role": (
        "CREATE ROLE team; GRANT INSERT ON shop.chars TO team; GRANT team TO one@'%';SET DEFAULT ROLE team FOR one@'%'",
        "its role `team` has INSERT",
    ),
}


def statements(said: str) -> str:
    return "\n".join(line.strip() for line in said.splitlines() if line.startswith("  "))


def mended(server: Server, check: Check, said: str) -> None:
    """Do what the refusal says: afterwards, the connector starts."""
    assert PASSWORD not in said
    remedy = statements(said)
    if remedy.startswith("CREATE"):
        other = (
            remedy.replace("TO reader", "TO other")
            .replace("USER reader", "USER other")
            .replace("ROLE reader", "ROLE other")
        )
        try:
            server.run(other)
            assert check(database_url=server.url("other", password="choose%20one")) is None
        finally:
            drop(server, "other")
    else:
        server.run(remedy)
        assert check(database_url=server.url("one")) is None


def drop(server: Server, role: str) -> None:
    server.run(f"DROP OWNED BY {role}; DROP ROLE {role};" if server.engine == "postgresql" else f"DROP USER {role}@'%'")


@pytest.mark.parametrize("case", POSTGRESQL)
def test_a_role_of_postgresql_that_may_do_more_is_refused_and_mended(
    postgresql: Server, check: Check, case: str
) -> None:
    grant, words = POSTGRESQL[case]
    postgresql.run(f"CREATE ROLE one LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON chars TO one;")
    try:
        assert check(database_url=postgresql.url("one")) is None
        postgresql.run(f"{grant};")
        said = check(database_url=postgresql.url("one"))
        assert said
        assert words in said
        mended(postgresql, check, said)
    finally:
        drop(postgresql, "one")


@pytest.mark.parametrize("case", MARIADB)
def test_a_role_of_mariadb_that_may_do_more_is_refused_and_mended(mariadb: Server, check: Check, case: str) -> None:
    grant, words = MARIADB[case]
    mariadb.run(f"CREATE USER one@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT (code) ON shop.chars TO one@'%';")
    try:
        assert check(database_url=mariadb.url("one")) is None
        mariadb.run(f"{grant};")
        said = check(database_url=mariadb.url("one"))
        assert said
        assert words in said
        mended(mariadb, check, said)
    finally:
        drop(mariadb, "one")


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_an_administrator_is_refused_with_the_statements_for_a_role_that_reads(
    request: pytest.FixtureRequest, engine: str, check: Check
) -> None:
    server: Server = request.getfixturevalue(engine)
    said = check(database_url=server.url("admin"), database_tables="customers(id, name) chars")
    assert said
    assert "customers" in statements(said)
    assert "secrets" not in said
    mended(server, check, said)


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_sql_is_not_offered_for_a_role_that_reads_more_than_is_listed(
    request: pytest.FixtureRequest, engine: str, check: Check
) -> None:
    url = request.getfixturevalue(engine).url("reader")
    some: dict[str, Any] = {"database_url": url, "database_tables": "customers(id, name) chars"}
    every = {**some, "database_tables": {"postgresql": "public.* sales.*", "mariadb": "shop.*"}[engine]}
    assert check(**some) is None
    said = check(**some, database_query=True)
    assert said
    assert "customers(email)" in said
    assert check(**every, database_query=True) is None


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ("custmers", "names custmers, which the database's role cannot read; it reads: "),
        ("secrets", "names secrets"),
        ("customers(id, password)", "names customers(password)"),
        ("nowhere.*", "the schema nowhere"),
    ],
)
@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_a_list_of_what_the_role_cannot_read_is_refused(
    request: pytest.FixtureRequest, engine: str, check: Check, listed: str, words: str
) -> None:
    url = request.getfixturevalue(engine).url("reader")
    assert words in str(check(database_url=url, database_tables=listed))


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_wrong_settings_end_the_start_and_an_outage_does_not(
    request: pytest.FixtureRequest, engine: str, check: Check
) -> None:
    server: Server = request.getfixturevalue(engine)
    for url in (server.url("reader", password="wrong"), server.url("reader", "nowhere"), server.url("nobody")):
        said = str(check(database_url=url))
        assert "the database cannot be used" in said
        assert "wrong" not in said
    assert "SSL" in str(check(database_url=server.url("reader", options="?sslmode=require")))
    assert check(database_url=f"{engine}://reader:x@127.0.0.1:1/shop") is None


def test_a_file_that_is_not_a_database_ends_the_start(check: Check) -> None:
    assert "unable to open" in str(check(database_url="sqlite:////nowhere/shop.sqlite"))
    assert "not a database" in str(check(database_url=f"sqlite:///{__file__}"))


@pytest.mark.parametrize("mode", ["ANSI", "ORACLE", "NO_BACKSLASH_ESCAPES"])
@pytest.mark.parametrize(
    ("database", "right", "words"), [("mysql", "SELECT", "passwords of all users"), ("a\nb", "INSERT", "it has INSERT")]
)
def test_neither_a_mode_of_mariadb_nor_a_name_hides_a_right(
    mariadb: Server, check: Check, mode: str, database: str, right: str, words: str
) -> None:
    before = mariadb.run("SELECT @@global.sql_mode").strip()
    mariadb.run(
        f"CREATE USER one@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT (code) ON shop.chars TO one@'%';"
        f"GRANT {right} ON `{database}`.* TO one@'%'; SET GLOBAL sql_mode = '{mode}'"
    )
    try:
        assert words in (check(database_url=mariadb.url("one")) or "")
    finally:
        mariadb.run(f"SET GLOBAL sql_mode = '{before}'")
        drop(mariadb, "one")
