"""Nobody starves the others: the limits of a caller and of a tool, in connectors that run."""

import asyncio
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from ..lib.rendering import Installed, interpreter, recorded, run
from ..lib.serving import Running, credentials, free_port, serving, state_store, until
from .test_running import ERAS, LIST, POST, call, of

SEARCH = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search_records", "arguments": {}}}
HTTP = httpx2.Client(trust_env=False, timeout=30, limits=httpx2.Limits(max_keepalive_connections=0))
KEY = "a-key-of-32-bytes-or-more-for-all"


class Hanging(ThreadingHTTPServer):
    """An upstream API that answers only its health check, until `answers` is set; it counts who is still there."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = threading.Event()
        self.waiting = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hanging

    def do_GET(self) -> None:
        if self.path.startswith("/records"):
            self.server.waiting += 1
            self.connection.settimeout(0.05)
            try:
                while not self.server.answers.is_set():
                    try:
                        if not self.connection.recv(1):
                            return  # the connector has closed the connection
                    except TimeoutError:
                        continue
            finally:
                self.server.waiting -= 1
        content = b'{"items": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def hanging() -> Iterator[Hanging]:
    with Hanging() as behind:
        thread = threading.Thread(target=behind.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield behind
        finally:
            behind.answers.set()
            behind.shutdown()
            thread.join()


def post(connector: Running, message: Mapping[str, object], headers: Mapping[str, str]) -> httpx2.Response:
    return HTTP.post(connector.url, json=message, headers={**POST, **headers})


def refused(answer: httpx2.Response) -> bool:
    """Whether an answer is a refusal that says when to call again."""
    assert answer.status_code in (200, 429)
    if answer.status_code == 200:
        return False
    assert int(answer.headers["Retry-After"]) >= 1
    assert "again" in answer.json()["error"]["message"]
    return True


def test_a_caller_waits_and_others_do_not(installed: Installed, tmp_path: Path) -> None:
    """Places of callers who leave are given back, in each version of the protocol."""
    project, env = installed(of("api-key", "rest-api"))
    keys = str(tmp_path / "keys.jsonl")
    greedy, modest = credentials(project, env, keys), credentials(project, env, keys)
    with (
        hanging() as api,
        serving(
            project, env, API_KEYS_FILE=keys, UPSTREAM_URL=api.origin, CALLS_AT_ONCE="3", RATE_LIMIT="30/hour"
        ) as connector,
    ):

        async def leave(versions: list[dict[str, str]]) -> None:
            async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
                calls = [
                    asyncio.create_task(http.post(connector.url, json=SEARCH, headers={**POST, **greedy, **version}))
                    for version in versions
                ]
                await asyncio.to_thread(until, lambda: api.waiting == 3)
                assert await asyncio.to_thread(lambda: refused(post(connector, LIST, greedy)))
                assert not await asyncio.to_thread(lambda: refused(post(connector, LIST, modest)))
                for call in calls:
                    call.cancel()
                await asyncio.wait(calls)

        asyncio.run(leave([{}, {"MCP-Protocol-Version": "2025-06-18"}, {}]))
        until(lambda: api.waiting == 0)
        until(lambda: not refused(post(connector, LIST, greedy)))
        until(lambda: refused(post(connector, LIST, greedy)), 30)
        assert not refused(post(connector, LIST, modest))
        assert int(post(connector, LIST, greedy).headers["Retry-After"]) > 60
        until(lambda: "refused_429" in connector.log.read_text())


@pytest.mark.parametrize("era", ERAS)
def test_a_tool_that_takes_too_long_ends_with_what_it_asked_of_others(installed: Installed, era: str) -> None:
    project, env = installed(of("none", "rest-api"))
    with hanging() as api, serving(project, env, UPSTREAM_URL=api.origin, TOOL_TIMEOUT="1") as connector:
        result = call(connector, "search_records", era=era)
        assert result.is_error
        assert "search_records took longer than 1 second and was stopped. Ask for less" in str(result.content)
        until(lambda: api.waiting == 0)
        until(lambda: bool(re.search(r'outcome"?[=:] ?"?timeout', connector.log.read_text())))


@pytest.fixture
def with_redis(installed: Installed, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A connector whose owner ran `uv add redis`."""
    project, env = installed(of("api-key", "blank"))
    found = subprocess.run(
        [interpreter("proxy"), "-c", "import redis; print(redis.__path__[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    (tmp_path / "added").mkdir()
    (tmp_path / "added/redis").symlink_to(found.stdout.strip())
    return project, {**env, "PYTHONPATH": f"{env['PYTHONPATH']}:{tmp_path / 'added'}"}


@pytest.mark.peers
def test_replicas_share_a_rate_and_refuse_nobody_while_the_store_is_down(
    with_redis: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    project, env = with_redis
    keys, at = str(tmp_path / "keys.jsonl"), free_port()
    ada, bob = credentials(project, env, keys), credentials(project, env, keys)
    settings = {
        "API_KEYS_FILE": keys,
        "RATE_LIMIT": "6/hour",
        "REQUEST_STATE_KEYS": KEY,
        "PUBLIC_URL": "http://127.0.0.1:9",
        "STATE_STORE_URL": f"redis://127.0.0.1:{at}/0",
    }
    with ExitStack() as replicas:
        with state_store(port=at) as store:
            one, other = (replicas.enter_context(serving(project, env, **settings)) for _ in range(2))

            def calls(caller: Mapping[str, str], times: int) -> list[bool]:
                local = {**caller, "Host": "127.0.0.1:9"}
                return [refused(post((one, other)[number % 2], LIST, local)) for number in range(times)]

            assert calls(ada, 8) == [False] * 6 + [True] * 2
            assert calls(bob, 2) == [False] * 2
            kept = store.kept()
            assert [0 < left <= 3600 for _, left in kept.values()] == [True, True]
            assert not [name for name in kept if "key" in name or ada["Authorization"][7:] in name]
        assert calls(ada, 20) == [False] * 20
        with state_store(port=at):
            time.sleep(1.1)  # a store that failed is asked again after a second
            assert calls(ada, 8) == [False] * 6 + [True] * 2
        for replica in (one, other):
            said = replica.log.read_text()
            assert [said.count(f"RATE_LIMIT is {state}") for state in ("off", "on again")] == [1, 1]


def test_a_store_without_its_package_is_named_at_the_start(installed: Installed) -> None:
    project, env = installed(of("none", "blank"))
    chosen = {"PUBLIC_URL": "http://127.0.0.1:9", "RATE_LIMIT": "6/hour", "STATE_STORE_URL": "redis://127.0.0.1:9/0"}
    done = run(project, {**env, **chosen}, recorded(project)["command_name"], "settings")
    assert done.returncode == 1
    assert "STATE_STORE_URL needs the package redis; run `uv add redis`, or unset it." in done.stderr
    done = run(project, {**env, **chosen, "RATE_LIMIT": ""}, recorded(project)["command_name"], "settings")
    assert (done.returncode, done.stderr) == (0, "")
