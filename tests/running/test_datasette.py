"""The main job on real input: a connector for a database of airports that Datasette publishes over its JSON API."""

import ast
import csv
import re
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from ..lib import rendering
from ..lib.serving import Running, free_port, serving, started

pytestmark = pytest.mark.anyio

Row = dict[str, str]

ANSWERS = {"auth_mode": "api-key", "hosting": "compose", "source": "rest-api", "ci": "none"}

# What an owner writes in upstream.py instead of what was rendered under these names.
FITTED = '''
class Found(BaseModel):
    """What Datasette answers for a table or a row, as far as it is used."""

    rows: list[Record]
    next: str | None = None


class Upstream:
    async def search(self, query: str, limit: int, cursor: str | None) -> tuple[list[Record], str | None]:
        """One page of records, and the cursor of the next or None."""
        params = {"_search": query, "_size": limit, "_next": cursor, "_shape": "objects"}
        found = shaped(Found, await self.request("GET", "/airports.json", params=params))
        return found.rows, found.next

    async def get(self, record_id: str) -> Record:
        row = path("/airports/{id}.json", id=record_id)
        return shaped(Found, await self.request("GET", row, params={"_shape": "objects"})).rows[0]

    async def update(self, record_id: str, changes: Mapping[str, Any]) -> Record:
        raise UpstreamError("The airports are only published, so they cannot be changed.")
'''


def fit(source: str, replacements: str) -> str:
    """The source with each class and method that the replacements define in the place of the one of that name."""
    lines, new = source.splitlines(), definitions(replacements)
    for name, old in sorted(definitions(source).items(), key=lambda found: found[1].lineno, reverse=True):
        if name in new:
            text = replacements.splitlines()[new[name].lineno - 1 : new[name].end_lineno]
            lines[old.lineno - 1 : old.end_lineno] = text
    return "\n".join([*lines, ""])


def definitions(source: str) -> dict[str, ast.ClassDef | ast.AsyncFunctionDef]:
    """The class `Found` and every coroutine, by name."""
    nodes = ast.walk(ast.parse(source))
    named = [node for node in nodes if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef)]
    return {node.name: node for node in named if node.name != "Upstream"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def airports() -> list[Row]:
    """The rows of a real table: every airport of the United States, as vega_datasets has it."""
    package = find_spec("vega_datasets")
    assert package
    assert package.origin
    with (Path(package.origin).parent / "_data/airports.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def datasette(airports: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The table as Datasette publishes it, with full-text search."""
    folder = tmp_path_factory.mktemp("datasette")
    with sqlite3.connect(folder / "world.db") as database:
        database.execute(
            "CREATE TABLE airports (iata TEXT PRIMARY KEY, name, city, state, country, latitude, longitude)"
        )
        marks = ", ".join(f":{column}" for column in airports[0])
        database.executemany(f"INSERT INTO airports VALUES ({marks})", airports)
        database.execute('CREATE VIRTUAL TABLE airports_fts USING fts5 (name, city, content="airports")')
        database.execute("INSERT INTO airports_fts (airports_fts) VALUES ('rebuild')")
    database.close()
    origin = f"http://127.0.0.1:{(port := free_port())}"
    command: list[str | Path] = [Path(sys.executable).with_name("datasette"), "serve", "world.db", "--port", str(port)]
    with started(command, {}, folder, origin, f"{origin}/-/versions.json", {}) as running:
        yield running


@pytest.fixture(scope="module")
def connector(
    rendered: Callable[[Mapping[str, str]], Path], datasette: Running, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A connector whose upstream.py was fitted to Datasette."""
    folder = tmp_path_factory.mktemp("connector")
    project = shutil.copytree(rendered(ANSWERS), folder / "project")
    [upstream] = project.glob("src/*/upstream.py")
    fitted = fit(upstream.read_text(), FITTED)
    upstream.write_text(fitted.replace("Record, path,", "Record, UpstreamError, path,"))
    env = rendering.environment(project, folder / "site")
    for check in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy", "src"]):
        done = rendering.run(project, env, *check)
        assert done.returncode == 0, done.stdout
    with serving(project, env, UPSTREAM_URL=f"{datasette.origin}/world") as running:
        yield running


@pytest.fixture(params=["legacy", "2026-07-28"])
async def client(request: pytest.FixtureRequest, connector: Running) -> AsyncIterator[Client]:
    """The official client, once of the 2025 versions and once of 2026-07-28."""
    async with (
        httpx2.AsyncClient(headers=dict(connector.headers), trust_env=False) as http,
        Client(streamable_http_client(connector.url, http_client=http), mode=request.param) as client,
    ):
        yield client


async def search(client: Client, **arguments: object) -> tuple[list[Row], str | None]:
    result = await client.call_tool("search_records", arguments)
    assert result.structured_content, result
    return result.structured_content["records"], result.structured_content["next_cursor"]


async def test_the_whole_table_is_listed_page_by_page(client: Client, airports: list[Row]) -> None:
    listed, cursor = await search(client, limit=100)
    while cursor:
        page, cursor = await search(client, limit=100, cursor=cursor)
        listed += page
    assert listed == airports


async def test_a_search_finds_by_words(client: Client, airports: list[Row]) -> None:
    found, _ = await search(client, query="springs municipal", limit=100)
    words = [re.findall(r"\w+", f"{row['name']} {row['city']}".lower()) for row in airports]
    expected = [row["iata"] for row, has in zip(airports, words, strict=True) if {"springs", "municipal"} <= set(has)]
    assert sorted(row["iata"] for row in found) == expected
    assert expected


async def test_a_row_is_read(client: Client, airports: list[Row]) -> None:
    for row in airports[::1000]:
        result = await client.call_tool("get_record", {"record_id": row["iata"]})
        assert result.structured_content == row


@pytest.mark.parametrize(
    ("tool", "arguments", "advice"),
    [
        ("get_record", {"record_id": "nowhere"}, "Search for it first"),
        ("get_record", {"record_id": "../airports/ABQ"}, "Use an id that a search returned"),  # Datasette redirects
        ("get_record", {"record_id": "../../-/versions"}, "Use an id that a search returned"),
        ("get_record", {"record_id": ".."}, "Use one that a search returned"),
        ("search_records", {"cursor": "nowhere"}, "Leave it out"),
        ("update_record", {"record_id": "ABQ", "changes": {"city": "x"}}, "cannot be changed"),
    ],
)
async def test_a_mistake_is_answered_with_what_to_do(
    client: Client, tool: str, arguments: dict[str, Any], advice: str
) -> None:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert advice in str(result.content)
