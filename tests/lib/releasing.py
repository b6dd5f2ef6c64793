"""A template with three releases under a URL, for tests of what comes after an update."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from ..conftest import TAG, once
from . import rendering
from .rendering import commit, release

URL = "https://git.example.com/acme/mcp-connector-template.git"
NEXT = "v1000.1.0"  # another title in docs/update.md, and docs/deploy.md is docs/operate.md
LATER = "v1000.2.0"  # `ci` offers no `none` any more
# What the changelog says about them: what to do by hand, a mention and a number, and what GitLab would obey.
NEWS = {
    NEXT: "- The guide has another name.\n\n**What to do by hand**\n\n1. Read `docs/operate.md`,\n   by @ada.\n",
    LATER: "- `ci` offers `none`@ no more. By hand: choose.\n- Thanks to @ada in `@main`: see #12.\n\n/close\n",
}
GIVEN = {"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"}


def releases(template: Path, shared: Path) -> Path:
    """The template's repository, made once for all workers."""
    target = shared / "releases"
    return once(target, lambda: make(shutil.copytree(template, target)))


@contextmanager
def available(template: Path, shared: Path, cache: Path) -> Iterator[Path]:
    """The same, under URL for the time of the block."""
    repository = releases(template, shared)
    with pytest.MonkeyPatch.context() as patch:
        served(repository, cache, patch)
        yield repository


def make(repository: Path) -> None:
    root = repository / "template"
    page, title = root / "docs/update.md.jinja", "# Stay current\n"
    assert title in page.read_text()
    page.write_text(page.read_text().replace(title, f"{title.rstrip()} (new)\n"))
    [guide] = root.glob("*only.compose*/docs/deploy.md.jinja")
    guide.rename(guide.with_name("operate.md.jinja"))
    log(repository, NEXT)
    release(repository, NEXT)
    settings = repository / "copier.yml"
    settings.write_text(settings.read_text().replace('    "none - no pipeline": none\n', ""))
    log(repository, LATER)
    release(repository, LATER)


def log(repository: Path, version: str) -> None:
    """Add the section of a release to the changelog."""
    file = repository / "CHANGELOG.md"
    title, rest = file.read_text().split("\n## ", 1)
    file.write_text(f"{title}\n## {version.removeprefix('v')}\n\n{NEWS[version]}\n## {rest}")


def served(repository: Path, cache: Path, patch: pytest.MonkeyPatch) -> None:
    """Let git find the repository under URL, and keep Copier's clones apart from other workers'."""
    patch.setenv("GIT_CONFIG_COUNT", "1")
    patch.setenv("GIT_CONFIG_KEY_0", f"url.{repository}.insteadOf")
    patch.setenv("GIT_CONFIG_VALUE_0", URL)
    patch.setenv("COPIER_CACHE_DIR", str(cache))


def start(target: Path, *options: str, version: str = TAG) -> Path:
    """A connector of a release of URL, committed."""
    arguments = ["copy", "--quiet", "--defaults", f"--vcs-ref={version}", *rendering.data(GIVEN), *options]
    done = rendering.copier(*arguments, URL, target)
    assert done.returncode == 0, done.stderr
    rendering.git("init", "-q", "-b", "main", cwd=target)
    commit(target, "start")
    return target


def update(project: Path, *options: str, version: str = NEXT) -> None:
    done = rendering.copier("update", "--quiet", "--defaults", f"--vcs-ref={version}", *options, cwd=project)
    assert done.returncode == 0, done.stderr


def record(project: Path, **answers: object) -> None:
    """Write answers as Copier does, without Copier; None removes one."""
    file = project / ".copier-answers.yml"
    now = {**yaml.safe_load(file.read_text()), **answers}
    kept = {name: value for name, value in now.items() if value is not None}
    file.write_text(yaml.dump(kept, allow_unicode=True, default_flow_style=False))
