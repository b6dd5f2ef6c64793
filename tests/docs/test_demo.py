"""`make demo` shows a connector at work, on a screen of 100 columns, and needs little."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ..lib import pins, rendering
from ..programs import demo


@pytest.fixture(scope="module")
def shown() -> list[str]:
    """The lines that it prints."""
    command = [sys.executable, "-m", "tests.programs.demo"]
    done = subprocess.run(command, cwd=rendering.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def labelled(shown: list[str], label: str) -> list[str]:
    return [line.removeprefix(label).strip() for line in shown if line.startswith(f"{label} ")]


def test_every_line_fits(shown: list[str]) -> None:
    assert [line for line in shown if len(line) > 100] == []


def test_the_steps_are_shown_in_order(shown: list[str]) -> None:
    text = "\n".join(shown)
    steps = [
        "copier copy ",
        "uv sync",
        "connector dev",
        "HTTP 401",
        "search_records",
        "Read its log",
        "uvx copier",
    ]
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


def test_each_call_and_its_answer_is_printed_once(shown: list[str]) -> None:
    assert labelled(shown, "call") == [f"{name} {json.dumps(arguments)}" for name, arguments in demo.CALLS]
    answers = labelled(shown, "  answer")
    assert len(answers) == len(demo.CALLS)
    assert len(labelled(shown, "versions")) == 1


def test_an_id_that_would_reach_another_path_is_an_error(shown: list[str]) -> None:
    assert labelled(shown, "  answer")[-1].startswith("error: ")


def test_protocol_versions_that_differ_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def call(_: str, __: object, version: str) -> tuple[list[str], list[str]]:
        return ["tool"], [version for _ in demo.CALLS]

    monkeypatch.setattr(demo, "call", call)
    with pytest.raises(SystemExit, match="make demo: the protocol versions differ"):
        demo.call_all("http://127.0.0.1:9/mcp", {})


def test_a_command_that_fails_ends_it_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^make demo: git failed: .*not-a-command"):
        demo.run("git", "not-a-command", cwd=tmp_path)


def test_it_needs_only_copier_and_the_client() -> None:
    """Other modules of the tests would need what the demo's environment does not have."""
    read = Path(demo.__file__).read_text() + Path(pins.__file__).read_text()
    imported = re.findall(r"^(?:from|import) ([\w.]+)", read.replace("from ..lib import pins\n", ""), re.MULTILINE)
    others = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert others == {"httpx2", "mcp"}
    extras = tomllib.loads((rendering.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [re.match(r"[\w-]+", needed)[0] for needed in extras["demo"]] == ["copier", "mcp"]  # type: ignore[index]
    assert set(extras["demo"]) <= set(extras["dev"])
