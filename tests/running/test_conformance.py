"""The official conformance suite against rendered, running connectors.

Two runs count for each revision: the scenarios that need nothing of a server, against connectors as rendered; and all
that the revision requires, against a connector with the suite's fixtures beside its own tools. `pytest -rP` shows the
counts.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import yaml

from ..lib.rendering import ROOT, Installed, python, recorded
from ..lib.serving import Running, free_port, serving, started

SUITE = ROOT / "tests/peers/node_modules/@modelcontextprotocol/conformance"
BIN = Path(sys.executable).parent
REVISIONS = ["2025-11-25", "2026-07-28"]

FIXTURE_FREE = {
    "2025-11-25": [
        "server-initialize",
        "ping",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
    ],
    "2026-07-28": [
        "server-stateless",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
        "caching",
        "sep-2164-resource-not-found",
        "http-header-validation",
    ],
}
# Checks of these that call a tool which only fixtures have: without it they fail or pass whatever a connector does.
NEED_FIXTURES = {
    "sep-2575-server-rejects-undeclared-capability",
    "sep-2575-missing-capability-http-400",
    "sep-2575-http-server-no-independent-requests-on-stream",
    "sep-2575-server-no-log-without-loglevel",
}
# The price of statelessness: before 2026-07-28 a server asks its client over a session's back-channel.
NEED_A_SESSION = {
    "tools-call-sampling",
    "tools-call-elicitation",
    "elicitation-sep1034-defaults",
    "elicitation-sep1330-enums",
}
# Checks nothing of a server without sessions in 2025-11-25; in 2026-07-28 it does.
SKIPPED_WITHOUT_A_SESSION = {"server-sse-multiple-streams"}
# Tools that the suite calls without scoring the answer: those of the tasks extension and of streams that are resumed.
UNSCORED_TOOLS = {
    "confirm_delete",
    "failing_job",
    "greet",
    "multi_input",
    "protocol_error_job",
    "slow_compute",
    "test_reconnection",
    "test_tool_with_task",
}

Checks = list[dict[str, object]]
Scenarios = dict[str, Checks]
Record = Callable[[str, object], None]


def suite(url: str, revision: str, results: Path) -> Scenarios:
    """What the suite found in each scenario that it ran."""
    command: list[str | Path] = [BIN / "node", SUITE / "dist/index.js", "server", "--url", url, "-o", results]
    command += ["--requirements", revision]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "=== SUMMARY ===" in done.stdout, done.stdout + done.stderr
    return found_in(results)


def found_in(results: Path, kind: str = "server") -> Scenarios:
    """What the suite wrote down, by scenario."""
    found = {}
    for folder in results.iterdir():
        scenario = re.fullmatch(rf"{kind}-(.+)-\d{{4}}-\d\d-\d\dT[\d-]+Z", folder.name)
        assert scenario, folder
        found[scenario[1]] = json.loads((folder / "checks.json").read_text())
    return found


def required(revision: str) -> list[str]:
    """The scenarios that a server must pass to conform to a revision."""
    scenarios: list[str] = yaml.safe_load((SUITE / f"requirements/{revision}.yaml").read_text())["server"]
    return scenarios


def with_status(checks: Checks, *statuses: str) -> list[object]:
    return [check["id"] for check in checks if check["status"] in statuses]


def passed(checks: Checks) -> bool:
    """Whether something was checked beside the form of the messages, and nothing failed or gave a warning."""
    checked = set(with_status(checks, "SUCCESS")) - {"wire-schema-valid"}
    return bool(checked) and not with_status(checks, "FAILURE", "WARNING")


def not_passed(scenarios: Scenarios) -> dict[str, list[object]]:
    """The scenarios that did not pass, with the checks to blame."""
    return {name: with_status(of, "FAILURE", "WARNING") for name, of in scenarios.items() if not passed(of)}


def tell(record: Record, what: str, scenarios: Scenarios) -> None:
    """Write the counts to the test's output."""
    count = sum(len(with_status(checks, "SUCCESS")) for checks in scenarios.values())
    complete = len(scenarios) - len(not_passed(scenarios))
    line = f"Conformance, {what}: {complete} of {len(scenarios)} scenarios passed, {count} checks"
    record("summary", line)
    print(line)


@pytest.fixture(scope="module", params=["none", "api-key", "headers"])
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def url(mode: str, installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the suite finds a connector as it is rendered."""
    source = "blank" if mode == "none" else "rest-api"
    project, env = installed({"auth_mode": mode, "hosting": "compose", "source": source})
    if mode == "none":
        with serving(project, env) as connector:
            yield connector.url
    else:
        with with_credentials(project, env, tmp_path_factory.mktemp("caddy")) as proxy:
            yield proxy.url


@contextmanager
def with_credentials(project: Path, env: Mapping[str, str], folder: Path) -> Iterator[Running]:
    """A connector behind a proxy that adds a caller's credential, because the suite cannot send one."""
    origin = f"http://127.0.0.1:{free_port()}"
    with (
        serving(project, env, PUBLIC_URL=origin) as connector,
        adding(connector.headers, connector, origin, folder) as proxy,
    ):
        yield proxy


@contextmanager
def adding(headers: Mapping[str, str], connector: Running, origin: str, folder: Path) -> Iterator[Running]:
    """A proxy at `origin` that adds these headers to what it sends to a connector, for whatever host that is."""
    every_host = f"http://:{urlsplit(origin).port}"
    proxy: list[str | Path] = [BIN / "caddy", "reverse-proxy", f"--from={every_host}", f"--to={connector.origin}"]
    proxy += [f"--header-up={name}: {value}" for name, value in headers.items()]
    with started(proxy, {"HOME": str(folder)}, folder, origin, f"{origin}/health/live", {}) as running:
        yield running


class WithFixtures(NamedTuple):
    """What the suite found, by revision, and the tools and prompts that it asked for in vain."""

    found: dict[str, Scenarios]
    unknown: set[str]


@pytest.fixture(scope="module")
def with_fixtures(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> WithFixtures:
    """The suite run against a connector with its fixtures beside the connector's own tools."""
    project, env = installed({"auth_mode": "none", "hosting": "compose", "source": "blank"})
    command: list[str | Path] = [
        python(project),
        "-m",
        "tests.lib.conformance.serve",
        recorded(project)["package_name"],
    ]
    with serving(project, env, command=command, PYTHONPATH=f"{env['PYTHONPATH']}:{ROOT}") as connector:
        found = {each: suite(connector.url, each, tmp_path_factory.mktemp("results")) for each in REVISIONS}
        return WithFixtures(found, set(re.findall(r"Unknown (?:tool|prompt): (\w+)", connector.log.read_text())))


def passes_without_fixtures(mode: str, url: str, revision: str, results: Path, record_property: Record) -> None:
    """A connector as it is rendered passes every scenario that needs no fixture."""
    found = suite(url, revision, results)
    scenarios = {
        name: [check for check in found[name] if check["id"] not in NEED_FIXTURES] for name in FIXTURE_FREE[revision]
    }
    tell(record_property, f"{revision}, as rendered for {mode}", scenarios)
    assert not_passed(scenarios) == {}


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_connector_as_rendered_passes_every_scenario_that_needs_no_fixture(
    mode: str, url: str, revision: str, tmp_path: Path, record_property: Record
) -> None:
    passes_without_fixtures(mode, url, revision, tmp_path, record_property)


def test_with_fixtures_every_required_scenario_of_2026_07_28_passes(
    with_fixtures: WithFixtures, record_property: Record
) -> None:
    scenarios = {name: with_fixtures.found["2026-07-28"][name] for name in required("2026-07-28")}
    tell(record_property, "2026-07-28, with fixtures", scenarios)
    assert not_passed(scenarios) == {}


def test_with_fixtures_every_required_scenario_of_2025_11_25_passes_but_those_that_need_a_session(
    with_fixtures: WithFixtures, record_property: Record
) -> None:
    scenarios = {name: with_fixtures.found["2025-11-25"][name] for name in required("2025-11-25")}
    tell(record_property, "2025-11-25, with fixtures", scenarios)
    assert {name for name, checks in scenarios.items() if with_status(checks, "FAILURE")} == NEED_A_SESSION
    assert not_passed(scenarios).keys() == NEED_A_SESSION | SKIPPED_WITHOUT_A_SESSION


def test_no_fixture_is_missing(with_fixtures: WithFixtures) -> None:
    assert with_fixtures.unknown <= UNSCORED_TOOLS


def test_the_suite_notices_a_connector_that_answers_to_any_host(installed: Installed, tmp_path: Path) -> None:
    project, env = installed({"auth_mode": "none", "hosting": "compose", "source": "blank"})
    careless = f"""
import sys
from mcp.server.transport_security import TransportSecuritySettings
from {recorded(project)["package_name"]} import app
from {recorded(project)["package_name"]}.core.command import cli
app.TransportSecuritySettings = lambda **_: TransportSecuritySettings(enable_dns_rebinding_protection=False)
app.OwnHost = lambda protocol, settings: protocol
sys.argv[1:] = ["serve"]
cli.main()
"""
    with serving(project, env, command=[python(project), "-c", careless]) as connector:
        found = suite(connector.url, "2026-07-28", tmp_path)
    assert not_passed(found).keys() >= {"dns-rebinding-protection"}
    assert passed(found["tools-list"])
