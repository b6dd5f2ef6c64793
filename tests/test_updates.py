"""An update brings what a fresh render has, and keeps what is the owner's."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import edits, rendering, updating
from .conftest import TAG, once
from .rendering import Answers, Rendered

pytestmark = pytest.mark.updates

ROOM_SINCE = "v0.2.0"  # before, a route of the owner's had no place of its own


@pytest.fixture(scope="session")
def template(_isolated: None, shared: Path) -> Path:
    """The template with its releases, and the working tree as the next."""
    target = shared / "history"
    return once(target, lambda: updating.history(target, TAG))


def combinations() -> Iterator[tuple[str, Answers]]:
    """Each release with every auth mode, target and source that it had; pipelines in turn, as they share no file."""
    names = ("auth_mode", "hosting", "source")
    for version in updating.VERSIONS:
        values = [updating.offered(version, name) for name in names]
        pipelines = itertools.cycle(updating.offered(version, "ci"))
        for combination in itertools.product(*values):
            yield version, {**dict(zip(names, combination, strict=True)), "ci": next(pipelines)}


every_combination = pytest.mark.parametrize(
    ("version", "answers"), [pytest.param(*case, id=f"{case[0]}-{rendering.label(case[1])}") for case in combinations()]
)


def content(project: Path) -> dict[str, list[bytes]]:
    """Every file with its lines, whatever their order: where in a list an owner's line stands is no matter."""
    files = rendering.files(project).items()
    return {name: sorted(data.splitlines()) for name, data in files if not name.startswith(".git/")}


@every_combination
def test_an_update_equals_a_fresh_render_and_a_second_one_changes_nothing(
    template: Path, rendered: Rendered, tmp_path: Path, version: str, answers: Answers
) -> None:
    project = updating.copied(template, tmp_path / "project", answers, version)
    updating.update(project)
    assert updating.conflicts(project) == []
    kept = {name: data for name, data in rendering.files(project).items() if not name.startswith(".git/")}
    assert kept == rendering.files(rendered(answers))
    updating.save(project, "update")
    updating.update(project)
    assert rendering.git("status", "--porcelain", cwd=project) == ""


@every_combination
def test_what_owners_change_is_kept_without_a_conflict(
    template: Path, tmp_path: Path, version: str, answers: Answers
) -> None:
    project = updating.copied(template, tmp_path / "project", answers, version)
    edits.edit(project)
    updating.save(project, "ours")
    updating.update(project)
    known = ["src/acme_crm/app.py"] if version < ROOM_SINCE and answers["source"] == "rest-api" else []
    assert updating.conflicts(project) == known
