"""What watches a connector: a real Prometheus reads it, and its alerts, its dashboard and its runbook find what happens."""

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ..lib import prometheus, rendering
from ..lib.prometheus import Prometheus, promtool
from ..lib.rendering import Answers, Installed, Rendered
from ..lib.serving import Running, free_port, serving

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


def watched(mode: str, source: str = "rest-api") -> Answers:
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
    assert ("UpstreamFailing" in alerts) == (answers["source"] == "rest-api")
    own = answers["source"] == "rest-api" and answers["auth_mode"] != "headers"
    assert ("UpstreamRefusesCredential" in alerts) == own


@every_watched
def test_every_question_to_prometheus_can_be_read(rendered: Rendered, answers: Answers, tmp_path: Path) -> None:
    project = rendered(answers)
    questions = [question for _, question in prometheus.panels(project)] + prometheus.asked(project)
    assert len(questions) > 15
    accepted, said = promtool("check", "rules", prometheus.as_rules(questions, tmp_path), cwd=tmp_path)
    assert accepted, said


PLANTED = {  # in alerts.yml: an edit that one of the two commands must refuse
    "a broken question": ("rate(connector_http_refused_total", "rates(connector_http_refused_total"),
    "a wrong label": ('outcome=~"error|timeout"', 'outcme=~"error|timeout"'),
    "another threshold": ("> 0.3\n", "> 0.6\n"),
    "another job": ('up{job="acme-crm"}', 'up{job="acme"}'),
    "a metric that is misspelt": ("(connector_credential_expiry", "(connector_credentials_expiry"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_in_the_alerts_is_found(rendered: Rendered, tmp_path: Path, name: str) -> None:
    ops = shutil.copytree(rendered(watched("api-key")) / "ops", tmp_path / "ops")
    right, wrong = PLANTED[name]
    text = (ops / "alerts.yml").read_text(encoding="utf-8")
    assert right in text
    (ops / "alerts.yml").write_text(text.replace(right, wrong), encoding="utf-8")
    assert not all(
        promtool(*words, cwd=ops)[0]
        for words in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml"))
    )
