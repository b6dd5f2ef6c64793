"""What takes long ends on the server: after DATABASE_TIMEOUT, and as soon as the caller leaves."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from ..lib.databases import Server
from ..lib.serving import Running, until
from .calling import call, got
from .conftest import Connect

pytestmark = pytest.mark.databases

SLEEP = {"postgresql": "SELECT pg_sleep(120)", "mariadb": "SELECT sleep(120)"}
# The same below a name, for search_rows.
VIEW = {
    "postgresql": "CREATE VIEW slow AS SELECT 1 AS id FROM pg_sleep(120); GRANT SELECT ON slow TO reader;",
    "mariadb": "CREATE VIEW slow AS SELECT sleep(120) AS id; GRANT SELECT ON slow TO reader@'%';",
}
RUNNING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader' AND state = 'active'",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE user = 'reader' AND command <> 'Sleep'",
}
LEGACY: dict[str, Any] = {"headers": {}, "meta": {}}
STATELESS: dict[str, Any] = {
    "headers": {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call"},
    "meta": {
        f"io.modelcontextprotocol/{name}": value
        for name, value in {
            "protocolVersion": "2026-07-28",
            "clientCapabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        }.items()
    },
}
ENGINES = ["postgresql", "mariadb"]


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue(request.param)
    server.run(VIEW[server.engine])
    return server


def running(server: Server) -> int:
    return int(server.run(RUNNING[server.engine]))


@pytest.mark.parametrize("tool", ["query", "search_rows"])
def test_a_statement_that_takes_long_ends_on_the_server(server: Server, connect: Connect, tool: str) -> None:
    arguments = {"sql": SLEEP[server.engine]} if tool == "query" else {"table": "slow"}
    with connect(server.url("reader"), DATABASE_QUERY="true", DATABASE_TIMEOUT="2") as connector:
        refused, text = call(connector, tool, **arguments)
        assert refused
        assert text.startswith("The database took more than 2 seconds, and was stopped. Ask for less")
        until(lambda: running(server) == 0, 5)
        assert got(connector, "search_rows", table="customers")["rows"]


@pytest.mark.parametrize("protocol", [LEGACY, STATELESS], ids=["legacy", "2026-07-28"])
@pytest.mark.parametrize("tool", ["query", "search_rows"])
def test_a_call_that_is_cancelled_is_gone_from_the_server(
    server: Server, connect: Connect, tool: str, protocol: dict[str, Any]
) -> None:
    arguments = {"sql": SLEEP[server.engine]} if tool == "query" else {"table": "slow"}
    with connect(server.url("reader"), DATABASE_QUERY="true", DATABASE_TIMEOUT="60") as connector:
        left = threading.Event()
        thread = threading.Thread(target=leave, args=(connector, tool, arguments, protocol, left))
        thread.start()
        until(lambda: running(server) == 1)
        left.set()
        thread.join()
        until(lambda: running(server) == 0, 8)
        assert got(connector, "search_rows", table="customers")["rows"]


def leave(
    connector: Running, tool: str, arguments: dict[str, Any], protocol: dict[str, Any], left: threading.Event
) -> None:
    """Call a tool, and close the connection before it answers."""
    params = {"name": tool, "arguments": arguments, "_meta": protocol["meta"]}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"Accept": "application/json, text/event-stream", **connector.headers, **protocol["headers"]}
    if protocol["headers"]:
        headers["Mcp-Name"] = tool
    at = urlsplit(connector.url)
    connection = HTTPConnection(str(at.hostname), at.port)
    connection.request("POST", at.path, json.dumps(body), {**headers, "Content-Type": "application/json"})
    left.wait(60)
    connection.close()


def test_more_calls_than_connections_wait_and_then_are_told_to_come_again(server: Server, connect: Connect) -> None:
    with (
        connect(server.url("reader"), DATABASE_QUERY="true", DATABASE_TIMEOUT="10") as connector,
        ThreadPoolExecutor(8) as callers,
    ):
        calls = [callers.submit(call, connector, "query", sql=SLEEP[server.engine]) for _ in range(8)]
        texts = sorted(done.result()[1] for done in calls)
        busy = [text for text in texts if text.startswith("The database has too many connections or calls.")]
        assert len(busy) == 3
        assert got(connector, "search_rows", table="customers")["rows"]
        assert running(server) == 0


def test_a_connection_that_the_server_closed_is_opened_again(server: Server, connect: Connect) -> None:
    with connect(server.url("reader")) as connector:
        for _ in range(2):
            assert got(connector, "search_rows", table="customers")["rows"]
            end = {
                "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'",
                "mariadb": "KILL USER reader",
            }
            server.run(end[server.engine])
