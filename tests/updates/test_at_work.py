"""A connector's own tests pass after its answers changed, with what owners change."""

from pathlib import Path

import pytest

from ..conftest import TAG
from ..lib import edits, rendering, updating

pytestmark = pytest.mark.updates

# Answers that change code, one after the other, from the first.
PATHS = {
    "keys": [{"auth_mode": "api-key"}, {"auth_mode": "headers"}, {"source": "rest-api"}, {"auth_mode": "none"}],
    "login": [
        {"auth_mode": "oauth"},
        {"auth_mode": "oauth-introspection"},
        {"hosting": "kubernetes", "ci": "gitlab"},
        {"auth_mode": "oauth-proxy"},
    ],
}


def own_tests(project: Path, site: Path) -> tuple[int, str]:
    environment = rendering.environment(project, site)
    done = rendering.run(project, environment, "pytest", "-q", "-x", "-p", "no:cacheprovider")
    return done.returncode, done.stdout


@pytest.mark.parametrize("path", PATHS)
def test_the_tests_of_an_edited_project_pass_before_and_after_its_answers_change(
    template: Path, tmp_path: Path, path: str
) -> None:
    first, *changes = PATHS[path]
    start = {"hosting": "compose", "source": "blank", "ci": "github", **first}
    project = updating.copied(template, tmp_path / "project", start, TAG)
    edits.edit(project)
    before = own_tests(project, tmp_path / "before")
    for changed in changes:
        rendering.commit(project, "ours")
        updating.change(project, **changed)
        assert updating.conflicts(project) == []
    after = own_tests(project, tmp_path / "after")
    assert [said for failed, said in (before, after) if failed] == []


def test_a_failing_test_of_a_project_is_seen(template: Path, tmp_path: Path) -> None:
    answers = {"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"}
    project = updating.copied(template, tmp_path / "project", answers, TAG)
    with (project / "tests/test_tools.py").open("a", encoding="utf-8") as tests:
        tests.write("\n\ndef test_it() -> None:\n    raise AssertionError\n")
    assert own_tests(project, tmp_path / "site")[0]
