"""An update that is killed loses nothing that git cannot restore, by the commands of docs/updates.md."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..conftest import once
from ..docs.test_docs import blocks, shell
from ..lib import edits, rendering, updating
from ..lib.rendering import git

pytestmark = pytest.mark.updates

POINTS = 6
# Loaded by the interpreter that runs Copier: counts what it does to the project, and ends it without warning.
SITE = """
import atexit, os, signal, sys

PROJECT, COUNTED = os.environ["PROJECT"], os.environ["COUNTED"]
KILLED_AT = int(os.environ["KILLED_AT"])
count = 0

def touches(event, arguments):
    # Starting git, or changing a file of the project; what is named from an open folder is in a copy of Copier's.
    if event == "subprocess.Popen":
        return True
    if event == "open":
        path, mode, flags = arguments
        changes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    else:
        path, changes = arguments[0], event in ("os.remove", "os.mkdir", "os.rmdir") and arguments[-1] == -1
    return changes and isinstance(path, (str, os.PathLike)) and os.path.abspath(path).startswith(PROJECT)

def hook(event, arguments):
    global count
    if touches(event, arguments):
        count += 1
        if count == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
atexit.register(lambda: print(count, file=open(COUNTED, "w")))
"""


@dataclass
class Start:
    """A connector of the first release with its owner's edits, what an update makes of it, and in how many steps."""

    folder: Path
    after: dict[str, bytes]
    steps: int


def update(project: Path, scratch: Path, killed_at: int = 0) -> int:
    """Exit status of `copier update` that is killed before its n-th step in the project."""
    (scratch / "site").mkdir(parents=True, exist_ok=True)
    (scratch / "site/sitecustomize.py").write_text(SITE)
    told = {"PROJECT": str(project.resolve()), "COUNTED": str(scratch / "count"), "KILLED_AT": str(killed_at)}
    environment = {**os.environ, **told, "PYTHONPATH": str(scratch / "site"), "TMPDIR": str(scratch)}
    command = [str(rendering.COPIER), "update", "--defaults", "--quiet"]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True).returncode


@pytest.fixture(scope="module")
def start(_isolated: None, shared: Path) -> Start:
    template, folder = updating.shared_history(shared), shared / "interrupted"
    project, updated = folder / "project", folder / "updated"

    def make() -> None:
        answers = {"auth_mode": "api-key", "hosting": "compose", "source": "blank", "ci": "github"}
        updating.copied(template, project, answers, updating.VERSIONS[0])
        edits.edit(project)
        rendering.commit(project, "ours")
        (project / ".env").write_text("PUBLIC_URL=https://ours.example\n")
        shutil.copytree(project, updated)
        assert update(updated, folder / "scratch") == 0

    once(folder, make)
    return Start(project, updating.files(updated), int((folder / "scratch/count").read_text()))


def recovery() -> str:
    """The commands of the documentation."""
    [commands] = [block for block in blocks(updating.PAGE.read_text()) if block.startswith("rm -f ")]
    return commands


@pytest.mark.parametrize("point", range(1, POINTS + 1))
def test_after_a_kill_git_has_everything_and_the_update_can_be_made_again(
    start: Start, tmp_path: Path, point: int
) -> None:
    project = shutil.copytree(start.folder, tmp_path / "project")
    before = updating.files(project)
    killed_at = start.steps * point // (POINTS + 1)
    assert update(project, tmp_path / "scratch", killed_at) == -signal.SIGKILL
    shell(recovery(), project)
    assert updating.files(project) == before
    assert git("status", "--porcelain", cwd=project) == git("stash", "list", cwd=project) == ""
    assert git("rev-parse", "HEAD", cwd=project) == git("rev-parse", "HEAD", cwd=start.folder)
    assert update(project, tmp_path / "again") == 0
    assert updating.files(project) == start.after


def half_written(project: Path) -> None:
    (project / "README.md").write_text("<<<<<<< half\n")
    (project / "docs/new.md").write_text("New.\n")


def locked(project: Path) -> None:
    half_written(project)
    (project / ".git/index.lock").touch()


def staged(project: Path) -> None:
    half_written(project)
    git("add", "-A", cwd=project)


@pytest.mark.parametrize("leave", [half_written, locked, staged])
def test_whatever_a_killed_git_leaves_is_cleared_too(
    start: Start, tmp_path: Path, leave: Callable[[Path], None]
) -> None:
    project = shutil.copytree(start.folder, tmp_path / "project")
    before = updating.files(project)
    leave(project)
    shell(recovery(), project)
    assert updating.files(project) == before
    assert git("status", "--porcelain", cwd=project) == ""


def test_in_a_repository_of_several_projects_the_others_stay_as_they_are(start: Start, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    project = shutil.copytree(start.folder, repository / "connectors/crm", ignore=shutil.ignore_patterns(".git"))
    (repository / "README.md").write_text("Ours.\n")
    git("init", "-q", cwd=repository)
    rendering.commit(repository, "start")
    before = rendering.files(project)
    (repository / "README.md").write_text("Ours, not committed.\n")
    (repository / "notes.txt").write_text("Ours.\n")
    half_written(project)
    shell(recovery(), project)
    assert rendering.files(project) == before
    assert (repository / "README.md").read_text() == "Ours, not committed.\n"
    assert (repository / "notes.txt").exists()
