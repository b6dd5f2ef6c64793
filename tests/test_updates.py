"""An update brings what a fresh render has, and keeps what is the owner's."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import rendering, updating
from .conftest import TAG, once
from .rendering import Answers, Rendered

pytestmark = pytest.mark.updates

VERSIONS = [f"v{release['version']}" for release in updating.RELEASES]


@pytest.fixture(scope="session")
def template(_isolated: None, shared: Path) -> Path:
    """The template with its releases, and the working tree as the next."""
    target = shared / "history"
    return once(target, lambda: updating.history(target, TAG))


def combinations(template: Path, version: str) -> Iterator[Answers]:
    """Every auth mode, target and source that a release had; pipelines in turn, as each changes no other file."""
    names = ("auth_mode", "hosting", "source")
    values = [updating.offered(template, version, name) for name in names]
    pipelines = itertools.cycle(updating.offered(template, version, "ci"))
    for combination in itertools.product(*values):
        yield {**dict(zip(names, combination, strict=True)), "ci": next(pipelines)}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_update_from_a_release_equals_a_fresh_render(
    template: Path, rendered: Rendered, tmp_path: Path, version: str
) -> None:
    for answers in combinations(template, version):
        project = updating.copied(template, tmp_path / rendering.label(answers), answers, version)
        updating.update(project)
        assert updating.conflicts(project) == []
        fresh = rendered(answers)
        kept = {name: data for name, data in rendering.files(project).items() if not name.startswith(".git/")}
        assert kept == rendering.files(fresh), answers
