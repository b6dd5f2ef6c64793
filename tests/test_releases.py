"""Releases are recorded: a clone without tags knows them, and a tag that moved is seen."""

import subprocess
import tomllib

import pytest

from . import rendering

RELEASES = tomllib.loads((rendering.ROOT / "releases.toml").read_text())["release"]


def test_the_version_of_this_repository_is_in_the_changelog() -> None:
    version = tomllib.loads((rendering.ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\n## {version}\n" in (rendering.ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release["version"])
def test_a_release_is_in_the_changelog(release: dict[str, str]) -> None:
    assert f"\n## {release['version']}\n" in (rendering.ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release["version"])
def test_a_release_is_the_commit_that_is_recorded(release: dict[str, str]) -> None:
    if subprocess.run(["git", "cat-file", "-e", release["commit"]], cwd=rendering.ROOT, capture_output=True).returncode:
        pytest.skip("this clone does not have the commit")
    tag = f"v{release['version']}"
    if rendering.git("tag", "--list", tag, cwd=rendering.ROOT):
        assert rendering.git("rev-parse", f"{tag}^{{commit}}", cwd=rendering.ROOT) == release["commit"]
    released = tomllib.loads(rendering.git("show", f"{release['commit']}:pyproject.toml", cwd=rendering.ROOT))
    assert released["project"]["version"] == release["version"]
