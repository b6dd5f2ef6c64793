"""A real Prometheus reads connectors; their alerts, their dashboard and their runbook find what happens in them."""

import json
import math
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import valkey

from ..lib import prometheus, rendering
from ..lib.prometheus import Prometheus, promtool
from ..lib.rendering import Answers, Installed, Rendered, run
from ..lib.serving import (
    Running,
    access_token,
    free_port,
    identity_provider,
    issued_by,
    serving,
    state_store,
    until,
)

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(bool(prometheus.MISSING), reason=f"{prometheus.MISSING} missing: apt-get install prometheus jq"),
]

MODES = rendering.choices("auth_mode")
SOURCES = rendering.choices("source")
WATCHED: list[Answers] = [  # each mode with each source
    {"auth_mode": mode, "hosting": "compose", "source": source, "ci": "none", "observability": "prometheus"}
    for mode in MODES
    for source in SOURCES
]
every_watched = pytest.mark.parametrize("answers", WATCHED, ids=rendering.label)
ACCEPT = {"Accept": "application/json, text/event-stream"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def answers_of(mode: str, source: str = "rest-api") -> Answers:
    [answers] = [a for a in WATCHED if (a["auth_mode"], a["source"]) == (mode, source)]
    return answers


# ------------------------------------------------------------------------------------------------- read by promtool


@every_watched
def test_promtool_accepts_the_alerts_and_runs_their_tests(rendered: Rendered, answers: Answers) -> None:
    project = rendered(answers)
    for command in ("rules", "test"):
        arguments = {"rules": ["check", "rules", "alerts.yml"], "test": ["test", "rules", "alerts.test.yml"]}[command]
        accepted, said = promtool(*arguments, cwd=project / "ops")
        assert accepted, said


@every_watched
def test_every_alert_is_tested_and_has_its_chapter(rendered: Rendered, answers: Answers) -> None:
    project = rendered(answers)
    alerts = {rule["alert"]: rule["annotations"]["runbook"] for rule in prometheus.rules(project) if "alert" in rule}
    assert alerts == {name: f"docs/runbook.md#{name.lower()}" for name in alerts}
    assert alerts.keys() <= prometheus.chapters(project).keys()
    tested = (project / "ops/alerts.test.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"alertname: (\w+)\n +exp_alerts:", tested)) == alerts.keys()


@every_watched
def test_no_alert_is_about_what_the_connector_does_not_have(rendered: Rendered, answers: Answers) -> None:
    alerts = {rule.get("alert") for rule in prometheus.rules(rendered(answers))}
    assert ("IssuerUnreachable" in alerts) == answers["auth_mode"].startswith("oauth")
    upstream = answers["source"] in ("rest-api", "openapi")
    assert ("UpstreamFailing" in alerts) == upstream
    own = upstream and answers["auth_mode"] != "headers"
    assert ("UpstreamRefusesCredential" in alerts) == own


@every_watched
def test_every_question_to_prometheus_can_be_read(rendered: Rendered, answers: Answers, tmp_path: Path) -> None:
    project = rendered(answers)
    questions = [question for _, question in prometheus.panels(project)] + prometheus.asked(project)
    assert len(questions) > 15
    accepted, said = promtool("check", "rules", prometheus.as_rules(questions, tmp_path), cwd=tmp_path)
    assert accepted, said


@every_watched
def test_each_panel_of_the_dashboard_has_a_place_of_its_own(rendered: Rendered, answers: Answers) -> None:
    panels = json.loads((rendered(answers) / "ops/dashboard.json").read_text(encoding="utf-8"))["panels"]
    places = [
        (column, row)
        for place in (panel["gridPos"] for panel in panels)
        for column in range(place["x"], place["x"] + place["w"])
        for row in range(place["y"], place["y"] + place["h"])
    ]
    assert len(places) == len(set(places))
    assert max(column for column, _ in places) < 24  # Grafana has so many
    assert len({panel["id"] for panel in panels}) == len(panels) >= 7


PLANTED = {  # in alerts.yml: an edit that one of the two commands must refuse
    "a broken question": ("rate(connector_http_refused_total", "rates(connector_http_refused_total"),
    "a wrong label": ('outcome=~"error|timeout"', 'outcme=~"error|timeout"'),
    "another threshold": ("> 0.3\n", "> 0.6\n"),
    "another job": ('up{job="acme-crm"}', 'up{job="acme"}'),
    "a metric that is misspelt": ("(connector_credential_expiry", "(connector_credentials_expiry"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_in_the_alerts_is_found(rendered: Rendered, tmp_path: Path, name: str) -> None:
    ops = shutil.copytree(rendered(answers_of("api-key")) / "ops", tmp_path / "ops")
    right, wrong = PLANTED[name]
    text = (ops / "alerts.yml").read_text(encoding="utf-8")
    assert right in text
    (ops / "alerts.yml").write_text(text.replace(right, wrong), encoding="utf-8")
    assert not all(
        promtool(*words, cwd=ops)[0]
        for words in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml"))
    )


# ---------------------------------------------------------------------------------------------- read by Prometheus


class Api(ThreadingHTTPServer):
    """An upstream API that answers with a status, after some seconds."""

    daemon_threads = True
    status, seconds = 200, 0.0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert isinstance(self.server, Api)
            time.sleep(self.server.seconds)
            with suppress(OSError):  # the caller has left
                self.send_response(self.server.status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"records": [], "next": null}')

        def log_message(self, *_: object) -> None:
            pass

    @contextmanager
    def being(self, status: int = 200, seconds: float = 0) -> Iterator[None]:
        """Until the block ends, it answers so."""
        self.status, self.seconds = status, seconds
        yield
        self.status, self.seconds = 200, 0


@contextmanager
def upstream_api() -> Iterator[tuple[Api, str]]:
    with Api(("127.0.0.1", 0), Api.Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class Watched:
    """A connector that Prometheus reads."""

    def __init__(self, project: Path, env: Mapping[str, str], connector: Running, server: Prometheus, folder: Path):
        self.project, self.env, self.connector, self.server, self.folder = project, env, connector, server, folder

    def post(self, body: Mapping[str, Any] = LIST, timeout: float = 30, **headers: str) -> httpx2.Response:
        sent = {**ACCEPT, **self.connector.headers, **headers}
        return httpx2.post(self.connector.url, json=body, headers=sent, trust_env=False, timeout=timeout)

    def call(self, tool: str, timeout: float = 30, **arguments: object) -> httpx2.Response:
        params = {"name": tool, "arguments": arguments}
        return self.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, timeout)

    def logged(self, chapter: str, words: str) -> str:
        """What the runbook's questions with these words find in the log."""
        prometheus.lines(self.project, self.connector.log, self.folder)
        return prometheus.found(self.project, chapter, words, self.folder)

    def counted(self, chapter: str, **labels: str) -> bool:
        """Whether one of the runbook's questions to Prometheus has an answer above 0 with these labels."""
        blocks = prometheus.chapters(self.project)[chapter]
        answers = [self.server.ask(code) for language, code in blocks if language == "promql"]
        return any(value > 0 for answer in answers for named, value in answer if labels.items() <= named.items())

    def blank(self, panels: list[tuple[str, str]]) -> list[str]:
        """Titles of panels that show nothing."""
        answers = {title: self.server.ask(question) for title, question in panels}
        return [title for title, answer in answers.items() if all(math.isnan(value) for _, value in answer)]

    def unknown(self) -> list[str]:
        """Metrics and labels that alerts name and the connector does not have."""
        rules = " ".join(rule["expr"] for rule in prometheus.rules(self.project))
        named = {(metric, label) for metric, labels in SELECTED.findall(rules) for label in LABEL.findall(labels)}
        return [f"{m}{{{label}}}" for m, label in sorted(named) if not self.server.ask(f'{m}{{{label}!=""}}')]


SELECTED = re.compile(r"([\w:]+)\{([^}]*)\}")
LABEL = re.compile(r'(\w+)(?==~?")')


@contextmanager
def watching(installed: Installed, folder: Path, answers: Answers, **settings: str) -> Iterator[Watched]:
    """A connector, and a Prometheus that has read it twice."""
    project, env = installed(answers)
    port = free_port()
    with (
        serving(project, env, METRICS_PORT=str(port), LOG_FORMAT="json", **settings) as connector,
        prometheus.reading(project, folder, [port]) as server,
    ):
        until(lambda: server.ask("count_over_time(connector_build_info[1m]) > 1") != [])
        yield Watched(project, {**env, **settings}, connector, server, folder)


@pytest.fixture(scope="module")
def api() -> Iterator[tuple[Api, str]]:
    with upstream_api() as running:
        yield running


@pytest.fixture(scope="module")
def keyed(installed: Installed, api: tuple[Api, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A connector with keys and that API, whose limits are soon reached."""
    folder = tmp_path_factory.mktemp("keyed")
    settings = {"UPSTREAM_URL": api[1], "API_KEYS_FILE": str(folder / "keys.jsonl")}
    with watching(installed, folder, answers_of("api-key"), RATE_LIMIT="30/minute", TOOL_TIMEOUT="7", **settings) as it:
        yield it


def visit(watched: Watched, tool: str, argument: str) -> None:
    """What a connector gets on any day: good calls, calls that fail, callers without a credential, and strangers."""
    for _ in range(3):
        watched.call(tool, timeout=30, **{argument: "Three little words"})
        watched.call(tool, nothing="of use")
        watched.post(Authorization="Bearer wrong")
        watched.post(Host="other.example")
        time.sleep(1.1)


@pytest.mark.parametrize(
    ("mode", "source", "tool", "argument"),
    [("api-key", "rest-api", "search_records", "query"), ("oauth", "blank", "count_words", "text")],
)
def test_every_panel_shows_something_and_every_alert_is_computed(
    installed: Installed, tmp_path: Path, mode: str, source: str, tool: str, argument: str
) -> None:
    with watching(installed, tmp_path, answers_of(mode, source)) as found:
        visit(found, tool, argument)
        panels = prometheus.panels(found.project)
        until(lambda: not found.blank(panels))
        until(lambda: not found.unknown())
        names = {rule.get("alert") or rule["record"] for rule in prometheus.rules(found.project)}
        until(lambda: found.server.rules().keys() == names)
        assert {name: error for name, error in found.server.rules().items() if error} == {}
        title, question = panels[0]
        assert found.blank([(title, question.replace("_seconds_count", "_seconds_counts"))]) == [title]
        text = (found.project / "ops/alerts.yml").read_text(encoding="utf-8")
        found.project = tmp_path
        (tmp_path / "ops").mkdir()
        (tmp_path / "ops/alerts.yml").write_text(text.replace('outcome="tool_error"', 'outcomes="tool_error"'))
        assert found.unknown() == ["mcp_server_operation_duration_seconds_count{outcomes}"]


# --------------------------------------------------------------------------------------------------- ten faults


def test_a_wrong_upstream_credential_is_found(keyed: Watched, api: tuple[Api, str]) -> None:
    with api[0].being(status=401):
        keyed.call("search_records")
    assert "upstream_401" in keyed.logged("UpstreamRefusesCredential", '"upstream_401"')
    until(lambda: keyed.counted("UpstreamRefusesCredential"))


def test_an_upstream_host_that_has_no_address_is_found(installed: Installed, tmp_path: Path) -> None:
    with watching(installed, tmp_path, answers_of("none"), UPSTREAM_URL="http://nowhere.invalid") as found:
        found.call("search_records")
        said = found.logged("UpstreamFailing", "connector.upstream")
        assert "nowhere.invalid" in said
        assert re.search("name resolution|Name or service not known", said)
        until(lambda: found.counted("UpstreamFailing", result="failed"))


def test_a_slow_upstream_api_is_found(keyed: Watched, api: tuple[Api, str]) -> None:
    with api[0].being(seconds=5.5):
        keyed.call("search_records")
    whole, upstream, _ = keyed.logged("ConnectorSlow", "duration_ms > 5000").split(maxsplit=2)
    assert float(whole) >= float(upstream) > 5400
    until(lambda: any(value > 5 for _, value in keyed.server.ask(prometheus.first(keyed.project, "ConnectorSlow"))))


def test_an_identity_provider_that_is_down_is_found(installed: Installed, tmp_path: Path) -> None:
    with ExitStack() as running:
        idp = running.enter_context(identity_provider(opaque=True))
        settings = issued_by(idp, "oauth-introspection")
        answers = answers_of("oauth-introspection", "blank")
        found = running.enter_context(watching(installed, tmp_path, answers, **settings))
        token = access_token(idp.origin, found.connector.url)
        idp.process.kill()
        for _ in range(2):  # a series that begins with the first one has risen with the second
            assert found.post(Authorization=f"Bearer {token}").status_code == 503
            time.sleep(1.5)
        assert "does not answer" in found.logged("IssuerUnreachable", "core.auth.issuer")
        assert "does not answer" in found.logged("CallersUnchecked", "unavailable")
        until(lambda: found.counted("IssuerUnreachable") and found.counted("CallersUnchecked", status="503"))


def another_key(keyed: Watched) -> tuple[str, str]:
    """Its id, and what its owner sends."""
    made = run(keyed.project, keyed.env, "connector", "keys", "new", "--owner", "leaver").stdout.splitlines()[1]
    [number] = re.findall("_([0-9a-f]{12})_", made)
    until(lambda: keyed.post(Authorization=f"Bearer {made}").status_code == 200)
    return number, f"Bearer {made}"


def test_a_revoked_key_is_found(keyed: Watched) -> None:
    number, sent = another_key(keyed)
    run(keyed.project, keyed.env, "connector", "keys", "revoke", number)
    until(lambda: keyed.post(Authorization=sent).status_code == 401)
    said = keyed.logged("CallersRefused", '"refused_401"')
    assert number in said
    assert "unknown_key" in said
    until(lambda: keyed.counted("CallersRefused", status="401"))


def test_another_host_name_is_found(keyed: Watched) -> None:
    assert keyed.post(Host="other.example").status_code == 421
    assert f"Host is 'other.example', and PUBLIC_URL is {keyed.connector.origin}" in keyed.logged(
        "CallersRefused", '"refused_host"'
    )
    until(lambda: keyed.counted("CallersRefused", status="421"))


def test_a_web_page_of_another_origin_is_found(keyed: Watched) -> None:
    assert keyed.post(Origin="https://other.example").status_code == 403
    assert "Origin is 'https://other.example'" in keyed.logged("CallersRefused", '"refused_403"')
    until(lambda: keyed.counted("CallersRefused", status="403"))


def test_a_key_with_too_few_scopes_is_found(keyed: Watched) -> None:
    _, sent = another_key(keyed)
    params = {"name": "update_record", "arguments": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    assert keyed.post(body, Authorization=sent).status_code == 403
    assert "scopes are missing: write" in keyed.logged("CallersRefused", '"refused_403"')


def test_a_token_of_somebody_else_is_found(installed: Installed, tmp_path: Path) -> None:
    with ExitStack() as running:
        idp = running.enter_context(identity_provider())
        answers = answers_of("oauth", "blank")
        found = running.enter_context(watching(installed, tmp_path, answers, **issued_by(idp, "oauth")))
        token = access_token(idp.origin, "https://other.example/mcp")
        assert found.post(Authorization=f"Bearer {token}").status_code == 401
        assert "Audience doesn't match" in found.logged("CallersRefused", '"refused_401"')


def test_a_setting_that_is_wrong_is_found(installed: Installed, tmp_path: Path) -> None:
    project, env = installed(answers_of("api-key"))
    done = run(project, {**env, "MAX_BODY": "1", "PUBLIC_URL": "http://127.0.0.1:1"}, "connector", "serve")
    (tmp_path / "log").write_text(done.stdout)
    prometheus.lines(project, tmp_path / "log", tmp_path)
    assert "MAX_BODY" in prometheus.found(project, "ConnectorDown", "critical", tmp_path)


def test_a_caller_over_the_rate_is_found(keyed: Watched) -> None:
    number, sent = another_key(keyed)
    assert 429 in {keyed.post(Authorization=sent).status_code for _ in range(31)}
    said = keyed.logged("CallersRefused", '"refused_429"')
    assert number in said
    assert "rate_limit" in said
    assert "Over 30 requests in one minute" in said
    until(lambda: keyed.counted("CallersRefused", status="429"))


def test_a_tool_that_takes_too_long_is_found(keyed: Watched, api: tuple[Api, str]) -> None:
    with api[0].being(seconds=12):
        keyed.call("search_records")
    assert "timeout" in keyed.logged("ConnectorErrors", '"timeout"')
    until(lambda: keyed.counted("ConnectorErrors", outcome="timeout"))


def test_a_caller_who_left_is_found(keyed: Watched, api: tuple[Api, str]) -> None:
    with api[0].being(seconds=3):
        for _ in range(2):  # a series that begins with the first one has risen with the second
            with pytest.raises(httpx2.TimeoutException):
                keyed.call("search_records", timeout=1)
            time.sleep(1.5)
    assert "cancelled" in keyed.logged("Callers leave", '"cancelled"')
    until(lambda: keyed.counted("Callers leave"))


def test_a_full_store_is_found(installed: Installed, tmp_path: Path) -> None:
    with identity_provider(registration=False) as idp, state_store() as store:
        settings = issued_by(idp, "oauth-proxy") | {"STATE_STORE_URL": store.url}
        with (
            watching(installed, tmp_path, answers_of("oauth-proxy", "blank"), **settings) as found,
            valkey.Valkey.from_url(store.url) as asking,
        ):
            asking.config_set("maxmemory-policy", "noeviction")
            asking.config_set("maxmemory", 1)
            client = {"redirect_uris": ["http://127.0.0.1/oauth/callback"], "client_name": "An agent"}
            for _ in range(2):  # a series that begins with the first one has risen with the second
                answer = httpx2.post(f"{found.connector.origin}/register", json=client, trust_env=False)
                assert answer.status_code == 503
                time.sleep(1.5)
            chapter = "The store of logins is full"
            assert "unavailable" in found.logged(chapter, "unavailable")
            assert "the state store is full" in found.logged(chapter, "the state store is full")
            assert "nobody can log in now: the state store is full" in found.logged(
                "CallersUnchecked", "auth.endpoints"
            )
            until(lambda: found.counted(chapter, status="503"))


def test_a_store_that_is_down_is_found(installed: Installed, tmp_path: Path) -> None:
    with identity_provider(registration=False) as idp, state_store() as store:
        settings = issued_by(idp, "oauth-proxy") | {"STATE_STORE_URL": store.url}
        with (
            watching(installed, tmp_path, answers_of("oauth-proxy", "blank"), **settings) as found,
            valkey.Valkey.from_url(store.url) as asking,
        ):
            with suppress(valkey.ConnectionError):
                asking.shutdown(nosave=True)
            client = {"redirect_uris": ["http://127.0.0.1/oauth/callback"], "client_name": "An agent"}
            answer = httpx2.post(f"{found.connector.origin}/register", json=client, trust_env=False)
            assert answer.status_code == 503
            assert "nobody can log in now: the state store" in found.logged("CallersUnchecked", "auth.endpoints")
            assert "the state store" in found.logged("CallersUnchecked", '"unavailable"')
