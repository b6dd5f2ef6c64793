"""Connectors as the template made them: Copier renders recorded answers again, and runs no code of the template."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from .recorded import Answers, Problem, environment, git, git_url, scrubbed, shown, source_of


def location(source: str, folder: Path) -> str:
    """What git is given for a source; a relative path is taken from the project, as Copier takes it."""
    url = git_url(source)
    if "://" in url or re.match(r"[^/]+:", url):
        return url
    return str((folder / Path(url).expanduser()).resolve())


def installable(source: str, folder: Path) -> str:
    """The same as uvx takes it after `--from`; nothing for what uvx cannot take."""
    where = location(source, folder)
    if re.match(r"(https?|ssh|file)://", where):
        return f"git+{where}"
    if remote := re.fullmatch(r"([\w.-]+@[\w.-]+):/*(?!/)(.+)", where):
        return f"git+ssh://{remote[1]}/{remote[2]}"
    return f"git+{Path(where).as_uri()}" if where.startswith("/") else ""


def clone(url: str, mirror: Path) -> None:
    """The template's repository, without a work tree."""
    git("clone", "--quiet", "--bare", "--", url, mirror, cwd=mirror.parent, timeout=300)


def has(mirror: Path, version: str) -> bool:
    try:
        git("cat-file", "-e", f"{version}^{{commit}}", cwd=mirror)
    except Problem:
        return False
    return True


def command() -> list[str]:
    """How to start Copier here: as a program, from this interpreter's environment, or through uv as the README does."""
    beside = Path(sys.executable).with_name("copier")
    if found := shutil.which("copier") or (str(beside) if beside.exists() else None):
        return [found]
    if found := shutil.which("uvx"):
        return [found, "--quiet", "copier"]
    raise Problem("copier is not installed")


def render(copier: list[str], mirror: Path, answers: Answers, answers_file: str, work: Path) -> Path:
    """A folder in the new folder `work`, with what the recorded release makes of the answers. Never with --trust.

    Raises:
        Problem: Copier cannot render it.
    """
    work.mkdir()
    given = {name: value for name, value in answers.items() if name[0] != "_"}
    (work / "answers.json").write_text(json.dumps(given), encoding="utf-8")  # JSON is YAML
    (work / "settings.yml").write_text("{}\n")  # the user's own defaults must not change what is rendered
    source, variables = source_of(answers), dict[str, str]()
    if re.match(r"(\w+\+?)+://|g[hl]:|[^/]+@", source):
        # The recorded URL, since a file may quote it; git takes the clone that is here already.
        count = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
        variables = {
            "GIT_CONFIG_COUNT": str(count + 1),
            f"GIT_CONFIG_KEY_{count}": f"url.{mirror}.insteadOf",
            f"GIT_CONFIG_VALUE_{count}": git_url(source),
        }
    else:
        source = str(mirror)
    settings = {"COPIER_SETTINGS_PATH": str(work / "settings.yml"), "COPIER_CACHE_DIR": str(work / "cache")}
    options = ["--quiet", "--defaults", f"--vcs-ref={answers['_commit']}", f"--data-file={work / 'answers.json'}"]
    options.append(f"--answers-file={answers_file}")
    try:
        done = subprocess.run(
            [*copier, "copy", *options, "--", source, work / "fresh"],
            env=environment(**settings, **variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise Problem(f"copier did not finish ({type(error).__name__})") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise Problem(f"copier cannot render it ({shown(scrubbed(said[-1]), 160)})")
    return work / "fresh"


def files(folder: Path) -> Mapping[str, bytes]:
    """Path and content of every file, in order."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def seeds(mirror: Path, version: str) -> list[str]:
    """Patterns of what a release leaves to the owner: skipped where it exists, and up to 0.3.0 excluded."""
    settings = git("show", f"{version}:copier.yml", cwd=mirror)
    owned = re.findall(r"\{% if _copier_operation == 'update' %\}(.+?)\{% endif %\}", settings)
    if skipped := re.search(r"^_skip_if_exists:\n((?: .*\n)+)", settings, flags=re.MULTILINE):
        owned += re.findall(r"^  - (.+)$", skipped[1], flags=re.MULTILINE)
    return [re.sub(r"\{\{ \w+ \}\}", "*", path) for path in owned]


def is_seed(path: str, owned: list[str]) -> bool:
    return any(fnmatch(path, seed) or fnmatch(path, f"{seed}/*") for seed in owned)
