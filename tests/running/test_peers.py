"""Other people's clients against rendered, running connectors."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import httpx2
import pytest
from mcp.client import Client, Transport
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from ..lib.rendering import ROOT
from ..lib.serving import Running, serving

LEGACY, MODERN = "2025-11-25", "2026-07-28"  # the last handshake, and the first without one
HANDSHAKES = ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY]
PEERS = ROOT / "tests/peers"
NODE = Path(sys.executable).with_name("node")


class Tool(NamedTuple):
    """A tool of a source, a call of it, and what the call must return."""

    name: str
    arguments: dict[str, object]
    result: dict[str, object]


TOOLS = {
    "blank": Tool("count_words", {"text": "to be or not"}, {"words": 4, "characters": 12, "longest": "not"}),
    "rest-api": Tool(
        "search_records",
        {"query": "turing"},
        {"records": [{"id": "2", "name": "Alan Turing", "status": "open"}], "next_cursor": None},
    ),
}
SOURCES = {"none": "blank", "api-key": "rest-api", "headers": "rest-api"}


@dataclass(frozen=True)
class Seen:
    """What a client saw of a connector."""

    version: str
    tools: set[str]
    result: object


Peer = Callable[[Running, Tool, str, Path], Seen]
CLIENTS = {
    "Python, handshake": ("python", LEGACY),
    "Python, stateless": ("python", MODERN),
    "TypeScript SDK v1": ("typescript_v1", LEGACY),
    "TypeScript client v2, handshake": ("typescript_v2", LEGACY),
    "TypeScript client v2, stateless": ("typescript_v2", MODERN),
    "Inspector, handshake": ("inspector", LEGACY),
    "Inspector, stateless": ("inspector", MODERN),
    "mcp-remote, handshake": ("mcp_remote", LEGACY),
    "mcp-remote, stateless": ("mcp_remote", MODERN),
}


def every_client(*run: Callable[..., Seen]) -> pytest.MarkDecorator:
    """Runs a test with each client in each of its protocol versions; `run` are the functions, by their names."""
    by_name = {function.__name__: function for function in run}
    cases = [pytest.param(by_name[name], version, id=title) for title, (name, version) in CLIENTS.items()]
    return pytest.mark.parametrize(("peer", "version"), cases)


def python(connector: Running, tool: Tool, version: str, _: Path) -> Seen:
    async def connect() -> Seen:
        async with httpx2.AsyncClient(headers=connector.headers) as http:
            return await seen_by_python(streamable_http_client(connector.url, http_client=http), tool, version)

    return anyio.run(connect)


def mcp_remote(connector: Running, tool: Tool, version: str, home: Path) -> Seen:
    """A stdio client, for which mcp-remote is the server."""
    bridge = PEERS / "node_modules/mcp-remote/dist/proxy.js"
    arguments = [str(bridge), connector.url, "--transport", "http-only", *header_options(connector)]
    server = StdioServerParameters(command=str(NODE), args=arguments, env=environment(home))

    async def connect() -> Seen:
        with (home / "log").open("w") as log:
            return await seen_by_python(stdio_client(server, errlog=log), tool, version)

    return anyio.run(connect)


async def seen_by_python(transport: Transport, tool: Tool, version: str) -> Seen:
    async with Client(transport, mode="legacy" if version == LEGACY else "2026-07-28") as client:
        tools = {listed.name for listed in (await client.list_tools()).tools}
        result = await client.call_tool(tool.name, tool.arguments)
        return Seen(client.protocol_version, tools, result.structured_content)


def typescript_v1(connector: Running, tool: Tool, version: str, home: Path) -> Seen:
    return seen_by_typescript("client-v1.mjs", connector, tool, home)


def typescript_v2(connector: Running, tool: Tool, version: str, home: Path) -> Seen:
    mode = "legacy" if version == LEGACY else {"pin": version}
    return seen_by_typescript("client-v2.mjs", connector, tool, home, mode=mode)


def seen_by_typescript(script: str, connector: Running, tool: Tool, home: Path, **options: object) -> Seen:
    call = {"name": tool.name, "arguments": tool.arguments}
    task = {"url": connector.url, "headers": dict(connector.headers), "tool": call, **options}
    seen = node(environment(home), PEERS / script, json.dumps(task))
    return Seen(seen["version"], {tool["name"] for tool in seen["tools"]}, seen["result"]["structuredContent"])


def inspector(connector: Running, tool: Tool, version: str, home: Path) -> Seen:
    program = PEERS / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    era = ["--protocol-era", "legacy" if version == LEGACY else "modern"]
    target = ["--cli", connector.url, "--transport", "http", *header_options(connector), *era, "--format", "json"]
    arguments = [f"--tool-arg={name}={value}" for name, value in tool.arguments.items()]
    tools = node(environment(home), program, *target, "--method", "tools/list")["result"]["tools"]
    call = ["--method", "tools/call", "--tool-name", tool.name, *arguments]
    result = node(environment(home), program, *target, *call)["result"]
    answered = MODERN if "io.modelcontextprotocol/serverInfo" in result.get("_meta", {}) else LEGACY
    return Seen(answered, {tool["name"] for tool in tools}, result["structuredContent"])


def header_options(connector: Running) -> list[str]:
    return [word for name, value in connector.headers.items() for word in ("--header", f"{name}: {value}")]


def node(env: Mapping[str, str], *command: str | Path) -> Any:
    """The JSON that a program of the peers prints."""
    done = subprocess.run([NODE, *command], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def environment(home: Path) -> dict[str, str]:
    """Nothing of this machine's settings, and a place to write that ends with the test."""
    return {"HOME": str(home), "PATH": os.environ["PATH"]}


@pytest.fixture(scope="module", params=SOURCES)
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def connector(mode: str, installed: Callable[[Mapping[str, str]], tuple[Path, dict[str, str]]]) -> Iterator[Running]:
    answers = {"auth_mode": mode, "hosting": "compose", "source": SOURCES[mode]}
    with serving(*installed(answers)) as running:
        yield running


@pytest.fixture
def tool(mode: str) -> Tool:
    return TOOLS[SOURCES[mode]]


@every_client(python, typescript_v1, typescript_v2, inspector, mcp_remote)
def test_a_client_lists_the_tools_and_calls_one(
    connector: Running, tool: Tool, peer: Peer, version: str, tmp_path: Path
) -> None:
    seen = peer(connector, tool, version, tmp_path)
    assert seen.version == version
    assert tool.name in seen.tools
    assert seen.result == tool.result


@pytest.fixture
def http(connector: Running) -> Iterator[httpx2.Client]:
    """Sends each request over a connection of its own."""
    headers = {"Accept": "application/json, text/event-stream", **connector.headers}
    with httpx2.Client(headers=headers, limits=httpx2.Limits(max_keepalive_connections=0)) as http:
        yield http


@pytest.mark.parametrize("version", HANDSHAKES)
def test_every_handshake_is_answered_in_its_own_version(connector: Running, http: httpx2.Client, version: str) -> None:
    client = {"name": "test", "version": "1"}
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": client}
    answer = http.post(connector.url, json=request("initialize", params))
    assert result(answer)["protocolVersion"] == version


def test_what_follows_a_handshake_may_come_over_new_connections(
    connector: Running, http: httpx2.Client, tool: Tool
) -> None:
    call = request("tools/call", {"name": tool.name, "arguments": tool.arguments})
    for version in HANDSHAKES * 5:
        answer = http.post(connector.url, json=call, headers={"MCP-Protocol-Version": version})
        assert json.loads(result(answer)["content"][0]["text"]) == tool.result


def test_a_client_without_handshake_discovers_the_version(connector: Running, http: httpx2.Client) -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "server/discover"}
    answer = http.post(connector.url, json=request("server/discover", {"_meta": meta}), headers=headers)
    assert MODERN in result(answer)["supportedVersions"]


def request(method: str, params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def result(answer: httpx2.Response) -> Any:
    assert answer.status_code == 200, answer.text
    streamed = answer.headers["content-type"].startswith("text/event-stream")
    return json.loads(answer.text.split("data: ")[1] if streamed else answer.text)["result"]
