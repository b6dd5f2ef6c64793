"""Whoever follows CONTRIBUTING.md adds an auth mode, a source and a target: in `copier.yml`, and in files of their own.

Each is added with the lines that CONTRIBUTING.md shows, and with the files of `tests/lib/toys/`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from ..lib import rendering

TOYS = rendering.ROOT / "tests/lib/toys"
STEPS = rendering.ROOT / "CONTRIBUTING.md"


class Toy(NamedTuple):
    """A choice that CONTRIBUTING.md has its reader add."""

    chapter: str
    question: str
    lines: int  # of copier.yml, as measured when the homes were made


CHOICES = {
    "basic": Toy("An auth mode", "auth_mode", 2),
    "sql": Toy("A source", "source", 2),
    "nomad": Toy("A target", "hosting", 6),
}


def blocks(chapter: str, language: str) -> list[str]:
    """The code blocks of a chapter, without the indentation of the list that they stand in."""
    [text] = re.findall(rf"^### {chapter}\n(.*?)(?=^##)", STEPS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def put_after(file: Path, lines: str, last: str, start: str = "") -> None:
    """Put lines after the last line that matches, below the line that begins so."""
    text = file.read_text(encoding="utf-8")
    at = text.index(start)
    end = re.compile(r"^\S", re.MULTILINE).search(text, at + len(start)) if start else None
    part = text[at : end.start() if end else None]
    *_, place = re.finditer(last, part, re.MULTILINE)
    file.write_text(text[: at + place.end()] + lines + text[at + place.end() :], encoding="utf-8")


def follow(template: Path, name: str) -> None:
    """Do what CONTRIBUTING.md says, step by step."""
    toy = CHOICES[name]
    choice, folder = blocks(toy.chapter, "yaml")
    settings = template / "copier.yml"
    put_after(settings, choice, r'^    "[\w-]+ - .*\n(?:      .*\n)*', start=f"\n{toy.question}:")
    put_after(settings, folder, rf"^    \w+: .*\b{toy.question} == .*\n", start="\nonly:")
    shutil.copytree(TOYS / name, template, dirs_exist_ok=True)
    [row] = blocks(toy.chapter, "markdown")
    last = rendering.choices(toy.question)[-1]
    put_after(template / "README.md", row, rf"^\| (?:`\w+` )?\| [^|]*`{last}`[^|]* \|.*\n")


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository with all three choices more."""
    template = tmp_path_factory.mktemp("grown") / "template"
    rendering.copy_working_tree(template)
    for name in CHOICES:
        follow(template, name)
    rendering.git("init", "-q", "-b", "main", cwd=template)
    rendering.release(template, "v1000.0.0")
    return template


def differences(old: Path, new: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each file that is new or changed, with its lines before and after."""
    for file in sorted(new.rglob("*")):
        name = file.relative_to(new)
        if file.is_file() and ".git" not in name.parts:
            before = (old / name).read_bytes() if (old / name).is_file() else b""
            if before != file.read_bytes():
                yield name.as_posix(), before.decode().splitlines(), file.read_bytes().decode().splitlines()


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_costs_a_few_lines_of_two_shared_files_and_files_of_its_own(tmp_path: Path, name: str) -> None:
    template = tmp_path / "template"
    rendering.copy_working_tree(template)
    follow(template, name)
    shared = {}
    own = []
    for file, before, after in differences(rendering.ROOT, template):
        if before:
            rest = iter(after)  # `in` reads on from the last line that was found
            assert all(line in rest for line in before), f"{file}: a line changed"
            shared[file] = len(after) - len(before)
        else:
            own.append(file)
    assert shared == {"copier.yml": CHOICES[name].lines, "README.md": 1}
    assert all(re.search(rf"\b{name}\b", file) for file in own), own


def passes(template: Path, *arguments: str) -> None:
    """Run tests of the repository there."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", "-o", "addopts=", "-p", "no:cacheprovider", *arguments]
    # As a run of its own, which shares no renders with this one.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=template, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_the_tests_of_homes_take_the_new_choices_in(grown: Path) -> None:
    passes(grown, "tests/render/test_homes.py", "-k", "each_choice or folder or basic or sql or nomad")


@pytest.mark.targets
def test_the_pipelines_and_documents_of_the_new_target_are_tried_like_all_others(grown: Path) -> None:
    passes(grown, "tests/targets/test_workflows.py", "tests/targets/test_guides.py", "-k", "nomad")


@pytest.mark.parametrize("file", ["facts.yaml", "expected.yaml", "pipeline.jinja"])
def test_a_home_that_lacks_a_file_is_found(grown: Path, tmp_path: Path, file: str) -> None:
    template = shutil.copytree(grown, tmp_path / "template")
    (template / "hooks/targets/nomad" / file).unlink()
    with pytest.raises(AssertionError, match="failed"):
        passes(template, "tests/render/test_homes.py", "-k", "nomad and (complete or row or hold)")


def test_garbage_in_the_deploy_file_is_found(grown: Path, tmp_path: Path) -> None:
    template = shutil.copytree(grown, tmp_path / "template")
    (template / "template/{{ only.nomad }}/connector.nomad.hcl.jinja").write_text('job "connector" {}\n')
    rendering.commit(template, "Garbage")
    with pytest.raises(AssertionError, match="failed"):
        passes(template, "tests/render/test_homes.py", "-k", "nomad and hold")


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_the_new_target_has_its_pipeline(grown: Path, tmp_path: Path, ci: str) -> None:
    answers = {"auth_mode": "none", "hosting": "nomad", "source": "blank", "ci": ci}
    project = rendering.render_here(grown, tmp_path / "project", answers)
    file = {"github": ".github/workflows/deploy.yml", "gitlab": ".gitlab/deploy.yml"}[ci]
    text = (project / file).read_text(encoding="utf-8")
    assert "deploy" in str(yaml.safe_load(text))
    assert "nomad job run" in text


@pytest.mark.peers
@pytest.mark.parametrize(("mode", "source"), [("basic", "sql"), ("basic", "rest-api"), ("oauth", "sql")])
def test_a_connector_with_new_choices_passes_its_own_checks(
    grown: Path, tmp_path: Path, mode: str, source: str
) -> None:
    answers = {"auth_mode": mode, "hosting": "nomad", "source": source, "ci": "none"}
    project = rendering.render_here(grown, tmp_path / "project", answers)
    environment = rendering.environment(project, tmp_path / "site")
    checks = ["ruff check --no-cache .", "ruff format --no-cache --check .", f"mypy --cache-dir={tmp_path / 'mypy'}"]
    if (mode, source) == ("basic", "sql"):
        checks.append("pytest -q -p no:cacheprovider")
    for check in checks:
        done = rendering.run(project, environment, *check.split())
        assert done.returncode == 0, done.stdout + done.stderr
