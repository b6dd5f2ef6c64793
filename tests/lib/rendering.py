"""Rendering the template as its users do, and running what came out."""

import itertools
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

import jinja2
import pexpect
import yaml
from copier import run_copy
from copier._main import Worker

from . import pins

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template"
COPIER = Path(sys.executable).with_name("copier")

Answers = dict[str, str]
Rendered = Callable[[Mapping[str, str]], Path]  # the fixture `rendered`
Lock = Callable[[Path], Path]  # the fixture `lock`
Installed = Callable[[Mapping[str, str]], tuple[Path, dict[str, str]]]  # the fixture `installed`


@cache  # it takes a tenth of a second, and test modules ask dozens of times
def questions() -> Mapping[str, Mapping[str, object]]:
    """The questions of copier.yml by name."""
    settings = yaml.safe_load((ROOT / "copier.yml").read_text())
    return {name: question for name, question in settings.items() if not name.startswith("_")}


def choices(question: str) -> list[str]:
    """The values that a question offers."""
    return values(questions()[question])


def values(question: Mapping[str, object]) -> list[str]:
    """The same, of a question as copier.yml has it."""
    offered = question["choices"]
    assert isinstance(offered, dict)
    return [choice["value"] if isinstance(choice, dict) else choice for choice in offered.values()]


def group(name: str) -> Path:
    """The folder of template/ that is rendered for one choice, or for what several choices have in common."""
    return TEMPLATE / f"{{{{ only.{name.replace('-', '_')} }}}}"


def combinations() -> list[Answers]:
    """Every combination of the questions that have choices and are asked of everybody, on the target compose.

    A target changes no code and no pipeline: the tests marked `targets` render each with every mode and source. What
    watches a connector changes neither: `tests/running/test_prometheus.py` renders it.
    """
    asked = [name for name, question in questions().items() if "choices" in question and "when" not in question]
    names = [name for name in asked if name != "observability"]
    values = itertools.product(*(["compose"] if name == "hosting" else choices(name) for name in names))
    return [dict(zip(names, combination, strict=True)) for combination in values]


def label(answers: Mapping[str, str]) -> str:
    """A short name for a test's parameter, such as `api-key-compose-blank-github`."""
    return "-".join(answers.values())


def git(*arguments: str, cwd: Path) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "core.autocrlf=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def snapshot(target: Path, tag: str) -> Path:
    """A repository with the template as it stands in the working tree, committed and tagged."""
    target.mkdir()
    copy_working_tree(target)
    git("init", "-q", "-b", "main", cwd=target)
    release(target, tag)
    git("gc", "-q", cwd=target)  # each copy clones it: a pack is one file, loose objects are hundreds
    return target


def commit(repository: Path, message: str) -> None:
    """Commit all that stands there, even where nothing changed: a release may be what the working tree is."""
    git("add", "-A", cwd=repository)
    git("commit", "-q", "--allow-empty", "-m", message, cwd=repository)


def release(repository: Path, tag: str) -> None:
    """The same, under a tag."""
    commit(repository, tag)
    git("tag", tag, cwd=repository)


def copy_working_tree(target: Path, *parts: str) -> None:
    """Put there every file of this repository, or of these parts of it, as it stands."""
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *parts, cwd=ROOT).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def committed_texts() -> dict[str, str]:
    """Every committed file of this repository that is text, by its name, as it stands."""
    found = {}
    for name in filter(None, git("ls-files", "-z", cwd=ROOT).split("\0")):
        if (ROOT / name).is_file() and b"\0" not in (data := (ROOT / name).read_bytes()):
            found[name] = data.decode()
    return found


def copier(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run copier's command line; never with --trust."""
    assert not {"--trust", "--UNSAFE"} & set(map(str, arguments))
    return subprocess.run([COPIER, *arguments], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def data(answers: Mapping[str, str]) -> list[str]:
    """Answers as options of copier's command line."""
    return [f"--data={name}={value}" for name, value in {"project_name": "Acme CRM", **answers}.items()]


def render(template: Path, target: Path, answers: Mapping[str, str]) -> Path:
    """A connector for these answers, by the command line that the README gives."""
    done = copier("copy", "--quiet", "--defaults", *data(answers), template, target)
    assert done.returncode == 0, done.stderr
    return target


@contextmanager
def compiled_once() -> Iterator[None]:
    """Spare what Copier does for each project or file anew: three quarters of the time, where one process makes many.

    It compiles each expression, reads YAML in Python, and asks git at each file whether the modes of files count. That
    the same comes out is a test: `test_the_command_line_renders_the_same_bytes_elsewhere`.
    """
    compiled: dict[object, Any] = {}
    compile = jinja2.Environment.compile

    def remembered(environment: jinja2.Environment, source: Any, *options: Any, **named: Any) -> Any:
        syntax = environment.trim_blocks, environment.lstrip_blocks, environment.keep_trailing_newline
        key = (type(environment), syntax, source, *options[:1])  # the second option is where the file lies, this time
        if named or key not in compiled:
            compiled[key] = compile(environment, source, *options, **named)
        return compiled[key]

    with (
        mock.patch.object(jinja2.Environment, "compile", remembered),
        mock.patch.object(yaml, "SafeLoader", yaml.CSafeLoader),
        mock.patch.object(Worker, "_sync_git_index_executable_bit"),  # where they count, as here, it does nothing
    ):
        yield


def render_here(template: Path, target: Path, answers: Mapping[str, str], version: str | None = None) -> Path:
    """The same in this process, which is four times as fast where one process renders many (see `compiled_once`).

    `version` is a release of the template; the newest if left out.
    """
    data = {"project_name": "Acme CRM", **answers}
    run_copy(str(template), target, data=data, defaults=True, quiet=True, vcs_ref=version)
    return target


def recorded(project: Path) -> dict[str, str]:
    """The answers that a project was rendered for, and what Copier adds to them."""
    answers: dict[str, str] = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    return answers


def files(project: Path) -> dict[str, bytes]:
    """Path and content of every rendered file."""
    return {p.relative_to(project).as_posix(): p.read_bytes() for p in sorted(project.rglob("*")) if p.is_file()}


def environment(project: Path, site: Path) -> dict[str, str]:
    """Environment variables to run a rendered project in, its package installed into `site` and nowhere else."""
    uv = Path(sys.executable).with_name("uv")
    # A copy, because the build leaves files beside pyproject.toml.
    copy = shutil.copytree(project, site.with_name(f"{site.name}-source"))
    install: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--compile-bytecode",
        "--python",
        python(project),
        "--target",
        site,
        copy,
    ]
    # By their content: tests change a file within the second in which it was compiled.
    subprocess.run(install, check=True, env={**os.environ, "PYC_INVALIDATION_MODE": "CHECKED_HASH"})
    return variables(project, site)


def lock_set(project: Path) -> str:
    """The set of dependencies that a project needs, as `pins` names it."""
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return "proxy" if any(dependency.startswith("fastmcp") for dependency in declared) else "base"


def lock(project: Path, known: Path | None = None) -> Path:
    """Make a project's uv.lock, as `uv sync` does for its owner, but with the versions that the tests pin.

    `known` is a uv.lock with these versions already, which takes a tenth of the time.
    """
    if known:
        shutil.copyfile(known, project / "uv.lock")
    options = [] if known else pins.within(lock_set(project))
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run([uv, "lock", "--quiet", *options], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return project


def python(project: Path) -> Path:
    """The interpreter of this repository that has what a project needs, with what checks it."""
    return interpreter(lock_set(project))


def interpreter(locks: str = "base") -> Path:
    return ROOT / ".venv" / locks / "bin/python"


def variables(project: Path, site: Path) -> dict[str, str]:
    """What `environment` gave for a site that is there already."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    path = f"{site / 'bin'}:{python(project).parent}:/usr/local/bin:/usr/bin:/bin"
    # caio, which writes the logins of `oauth-proxy` to files here, would have the kernel wait busily for 0.1 s after
    # each: half of the processor's time of such a connector's tests.
    plain = {"PYTHONDONTWRITEBYTECODE": "1", "CAIO_IMPL": "thread"}
    return {**kept, "PATH": path, "PYTHONPATH": str(site), **plain}


def run(project: Path, environment: Mapping[str, str], *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a rendered project, which ends by itself within ten minutes."""
    return subprocess.run(command, cwd=project, env=dict(environment), capture_output=True, text=True, timeout=600)


@contextmanager
def terminal(
    template: Path, target: Path, answers: Mapping[str, str] = MappingProxyType({})
) -> Iterator["pexpect.spawn[str]"]:
    """`copier copy` in a terminal, where it asks for what `answers` leaves open."""
    child = pexpect.spawn(
        str(COPIER),
        ["copy", *(f"--data={name}={value}" for name, value in answers.items()), str(template), str(target)],
        env={**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1"},
        dimensions=(50, 200),
        encoding="utf-8",
        timeout=20,
    )
    try:
        yield child
    finally:
        child.close(force=True)
