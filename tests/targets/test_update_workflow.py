"""The weekly update: accepted by the linters, and run for real on projects whose template has newer releases."""

import copy
import importlib.resources
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from ..conftest import TAG, once
from ..lib import homes, releasing, rendering, updating
from ..lib.models.renovate import Renovate
from ..lib.releasing import LATER, NEXT, URL
from ..lib.rendering import Installed, Rendered, commit, git
from .test_deploy_files import ZIZMOR, judge
from .test_workflows import read

pytestmark = pytest.mark.targets

FILES = {"github": ".github/workflows/update.yml", "gitlab": ".gitlab/update.yml"}
BRANCH = "template-update"
UPDATED = {
    *(f"docs/{name}.md" for name in ("operate", "deploy", "update")),
    updating.RELEASE,
    ".copier-answers.yml",
    "uv.lock",
}
SCHEMA = ["check-jsonschema", "--builtin-schema"]
# Each check: whose file, the file, the command that judges it, and an edit that it must reject.
CHECKS = {
    "actionlint": ("github", FILES["github"], ["actionlint"], ("steps.update.outputs", "steps.updat.outputs")),
    "zizmor": (
        "github",
        FILES["github"],
        ZIZMOR,
        ('-f title="$title"', '-f title="${{ github.head_ref }}"'),
    ),
    "schema": (
        "github",
        FILES["github"],
        [*SCHEMA, "vendor.github-workflows", FILES["github"]],
        ("schedule:", "cron:"),
    ),
    "gitlab-schema": (
        "gitlab",
        FILES["gitlab"],
        [*SCHEMA, "vendor.gitlab-ci", "--data-transform", "gitlab-ci", ".gitlab-ci.yml", FILES["gitlab"]],
        ("script:", "scripts:"),
    ),
    "renovate": (
        "github",
        "renovate.json",
        [*SCHEMA, "vendor.renovate", "renovate.json"],
        ('"enabled": false', '"enabled": "no"'),
    ),
}
every_pipeline = pytest.mark.parametrize("ci", FILES)


def project_for(rendered: Rendered, ci: str, target: str = "compose") -> Path:
    return rendered({"auth_mode": "none", "hosting": target, "source": "blank", "ci": ci})


@pytest.mark.parametrize("check", CHECKS)
def test_the_update_is_accepted_and_a_planted_error_is_not(rendered: Rendered, tmp_path: Path, check: str) -> None:
    ci, file, command, (right, wrong) = CHECKS[check]
    project = shutil.copytree(project_for(rendered, ci), tmp_path / "project")
    git("init", "-q", cwd=project)
    done = judge(command, project)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (project / file).read_text()
    assert right in text
    (project / file).write_text(text.replace(right, wrong, 1))
    assert judge(command, project).returncode != 0


TOKENS = ("secrets.", "github.token")


def check_github(document: dict[str, Any]) -> None:
    """Every week, with no more rights than it needs, and nothing of an expression in a script."""
    assert [*document["on"]] == ["schedule", "workflow_dispatch"]
    assert re.fullmatch(r"\d+ \d+ \* \* 1", document["on"]["schedule"][0]["cron"])
    assert document["permissions"] == {}
    jobs = document["jobs"]
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "update": {"contents": "read"},
        "check": {},
        "propose": dict.fromkeys(("contents", "pull-requests", "statuses"), "write"),
    }
    assert jobs["update"]["steps"][0]["with"] == {"fetch-depth": "0", "persist-credentials": "false"}
    told = [
        (name, step["name"], variable, value)
        for name, job in jobs.items()
        for step in job["steps"]
        for variable, value in step.get("env", {}).items()
        if any(token in value for token in TOKENS)
    ]
    assert told == [
        ("update", "Fetch", "TEMPLATE_TOKEN", "${{ secrets.TEMPLATE_TOKEN }}"),
        ("propose", "Propose", "GH_TOKEN", "${{ secrets.UPDATE_TOKEN || github.token }}"),
        ("propose", "Result", "GH_TOKEN", "${{ github.token }}"),
    ]
    assert jobs["propose"].get("environment") == "template-update"
    for name, job in jobs.items():
        assert "env" not in job
        for step in job["steps"]:
            script = step.get("run", "")
            assert "${{" not in script
            assert "--trust" not in script
            assert not (
                name == "propose" and re.search(r"\b(python3|pip|make|uvx?|pytest|git (add|checkout|commit)) ", script)
            )
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
                assert "checkout" not in step["uses"] or name == "update"


def step_of(document: dict[str, Any], job: str, number: int) -> dict[str, Any]:
    step: dict[str, Any] = document["jobs"][job]["steps"][number]
    return step


EDITS: list[Callable[[dict[str, Any]], object]] = [
    lambda document: document["on"].update(push=""),
    lambda document: document["jobs"]["update"]["permissions"].update(actions="write"),
    lambda document: document["jobs"]["check"]["permissions"].update(contents="read"),
    lambda document: step_of(document, "update", 0)["with"].update({"persist-credentials": "true"}),
    lambda document: step_of(document, "update", 3).update(env={"T": "${{ secrets.T }}"}),
    lambda document: step_of(document, "check", 2).update(env={"T": "${{ github.token }}"}),
    lambda document: document["jobs"]["check"].update(env={"T": "${{ secrets.UPDATE_TOKEN }}"}),
    lambda document: document["jobs"]["propose"].pop("environment"),
    lambda document: step_of(document, "propose", 2).update(run="pip install -e ."),
    lambda document: step_of(document, "propose", 2).update(run="git add -A"),
    lambda document: step_of(document, "propose", 0).update(uses=f"actions/checkout@{'0' * 40}"),
    lambda document: step_of(document, "check", 2).update(run="echo ${{ github.ref }}"),
    lambda document: step_of(document, "update", 3).update(run="copier update --trust"),
    lambda document: step_of(document, "update", 1).update(uses="actions/setup-python@v7"),
]


def test_the_workflow_has_no_more_rights_than_it_needs(rendered: Rendered) -> None:
    check_github(read(project_for(rendered, "github"), FILES["github"]))


@pytest.mark.parametrize("edit", EDITS, ids=range(len(EDITS)))
def test_a_right_too_many_is_found(rendered: Rendered, edit: Callable[[dict[str, Any]], object]) -> None:
    document = copy.deepcopy(read(project_for(rendered, "github"), FILES["github"]))
    edit(document)
    with pytest.raises(AssertionError):
        check_github(document)


def starts(rules: list[dict[str, str]] | None, source: str) -> bool:
    """Whether a job or an included file with these rules has a part in a pipeline of the branch main."""
    holds = {
        '$CI_PIPELINE_SOURCE == "merge_request_event"': source == "merge_request_event",
        "$TEMPLATE_UPDATE": source == "update",
        "$TEMPLATE_UPDATE == null": source != "update",
        "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH": source != "merge_request_event",
        "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $PUBLIC_URL": source != "merge_request_event",
        "$PUBLIC_URL": True,
    }
    first = next((rule for rule in rules or [{}] if "if" not in rule or holds[rule["if"]]), {"when": "never"})
    return first.get("when") != "never"


@pytest.mark.parametrize(
    ("source", "jobs"),
    [
        ("update", {"update", "check update", "propose"}),
        ("schedule", {"check", "deploy"}),
        ("push", {"check", "deploy"}),
        ("merge_request_event", {"check", "build"}),
    ],
)
def test_gitlab_s_schedule_for_updates_starts_the_update_and_nothing_else(
    rendered: Rendered, source: str, jobs: set[str]
) -> None:
    project = project_for(rendered, "gitlab")
    pipeline = read(project, ".gitlab-ci.yml")
    assert starts(pipeline.pop("workflow")["rules"], source)
    for include in pipeline.pop("include"):
        asked_for = [project / name for rule in include["rules"] for name in rule.get("exists", [])]
        if starts(include["rules"], source) and all(path.exists() for path in asked_for):
            pipeline |= read(project, include["local"])
    assert {name for name, job in pipeline.items() if starts(job.get("rules"), source)} == jobs


# ------------------------------------------------------------------------------------------ its scripts, for real

PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >> "$TOLD"
case "$(basename "$0") $*" in $FAILS) exit 1 ;; esac
%s
"""
# What Copier makes of the same files with the same releases is the same: it is kept for all tests.
UVX = f"""[ "$1" = "copier@$COPIER" ] || exit 97
shift
made="$MADE/$(printf '%s\\n' "$*" "$(git rev-parse HEAD:)" "$(git ls-remote {URL})" | git hash-object --stdin)"
if [ -z "$MADE" ]; then exec {rendering.COPIER} "$@"; fi
if ! [ -e "$made" ]; then
  mkdir -p "$MADE" && new=$(mktemp -d "$MADE/XXXXXX") && status=0
  {rendering.COPIER} "$@" || status=$?
  echo "$status" > "$new/status"
  tar -cf "$new/files" --exclude=./.git .
  mv -T "$new" "$made" || rm -r "$new"
elif [ "$1" = update ]; then
  git rm -rqf . && tar -xf "$made/files"
fi
exit "$(cat "$made/status")"
"""
# uv, as far as the jobs use it: it makes the lock, or keeps it, installs nothing, and runs what is there.
UV = """case "$1" in
lock) [ -f uv.lock ] || echo "# made" > uv.lock; printf %s "$OWN" >> uv.lock ;;
sync) [ -f uv.lock ] || exit 1 ;;
run) shift; exec "$@" ;;
esac"""
# GitHub's command line: it keeps what it was told, and answers with the pull requests that are there.
GH = f"""#!{sys.executable}
import json, os, sys
token = os.environ["GH_TOKEN" if os.environ.get("GH_HOST", "github.com") == "github.com" else "GH_ENTERPRISE_TOKEN"]
told = [sys.argv[1:], token, os.environ.get("GH_HOST", "github.com")]
told += [open(a.removeprefix("body=@")).read() for a in sys.argv if a.startswith("body=@")]
print(json.dumps(told), file=open(os.environ["GH_TOLD"], "a"))
for state, answer in (("open", "NUMBER"), ("closed", "CLOSED")):
    if any(f"pulls?state={{state}}&head=acme:{BRANCH}&base=main" in a for a in sys.argv):
        print(os.environ[answer], end="")
sys.exit("draft=true" in sys.argv and bool(os.environ["NO_DRAFTS"]))
"""
# GitLab's API for merge requests, which knows one token.
CURL = f"""#!{sys.executable}
import json, os, sys
token = sys.stdin.read()
assert "update-token" not in " ".join(sys.argv)
requests = "https://gitlab.example.com/api/v4/projects/7/merge_requests"
assert sys.argv[-1].startswith(requests + "?state=closed&source_branch={BRANCH}")
if os.environ["API"] == "refused" or token != 'header = "PRIVATE-TOKEN: update-token"\\n':
    sys.exit("curl: (22) The requested URL returned error: 403")
print(json.dumps([{{"title": title, "description": 'a "title"'}} for title in os.environ["CLOSED"].splitlines()]))
"""
OPTIONS = """#!/bin/sh
at=0
while [ "$at" -lt "${GIT_PUSH_OPTION_COUNT:-0}" ]; do
  eval "printf '%s\\n' \\"\\$GIT_PUSH_OPTION_$at\\"" >> push-options
  at=$((at + 1))
done
"""
FACTS = (rendering.ROOT / "hooks/facts.jinja").read_text(encoding="utf-8")
COPIER: str = homes.chosen()["pins"]["copier"]
HOSTS = {"github": "https://github.example.com/acme/crm", "gitlab": "https://gitlab.example.com/acme/crm"}
OURS = ("template-token", "update-token")


@dataclass
class Outcome:
    """What a run of the job did."""

    status: int
    said: str
    told: list[str]
    title: str = ""
    body: str = ""
    draft: bool = False
    gh: list[Any] = field(default_factory=list)


class Connector:
    """A connector on a host: its origin, the owner who works on it, and the jobs that update it."""

    def __init__(self, folder: Path, start: Path, repository: Path, ci: str) -> None:
        self.folder, self.ci = folder, ci
        self.origin, self.bin = folder / "origin.git", folder / "bin"
        git("clone", "-q", "--bare", str(start), str(self.origin), cwd=folder)
        git("config", "receive.advertisePushOptions", "true", cwd=self.origin)
        (self.origin / "hooks").mkdir(exist_ok=True)
        program(self.origin / "hooks/pre-receive", OPTIONS)
        self.home = folder / "home"
        self.home.mkdir()
        self.serve({URL: repository, f"{HOSTS[ci]}.git": self.origin})
        self.bin.mkdir()
        for name in ("pip", "ruff", "mypy", "pytest"):
            program(self.bin / name, PROGRAM % "")
        program(self.bin / "uv", PROGRAM % UV)
        program(self.bin / "uvx", PROGRAM % UVX)
        program(self.bin / "gh", GH)
        program(self.bin / "curl", CURL)
        (self.bin / "python3").symlink_to(sys.executable)
        self.made = start.with_name("made")
        self.runs = 0

    def serve(self, repositories: dict[str, Path]) -> None:
        """Let git find repositories of this machine under their addresses, and nothing else."""
        lines = [f'[url "{path}"]\n\tinsteadOf = {url}\n' for url, path in repositories.items()]
        (self.folder / "gitconfig").write_text(
            "".join([*lines, '[protocol]\n\tallow = never\n[protocol "file"]\n\tallow = always\n'])
        )

    def person(self, edit: Callable[[Path], object], branch: str = "main") -> None:
        """Somebody edits, commits and pushes."""
        clone = self.checkout(branch)
        edit(clone)
        commit(clone, "Ours")
        git("push", "-q", "origin", f"HEAD:{branch}", cwd=clone)

    def checkout(self, branch: str) -> Path:
        """A clone on somebody's desk."""
        clone = self.folder / "desk"
        shutil.rmtree(clone, ignore_errors=True)
        git("clone", "-q", "-b", branch, str(self.origin), str(clone), cwd=self.folder)
        return clone

    def run(
        self,
        number: str = "",
        fails: str = "nothing",
        own: str = "",
        prepare: Callable[[Path], object] = lambda checkout: None,
        event: str = "schedule",
        **environment: str,
    ) -> Outcome:
        """The jobs, as their host runs them; `number`: of the pull request that is open there."""
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        folder.mkdir()
        checkout = folder / "update"
        git("clone", "-q", str(self.origin), str(checkout), cwd=folder)
        prepare(checkout)
        self.environment = {
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "GIT_CONFIG_SYSTEM": str(self.folder / "gitconfig"),
            "COPIER_CACHE_DIR": str(self.folder / "cache"),
            "COPIER_SETTINGS_PATH": os.environ["COPIER_SETTINGS_PATH"],
            "COPIER": COPIER,
            "MADE": str(self.made),
            "TOLD": str(folder / "told"),
            "GH_TOLD": str(folder / "gh"),
            "FAILS": fails,
            "OWN": own,
            "NUMBER": number,
            "CLOSED": "",
            "API": "",
            "NO_DRAFTS": "",
            "TMPDIR": str(folder),
            **environment,
        }
        sha = git("rev-parse", "HEAD", cwd=checkout)
        outcome = self.github(checkout, sha, event) if self.ci == "github" else self.gitlab(checkout, sha, event)
        outcome.told = (folder / "told").read_text().splitlines() if (folder / "told").exists() else []
        return outcome

    def github(self, checkout: Path, sha: str, event: str) -> Outcome:
        outcome = Outcome(0, "", [])
        needs: dict[str, str] = {}
        document = read(checkout, FILES["github"])
        for name, job in document["jobs"].items():
            if "needs" in job and not needs.get("needs.update.outputs.version"):
                continue
            values = {"github.token": "job-token", "secrets.TEMPLATE_TOKEN": OURS[0], **needs}
            values["secrets.UPDATE_TOKEN || github.token"] = OURS[1]
            self.github_job(name, job, values, outcome, checkout.parent, sha, event)
            if outcome.status:
                break
            for output, text in job.get("outputs", {}).items():
                needs[f"needs.{name}.outputs.{output}"] = values.get(text.removeprefix("${{ ").removesuffix(" }}"), "")
        said = checkout.parent / "gh"
        outcome.gh = [json.loads(line) for line in said.read_text().splitlines()] if said.exists() else []
        for arguments, _, host, *bodies in outcome.gh:
            assert host == "github.example.com"  # a server of one's own, and not the public one
            if bodies:
                outcome.body = bodies[0]
                [outcome.title] = [word.removeprefix("title=") for word in arguments if word.startswith("title=")]
                outcome.draft = "draft=true" in arguments
            if arguments[:2] == ["pr", "ready"]:
                outcome.draft = "--undo" in arguments
        if outcome.body:
            assert (checkout.parent / "propose-temp/summary").read_text() == outcome.body
        return outcome

    def github_job(
        self,
        name: str,
        job: dict[str, Any],
        values: dict[str, str],
        outcome: Outcome,
        folder: Path,
        sha: str,
        event: str,
    ) -> None:
        workspace, temp = folder / name, folder / f"{name}-temp"
        workspace.mkdir(exist_ok=True)
        temp.mkdir()

        def value(match: re.Match[str]) -> str:
            return values.get(match[1], "") if match[1].startswith("steps.") else values[match[1]]

        values["runner.temp"] = str(temp)
        for step in job["steps"]:
            condition = re.fullmatch(r"(steps\.\w+\.outputs\.\w+) != ''", step.get("if", "steps.x.outputs.y != ''"))
            assert condition
            if "if" in step and not values.get(condition[1]):
                continue
            given = {
                key: re.sub(r"\$\{\{ (.*?) \}\}", value, text)
                for key, text in step.get("with", step.get("env", {})).items()
            }
            if "artifact" in step.get("uses", ""):
                here, there = Path(given["path"]), folder / f"artifact-{given['name']}"
                pair = (here, there) if "upload" in step["uses"] else (there, here)
                shutil.copytree(*pair, symlinks=True)
            if "run" not in step:
                continue
            outputs = temp / f"outputs-{step['name']}"
            outputs.touch()
            runner = {
                "RUNNER_TEMP": str(temp),
                "GITHUB_OUTPUT": str(outputs),
                "GITHUB_STEP_SUMMARY": str(temp / "summary"),
                "GITHUB_REPOSITORY": "acme/crm",
                "GITHUB_REF_NAME": "main",
                "GITHUB_SHA": sha,
                "GITHUB_EVENT_NAME": event,
                "GITHUB_SERVER_URL": "https://github.example.com",
                "GITHUB_RUN_ID": "7",
            }
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = self.shell(shell, workspace, {**runner, **given})
            outcome.said += done.stdout + done.stderr
            for line in outputs.read_text().splitlines():
                key, _, text = line.partition("=")
                values[f"steps.{step['id']}.outputs.{key}"] = text
            if done.returncode:
                outcome.status = done.returncode
                break

    def gitlab(self, checkout: Path, sha: str, event: str) -> Outcome:
        outcome = Outcome(0, "", [])
        note = self.origin / "push-options"
        note.unlink(missing_ok=True)
        artifacts = checkout.parent / "artifacts"
        artifacts.mkdir()
        document = read(checkout, FILES["gitlab"])
        given = {"template": {"TEMPLATE_TOKEN": OURS[0]}, "template-update": {"UPDATE_TOKEN": OURS[1]}, "": {}}
        for name, job in document.items():
            place = checkout if "GIT_DEPTH" in job["variables"] else checkout.parent / name.replace(" ", "-")
            place.mkdir(exist_ok=True)
            for needed in job.get("needs", []):
                for path in document[needed].get("artifacts", {}).get("paths", []):
                    if (artifacts / path).exists():
                        shutil.copytree(artifacts / path, place / path, symlinks=True)
            runner = {
                "CI_SERVER_HOST": "gitlab.example.com",
                "CI_SERVER_URL": "https://gitlab.example.com",
                "CI_API_V4_URL": "https://gitlab.example.com/api/v4",
                "CI_PROJECT_ID": "7",
                "CI_PROJECT_DIR": str(place),
                "CI_PROJECT_URL": HOSTS["gitlab"],
                "CI_COMMIT_BRANCH": "main",
                "CI_COMMIT_SHA": sha,
                "CI_PIPELINE_SOURCE": event,
                "CI_JOB_URL": f"{HOSTS['gitlab']}/-/jobs/7",
                **given[job.get("environment", {}).get("name", "")],
            }
            script = "\n".join(["set -e", *job["script"]])
            done = self.shell(["dash", "-c", script], place, runner)
            outcome.status, outcome.said = done.returncode, outcome.said + done.stdout + done.stderr
            if done.returncode:
                break
            for path in job.get("artifacts", {}).get("paths", []):
                if (place / path).exists():
                    shutil.copytree(place / path, artifacts / path, symlinks=True)
        if note.exists():
            options = dict(line.partition("=")[::2] for line in note.read_text().splitlines())
            title, body = options.pop("merge_request.title"), options.pop("merge_request.description")
            assert options == {
                "merge_request.create": "",
                "merge_request.target": "main",
                "merge_request.remove_source_branch": "",
            }
            outcome.draft, outcome.title = title.startswith("Draft: "), title.removeprefix("Draft: ")
            outcome.body = body.replace("\\n", "\n")
        return outcome

    def shell(self, command: list[str], cwd: Path, runner: dict[str, str]) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **runner}
        return subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )

    def branches(self) -> set[str]:
        return set(git("branch", "--format=%(refname:short)", cwd=self.origin).split())

    def show(self, what: str) -> str:
        return git("show", what, cwd=self.origin)

    def commit(self, branch: str) -> str:
        return git("rev-parse", branch, cwd=self.origin)


def program(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # it may be a link to a program of this machine
    path.write_text(text)
    path.chmod(0o755)


def rename(project: Path) -> None:
    """An edit that the newer releases are in conflict with."""
    page = project / "docs/update.md"
    page.write_text("# Ours\n" + page.read_text().split("\n", 1)[1])


@pytest.fixture(scope="module")
def repository(template: Path, shared: Path) -> Path:
    return releasing.releases(template, shared)


@pytest.fixture
def connector(repository: Path, shared: Path, tmp_path: Path, ci: str, request: pytest.FixtureRequest) -> Connector:
    """A connector of the first release, or of the one that a test names."""
    version = getattr(request, "param", TAG)
    start = shared / "update_workflow" / f"{ci}-{version}"

    def make() -> None:
        with pytest.MonkeyPatch.context() as patch:
            releasing.served(repository, tmp_path / "mirrors", patch)
            releasing.start(start, f"--data=ci={ci}", version=version)

    return Connector(tmp_path, once(start, make), repository, ci)


def assert_proposed(connector: Connector, outcome: Outcome) -> None:
    """One commit on top of main, with the newest release."""
    assert connector.branches() == {"main", BRANCH}
    assert connector.commit(f"{BRANCH}~1") == connector.commit("main")
    assert f"_commit: {LATER}\n" in connector.show(f"{BRANCH}:.copier-answers.yml")
    assert "# Stay current (new)\n" in connector.show(f"{BRANCH}:docs/update.md")
    assert outcome.title == f"Update to template {LATER}"
    assert outcome.body.startswith(f"    project: {TAG} → {LATER}, from {URL}\n")


@every_pipeline
@pytest.mark.parametrize("connector", [LATER], indirect=True)
def test_nothing_newer(connector: Connector) -> None:
    outcome = connector.run()
    assert (outcome.status, outcome.title, outcome.gh) == (0, "", []), outcome.said
    assert connector.branches() == {"main"}
    assert not [line for line in outcome.told if line.startswith(("ruff", "mypy", "pytest", "uv "))]


@every_pipeline
def test_an_update_that_goes_well(connector: Connector) -> None:
    outcome = connector.run()
    assert outcome.status == 0, outcome.said
    assert_proposed(connector, outcome)
    assert not outcome.draft
    assert "    Nothing is left for you to do.\n" in outcome.body
    listed = re.findall(r"^- (\w+): (.*)$", outcome.body, re.MULTILINE)
    names = ["Conflicts", "Lock", "Install", *re.findall(r"'name': '(\w+)', 'run'", FACTS)]
    assert listed == [(name, "passed") for name in names]
    assert [line for line in outcome.told if line.startswith(("ruff", "mypy", "pytest"))] == [
        "ruff check .",
        "ruff format --check .",
        "mypy ",
        "pytest ",
    ]
    assert set(git("diff", "--name-only", "--no-renames", "main", BRANCH, cwd=connector.origin).split()) == UPDATED


@every_pipeline
def test_a_conflict(connector: Connector) -> None:
    connector.person(rename)
    outcome = connector.run()
    assert outcome.status != 0
    assert_proposed(connector, outcome)
    assert outcome.draft
    assert "1. Conflict markers: docs/update.md." in outcome.body
    assert "- Conflicts: **failed**\n" in outcome.body
    assert "<<<<<<< before updating\n# Ours\n" in connector.show(f"{BRANCH}:docs/update.md")


@every_pipeline
def test_a_second_run_makes_the_same_request_anew(connector: Connector) -> None:
    connector.person(rename)
    connector.run()
    before = connector.commit(BRANCH)
    connector.person(lambda project: git("checkout", "-q", "HEAD~1", "--", "docs/update.md", cwd=project))
    outcome = connector.run(number="12")
    assert outcome.status == 0, outcome.said
    assert_proposed(connector, outcome)
    assert not outcome.draft
    assert connector.commit(BRANCH) != before
    assert "<<<<<<<" not in connector.show(f"{BRANCH}:docs/update.md")
    requests = [arguments for arguments, *_ in outcome.gh if any(word.startswith("body=") for word in arguments)]
    assert [arguments[2:5] for arguments in requests] == (
        [["--method", "PATCH", "repos/acme/crm/pulls/12"]] if connector.ci == "github" else []
    )


@every_pipeline
def test_a_check_that_fails(connector: Connector) -> None:
    outcome = connector.run(fails="pytest*")
    assert outcome.status != 0
    assert_proposed(connector, outcome)
    assert not outcome.draft
    assert "- Types: passed\n- Tests: **failed**\n" in outcome.body


@pytest.mark.parametrize("ci", ["github"])
@pytest.mark.parametrize(("fails", "state"), [("nothing", "success"), ("mypy*", "failure")])
def test_the_result_is_on_the_commit(connector: Connector, fails: str, state: str) -> None:
    outcome = connector.run(fails=fails)
    arguments, token, *_ = outcome.gh[-1]
    assert arguments[:3] == ["api", "--silent", f"repos/acme/crm/statuses/{connector.commit(BRANCH)}"]
    assert f"state={state}" in arguments
    assert token == "job-token"
    assert {token for _, token, *_ in outcome.gh[:-1]} == {"update-token"}


@pytest.mark.parametrize("ci", ["github"])
def test_a_host_without_drafts_gets_a_request_all_the_same(connector: Connector) -> None:
    connector.person(rename)
    outcome = connector.run(NO_DRAFTS="yes")
    assert outcome.status != 0
    assert_proposed(connector, outcome)
    assert [("draft=true" in arguments) for arguments, _, _, *bodies in outcome.gh if bodies] == [True, False]


@every_pipeline
def test_what_a_person_committed_to_the_branch_stays(connector: Connector) -> None:
    connector.person(rename)
    connector.run()
    connector.person(rename, branch=BRANCH)
    before = connector.commit(BRANCH)
    outcome = connector.run(number="12")
    assert (outcome.status, outcome.title) == (1, "")
    assert "Test works on template-update." in outcome.said
    assert connector.commit(BRANCH) == before


@every_pipeline
def test_a_commit_of_the_job_that_a_person_amended_stays(connector: Connector) -> None:
    connector.person(rename)
    connector.run()
    project = connector.checkout(BRANCH)
    (project / "notes.md").write_text("Ours\n")
    git("add", "-A", cwd=project)
    git("commit", "-q", "--amend", "--no-edit", cwd=project)
    git("push", "-qf", "origin", f"HEAD:{BRANCH}", cwd=project)
    before = connector.commit(BRANCH)
    assert connector.run(number="12").status == 1
    assert connector.commit(BRANCH) == before


@every_pipeline
@pytest.mark.parametrize("connector", [NEXT], indirect=True)
def test_a_branch_that_was_merged_makes_room(connector: Connector) -> None:
    """Squashed, and left behind: its commits are not in main, but its release is."""
    git("branch", BRANCH, "main", cwd=connector.origin)
    connector.person(lambda project: (project / "notes.md").write_text("Ours\n"), branch=BRANCH)
    outcome = connector.run()
    assert outcome.status == 0, outcome.said
    assert connector.commit(f"{BRANCH}~1") == connector.commit("main")


@every_pipeline
def test_the_lock_is_made_anew_and_comes_with_the_update(connector: Connector) -> None:
    connector.person(lambda project: (project / "uv.lock").write_text("# ours\n"))
    connector.run(own="# new\n")
    assert connector.show(f"{BRANCH}:uv.lock") == "# ours\n# new"
    assert connector.show("main:uv.lock") == "# ours"


@every_pipeline
def test_a_project_without_a_lock_gets_one(connector: Connector) -> None:
    outcome = connector.run()
    assert outcome.status == 0, outcome.said
    assert connector.show(f"{BRANCH}:uv.lock") == "# made"


@every_pipeline
def test_where_no_lock_can_be_made_the_request_says_so(connector: Connector) -> None:
    """Such as after a conflict in pyproject.toml."""
    outcome = connector.run(fails="uv lock*")
    assert outcome.status != 0
    assert_proposed(connector, outcome)
    assert "- Lock: **failed**\n- Install: **failed**\n" in outcome.body
    assert "uv.lock" not in connector.show(f"{BRANCH}:")


NOT_READ = ", which Copier does not read as a git repository. Write the template's full URL there, https://….git,"
FIX = "Correct _src_path in .copier-answers.yml; if the template is private, let TEMPLATE_TOKEN read it."


@every_pipeline
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (f"{URL}/nowhere.git", f"The template at {URL}/nowhere.git cannot be read: fatal: "),
        ("gh:acme/template", "The template at https://github.com/acme/template cannot be read: fatal: "),
        ("git@git.other.com:a/t.git", "The template at https://git.other.com/a/t.git cannot be read: fatal: "),
        ("https://git.example.com/acme/template", f"_src_path in .copier-answers.yml is %s{NOT_READ}"),
        (f"{URL}/", f"_src_path in .copier-answers.yml is %s{NOT_READ}"),
        ("/home/ada/template", f"_src_path in .copier-answers.yml is %s{NOT_READ}"),
        ("https://t:SECRET@git.example.com/acme/t", f"is https://git.example.com/acme/t{NOT_READ}"),
        (
            "https://t:SECRET@git.example.com/t.git",
            "The template at https://git.example.com/t.git cannot be read: fatal: ",
        ),
    ],
)
def test_a_template_out_of_reach_is_one_sentence(connector: Connector, source: str, said: str) -> None:
    connector.person(lambda project: releasing.record(project, _src_path=source))
    outcome = connector.run()
    assert outcome.status == 1
    [sentence] = outcome.said.splitlines()
    assert (said.replace("%s", source)) in sentence
    assert (FIX in sentence) == ("cannot be read" in said)
    assert "SECRET" not in sentence
    assert connector.branches() == {"main"}


@pytest.mark.parametrize("ci", ["gitlab"])  # the other has the same lines
@pytest.mark.parametrize(
    "source",
    [
        "git@git.example.com:acme/t.git",
        "ssh://git@git.example.com:2222/acme/t.git",
        "git+https://git.example.com/acme/t.git",
    ],
)
def test_addresses_that_copier_takes_are_read_over_https(connector: Connector, repository: Path, source: str) -> None:
    """A runner has no SSH key."""
    connector.serve({"https://git.example.com/acme/t.git": repository, f"{HOSTS[connector.ci]}.git": connector.origin})
    connector.person(lambda project: releasing.record(project, _src_path=source))
    outcome = connector.run(MADE="")
    assert outcome.status == 0, outcome.said
    assert f"_src_path: {source}\n" in connector.show(f"{BRANCH}:.copier-answers.yml")
    assert "Nothing is left for you to do." in outcome.body


@pytest.mark.parametrize("ci", ["gitlab"])  # the other has the same lines
def test_what_git_shows_of_names_does_not_stop_an_update(connector: Connector) -> None:
    """Copier 9.19 breaks off at names that are not ASCII where core.quotePath is false."""

    def leave(checkout: Path) -> None:
        git("config", "core.quotePath", "false", cwd=checkout)
        (checkout / ".git/info/exclude").write_text("*.cache\n")
        (checkout / "Büro.cache").touch()

    outcome = connector.run(prepare=leave, MADE="")
    assert outcome.status == 0, outcome.said
    assert_proposed(connector, outcome)


# ------------------------------------------------------------------------------------- the weekly job of release 1.2.0


@pytest.fixture
def older(shared: Path, tmp_path: Path, ci: str) -> Connector:
    """A connector of 1.2.0, whose own jobs update it to the working tree."""

    def make() -> None:
        updating.history(releases, "v1.999.0")
        rendering.copy_working_tree(releases)  # also the changelog, and the tool that the jobs run
        rendering.release(releases, TAG)

    releases, start = shared / "with-1.2.0", shared / "update_workflow" / f"{ci}-v1.2.0"
    once(releases, make)

    def copy() -> None:
        with pytest.MonkeyPatch.context() as patch:
            releasing.served(releases, tmp_path / "mirrors", patch)
            releasing.start(start, f"--data=ci={ci}", version="v1.2.0")

    return Connector(tmp_path, once(start, copy), releases, ci)


@every_pipeline
def test_the_job_of_1_2_0_proposes_2_0_and_says_what_to_do(older: Connector) -> None:
    """It copies three files after its checks, of which the release has none any more."""
    older.person(lambda project: (project / "requirements-own.lock").write_text("tenacity==9.1.2\n"))
    outcome = older.run(CI="true")
    assert outcome.draft, outcome.said
    assert outcome.title == f"Update to template {TAG}"
    said = re.sub(r"\n +", " ", outcome.body)
    assert "run uv sync, and commit the uv.lock that it makes" in said
    assert "requirements-own.lock is gone, with tenacity==9.1.2." in said
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-own.lock"):
        assert f"Delete {name}: only this weekly job of 1.x still needs it." in said
        assert older.show(f"{BRANCH}:{name}").startswith("# Delete this file")
    assert "uv.txt" in older.show(f"{BRANCH}:")


# ------------------------------------------------------------------------------------------------ what a request says


@every_pipeline
def test_the_request_says_what_the_changelog_says_and_first_what_to_do_by_hand(connector: Connector) -> None:
    outcome = connector.run()
    assert outcome.body.split(").\n\n", 1)[1] == (
        "## What to do by hand\n\n"
        "### 1000.2.0\n\n- `ci` offers `none`@ no more. By hand: choose.\n\n"
        "### 1000.1.0\n\n1. Read `docs/operate.md`, by @<!-- -->ada.\n\n"
        "## What changes\n\n"
        "### 1000.2.0\n\n- Thanks to @<!-- -->ada in `@main`: see #<!-- -->12.\n\n\\/close\n\n"
        "### 1000.1.0\n\n- The guide has another name.\n"
    )


@every_pipeline
def test_a_description_that_is_too_long_for_the_host_ends_with_where_the_rest_is(connector: Connector) -> None:
    news = "print(('ä' * 200 + '\\n') * 500)"
    program(connector.bin / "python3", f"#!{sys.executable}\nimport os, sys\n{news}\n")
    outcome = connector.run()
    assert outcome.status == 0, outcome.said
    assert 50_000 < len(outcome.body.encode()) < 65_536
    assert outcome.body.endswith("ä\n\nThe rest is in CHANGELOG.md of the template.\n")


@every_pipeline
@pytest.mark.parametrize(
    "text", ["$(touch ran) `touch ran` \"; touch ran; '", "\\n\\t %s %n $HOME ${{ github.token }}"]
)
def test_text_of_a_release_is_never_run(connector: Connector, text: str) -> None:
    file = connector.folder / "text"
    file.write_text(f"{text}\n")
    program(connector.bin / "python3", f"#!/bin/sh\ncat {file}\n")
    outcome = connector.run()
    assert outcome.status == 0, outcome.said
    assert not [*connector.folder.rglob("ran"), *connector.origin.rglob("ran")]
    if connector.ci == "github":
        assert outcome.body.startswith(f"    {text}\n")


# ---------------------------------------------------------------------------------------------- nothing without need


@every_pipeline
def test_an_unchanged_update_gets_no_new_commit(connector: Connector) -> None:
    connector.run()
    before = connector.commit(BRANCH)
    outcome = connector.run(number="12")
    assert outcome.status == 0, outcome.said
    assert connector.commit(BRANCH) == before


@every_pipeline
def test_a_request_that_was_closed_is_not_opened_again(connector: Connector) -> None:
    closed = f"Update to template {LATER}"
    outcome = connector.run(CLOSED=closed)
    assert (outcome.status, outcome.title) == (0, ""), outcome.said
    assert (
        f"The request for {LATER} was closed, so it is not opened again. To have it all the same, start this by hand."
        in outcome.said
    )
    assert connector.branches() == {"main"}
    by_hand = "workflow_dispatch" if connector.ci == "github" else "web"
    assert_proposed(connector, connector.run(CLOSED=closed, event=by_hand))


@every_pipeline
def test_a_closed_request_for_another_release_stops_nothing(connector: Connector) -> None:
    assert_proposed(connector, connector.run(CLOSED=f"Update to template {NEXT}\nUpdate to template {LATER}.post1"))


@pytest.mark.parametrize("ci", ["gitlab"])
def test_a_token_that_may_not_ask_for_closed_requests_is_said(connector: Connector) -> None:
    outcome = connector.run(API="refused")
    assert "Whether a request was closed is not known: give UPDATE_TOKEN the scope read_api.\n" in outcome.said
    assert_proposed(connector, outcome)


def merge_main(project: Path) -> None:
    """What the button "Update branch" does."""
    git("merge", "-q", "--no-ff", "-m", "Merge branch 'main'", "origin/main", cwd=project)


@every_pipeline
def test_merging_main_into_the_branch_is_nobody_s_edit(connector: Connector) -> None:
    connector.run()
    connector.person(lambda project: (project / "notes.md").write_text("Ours\n"))
    connector.person(merge_main, branch=BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", f"{BRANCH}~1", cwd=connector.origin)  # without the empty commit on it
    before = connector.commit(BRANCH)
    assert len(git("show", "-s", "--format=%P", before, cwd=connector.origin).split()) == 2
    outcome = connector.run(number="12")
    assert outcome.status == 0, outcome.said
    assert connector.commit(BRANCH) == before  # it has the same files as a new one
    connector.person(lambda project: (project / "notes.md").write_text("More\n"))
    assert_proposed(connector, connector.run(number="12"))


@every_pipeline
def test_an_edit_in_a_merge_stays(connector: Connector) -> None:
    connector.run()
    connector.person(lambda project: (project / "notes.md").write_text("Ours\n"))

    def edited(project: Path) -> None:
        merge_main(project)
        (project / "notes.md").write_text("Ours, and more\n")
        git("commit", "-qa", "--amend", "--no-edit", cwd=project)

    connector.person(edited, branch=BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", f"{BRANCH}~1", cwd=connector.origin)
    before = connector.commit(BRANCH)
    outcome = connector.run(number="12")
    assert outcome.status == 1
    assert f"Test works on {BRANCH}." in outcome.said
    assert connector.commit(BRANCH) == before


# ------------------------------------------------------------------------------------------- code of a hostile release

# A test of the release: it looks for tokens, and leaves what git would run or follow later.
HOSTILE = f"""#!{sys.executable}
import os, pathlib, subprocess
loot, temp, home = (pathlib.Path(os.environ[name]) for name in ("LOOT", "TMPDIR", "HOME"))
seen = (pathlib.Path(f"/proc/{{pid}}/environ").read_bytes() for pid in ("self", os.getppid()))
(loot / "seen").write_bytes(b"".join(seen))
evil = f"#!/bin/sh\\nenv > {{loot}}/ran\\ncat\\n"

def plant(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text(evil)
    path.chmod(0o755)

plant(loot / "evil")
for hooks in [*temp.rglob("hooks"), loot / "hooks"]:
    for name in ("pre-push", "pre-commit", "post-checkout", "post-index-change", "reference-transaction"):
        plant(hooks / name)
(loot / "attributes").write_text("* filter=evil merge=evil diff=evil\\n")
settings = {{
    "core.hooksPath": loot / "hooks", "core.fsmonitor": loot / "evil", "core.attributesFile": loot / "attributes",
    "core.sshCommand": loot / "evil", "credential.helper": loot / "evil", "init.templateDir": loot,
    "filter.evil.clean": loot / "evil", "filter.evil.smudge": loot / "evil", "merge.evil.driver": loot / "evil",
}}
for name, value in settings.items():
    subprocess.run(["git", "config", "--file", home / ".gitconfig", name, value], check=True)
pathlib.Path("README.md").write_text("hostile\\n")
commit = ["git", "-c", "user.name=x", "-c", "user.email=x", "commit", "--allow-empty", "-qam", "hostile"]
for bundle in temp.rglob("update.bundle"):
    if "artifact" not in str(bundle):
        subprocess.run(commit, check=True)
        subprocess.run(["git", "bundle", "create", "-q", bundle, "HEAD"], check=True)
assert (loot / "ran").exists()  # by these very commands, so all of it works
(loot / "ran").unlink()
"""


@every_pipeline
def test_code_of_a_release_sees_no_token_and_leaves_nothing_that_the_next_job_runs(connector: Connector) -> None:
    loot = connector.folder / "loot"
    loot.mkdir()
    program(connector.bin / "pytest", HOSTILE)
    connector.person(lambda project: (project / ".gitattributes").write_text("* filter=evil merge=evil diff=evil\n"))
    outcome = connector.run(LOOT=str(loot))
    assert outcome.status == 0, outcome.said
    seen = (loot / "seen").read_text(errors="replace")
    assert f"LOOT={loot}" in seen
    assert not [token for token in (*OURS, "job-token") if token in seen]
    assert not (loot / "ran").exists()
    assert_proposed(connector, outcome)
    assert connector.show(f"{BRANCH}:.gitattributes").startswith("* filter=evil merge=evil")


def planted(connector: Connector, line: str) -> Outcome:
    """A run whose tests do this where the checks leave what they hand over."""
    place = "$RUNNER_TEMP/checked" if connector.ci == "github" else "$CI_PROJECT_DIR/checked"
    program(connector.bin / "pytest", f'#!/bin/sh\ncd "{place}" && {line}\n')
    return connector.run()


@every_pipeline
@pytest.mark.parametrize(
    "line",
    [
        "ln -sf /proc/self/environ uv.lock",
        "ln -sf /proc/self/environ news",
        "ln -s / elsewhere",
        "rm uv.lock && mkdir uv.lock",
    ],
)
def test_what_is_no_file_is_not_pushed(connector: Connector, line: str) -> None:
    outcome = planted(connector, line)
    assert outcome.status != 0
    assert connector.branches() == {"main"}
    assert outcome.title == ""


@every_pipeline
def test_the_checks_hand_over_lock_files_and_text_alone(connector: Connector) -> None:
    outcome = planted(
        connector,
        "mkdir -p .git/hooks .github/workflows && "
        "echo evil | tee .git/hooks/pre-push .git/config .github/workflows/x.yml config README.md",
    )
    assert outcome.status == 0, outcome.said
    assert_proposed(connector, outcome)
    assert "evil" not in outcome.body
    assert set(git("diff", "--name-only", "--no-renames", "main", BRANCH, cwd=connector.origin).split()) == UPDATED


@pytest.mark.parametrize("ci", ["github"])
def test_an_update_that_is_not_copier_s_is_not_pushed(connector: Connector) -> None:
    """Code with the rights of a job could replace what an earlier job handed over."""
    lines = [
        "export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x",
        'git init -q "$TMPDIR/x"',
        'cd "$TMPDIR/x"',
        "git fetch -q ../artifact-update/update.bundle HEAD",
        "git checkout -q FETCH_HEAD",
        "git commit -q --allow-empty -m x",
        "git bundle create -q ../artifact-update/update.bundle HEAD",
    ]
    outcome = planted(connector, " && ".join(lines))
    assert outcome.status == 1
    assert "The update handed over is not the one that Copier made, so nothing is pushed." in outcome.said
    assert connector.branches() == {"main"}


@pytest.mark.parametrize("ci", ["gitlab"])
@pytest.mark.parametrize(
    ("token", "job", "environment"),
    [
        ("UPDATE_TOKEN", "update", "template-update"),
        ("UPDATE_TOKEN", "check update", "template-update"),
        ("TEMPLATE_TOKEN", "check update", "template"),
    ],
)
def test_a_token_that_gitlab_would_give_to_every_job_stops_it(
    connector: Connector, token: str, job: str, environment: str
) -> None:
    [script] = [
        text for text in read(connector.checkout("main"), FILES["gitlab"])[job]["script"] if f"{token} reaches" in text
    ]
    connector.environment = {"PATH": "/usr/bin:/bin"}
    done = connector.shell(["dash", "-ec", script], connector.folder, {token: "secret"})
    assert done.returncode == 1
    sentence = "reaches this job, which has no use for it. In its settings, limit it to the environment"
    assert done.stdout == f"{token} {sentence} {environment}.\n"
    assert connector.shell(["dash", "-ec", script], connector.folder, {}).returncode == 0


@every_pipeline
def test_tokens_go_to_git_alone(connector: Connector) -> None:
    """Git asks the variable, before and after whatever helper a host has set, and no command line has it."""
    outcome = connector.run()
    assert not [token for token in OURS if token in "\n".join(outcome.told) + outcome.said + outcome.body]
    script = (connector.folder / "run-1/update" / FILES[connector.ci]).read_text()
    logins = re.findall(
        r"(?m)^ +(export GIT_TERMINAL_PROMPT.*\n +export.*credential.helper.*\n +export.*\n +export.*)$", script
    )
    assert len(logins) == 2
    (connector.home / ".gitconfig").write_text('[credential]\n\thelper = "!echo password=the host\'s; true"\n')
    home = "https://git.example.com"
    given = {"url": f"{home}/acme/t.git", "CI_SERVER_URL": home, "GITHUB_SERVER_URL": home}
    given |= {"TEMPLATE_TOKEN": "a", "UPDATE_TOKEN": "b", "GH_TOKEN": "b"}
    for login in logins:
        for host, password in (
            ("git.example.com", f"password={'a' if 'TEMPLATE' in login else 'b'}\n"),
            ("evil.example.com", ""),
        ):
            asked = f"{login}\nprintf 'protocol=https\\nhost={host}\\n\\n' | git credential fill"
            answer = connector.shell(["sh", "-c", asked], connector.folder, given)
            assert password in answer.stdout
            assert ("password=" in answer.stdout) == bool(password)


@pytest.mark.parametrize("ci", ["github"])
def test_the_checks_of_an_updated_project_pass(connector: Connector, rendered: Rendered, installed: Installed) -> None:
    project, environment = installed({"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "github"})
    for name in ("ruff", "mypy", "pytest"):
        (connector.bin / name).unlink()
        (connector.bin / name).symlink_to(rendering.python(project).with_name(name))
    outcome = connector.run(PYTHONPATH=f"src:{environment['PYTHONPATH']}", PYTHONDONTWRITEBYTECODE="1")
    assert outcome.status == 0, outcome.said
    assert " passed in " in outcome.said


# ------------------------------------------------------------------------------------------- beside Renovate

VERSIONS = re.compile(r"uses: \S+@|image: |^FROM |_IMAGE=|==[0-9]|>=[0-9]|image = |image\(", re.MULTILINE)
CDN = re.compile(r"cdnjs\.|jsdelivr\.|unpkg\.")  # all that Renovate reads in a page
# Renovate's own schema, with where each of its managers looks.
BUILTIN = importlib.resources.files("check_jsonschema") / "builtin_schemas/vendor/renovate.json"
DEFINITIONS = json.loads(BUILTIN.read_text())["definitions"]


def renovate(project: Path) -> Renovate:
    return Renovate.model_validate_json((project / "renovate.json").read_text())


def patterns() -> dict[str, list[str]]:
    """The files that each of Renovate's managers takes for its own."""
    defaults = {name: row["default"] for name, row in DEFINITIONS.items() if isinstance(row.get("default"), dict)}
    return {name: row["managerFilePatterns"] for name, row in defaults.items() if "managerFilePatterns" in row}


def matches(name: str, pattern: str) -> bool:
    if pattern.startswith("/"):
        return bool(re.search(pattern.removeprefix("/").removesuffix("/"), name))
    return fnmatch(name, pattern.removeprefix("**/")) or fnmatch(name, pattern)


def unguarded(project: Path) -> set[str]:
    """Files of the template that name versions, or that Renovate would look into, and that it is not told to leave."""
    config = renovate(project)
    ignored = (".py", ".md")
    texts = {name: data.decode() for name, data in rendering.files(project).items() if not name.endswith(ignored)}
    found = {name for name, text in texts.items() if VERSIONS.search(text)}
    for manager, its in patterns().items():
        if manager != "renovate-config" and (manager != "copier" or config.copier.enabled):
            seen = {name for name in rendering.files(project) if any(matches(name, pattern) for pattern in its)}
            found |= {name for name in seen if manager != "html" or CDN.search(texts[name])}
    guarded = [name for rule in config.packageRules if not rule.enabled for name in rule.matchFileNames or []]
    if bounds(project) <= kept_bounds(config):
        guarded.append("pyproject.toml")
    return {name for name in found if not any(fnmatch(name, pattern) for pattern in guarded)}


def bounds(project: Path) -> set[str]:
    """The packages whose bounds in pyproject.toml are the template's."""
    settings = tomllib.loads((project / "pyproject.toml").read_text())
    lists = [settings["project"]["dependencies"], *settings["dependency-groups"].values()]
    lists.append(settings["build-system"]["requires"])
    return {re.split(r"[\[<>=]", dependency)[0] for names in lists for dependency in names}


def kept_bounds(config: Renovate) -> set[str]:
    """Those that Renovate leaves as they are, while uv.lock gets what they allow."""
    kept = [rule for rule in config.packageRules if rule.rangeStrategy == "in-range-only" and rule.enabled]
    return {name for rule in kept if rule.matchManagers == ["pep621"] for name in rule.matchDepNames or []}


def test_renovate_s_managers_are_known() -> None:
    assert {"copier", "github-actions", "dockerfile", "pep621", "kustomize"} <= set(patterns())


@every_pipeline
@pytest.mark.parametrize("target", rendering.choices("hosting"))
def test_renovate_leaves_alone_what_the_template_brings(rendered: Rendered, ci: str, target: str) -> None:
    project = project_for(rendered, ci, target)
    assert unguarded(project) == set()
    files = set(rendering.files(project))
    for pattern in renovate(project).packageRules[0].matchFileNames or ["none"]:
        assert [name for name in files if fnmatch(name, pattern)], pattern


def test_a_page_that_loads_what_renovate_updates_is_found(rendered: Rendered, tmp_path: Path) -> None:
    project = shutil.copytree(project_for(rendered, "github", "compose"), tmp_path / "project")
    page = "src/acme_crm/core/edge/page.html"
    with (project / page).open("a", encoding="utf-8") as text:
        text.write('<script src="https://cdnjs.cloudflare.com/ajax/libs/any/1.0.0/any.js"></script>\n')
    assert unguarded(project) == {page}


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (lambda text: text.replace('"Dockerfile"', '"Dockerfiles"'), "Dockerfile"),
        (
            lambda text: text.replace('.github/workflows/ci.yml"', '.github/workflows/cu.yml"'),
            ".github/workflows/ci.yml",
        ),
        (lambda text: text.replace('"enabled": false', '"enabled": true', 1), ".copier-answers.yml"),
        (lambda text: text.replace('"in-range-only"', '"widen"'), "pyproject.toml"),
        (lambda text: text.replace('        "starlette",\n', ""), "pyproject.toml"),
    ],
    ids=range(5),
)
def test_a_file_that_both_would_change_is_found(
    rendered: Rendered, tmp_path: Path, edit: Callable[[str], str], found: str
) -> None:
    project = shutil.copytree(project_for(rendered, "github"), tmp_path / "project")
    config = project / "renovate.json"
    config.write_text(edit(config.read_text()))
    assert unguarded(project) == {found}


@pytest.mark.parametrize("edit", [("matchFileNames", "matchFileName"), ('"enabled"', '"enabeld"'), ("false", '"no"')])
def test_a_misspelt_setting_of_renovate_is_found(rendered: Rendered, tmp_path: Path, edit: tuple[str, str]) -> None:
    project = shutil.copytree(project_for(rendered, "gitlab"), tmp_path / "project")
    config = project / "renovate.json"
    config.write_text(config.read_text().replace(*edit))
    with pytest.raises(ValueError, match="for Renovate"):
        renovate(project)


@every_pipeline
@pytest.mark.parametrize("mode", rendering.choices("auth_mode"))
def test_renovate_updates_the_lock_and_the_owner_s_own_dependencies(rendered: Rendered, ci: str, mode: str) -> None:
    """It reads pyproject.toml, with uv.lock beside it. Of the template's packages, it changes no bound."""
    project = rendered({"auth_mode": mode, "hosting": "compose", "source": "rest-api", "ci": ci})
    config = renovate(project)
    assert "pyproject.toml" not in [name for rule in config.packageRules for name in rule.matchFileNames or []]
    assert any(matches("pyproject.toml", pattern) for pattern in patterns()["pep621"])
    assert kept_bounds(config) == bounds(project)
    assert config.lockFileMaintenance.enabled  # which updates what dependencies need


def test_a_page_says_how_to_choose(rendered: Rendered) -> None:
    for ci, file in FILES.items():
        text = (project_for(rendered, ci) / "docs/update.md").read_text()
        for word in (file, "Renovate", "`enabled` under `copier` in `renovate.json` to `true`", "uvx copier update"):
            assert word in text
    project = project_for(rendered, "none")
    assert "uvx copier update" in (project / "docs/update.md").read_text()
    assert "enovate" not in (project / "docs/update.md").read_text()
    assert not [name for name in rendering.files(project) if name.endswith(("update.yml", "renovate.json"))]


def test_renovate_accepts_the_other_choice(rendered: Rendered, tmp_path: Path) -> None:
    """`enabled` under `copier` set to true, as the page says: it makes the updates, and nothing else changes."""
    project = shutil.copytree(project_for(rendered, "github"), tmp_path / "project")
    config = project / "renovate.json"
    config.write_text(config.read_text().replace('"enabled": false', '"enabled": true', 1))
    done = judge([*SCHEMA, "vendor.renovate", "renovate.json"], project)
    assert done.returncode == 0, done.stdout
    assert renovate(project).copier.enabled
    assert unguarded(project) == {".copier-answers.yml"}
