"""The doctor at servers that are well: no false alarm. What it may remark about each, because it is true, is listed."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp.client import Client
from mcp.server import MCPServer

from ..lib.conformance.fixtures import register
from ..lib.rendering import ROOT, Installed, choices
from ..lib.serving import (
    NODE,
    PEERS,
    free_port,
    identity_provider,
    in_front,
    issued_by,
    serving,
    started,
    state_store,
)
from ..running.test_conformance import FIXTURE_FREE, NEED_FIXTURES, REVISIONS, not_passed, suite
from .visiting import ROWS, SLOW, visit_all
from .zoo import FAULTS, Server, zoo

pytestmark = pytest.mark.peers

MODES = choices("auth_mode")
EVERYTHING = PEERS / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
BROWSER = f"{sys.executable} -m tests.doctor.browser %s"
LOCAL = {"duvo": "yes", "vscode": "yes"}


class Report:
    """What the command said, as JSON."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.stdout, done.stderr
        self.status, said = done.returncode, json.loads(done.stdout)
        self.verdicts: dict[str, str] = said["verdicts"]
        self.findings: list[dict[str, str]] = said["findings"]

    @property
    def remarks(self) -> set[str]:
        assert {finding["level"] for finding in self.findings} <= {"warn"}, self.findings
        return {finding["probe"] for finding in self.findings}


def doctor(url: str, *arguments: str, **variables: str) -> Report:
    """The command as a user types it."""
    command = [sys.executable, "-m", "mcp_connector", "doctor", url, "--json", *arguments]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    return Report(subprocess.run(command, env=env, capture_output=True, text=True, timeout=60))


def header_file(folder: Path, headers: Mapping[str, str]) -> list[str]:
    if not headers:
        return []
    file = folder / "headers"
    file.write_text("".join(f"{name}: {value}\n" for name, value in headers.items()))
    return ["--header-file", str(file)]


# ------------------------------------------------------------------------------------------------------ connectors


@pytest.mark.parametrize("mode", MODES)
def test_a_connector_in_development_is_well(installed: Installed, tmp_path: Path, mode: str) -> None:
    _, env = installed({"auth_mode": mode, "hosting": "compose", "source": "rest-api"})
    origin = f"http://127.0.0.1:{(port := free_port())}"
    ready = f"{origin}/health/ready"
    with started(["connector", "dev"], {**env, "PORT": str(port)}, tmp_path, origin, ready, {}) as dev:
        printed = re.search(r"^  curl +(.+)$", dev.log.read_text(), re.MULTILINE)
        words = shlex.split(printed[1]) if printed else []
        sent = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
        own = {name: value for name, value in sent.items() if name not in ("Content-Type", "Accept")}
        without = doctor(f"{origin}/mcp")
        with_it = doctor(f"{origin}/mcp", *header_file(tmp_path, own))
    for report in (without, with_it):
        assert (report.status, report.remarks) == (0, set())
        assert report.verdicts.items() >= LOCAL.items()
        assert (report.verdicts["claude"] == "no") == (mode in ("api-key", "headers"))


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.startswith("oauth")])
def test_a_sign_in_to_a_connector_in_development_is_well(installed: Installed, tmp_path: Path, mode: str) -> None:
    _, env = installed({"auth_mode": mode, "hosting": "compose", "source": "rest-api"})
    origin = f"http://127.0.0.1:{(port := free_port())}"
    with started(["connector", "dev"], {**env, "PORT": str(port)}, tmp_path, origin, f"{origin}/health/ready", {}):
        report = doctor(f"{origin}/mcp", "--login", "--register", BROWSER=BROWSER)
    if mode == "oauth-proxy":  # its list of callbacks is its owner's, who adds the one that ChatGPT shows
        assert [finding["probe"] for finding in report.findings] == ["register-refused"]
        assert [platform for platform, value in report.verdicts.items() if value != "yes"] == ["chatgpt"]
    else:
        assert (report.status, report.remarks) == (0, set())
        assert set(report.verdicts.values()) == {"yes"}


@pytest.mark.parametrize("mode", MODES)
def test_a_connector_behind_caddy_is_well(installed: Installed, tmp_path: Path, mode: str) -> None:
    project, env = installed({"auth_mode": mode, "hosting": "compose", "source": "blank"})
    public = f"https://localhost:{free_port()}"
    with ExitStack() as stack:
        settings = {}
        if mode == "oauth-proxy":
            idp = stack.enter_context(identity_provider(callback=f"{public}/auth/callback"))
            settings = {**issued_by(idp, mode), "STATE_STORE_URL": stack.enter_context(state_store()).url}
            settings["PORT"] = str(free_port())
        connector = stack.enter_context(serving(project, env, PUBLIC_URL=public, **settings))
        stack.enter_context(in_front(public, int(connector.origin.rpartition(":")[2]), folder=tmp_path))
        trusted = {"SSL_CERT_FILE": str(tmp_path / "caddy/pki/authorities/local/root.crt")}
        without = doctor(f"{public}/mcp", **trusted)
        with_it = doctor(f"{public}/mcp", *header_file(tmp_path, connector.headers), **trusted)
    for report in (without, with_it):
        assert (report.status, report.remarks) == (0, set())
        assert report.verdicts.items() >= LOCAL.items()


@pytest.mark.parametrize("registration", [True, False])
def test_a_certified_identity_provider_is_well(installed: Installed, tmp_path: Path, registration: bool) -> None:
    project, env = installed({"auth_mode": "oauth", "hosting": "compose", "source": "blank"})
    with (
        identity_provider(registration=registration) as idp,
        serving(project, env, **issued_by(idp)) as connector,
    ):
        report = doctor(connector.url)
    assert (report.status, report.remarks) == (0, set() if registration else {"registration-none"})
    assert set(report.verdicts.values()) == {"yes"}


# ---------------------------------------------------------------------------------------------------- other servers


@pytest.mark.parametrize("stateless", [False, True])
def test_the_python_sdk_s_server_is_well(stateless: bool) -> None:
    with serving_everything(stateless) as url:
        report = doctor(url)
    assert (report.status, report.remarks) == (0, set() if stateless else {"accept"})  # its answers are streams alone


@contextmanager
def serving_everything(stateless: bool) -> Iterator[str]:
    """Every feature that the official suite asks for, in a server as the SDK makes it."""
    server: MCPServer[Any] = MCPServer("everything")
    register(server)
    app = server.streamable_http_app(stateless_http=stateless, json_response=stateless)
    running = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_config=None, timeout_graceful_shutdown=1))
    running.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        thread.join(0.05)
    try:
        yield f"http://127.0.0.1:{running.config.port}/mcp"
    finally:
        running.should_exit = running.force_exit = True
        thread.join(10)


def test_the_typescript_sdk_s_everything_server_is_well(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [NODE, EVERYTHING, "streamableHttp"],
        env={"PORT": str(port)},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        assert any("listening" in line for line in process.stderr)
        report = doctor(f"http://127.0.0.1:{port}/mcp")
    finally:
        process.terminate()
        process.wait(10)
    assert (report.status, report.remarks) == (0, {"accept", "version-2026"})  # true of this SDK's first line


# ------------------------------------------------------------------------------------------------------- the zoo


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_healthy_base_passes_the_official_suite(tmp_path: Path, revision: str) -> None:
    with zoo() as servers:
        found = suite(servers["none"].url, revision, tmp_path)
    found = {
        name: [check for check in found[name] if check["id"] not in NEED_FIXTURES] for name in FIXTURE_FREE[revision]
    }
    assert not_passed(found) == {}


WARNED = [name for name, row in ROWS.items() if row["exit"] == 0 and FAULTS.get(name, ("",))[0] == "none"]
MALFORMED = [
    "text-plain",
    "other-id",
    "no-jsonrpc",
    "no-server-info",
    "unknown-version",
    "half-an-event",
    "broken-body",
]


async def listed(url: str, mode: str) -> int:
    """How many tools the official client sees; 0 where it does not connect."""
    try:
        async with asyncio.timeout(20), Client(url, mode=mode) as client:
            return len((await client.list_tools()).tools)
    except (Exception, BaseExceptionGroup):
        return 0


def test_the_official_client_agrees_about_what_stops_a_client() -> None:
    async def ask(servers: Mapping[str, Server], names: list[str], mode: str) -> dict[str, int]:
        found = await asyncio.gather(*(listed(servers[name].url, mode) for name in names))
        return dict(zip(names, found, strict=True))

    with zoo() as servers:
        for mode in ("legacy", "auto"):
            assert 0 not in asyncio.run(ask(servers, ["none", *WARNED], mode)).values()
        assert {*asyncio.run(ask(servers, MALFORMED, "legacy")).values()} == {0}
        assert asyncio.run(listed(servers["no-result-type"].url, "auto")) == 0


@pytest.mark.parametrize("client", ["client-v1.mjs", "client-v2.mjs"])
def test_typescript_clients_use_the_healthy_base(client: str) -> None:
    with zoo() as servers:
        tool = {"name": "count_animals", "arguments": {}}
        task = json.dumps({"url": servers["none"].url, "headers": {}, "tool": tool, "mode": "auto"})
        done = subprocess.run([NODE, PEERS / client, task], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["tools"]) == 2


def test_on_a_busy_machine_no_verdict_changes_but_to_unknown() -> None:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        busy = visit_all(without=SLOW)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    for name, row in ROWS.items():
        if name not in SLOW:
            visit = busy[name]
            stopped = row.get("no", list(visit.verdicts) if row["exit"] == 1 else [])
            for platform, value in visit.verdicts.items():
                assert value == "unknown" or (value == "no") == (platform in stopped), (name, platform, visit.probes)
            assert set(visit.probes) <= {row["probe"], "unanswered"}, name
    healthy = {name: set(visit.probes) for name, visit in busy.items() if name.startswith("healthy")}
    assert set().union(*healthy.values()) <= {"unanswered"}
