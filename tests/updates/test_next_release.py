"""A minor release after this one, rehearsed.

It renames a file, adds a question, retires a choice, and changes something beside every room of owners.
"""

import shutil
from pathlib import Path

import pytest

from ..conftest import TAG, once
from ..lib import edits, rendering, rooms, updating
from ..lib.rendering import Answers, commit, git, recorded, release

pytestmark = pytest.mark.updates

NEXT = "v1000.1.0"
RETIRED = "railway is retired; answer with its successor: -d hosting=fly"
QUESTION = """
team:
  type: str
  help: Which team answers for it? docs/operations.md names it.
  default: ""
"""
NAMED = "{% if team %}\n{{ team }} answers for it.\n\n{% endif %}\n## Check that it works"
KEYED: Answers = {"auth_mode": "api-key", "hosting": "compose", "source": "blank", "ci": "gitlab"}
VERSIONS = [*updating.VERSIONS, TAG]
SOME = [updating.VERSIONS[0], updating.previous(), TAG]


def next_release(repository: Path) -> None:
    """As CONTRIBUTING.md says how to rename a file, add a question and retire a choice."""
    assert rooms.plant(repository) == rooms.recorded()
    for guide in repository.glob("template/**/docs/connect.md.jinja"):
        guide.rename(guide.with_name("callers.md.jinja"))
    for file in [*repository.glob("template/**/*.jinja"), *repository.glob("hooks/**/*.jinja")]:
        file.write_text(file.read_text().replace("connect.md", "callers.md"))
    with (repository / "copier.yml").open("a", encoding="utf-8") as questions:
        questions.write(QUESTION)
    edits.replace(repository / "template/docs/operations.md.jinja", "## Check that it works", NAMED)
    settings = repository / "copier.yml"
    allowed = "{{ answers.hosting('railway', auth_mode, headers_names, _copier_conf) }}"
    edits.replace(settings, allowed, RETIRED)
    edits.replace(repository / "hooks/answers.jinja", "\n  project_name ", "\n  team project_name ")
    release(repository, NEXT)


@pytest.fixture(scope="session")
def repository(_isolated: None, shared: Path) -> Path:
    """Every release, the working tree as the next, and the one after it."""
    target = shared / "next-release"

    def make() -> None:
        shutil.copytree(updating.shared_history(shared), target)
        next_release(target)

    return once(target, make)


def connector(repository: Path, target: Path, version: str, **answers: str) -> Path:
    """One of a release, with what its owner changed."""
    return updating.owned(repository, target, {**KEYED, **answers}, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_it_reaches_connectors_of_every_release(repository: Path, tmp_path: Path, version: str) -> None:
    project = connector(repository, tmp_path / "project", version)
    done = rendering.copier("update", "--defaults", cwd=project)
    assert done.returncode == 0, done.stderr
    assert updating.conflicts(project) == []
    assert recorded(project)["_commit"] == NEXT
    fresh = rendering.render(repository, tmp_path / "fresh", KEYED)
    edits.edit(fresh, version)
    assert set(updating.files(project)) == set(updating.files(fresh))
    assert not (project / "docs/connect.md").exists()
    assert (project / "docs/callers.md").read_bytes() == (fresh / "docs/callers.md").read_bytes()
    assert (project / "docs/operations.md").read_bytes() == (fresh / "docs/operations.md").read_bytes()


@pytest.mark.parametrize("version", SOME)
def test_a_new_question_changes_nothing_until_it_is_answered(repository: Path, tmp_path: Path, version: str) -> None:
    project = connector(repository, tmp_path / "project", version)
    assert rendering.copier("update", "--defaults", cwd=project).returncode == 0
    assert recorded(project)["team"] == ""
    assert "answers for it." not in (project / "docs/operations.md").read_text()
    commit(project, "update")
    done = rendering.copier("update", "--defaults", "--vcs-ref=:current:", "-d", "team=Platform", cwd=project)
    assert done.returncode == 0, done.stderr
    assert updating.conflicts(project) == []
    assert "\n\nPlatform answers for it.\n\n## Check that it works\n" in (project / "docs/operations.md").read_text()


@pytest.mark.parametrize("version", SOME)
def test_a_retired_choice_is_refused_with_its_successor_which_an_update_then_brings(
    repository: Path, tmp_path: Path, version: str
) -> None:
    project = connector(repository, tmp_path / "project", version, hosting="railway", ci="none")
    refused = rendering.copier("update", "--defaults", cwd=project)
    assert refused.returncode != 0
    assert refused.stderr.strip().splitlines()[-1].endswith(RETIRED)
    assert git("status", "--porcelain", cwd=project) == ""
    done = rendering.copier("update", "--defaults", "-d", "hosting=fly", cwd=project)
    assert done.returncode == 0, done.stderr
    assert updating.conflicts(project) == []
    assert recorded(project)["hosting"] == "fly"
    assert (project / "fly.toml").exists()
    assert not (project / ".railway").exists()
