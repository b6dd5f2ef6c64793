"""Servers with the same tables in each, and connectors that read them."""

import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from ..lib import databases
from ..lib.databases import PASSWORD, Server
from ..lib.rendering import Installed, python, recorded
from ..lib.serving import Running, serving

ANSWERS = {"auth_mode": "none", "hosting": "compose", "source": "database", "ci": "none"}
CHARACTERS = databases.characters()

COMMON = """
CREATE TABLE customers (id integer PRIMARY KEY, name varchar(200) NOT NULL, email varchar(200), password varchar(200));
CREATE TABLE secrets (id integer PRIMARY KEY, v varchar(200));
CREATE TABLE chars (code integer PRIMARY KEY, name varchar(200) NOT NULL, category varchar(2), digit integer);
CREATE TABLE unkeyed (a integer, b varchar(20));
CREATE VIEW people AS SELECT id, name FROM customers;
INSERT INTO customers VALUES (1, 'Ada', 'ada@example.com', 'the-password'), (2, 'Alan', NULL, 'the-password');
INSERT INTO secrets VALUES (1, 'the-secret');
INSERT INTO unkeyed VALUES (1, 'a'), (1, 'a'), (2, 'b'), (2, 'b'), (2, 'b'), (3, NULL);
"""
POSTGRESQL = f"""
CREATE SEQUENCE counter;
CREATE EXTENSION dblink;
DO $$ DECLARE f text; BEGIN
  FOR f IN SELECT oid::regprocedure::text FROM pg_proc WHERE proname LIKE 'dblink%' LOOP
    EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || f || ' FROM PUBLIC';
  END LOOP; END $$;
CREATE FUNCTION forget_all() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM customers; RETURN 1; END';
CREATE FUNCTION as_owner() RETURNS int LANGUAGE plpgsql SECURITY DEFINER
  AS 'BEGIN DELETE FROM customers; RETURN 1; END';
CREATE PROCEDURE forget() LANGUAGE sql AS 'DELETE FROM customers';
CREATE SCHEMA sales;
CREATE TABLE sales.deals (id integer PRIMARY KEY, title text);
INSERT INTO sales.deals VALUES (1, 'A deal');
CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 20;
ALTER ROLE reader SET temp_file_limit = '64MB';
GRANT SELECT (id, name, email) ON customers TO reader;
GRANT SELECT ON chars, unkeyed, people TO reader;
GRANT USAGE ON SCHEMA sales TO reader;
GRANT SELECT ON sales.deals TO reader;
GRANT USAGE ON SEQUENCE counter TO reader;
"""
MARIADB = f"""
CREATE SEQUENCE counter;
CREATE FUNCTION forget_all() RETURNS int RETURN 1;
CREATE USER reader@'%' IDENTIFIED BY '{PASSWORD}' WITH MAX_USER_CONNECTIONS 20;
GRANT SELECT (id, name, email) ON shop.customers TO reader@'%';
GRANT SELECT ON shop.chars TO reader@'%';
GRANT SELECT ON shop.unkeyed TO reader@'%';
GRANT SELECT ON shop.people TO reader@'%';
"""


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if why := databases.missing("postgresql"):
        pytest.skip(why)
    with databases.postgresql(tmp_path_factory.mktemp("postgresql") / "server") as server:
        server.run(COMMON + POSTGRESQL)
        server.load("chars", CHARACTERS)
        server.run("ANALYZE")
        yield server


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if why := databases.missing("mariadb"):
        pytest.skip(why)
    with databases.mariadb(tmp_path_factory.mktemp("mariadb") / "server", "--character-set-server=utf8mb4") as server:
        server.run(COMMON + MARIADB)
        server.load("chars", CHARACTERS)
        yield server


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the same tables."""
    file = tmp_path_factory.mktemp("sqlite") / "shop.sqlite"
    with sqlite3.connect(file) as database:
        database.executescript(COMMON)
        database.executemany("INSERT INTO chars VALUES (?, ?, ?, ?)", CHARACTERS)
    database.close()
    return file


Connect = Callable[..., AbstractContextManager[Running]]


@pytest.fixture(scope="session")
def connect(installed: Installed) -> Connect:
    """Starts a connector: `connect(url, DATABASE_QUERY="true")`."""

    def start(url: str, **settings: str) -> AbstractContextManager[Running]:
        project, env = installed(ANSWERS)
        return serving(project, env, DATABASE_URL=url, **settings)

    return start


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The URL of a database as its reader, by the name of the engine."""

    def of(engine: str) -> str:
        there: Any = request.getfixturevalue(engine)
        return f"sqlite:///{there}" if engine == "sqlite" else str(there.url("reader"))

    return of


# What `serve` and `dev` ask first, for one set of settings after the other.
PROGRAM = """
import json, sys
from {package}.core.parts import NotReady
from {package}.core.source.connect import check
from {package}.settings import Settings
for line in sys.stdin:
    try:
        said = check(Settings(public_url="http://127.0.0.1:8000", **json.loads(line)))
    except NotReady as error:
        said = str(error)
    print(json.dumps(said), flush=True)
"""
Check = Callable[..., str | None]


@pytest.fixture(scope="module")
def check(installed: Installed) -> Iterator[Check]:
    project, env = installed(ANSWERS)
    program = PROGRAM.format(package=recorded(project)["package_name"])
    command: list[Any] = [python(project), "-c", program]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=env, **pipes) as process:

        def said(**settings: object) -> str | None:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(settings) + "\n")
            process.stdin.flush()
            answer: str | None = json.loads(process.stdout.readline())
            return answer

        yield said
