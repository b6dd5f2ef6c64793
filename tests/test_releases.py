"""Releases are recorded: a clone without tags knows them, and one that moved is found."""

import subprocess
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from packaging.version import Version

from . import rendering
from .rendering import commit, git, release

RELEASES = tomllib.loads((rendering.ROOT / "releases.toml").read_text())["release"]
Record = Mapping[str, str]


def moved(repository: Path, releases: Iterable[Record]) -> list[str]:
    """Which recorded releases are not in this repository as they were, each with the reason.

    A clone may be without tags. In a shallow one, a commit that is not there cannot be judged.
    """
    shallow = git("rev-parse", "--is-shallow-repository", cwd=repository).strip() == "true"
    reasons = [reason(repository, made["version"], made["commit"], shallow) for made in releases]
    return [told for told in reasons if told]


def reason(repository: Path, version: str, made: str, shallow: bool) -> str:
    if git("tag", "--list", f"v{version}", cwd=repository):
        tagged = git("rev-parse", f"v{version}^{{commit}}", cwd=repository).strip()
        if tagged != made:
            return f"v{version} is at {tagged}, and releases.toml says {made}"
    if not succeeds(repository, "cat-file", "-e", made):
        return "" if shallow else f"v{version}: this repository has no commit {made}"
    if not shallow and not succeeds(repository, "merge-base", "--is-ancestor", made, "HEAD"):
        return f"v{version}: {made} is not in the history of HEAD"
    released = tomllib.loads(git("show", f"{made}:pyproject.toml", cwd=repository))["project"]["version"]
    return "" if released == version else f"v{version}: pyproject.toml of {made} says {released}"


def succeeds(repository: Path, *arguments: str) -> bool:
    return not subprocess.run(["git", *arguments], cwd=repository, capture_output=True).returncode


def test_every_release_is_where_it_was() -> None:
    assert moved(rendering.ROOT, RELEASES) == []


def test_the_version_of_this_repository_is_in_the_changelog() -> None:
    version = tomllib.loads((rendering.ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\n## {version}\n" in (rendering.ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release["version"])
def test_a_release_is_in_the_changelog(release: dict[str, str]) -> None:
    assert f"\n## {release['version']}\n" in (rendering.ROOT / "CHANGELOG.md").read_text()


def test_versions_rise_and_are_written_as_copier_sorts_them() -> None:
    versions = [Version(made["version"]) for made in RELEASES]
    assert versions == sorted(set(versions))
    assert [str(version) for version in versions] == [made["version"] for made in RELEASES]


# ------------------------------------------------------------------------------------------------- planted errors


def write(repository: Path, version: str, text: str) -> str:
    """A release's commit."""
    (repository / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    (repository / "copier.yml").write_text(text)
    release(repository, f"v{version}")
    return git("rev-parse", "HEAD", cwd=repository).strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With two releases."""
    target = tmp_path / "template"
    target.mkdir()
    git("init", "-q", "-b", "main", cwd=target)
    return target


@pytest.fixture
def releases(repository: Path) -> list[Record]:
    return [{"version": version, "commit": write(repository, version, version)} for version in ("1.0.0", "1.1.0")]


def as_released(repository: Path) -> Path:
    return repository


def cloned(repository: Path, *options: str) -> Path:
    target = repository.with_name("clone")
    git("clone", "-q", "--no-tags", *options, f"file://{repository}", str(target), cwd=repository)
    return target


def shallow(repository: Path) -> Path:
    return cloned(repository, "--depth=1")


@pytest.mark.parametrize("seen", [as_released, cloned, shallow])
def test_a_release_that_stayed_is_accepted(
    repository: Path, releases: list[Record], seen: Callable[[Path], Path]
) -> None:
    assert moved(seen(repository), releases) == []


def another_tag(repository: Path) -> str:
    (repository / "copier.yml").write_text("Mended.")
    commit(repository, "Mended")
    git("tag", "-f", "v1.1.0", cwd=repository)
    return "v1.1.0 is at "


def another_history(repository: Path) -> str:
    git("commit", "-q", "--amend", "-m", "Another", cwd=repository)
    git("tag", "-d", "v1.1.0", cwd=repository)
    return " is not in the history of HEAD"


def another_history_in_a_clone(repository: Path) -> str:
    another_history(repository)
    git("reflog", "expire", "--expire=now", "--all", cwd=repository)
    git("gc", "-q", "--prune=now", cwd=repository)
    return "v1.1.0: this repository has no commit "


@pytest.mark.parametrize("move", [another_tag, another_history, another_history_in_a_clone])
def test_a_release_that_moved_is_found(repository: Path, releases: list[Record], move: Callable[[Path], str]) -> None:
    told = move(repository)
    [found] = moved(repository, releases)
    assert told in found


def test_a_record_of_another_version_is_found(repository: Path, releases: list[Record]) -> None:
    [found] = moved(repository, [{**releases[0], "version": "0.9.0"}])
    assert "says 1.0.0" in found
