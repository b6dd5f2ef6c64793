"""A rendered connector as a process: how it starts, what it refuses, how it stops, what it writes."""

import asyncio
import itertools
import json
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from ..lib.rendering import Answers, Installed, recorded, run
from ..lib.serving import Running, free_port, serving, started, until

COOKIE = "a-cookie-of-the-system"
ERAS = ["legacy", "2026-07-28"]
POST = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def of(auth_mode: str, source: str) -> Answers:
    return {"auth_mode": auth_mode, "hosting": "compose", "source": source, "ci": "none"}


def each(*pairs: tuple[str, str]) -> pytest.MarkDecorator:
    """Runs a test for connectors of these auth modes and sources."""
    return pytest.mark.parametrize("chosen", [pytest.param(of(*pair), id="-".join(pair)) for pair in pairs])


EVERY = each(*itertools.product(["none", "api-key", "headers"], ["blank", "rest-api"]))


class System(ThreadingHTTPServer):
    """An upstream API: one record, whose searches take `seconds`."""

    daemon_threads = True

    def __init__(self, port: int = 0, seconds: float = 0) -> None:
        super().__init__(("127.0.0.1", port), Answer)
        self.seconds = seconds
        self.received: list[dict[str, str]] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: System

    def do_GET(self) -> None:
        if self.path.startswith("/records"):
            self.server.received.append(dict(self.headers))
            time.sleep(self.server.seconds)
        content = json.dumps({"items": [{"id": "1"}]}).encode()
        self.send_response(200 if "missing" not in self.path else 404)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Set-Cookie", f"session={COOKIE}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def system(port: int = 0, seconds: float = 0) -> Iterator[System]:
    with System(port, seconds) as behind:
        thread = threading.Thread(target=behind.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield behind
        finally:
            behind.shutdown()
            thread.join()


def call(connector: Running, tool: str, arguments: dict[str, Any] | None = None, era: str = ERAS[1]) -> CallToolResult:
    async def calling() -> CallToolResult:
        async with (
            httpx2.AsyncClient(headers=dict(connector.headers), timeout=30, trust_env=False) as http,
            Client(streamable_http_client(connector.url, http_client=http), mode=era) as client,
        ):
            await client.list_tools()  # the client checks results against the schemas of this list
            return await client.call_tool(tool, arguments or {})

    return asyncio.run(calling())


def status(url: str) -> int:
    return httpx2.get(url, trust_env=False).status_code


@each(("none", "rest-api"), ("api-key", "rest-api"), ("headers", "rest-api"))
def test_without_settings_it_ends_and_names_all_that_are_missing(installed: Installed, chosen: Answers) -> None:
    project, env = installed(chosen)
    listed = re.findall(r"Required\..*\n# ([A-Z_]+)=", (project / ".env.example").read_text())
    required = {*listed, "PUBLIC_URL"} - {"PUBLIC_HOST"}  # Compose reads one, and sets the other
    if chosen["auth_mode"] == "api-key":
        required.add("API_KEYS")
    done = run(project, env, "connector", "serve")
    assert done.returncode == 1
    assert [name for name in required if f"{name} is missing" not in done.stderr] == []
    assert len(done.stderr.splitlines()) == 1 + len(required)


@each(("api-key", "rest-api"))
def test_wrong_settings_are_all_named_and_no_value_is_repeated(installed: Installed, chosen: Answers) -> None:
    project, env = installed(chosen)
    wrong = {
        "PORT": "70000x",
        "PUBLIC_URL": "http://wrong.example",
        "ALLOWED_ORIGINS": "wrong.example",
        "FORWARDED_ALLOW_IPS": "wrong-proxy",
        "LOG_LEVEL": "wrong-level",
        "API_KEYS": '{"wrong": "entry"}',
        "API_KEYS_FILE": "/wrong/file",
        "UPSTREAM_URL": "https://user:wrong@api.example",
    }
    done = run(project, {**env, **wrong}, "connector", "serve")
    named = done.stderr.splitlines()[1:]
    assert (done.returncode, len(named)) == (1, len(wrong))
    for line, name in itertools.product(named, wrong):
        if line.split()[0] == name and name != "FORWARDED_ALLOW_IPS":  # it names the address, which is not a secret
            assert wrong[name] not in line


@EVERY
def test_dev_needs_no_settings_and_prints_a_first_call(installed: Installed, chosen: Answers, tmp_path: Path) -> None:
    _, env = installed(chosen)
    origin = f"http://127.0.0.1:{(port := free_port())}"
    with started(
        ["connector", "dev"], {**env, "PORT": str(port)}, tmp_path, origin, f"{origin}/health/ready", {}
    ) as dev:
        printed = dict(re.findall(r"^  (URL|Inspector|curl) +(.+)$", dev.log.read_text(), re.MULTILINE))
        assert printed["URL"] == f"{origin}/mcp"
        assert shlex.split(printed["Inspector"])[:4] == [
            "npx",
            "@modelcontextprotocol/inspector@2",
            "--cli",
            f"{origin}/mcp",
        ]
        tool = "count_words" if chosen["source"] == "blank" else "search_records"
        assert f'"name":"{tool}"' in pasted(printed["curl"])


def pasted(line: str) -> str:
    """What a curl line prints in a shell; on a machine without curl, what the request that it describes is answered."""
    if shutil.which("curl"):
        return subprocess.run(line, shell=True, capture_output=True, text=True, check=True, timeout=20).stdout
    words = shlex.split(line)
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    url, _, content = words[2:5]
    return httpx2.post(url, content=content, headers=headers, trust_env=False).text


@each(("none", "blank"))
def test_dev_refuses_to_be_public(installed: Installed, chosen: Answers) -> None:
    project, env = installed(chosen)
    done = run(project, {**env, "PUBLIC_URL": "https://connector.example.com"}, "connector", "dev")
    assert done.returncode == 1
    assert done.stderr.startswith("PUBLIC_URL is https://connector.example.com: `dev` is for this machine alone.")


@each(("none", "blank"))
@pytest.mark.parametrize("command", ["serve", "dev"])
def test_a_taken_port_is_named_in_one_sentence(installed: Installed, chosen: Answers, command: str) -> None:
    project, env = installed(chosen)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = {
            "PORT": port,
            "PUBLIC_URL": "http://localhost",
            "LOG_LEVEL": "WARNING",
            "REQUEST_STATE_KEYS": "k" * 32,
        }
        done = run(project, {**env, **settings}, "connector", command)
    assert done.returncode != 0
    assert (len(done.stderr.splitlines()), port in done.stderr) == (1, True)


@each(("none", "blank"))
def test_dev_serves_what_was_changed(installed: Installed, chosen: Answers, tmp_path: Path) -> None:
    project, env = installed(chosen)
    source = shutil.copytree(project / "src", tmp_path / "src")
    tool = source / recorded(project)["package_name"] / "tools/text.py"
    origin = f"http://127.0.0.1:{(port := free_port())}"
    env = {**env, "PORT": str(port), "PYTHONPATH": f"{source}:{env['PYTHONPATH']}"}
    with started(["connector", "dev"], env, tmp_path, origin, f"{origin}/health/live", {}):

        def described(words: str) -> bool:
            try:
                return words in httpx2.post(f"{origin}/mcp", json=LIST, headers=POST, trust_env=False).text
            except httpx2.HTTPError:
                return False

        assert described("Count the words")
        tool.write_text(tool.read_text().replace("Count the words", "Number the words"))
        until(lambda: described("Number the words"))


@each(("none", "rest-api"))
def test_after_sigterm_readiness_fails_then_nobody_connects_and_calls_in_flight_finish(
    installed: Installed, chosen: Answers
) -> None:
    with (
        system(seconds=9) as behind,
        serving(*installed(chosen), UPSTREAM_URL=behind.origin) as connector,
        ThreadPoolExecutor() as pool,
    ):
        calls = [pool.submit(call, connector, "search_records", {}, era) for era in ERAS]
        until(lambda: len(behind.received) == len(ERAS))
        connector.process.terminate()
        until(lambda: status(f"{connector.origin}/health/ready") == 503, 2)
        last = httpx2.post(connector.url, json=LIST, headers=POST, trust_env=False)
        assert (last.status_code, "close" in last.headers["connection"]) == (200, True)

        def refused() -> bool:
            try:
                return status(f"{connector.origin}/health/live") != 200
            except httpx2.ConnectError:
                return True

        until(refused)
        assert not any(answer.done() for answer in calls)
        for answer in calls:
            assert answer.result(20).structured_content == {"records": [{"id": "1"}], "next_cursor": None}
        assert connector.process.wait(10) == 0


@each(("none", "blank"))
def test_who_only_idles_does_not_hold_the_stop_up(installed: Installed, chosen: Answers) -> None:
    with serving(*installed(chosen)) as connector:
        address = ("127.0.0.1", int(connector.origin.rpartition(":")[2]))
        with socket.create_connection(address), socket.create_connection(address) as half, httpx2.Client() as client:
            half.sendall(b"POST /mcp HTTP/1.1\r\nHost: x\r\n")
            assert client.get(f"{connector.origin}/health/live").status_code == 200
            connector.process.terminate()
            assert connector.process.wait(15) == 0


class RoundRobin(httpx2.AsyncHTTPTransport):
    """Sends each request to the next port, as a balancer in front of replicas does."""

    def __init__(self, *ports: int) -> None:
        super().__init__()
        self.ports = itertools.cycle(ports)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(port=next(self.ports))  # the Host header stays
        return await super().handle_async_request(request)


@each(("none", "rest-api"))
def test_any_replica_answers_any_request(installed: Installed, chosen: Answers) -> None:
    project, env = installed(chosen)
    ports, public = (free_port(), free_port()), "http://localhost:1234"

    async def follow_up(era: str) -> None:
        async with (
            httpx2.AsyncClient(transport=RoundRobin(*ports)) as http,
            Client(streamable_http_client(f"{public}/mcp", http_client=http), mode=era) as client,
        ):
            for _ in range(20):
                assert not (await client.call_tool("search_records", {})).is_error

    with system() as behind:
        settings = {"UPSTREAM_URL": behind.origin, "PUBLIC_URL": public}
        with (
            serving(project, env, PORT=str(ports[0]), **settings),
            serving(project, env, PORT=str(ports[1]), **settings),
        ):
            for era in ERAS:
                asyncio.run(follow_up(era))


@each(("none", "rest-api"))
def test_an_upstream_api_that_is_down_is_reported_and_takes_no_replica_out(
    installed: Installed, chosen: Answers
) -> None:
    with serving(*installed(chosen), UPSTREAM_URL=f"http://127.0.0.1:{free_port()}") as connector:
        ready = httpx2.get(f"{connector.origin}/health/ready", trust_env=False)
        said = ready.json()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said["upstream"].pop("since"))
        assert said == {"status": "ok", "upstream": {"status": "failing", "cause": "ConnectError"}}
        assert ready.status_code == 200
        assert call(connector, "search_records", {}).is_error
        assert len(re.findall("the upstream API does not answer", connector.log.read_text())) == 1


@each(("api-key", "rest-api"), ("headers", "rest-api"))
def test_no_secret_is_written_to_the_log(installed: Installed, chosen: Answers) -> None:
    project, env = installed(chosen)
    own = "Bearer a-secret-of-the-connector"
    with system() as behind:
        settings = {"UPSTREAM_URL": behind.origin, "UPSTREAM_AUTH_VALUE": own, "LOG_LEVEL": "DEBUG"}
        with serving(project, env, **settings) as connector:
            personal = dict.fromkeys(connector.headers, "a-secret-of-a-caller")
            caller = replace(connector, headers=personal) if chosen["auth_mode"] == "headers" else connector
            for era in ERAS:
                assert not call(caller, "search_records", {"query": "x"}, era).is_error
                assert call(caller, "get_record", {"record_id": "missing"}, era).is_error
            written = connector.log.read_text()
    sent_on = [own] if chosen["auth_mode"] == "api-key" else list(caller.headers.values())
    assert all(set(sent_on) <= set(received.values()) for received in behind.received)
    assert "tools/call get_record" in written
    assert [each for each in (COOKIE, own, *caller.headers.values()) if each.rpartition(" ")[2] in written] == []


@each(("api-key", "blank"))
@pytest.mark.parametrize("believed", ["127.0.0.0/8", "*"])
def test_who_forges_an_address_is_still_counted_unless_every_proxy_is_believed(
    installed: Installed, chosen: Answers, believed: str
) -> None:
    """A proxy adds the address that it saw on the right of what the caller wrote; `*` takes what stands on the left."""
    with serving(*installed(chosen), FORWARDED_ALLOW_IPS=believed, API_KEYS="# none yet") as connector:
        told = [
            httpx2.post(
                connector.url,
                headers={"X-API-Key": f"wrong{at}_x", "X-Forwarded-For": f"203.0.113.{at}, 198.51.100.1"},
                trust_env=False,
            ).status_code
            for at in range(60)
        ]
        assert (429 in told) == (believed != "*")


@each(("api-key", "blank"))
@pytest.mark.parametrize("trusted", [True, False])
def test_a_forwarded_address_counts_from_the_proxy_alone(installed: Installed, chosen: Answers, trusted: bool) -> None:
    proxy = "127.0.0.1" if trusted else "10.0.0.0/8"
    with serving(*installed(chosen), FORWARDED_ALLOW_IPS=proxy, API_KEYS="# none yet") as connector:
        forged = {"X-API-Key": "wrong", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
        assert httpx2.post(connector.url, headers=forged, trust_env=False).status_code == 401
        address = "203.0.113.9" if trusted else "127.0.0.1"
        until(lambda: '"error.type":"malformed_key"' in connector.log.read_text())  # the line comes after the answer
        assert f'"client.address":"{address}"' in connector.log.read_text()


@each(("none", "blank"))
def test_a_chunked_body_over_4_mib_is_refused(installed: Installed, chosen: Answers) -> None:
    with serving(*installed(chosen)) as connector:
        chunks = iter([b" " * 65536] * 65)
        assert httpx2.post(connector.url, content=chunks, headers=POST, trust_env=False).status_code == 413
