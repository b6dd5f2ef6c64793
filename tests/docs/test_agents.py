"""AGENTS.md of a connector: one screen, true for each choice, and its commands work."""

import re
from pathlib import Path

import pytest

from ..lib import rendering
from ..lib.rendering import Rendered
from .test_docs import FULL, blocks
from .test_readme import long_lines, long_sentences

SCREEN = 40  # lines


def agents(project: Path) -> str:
    return (project / "AGENTS.md").read_text(encoding="utf-8")


def missing(text: str, project: Path) -> list[str]:
    """Files and folders that the text names and that are not there."""
    made = {".env", "uv.lock"}
    named = re.findall(r"`((?:[\w.-]+/)*[\w.-]+(?:/|\.\w+))`", text)
    roots = [project, *project.glob("src/*")]
    return [name for name in named if name not in made and not any((root / name).exists() for root in roots)]


@pytest.mark.parametrize("answers", rendering.combinations(), ids=rendering.label)
def test_it_is_one_screen_that_names_what_is_there(rendered: Rendered, answers: rendering.Answers) -> None:
    project = rendered(answers)
    text = agents(project)
    assert len(text.splitlines()) <= SCREEN
    assert long_lines(text) + long_sentences(text) == []
    assert missing(text, project) == []


def test_a_file_that_is_not_there_is_found(rendered: Rendered) -> None:
    project = rendered({**FULL, "source": "blank"})
    assert missing("In `upstream.py`, `tools/` and `src/acme_crm/nothing/`.", project) == [
        "upstream.py",
        "src/acme_crm/nothing/",
    ]


def test_its_commands_are_those_of_the_readme_which_are_run_there(rendered: Rendered) -> None:
    project = rendered(FULL)
    [commands] = [block.splitlines() for block in blocks(agents(project))]
    of_readme = [line for block in blocks((project / "README.md").read_text())[:2] for line in block.splitlines()]
    assert sorted(commands) == sorted(of_readme)
