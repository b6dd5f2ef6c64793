"""`make tags`: give this clone the tag of every release that releases.toml records.

Copier finds releases by their tags, and a clone or a mirror may lack them. The tags are lightweight, so that they come
out the same wherever they are made. Python 3.11 and git are enough. Nothing changes unless every release can be tagged.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 — it is started with whatever Python there is
    sys.exit(f"make tags needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}.")

import tomllib

ROOT = Path(__file__).parents[2]
VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc|\.post|\.dev)\d+)*")  # PEP 440, as Copier reads it from a tag
COMMIT = re.compile(r"[0-9a-f]{40}")
Record = Mapping[str, str]


class Fault(Exception):
    """One sentence: what is wrong with a release here, and what to do about it."""


def git(repository: Path, *arguments: str, given: str | None = None) -> str:
    """What git prints.

    Raises:
        Fault: git is missing, or failed; with what it said.
    """
    command = ["git", *arguments]
    try:
        done = subprocess.run(command, cwd=repository, input=given, capture_output=True, text=True)
    except FileNotFoundError:
        raise Fault("git is not installed: install it first.") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"git {arguments[0]} failed"]
        fatal = [line for line in said if line.startswith(("fatal:", "error:"))] or said
        raise Fault(f"git says: {fatal[0].split(': ', 1)[-1].rstrip('.')}.")
    return done.stdout.strip()


def succeeds(repository: Path, *arguments: str) -> bool:
    return not subprocess.run(["git", *arguments], cwd=repository, capture_output=True).returncode


def shallow(repository: Path) -> bool:
    return git(repository, "rev-parse", "--is-shallow-repository") == "true"


def releases(repository: Path) -> list[Record]:
    """What releases.toml records, oldest first."""
    file = repository / "releases.toml"
    try:
        recorded = tomllib.loads(file.read_text(encoding="utf-8")).get("release")
    except FileNotFoundError:
        raise Fault(f"{file} is missing: run this in a clone of the template.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Fault(f"releases.toml cannot be read: {error}.") from None
    if not isinstance(recorded, list) or not all(isinstance(release, dict) for release in recorded):
        raise Fault("releases.toml must have a [[release]] table for each release.")
    for release in recorded:
        if not VERSION.fullmatch(str(release.get("version"))) or not COMMIT.fullmatch(str(release.get("commit"))):
            raise Fault(f"releases.toml: version must be such as 1.2.3, and commit 40 hex digits; one has {release}.")
    return recorded


def tagged(repository: Path, tag: str) -> str:
    """The commit that a tag names here; empty without that tag."""
    if not succeeds(repository, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}"):
        return ""
    return git(repository, "rev-parse", "--verify", f"refs/tags/{tag}^{{commit}}")


def fault(repository: Path, release: Record) -> str:
    """What is wrong with a release in this repository, as one sentence; empty if nothing is."""
    return misplaced(repository, release) or absent(repository, release) or wrong(repository, release)


def misplaced(repository: Path, release: Record) -> str:
    tag, commit = f"v{release['version']}", release["commit"]
    here = tagged(repository, tag)
    if here in ("", commit):
        return ""
    return f"The tag {tag} is at {here}, and releases.toml says {commit}: find out which of them moved."


def absent(repository: Path, release: Record) -> str:
    tag, commit = f"v{release['version']}", release["commit"]
    if succeeds(repository, "cat-file", "-e", f"{commit}^{{commit}}"):
        return ""
    remedy = "the clone is shallow, so run git fetch --unshallow" if shallow(repository) else "fetch it first"
    return f"{tag}: this repository has no commit {commit}; {remedy}."


def wrong(repository: Path, release: Record) -> str:
    """Why a commit that is there is not the release that it is recorded as."""
    tag, version, commit = f"v{release['version']}", release["version"], release["commit"]
    if not shallow(repository) and not succeeds(repository, "merge-base", "--is-ancestor", commit, "HEAD"):
        return f"{tag}: the commit {commit} is not in the history of HEAD; check out the branch that has the releases."
    try:
        released = tomllib.loads(git(repository, "show", f"{commit}:pyproject.toml"))["project"]["version"]
    except (Fault, KeyError, tomllib.TOMLDecodeError):
        return f"{tag}: the commit {commit} has no version in pyproject.toml; correct releases.toml."
    return "" if released == version else f"{tag}: pyproject.toml of {commit} says {released}; correct releases.toml."


def make(repository: Path, recorded: Iterable[Record]) -> list[str]:
    """Make the tags that are missing, all or none, and return their names.

    Raises:
        Fault: A tag is at another commit, or a commit is not the release that it is recorded as.
    """
    missing = []
    for release in recorded:
        if found := fault(repository, release):
            raise Fault(found)
        if not tagged(repository, f"v{release['version']}"):
            missing.append(release)
    # One transaction: git makes all of them or none.
    created = "".join(f"create refs/tags/v{release['version']}\0{release['commit']}\0" for release in missing)
    git(repository, "update-ref", "--stdin", "-z", given=created)
    return [f"v{release['version']}" for release in missing]


def main() -> None:
    try:
        made = make(ROOT, releases(ROOT))
    except Fault as found:
        sys.exit(f"make tags: {found} No tag was made.")
    print(f"Made {', '.join(made)}." if made else "Every release has its tag.")
    print("Publish them with: git push --tags")


if __name__ == "__main__":
    main()
