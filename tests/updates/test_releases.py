"""Releases are recorded: a clone without tags knows them, and one that moved is found."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from packaging.version import Version

from ..lib import rendering
from ..lib.rendering import commit, git, release
from ..programs import tags
from ..programs.tags import Fault, Record, absent, fault, misplaced, shallow

RELEASES = tags.releases(rendering.ROOT)


def moved(repository: Path, releases: Iterable[Record]) -> list[str]:
    """Which recorded releases are not in this repository as they were, each with the reason.

    A clone may be without tags. In a shallow one, a commit that is not there cannot be judged.
    """
    return [told for release in releases if (told := reason(repository, release))]


def reason(repository: Path, release: Record) -> str:
    if absent(repository, release) and shallow(repository):
        return misplaced(repository, release)
    return fault(repository, release)


def test_every_release_is_where_it_was() -> None:
    assert moved(rendering.ROOT, RELEASES) == []


def test_the_version_of_this_repository_is_in_the_changelog() -> None:
    version = tomllib.loads((rendering.ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\n## {version}\n" in (rendering.ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release["version"])
def test_a_release_is_in_the_changelog(release: Record) -> None:
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


def shallow_clone(repository: Path) -> Path:
    return cloned(repository, "--depth=1")


@pytest.mark.parametrize("seen", [as_released, cloned, shallow_clone])
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


# ------------------------------------------------------------------------------------------------------ make tags


def listed(repository: Path) -> dict[str, str]:
    """Each tag with what it names: a commit, as these are lightweight."""
    named = git("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/tags", cwd=repository)
    return dict(line.split() for line in named.splitlines())


def test_a_clone_without_tags_gets_that_of_every_release(repository: Path, releases: list[Record]) -> None:
    clone = cloned(repository)
    assert listed(clone) == {}
    assert tags.make(clone, releases) == ["v1.0.0", "v1.1.0"]
    assert listed(clone) == {f"v{made['version']}": made["commit"] for made in releases}


def test_tags_that_are_there_stay_as_they_are(repository: Path, releases: list[Record]) -> None:
    clone = cloned(repository)
    git("tag", "-a", "-m", "With a message", "v1.0.0", releases[0]["commit"], cwd=clone)
    before = listed(clone)
    assert tags.make(clone, releases) == ["v1.1.0"]
    assert tags.make(clone, releases) == []
    assert listed(clone) == {**before, "v1.1.0": releases[1]["commit"]}


def test_a_published_clone_offers_its_newest_release(repository: Path, releases: list[Record], tmp_path: Path) -> None:
    clone, host = cloned(repository), tmp_path / "host.git"
    git("init", "-q", "--bare", "-b", "main", str(host), cwd=tmp_path)
    git("push", "-q", str(host), "HEAD:main", cwd=clone)
    done = rendering.copier("copy", "--quiet", f"file://{host}", tmp_path / "before")
    assert "No git tags found in template; using HEAD as ref" in done.stderr
    tags.make(clone, releases)
    git("push", "-q", "--tags", str(host), cwd=clone)
    done = rendering.copier("copy", "--quiet", f"file://{host}", tmp_path / "after")
    assert "No git tags" not in done.stderr


def two_tags(repository: Path, releases: list[Record]) -> tuple[Path, list[Record], str]:
    clone = cloned(repository)
    git("tag", "v1.1.0", releases[0]["commit"], cwd=clone)
    return clone, releases, f"The tag v1.1.0 is at {releases[0]['commit']}, and releases.toml says "


def a_shallow_clone(repository: Path, releases: list[Record]) -> tuple[Path, list[Record], str]:
    return shallow_clone(repository), releases, "; the clone is shallow, so run git fetch --unshallow."


def another_branch(repository: Path, releases: list[Record]) -> tuple[Path, list[Record], str]:
    clone = cloned(repository)
    git("checkout", "-q", releases[0]["commit"], cwd=clone)
    return clone, releases, "is not in the history of HEAD; check out the branch that has the releases."


def an_unknown_commit(repository: Path, releases: list[Record]) -> tuple[Path, list[Record], str]:
    recorded = [releases[0], {"version": "1.1.0", "commit": "f" * 40}]
    return cloned(repository), recorded, "v1.1.0: this repository has no commit ffff"


def another_version(repository: Path, releases: list[Record]) -> tuple[Path, list[Record], str]:
    recorded = [releases[0], {"version": "1.2.0", "commit": releases[1]["commit"]}]
    return cloned(repository), recorded, "says 1.1.0; correct releases.toml."


def a_name_in_the_way(repository: Path, releases: list[Record]) -> tuple[Path, list[Record], str]:
    clone = cloned(repository)
    git("tag", "v1.1.0/notes", cwd=clone)
    return clone, releases, "git says: "


def no_repository(repository: Path, releases: list[Record]) -> tuple[Path, list[Record], str]:
    folder = repository.with_name("unpacked")
    folder.mkdir()
    return folder, releases, "git says: not a git repository"


PLANTED = [
    two_tags,
    a_shallow_clone,
    another_branch,
    an_unknown_commit,
    another_version,
    a_name_in_the_way,
    no_repository,
]


@pytest.mark.parametrize("plant", PLANTED)
def test_a_release_that_cannot_be_tagged_leaves_all_tags_as_they_were(
    repository: Path,
    releases: list[Record],
    plant: Callable[[Path, list[Record]], tuple[Path, list[Record], str]],
) -> None:
    git("tag", "-d", "v1.0.0", "v1.1.0", cwd=repository)
    target, recorded, told = plant(repository, releases)
    before = listed(target) if (target / ".git").exists() else {}
    with pytest.raises(Fault) as found:
        tags.make(target, recorded)
    assert told in str(found.value)
    assert "\n" not in str(found.value)
    assert (listed(target) if (target / ".git").exists() else {}) == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "releases.toml is missing: run this in a clone of the template."),
        ("[[release]\n", "releases.toml cannot be read: "),
        ("[release]\n", "releases.toml must have a [[release]] table for each release."),
        ("", "releases.toml must have a [[release]] table for each release."),
        ("release = [1]\n", "releases.toml must have a [[release]] table for each release."),
        ('[[release]]\nversion = "1.0"\n', "releases.toml: version must be such as 1.2.3, and commit 40 hex digits; "),
        (f'[[release]]\nversion = "1..0"\ncommit = "{"a" * 40}"\n', "releases.toml: version must be such as 1.2.3, "),
        ('[[release]]\nversion = "1.0"\ncommit = "--help"\n', "releases.toml: version must be such as 1.2.3, "),
    ],
)
def test_a_record_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / "releases.toml").write_text(text)
    with pytest.raises(Fault, match=re.escape(told)):
        tags.releases(tmp_path)


def test_make_tags_says_what_it_did_and_ends_with_1_where_it_cannot(tmp_path: Path) -> None:
    """As whoever publishes the template runs it, with nothing installed."""
    clone = tmp_path / "clone"
    git("clone", "-q", "--no-tags", f"file://{rendering.ROOT}", str(clone), cwd=tmp_path)
    if shallow(clone):
        pytest.skip("the releases are not in this shallow clone")
    rendering.copy_working_tree(clone)
    command = ["make", "--silent", "tags"]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    newest = f"v{RELEASES[-1]['version']}"

    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    assert done.stdout.endswith(f"{newest}.\nPublish them with: git push --tags\n")
    assert listed(clone) == {f"v{made['version']}": made["commit"] for made in RELEASES}
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    assert done.stdout == "Every release has its tag.\nPublish them with: git push --tags\n"

    git("tag", "-f", newest, RELEASES[0]["commit"], cwd=clone)
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    assert done.returncode
    [told, _] = done.stderr.splitlines()  # the second is of make
    assert told.startswith(f"make tags: The tag {newest} is at ")
    assert told.endswith(" No tag was made.")
