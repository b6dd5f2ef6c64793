"""Connectors of earlier releases, edited as their owners do, and updated to the template as it stands."""

import io
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import copier
import yaml

from ..conftest import TAG, once
from . import edits, rendering
from .rendering import git

RELEASES = tomllib.loads((rendering.ROOT / "releases.toml").read_text())["release"]
COMMITS = {f"v{release['version']}": release["commit"] for release in RELEASES}
VERSIONS = [version for version in COMMITS if not version.startswith("v0.")]  # v0.x: through v1.2.0 (docs/updates.md)
PAGE = rendering.ROOT / "docs/updates.md"
RELEASE = "src/acme_crm/core/release.py"  # says which release of the template a connector follows
# What a render reads; locks/ up to 1.2.0.
PARTS = ("copier.yml", "template", "hooks", "mcp_connector/platforms.yaml", "locks")

# The owner's files, which an update does not read.
SEEDS = (
    "src/acme_crm/tools/",
    "src/acme_crm/upstream.py",
    "src/acme_crm/stand_in.py",
    "src/acme_crm/extend.py",
    "tests/test_tools.py",
    "README.md",
)


def previous() -> str:
    """The release before what the working tree is: not the newest where that is what stands there."""
    for version, commit in reversed(COMMITS.items()):
        compared = subprocess.run(["git", "diff", "--quiet", commit, "--", *PARTS], cwd=rendering.ROOT)
        if compared.returncode != 0:
            return version
    raise AssertionError("no release differs from the working tree")


def history(target: Path, tag: str) -> Path:
    """A repository of what renders, with a tag for each release, and `tag` for what stands in the working tree."""
    target.mkdir()
    git("init", "-q", "-b", "main", cwd=target)
    for version, commit in COMMITS.items():
        parts = [part for part in PARTS if git("ls-tree", "--name-only", commit, part, cwd=rendering.ROOT)]
        archive = subprocess.run(
            ["git", "archive", commit, *parts], cwd=rendering.ROOT, capture_output=True, check=True
        )
        empty(target)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(target, filter="data")
        rendering.release(target, version)
    empty(target)
    rendering.copy_working_tree(target, *PARTS)
    rendering.release(target, tag)
    git("gc", "-q", cwd=target)  # every update clones this five times: a pack is one file, loose objects are thousands
    return target


def shared_history(shared: Path) -> Path:
    """The same, made once for all workers."""
    target = shared / "history"
    return once(target, lambda: history(target, TAG))


def empty(repository: Path) -> None:
    for path in repository.iterdir():
        if path.is_dir() and path.name != ".git":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def copied(template: Path, target: Path, answers: Mapping[str, str], version: str) -> Path:
    """A connector of this release of the template, under version control."""
    rendering.render_here(template, target, answers, version)
    git("init", "-q", "-b", "main", cwd=target)
    rendering.commit(target, f"From {version}")
    return target


def owned(template: Path, target: Path, answers: Mapping[str, str], version: str) -> Path:
    """A connector of this release with what its owner changed, committed."""
    project = copied(template, target, answers, version)
    edits.edit(project)
    rendering.commit(project, "ours")
    return project


def update(project: Path, version: str | copier.VcsRef | None = None, **changed: str) -> None:
    """`copier update`; with `changed` answers, what `--data` does."""
    copier.run_update(project, data=changed, defaults=True, overwrite=True, quiet=True, vcs_ref=version)


def change(project: Path, **changed: str) -> None:
    """`copier update --vcs-ref=:current:` with other answers."""
    update(project, copier.VcsRef.CURRENT, **changed)


def conflicts(project: Path) -> list[str]:
    """Paths that an update left for its owner to resolve."""
    unmerged = {line.split("\t")[1] for line in git("ls-files", "-u", cwd=project).splitlines()}
    rejected = [path.relative_to(project).as_posix() for path in project.rglob("*.rej")]
    return sorted({*unmerged, *rejected})


def files(project: Path) -> dict[str, bytes]:
    """Path and content of every file that git does not keep for itself."""
    return {name: data for name, data in rendering.files(project).items() if not name.startswith(".git/")}


def offered(version: str, question: str) -> list[str]:
    """The values that a question offered in a release."""
    return rendering.values(asked(version)[question])


@cache
def asked(version: str) -> Mapping[str, Mapping[str, object]]:
    """The questions of a release by name, and its settings."""
    settings = git("show", f"{COMMITS[version]}:copier.yml", cwd=rendering.ROOT)
    questions: Mapping[str, Mapping[str, object]] = yaml.safe_load(settings)
    return questions
