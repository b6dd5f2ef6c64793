"""Imported tools at real servers, called by the official client in both kinds of protocol version."""

import asyncio
import base64
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from ..lib import importing, rendering
from ..lib.rendering import ROOT, Rendered
from ..lib.serving import Running, free_port, serving, started

pytestmark = [pytest.mark.documents, pytest.mark.anyio]

FOLDER = ROOT / "tests/openapi/documents"
PYTHON = FOLDER / ".venv/bin/python"
SECRET = "secret-of-the-connector"
BOTH = pytest.mark.parametrize("version", ["legacy", "2026-07-28"])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def server(
    folder: Path, port: int, probe: str, *command: str | Path, headers: dict[str, str] | None = None
) -> Iterator[Running]:
    """A server, from when it answers."""
    origin = f"http://127.0.0.1:{port}"
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "JUPYTER_PLATFORM_DIRS": "1"}
    with started(list(command), env, folder, origin, f"{origin}{probe}", headers or {}) as running:
        yield running
        running.process.terminate()  # Jupyter's server may ask back after Ctrl+C


@contextmanager
def connector(
    rendered: Rendered, folder: Path, document: Path | str, upstream: str, **settings: str
) -> Iterator[Running]:
    """A connector with all tools of a document."""
    project = importing.copied(rendered(importing.ANSWERS), folder / "project")
    assert importing.run(project, document, "--all").code == 0
    env = rendering.environment(project, folder / "site")
    with serving(project, env, UPSTREAM_URL=upstream, **settings) as running:
        yield running


@asynccontextmanager
async def client(connector: Running, version: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=60) as http,
        Client(streamable_http_client(connector.url, http_client=http), mode=version) as client,
    ):
        yield client


async def call(connector: Running, version: str, tool: str, **arguments: object) -> tuple[list[Any], bool]:
    async with client(connector, version) as caller:
        result = await caller.call_tool(tool, arguments)
    return list(result.content), bool(result.is_error)


async def value(connector: Running, version: str, tool: str, **arguments: object) -> Any:
    """The JSON that a tool returns."""
    content, error = await call(connector, version, tool, **arguments)
    assert not error, content
    return json.loads(content[0].text)


async def refusal(connector: Running, version: str, tool: str, **arguments: object) -> str:
    content, error = await call(connector, version, tool, **arguments)
    assert error, content
    text: str = content[0].text
    return text


@pytest.fixture(scope="module")
def traps(rendered: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A connector for a FastAPI application, made from the document at its address."""
    folder, port = tmp_path_factory.mktemp("fastapi"), free_port()
    shutil.copy(ROOT / "tests/openapi/servers/fastapi_app.py", folder / "fastapi_app.py")
    command = (PYTHON, "-m", "uvicorn", "fastapi_app:app", "--port", str(port))
    with server(folder, port, "/openapi.json", *command) as api:
        env = pytest.MonkeyPatch()
        env.setenv("no_proxy", "*")
        settings = {"UPSTREAM_AUTH_VALUE": f"Bearer {SECRET}", "UPSTREAM_HEALTH_PATH": "/openapi.json"}
        with connector(rendered, folder, f"{api.origin}/openapi.json", api.origin, **settings) as running:
            env.undo()
            yield running


@BOTH
async def test_every_trap_at_a_fastapi_application(traps: Running, version: str) -> None:
    async with client(traps, version) as caller:
        tools = {tool.name: tool for tool in (await caller.list_tools()).tools}
    assert {"list_things", "get_thing", "same_name", "run_test_it", "upload"} <= tools.keys()
    hints = {name: tool.annotations for name, tool in tools.items() if tool.annotations}
    assert hints["get_thing"].read_only_hint
    assert hints["put_thing"].idempotent_hint

    assert await value(traps, version, "get_thing", thing_id="7") == {
        "id": "7",
        "note": "put there by the test",
        "color": None,
        "pet": None,
        "labels": {},
    }
    found = await value(traps, version, "list_things", id=["a", "b"], color="red", page_size=3)
    assert found == {"ids": ["a", "b"], "color": "red", "size": 3, "page": 1}
    content, _ = await call(traps, version, "list_things", page_size=3)
    assert content[1].text == "There is more: call again with page_size=3, page=2."
    thing = {"id": "x", "note": "ø", "color": "blue", "pet": {"lives": 9}, "labels": {"a": "b"}}
    written = await value(traps, version, "put_thing", thing_id="a b", **thing)
    assert written["path"] == "a b"
    assert written["thing"]["pet"] == {"kind": "cat", "lives": 9}
    assert (await call(traps, version, "delete_thing", thing_id="a b"))[0][0].text == "Done (204)."
    tree = {"name": "a", "children": [{"name": "b", "children": [{"name": "c", "children": []}]}]}
    assert await value(traps, version, "create_node", **tree) == tree
    assert await value(traps, version, "same_name", id=1, body={"id": "b"}) == {"query": 1, "body": {"id": "b"}}
    assert await value(traps, version, "headers", x_trace="t", session="s") == {"header": "t", "cookie": "s"}
    assert await value(traps, version, "form", name="a&b", tags=["x", "y"]) == {"name": "a&b", "tags": ["x", "y"]}
    photo = {"name": "a.txt", "base64": base64.b64encode(b"hello" * 50_000).decode()}
    sent = await value(traps, version, "upload", photo=photo, note="n")
    assert sent == {"name": "a.txt", "size": 250_000, "start": "hello", "note": "n"}
    assert (await call(traps, version, "image"))[0][0].type == "image"
    assert await value(traps, version, "run_test_it", filters='{"a": 1}') == {"filters": '{"a": 1}'}
    assert await value(traps, version, "run_test_it", filters=None) == {"filters": None}


@BOTH
async def test_what_is_wrong_is_refused_in_words(traps: Running, version: str) -> None:
    assert "must not be '..'" in await refusal(traps, version, "get_thing", thing_id="..")
    assert "There is no such record (404)" in await refusal(traps, version, "get_thing", thing_id="none")
    assert "must be one line" in await refusal(traps, version, "headers", x_trace="a\r\nX-Admin: 1")
    assert "color must be 'red' or 'blue'" in await refusal(traps, version, "list_things", color="green")
    assert "not base64" in await refusal(traps, version, "upload", photo={"name": "a", "base64": "!"})


@BOTH
async def test_a_large_answer_is_cut_and_marked(traps: Running, version: str) -> None:
    rows = await value(traps, version, "large", count=20_000)
    assert rows[0] == {"id": 0, "text": "ø" * 100}
    assert rows[-1] == f"… {20_000 - len(rows) + 1:,} more"
    assert 100_000 < len(json.dumps(rows, ensure_ascii=False).encode()) < 131_072


async def test_calls_at_once_get_their_own_answers(traps: Running) -> None:
    async with client(traps, "2026-07-28") as caller:
        calls = [caller.call_tool("same_name", {"id": number, "body": {"n": number}}) for number in range(40)]
        results = await asyncio.gather(*calls)
    texts = [getattr(result.content[0], "text", "") for result in results]
    assert [json.loads(text)["query"] for text in texts] == list(range(40))


@pytest.fixture(scope="module")
def jupyter(rendered: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A connector for Jupyter's server, made from its own document of version 2.0."""
    folder, port = tmp_path_factory.mktemp("jupyter"), free_port()
    (folder / "notes").mkdir()
    (folder / "notes/hello.txt").write_text("put there by the test\n")
    [document] = (FOLDER / ".venv").glob("lib/python3*/site-packages/jupyter_server/services/api/api.yaml")
    options = (
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--port-retries=0",
        f"--IdentityProvider.token={SECRET}",
    )
    command = (
        PYTHON,
        "-m",
        "jupyter_server",
        *options,
        f"--ServerApp.root_dir={folder / 'notes'}",
        "--ServerApp.disable_check_xsrf=True",
    )
    with server(folder, port, "/api", *command) as api:
        settings = {"UPSTREAM_AUTH_VALUE": f"token {SECRET}", "UPSTREAM_HEALTH_PATH": "/api/"}
        with connector(rendered, folder, document, api.origin, **settings) as running:
            yield running


@BOTH
async def test_tools_of_jupyters_server(jupyter: Running, version: str) -> None:
    async with client(jupyter, version) as caller:
        tools = {tool.name for tool in (await caller.list_tools()).tools}
    assert len(tools) == 32
    listed = await value(jupyter, version, "get_api_contents_path", path="hello.txt", content=1)
    assert listed["content"] == "put there by the test\n"
    name = f"new-{version}.txt"
    saved = {"path": name, "name": name, "type": "file", "format": "text", "content": "ø"}
    saved = {**saved, "path_in_body": saved["path"]}
    written, error = await call(jupyter, version, "put_api_contents_path", **saved)
    assert not error, written
    assert (await value(jupyter, version, "get_api_contents_path", path=name, content=1))["content"] == "ø"
    assert "redirects elsewhere (302)" in await refusal(jupyter, version, "get_api")  # which would carry the credential
    assert await value(jupyter, version, "get_api_kernels") == []
    assert (await value(jupyter, version, "get_api_status"))["kernels"] == 0
    assert "404" in await refusal(jupyter, version, "get_api_contents_path", path="none.txt")


@pytest.fixture(scope="module")
def airports(rendered: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A connector for a table that Datasette publishes, made from a document of our own."""
    folder, port = tmp_path_factory.mktemp("datasette"), free_port()
    with sqlite3.connect(folder / "world.db") as database:
        database.execute("CREATE TABLE airports (iata TEXT PRIMARY KEY, name)")
        database.executemany("INSERT INTO airports VALUES (?, ?)", [(f"A{n:03}", f"Airport {n}") for n in range(500)])
    database.close()
    command = (Path(sys.executable).with_name("datasette"), "serve", "world.db", "--port", str(port))
    url, place = f"http://127.0.0.1:{port}/world", FOLDER / "datasette.yaml"
    with server(folder, port, "/-/versions.json", *command), connector(rendered, folder, place, url) as running:
        yield running


@BOTH
async def test_tools_of_a_table_of_datasette(airports: Running, version: str) -> None:
    row = await value(airports, version, "get_airport", iata="A042", shape="objects")
    assert row["rows"] == [{"iata": "A042", "name": "Airport 42"}]
    seen, following = [], None
    while True:
        page = await value(airports, version, "search_airports", size=200, next=following, shape="objects")
        seen += [one["iata"] for one in page["rows"]]
        if not (following := page["next"]):
            break
    assert seen == [f"A{n:03}" for n in range(500)]
