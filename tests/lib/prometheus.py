"""Prometheus as Debian has it, what a connector's `ops/` and runbook ask it, and what the runbook asks the log."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx2
import yaml

from .serving import free_port, started

PROMETHEUS, PROMTOOL, JQ = (Path("/usr/bin") / name for name in ("prometheus", "promtool", "jq"))
MISSING = [str(program) for program in (PROMETHEUS, PROMTOOL, JQ) if not program.exists()]
WINDOW = "30s"  # what Grafana would put in the place of $__rate_interval


def panels(project: Path) -> list[tuple[str, str]]:
    """Title and question of each panel of the dashboard, as Grafana asks it for all replicas."""
    dashboard = json.loads((project / "ops/dashboard.json").read_text(encoding="utf-8"))
    named = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    values = {"$__rate_interval": WINDOW, "$job": named["job"]["current"]["value"]}
    values["$instance"] = named["instance"]["allValue"]
    targets = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
    return [(title, replaced(question, values)) for title, question in targets]


def replaced(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def rules(project: Path) -> list[dict[str, Any]]:
    """The rules of ops/alerts.yml: recorded quantities, and alerts."""
    groups = yaml.safe_load((project / "ops/alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def chapters(project: Path) -> dict[str, list[tuple[str, str]]]:
    """The code of the runbook, by chapter: language and text of each block."""
    text = (project / "docs/runbook.md").read_text(encoding="utf-8")
    found = {}
    for chapter in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^ *```(\w+)\n(.*?)^ *```$", chapter, re.MULTILINE | re.DOTALL)
        found[chapter.splitlines()[0]] = [(language, dedent(code).strip()) for language, code in blocks]
    return found


def asked(project: Path) -> list[str]:
    """Every question of the runbook to Prometheus."""
    return [code for blocks in chapters(project).values() for language, code in blocks if language == "promql"]


def first(project: Path, chapter: str) -> str:
    """The first question of a chapter to Prometheus."""
    return next(code for language, code in chapters(project)[chapter] if language == "promql")


def promtool(*arguments: str | Path, cwd: Path) -> tuple[bool, str]:
    """Whether it accepts that, and what it says."""
    done = subprocess.run([PROMTOOL, *arguments], cwd=cwd, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def as_rules(questions: Sequence[str], folder: Path) -> Path:
    """A file in which each question is a rule, so that promtool reads it."""
    file = folder / "questions.yml"
    recorded = [{"record": f"question:{number}", "expr": question} for number, question in enumerate(questions)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "questions", "rules": recorded}]}))
    return file


@dataclass(frozen=True)
class Prometheus:
    """A server that reads connectors each second."""

    origin: str

    def ask(self, question: str) -> list[tuple[dict[str, str], float]]:
        """The answer: labels and values, NaN among them.

        Raises:
            AssertionError: It cannot be asked so.
        """
        answer = httpx2.get(f"{self.origin}/api/v1/query", params={"query": question}, trust_env=False).json()
        assert answer["status"] == "success", f"{question}: {answer}"
        return [(series["metric"], float(series["value"][1])) for series in answer["data"]["result"]]

    def rules(self) -> dict[str, str]:
        """Each rule that was evaluated, and what was wrong with it."""
        answer = httpx2.get(f"{self.origin}/api/v1/rules", trust_env=False).json()
        evaluated = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
        return {rule["name"]: rule.get("lastError", "") for rule in evaluated if rule["health"] != "unknown"}


@contextmanager
def reading(project: Path, folder: Path, ports: Sequence[int]) -> Iterator[Prometheus]:
    """A Prometheus that reads metrics at these ports, with the connector's alerts, as its runbook says."""
    [text] = [code for language, code in chapters(project)["Set it up"] if language == "yaml"]
    settings = yaml.safe_load(text)
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(project / name) for name in settings["rule_files"]]
    [job] = settings["scrape_configs"]
    targets = [f"127.0.0.1:{port}" for port in ports]  # Debian's Prometheus lacks the discovery of some targets
    settings["scrape_configs"] = [{"job_name": job["job_name"], "static_configs": [{"targets": targets}]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [PROMETHEUS, "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{port}"]
    with started([*command, "--storage.tsdb.path=data"], {}, folder, origin, f"{origin}/-/ready", {}):
        yield Prometheus(origin)


def lines(project: Path, log: Path, folder: Path) -> None:
    """Put the log where the runbook's questions look for it, as the runbook does."""
    [text] = [code for _, code in chapters(project)["Read the log"] if "> log.jsonl" in code]
    [convert] = re.findall(r"^  (jq .* > log\.jsonl)$", text, re.MULTILINE)
    with log.open("rb") as raw:
        subprocess.run(["sh", "-ec", convert], cwd=folder, stdin=raw, check=True)


def found(project: Path, chapter: str, words: str, folder: Path) -> str:
    """What the questions of a chapter to the log find that have these words."""
    questions = [code for language, code in chapters(project)[chapter] if language == "sh" and code.startswith("jq ")]
    chosen = [question for question in questions if words in question]
    assert chosen, f"{chapter} asks nothing about {words}"
    done = [subprocess.run(["sh", "-ec", q], cwd=folder, capture_output=True, text=True, check=True) for q in chosen]
    return "".join(one.stdout for one in done)
