"""What `--help` shows for each command of a connector: a sentence that says what it does, in 80 columns."""

import json
import shutil
from pathlib import Path

import pytest

from ..lib.rendering import Installed, python, run

PAGES = """
import argparse, json
from acme_crm.core.command import cli

found = {}

def walk(parser):
    found[parser.prog] = [parser.description or "", parser.format_help()]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                walk(inner)

def end(parser, *_):
    walk(parser)
    print(json.dumps(found))
    raise SystemExit

argparse.ArgumentParser.parse_args = end
cli.main()
"""


def pages(project: Path, environment: dict[str, str]) -> dict[str, list[str]]:
    """The description and the text of each page, by its command."""
    found: dict[str, list[str]] = json.loads(
        run(project, {**environment, "COLUMNS": "80"}, str(python(project)), "-c", PAGES).stdout
    )
    return found


def wrong(found: dict[str, list[str]]) -> list[str]:
    """Commands whose page lacks a sentence, or is too wide."""
    return [
        command
        for command, (about, text) in found.items()
        if not about.endswith(".") or max(map(len, text.splitlines())) > 80
    ]


@pytest.mark.parametrize(("mode", "source"), [("api-key", "rest-api"), ("oauth-proxy", "database")])
def test_each_command_says_what_it_does_in_80_columns(installed: Installed, mode: str, source: str) -> None:
    found = pages(*installed({"auth_mode": mode, "hosting": "compose", "source": source, "ci": "none"}))
    assert {"connector", "connector serve", "connector dev", "connector smoke"} <= set(found)
    assert ("connector keys new" in found) == (mode == "api-key")
    assert wrong(found) == []


def test_a_command_without_a_sentence_is_found(installed: Installed, tmp_path: Path) -> None:
    source, environment = installed({"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"})
    site = shutil.copytree(environment["PYTHONPATH"], tmp_path / "site")
    module = site / "acme_crm/core/command/serve.py"
    module.write_text(module.read_text().replace('    """Serve until SIGTERM', '    _ = """Serve until SIGTERM'))
    assert wrong(pages(source, {**environment, "PYTHONPATH": str(site)})) == ["connector serve"]
