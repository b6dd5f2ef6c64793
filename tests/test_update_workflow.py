"""The weekly update: accepted by the linters, and run for real on projects whose template has newer releases."""

import copy
import importlib.resources
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from . import releasing, rendering
from .conftest import TAG, once
from .models.renovate import Renovate
from .releasing import LATER, NEXT, URL
from .rendering import Installed, Rendered, commit, git
from .test_deploy_files import ZIZMOR, judge
from .test_workflows import read

pytestmark = pytest.mark.targets

FILES = {"github": ".github/workflows/update.yml", "gitlab": ".gitlab/update.yml"}
BRANCH = "template-update"
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


def check_github(document: dict[str, Any]) -> None:
    """Every week, with no more rights than it needs, and nothing of an expression in a script."""
    assert [*document["on"]] == ["schedule", "workflow_dispatch"]
    assert re.fullmatch(r"\d+ \d+ \* \* 1", document["on"]["schedule"][0]["cron"])
    [job] = document["jobs"].values()
    assert document["permissions"] == {}
    assert job["permissions"] == dict.fromkeys(("contents", "pull-requests", "statuses"), "write")
    checkout = job["steps"][0]["with"]
    assert checkout == {"fetch-depth": "0", "persist-credentials": "false"}
    for step in job["steps"]:
        assert "${{" not in step.get("run", "")
        assert "--trust" not in step.get("run", "")
        tokens = {"secrets." in value or "github.token" in value for value in step.get("env", {}).values()}
        runs_code_of_the_project = "check Tests pytest" in step.get("run", "")
        assert not (runs_code_of_the_project and True in tokens)
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])


EDITS: list[Callable[[dict[str, Any]], object]] = [
    lambda document: document["on"].update(push=""),
    lambda document: document["jobs"]["update"]["permissions"].update(actions="write"),
    lambda document: document["jobs"]["update"]["steps"][0]["with"].update({"persist-credentials": "true"}),
    lambda document: document["jobs"]["update"]["steps"][3]["env"].update(T="${{ secrets.T }}"),
    lambda document: document["jobs"]["update"]["steps"][3].update(run="echo ${{ github.ref }}"),
    lambda document: document["jobs"]["update"]["steps"][3].update(run="copier update --trust"),
    lambda document: document["jobs"]["update"]["steps"][1].update(uses="actions/setup-python@v7"),
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
        ("update", {"update"}),
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
        if starts(include["rules"], source):
            pipeline |= read(project, include["local"])
    assert {name for name, job in pipeline.items() if starts(job.get("rules"), source)} == jobs


# ------------------------------------------------------------------------------------------ its scripts, for real

PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >> "$TOLD"
case "$(basename "$0") $*" in $FAILS) exit 1 ;; esac
%s
"""
UVX = f"""[ "$1" = "copier@$COPIER" ] || exit 97
shift
exec {rendering.COPIER} "$@"
"""
UV = 'case "$*" in *"-o requirements-own.lock") printf %s "$OWN" >> requirements-own.lock ;; esac'
# GitHub's command line: it keeps what it was told, and answers with the pull request that is open.
GH = f"""#!{sys.executable}
import json, os, sys
told = [sys.argv[1:], os.environ["GH_TOKEN"]]
bodies = [a for a in sys.argv if a.endswith("/body")]
told += [open(a.removeprefix("body=@")).read() for a in bodies]
print(json.dumps(told), file=open(os.environ["GH_TOLD"], "a"))
if sys.argv[1:3] == ["pr", "list"]:
    print(os.environ["NUMBER"], end="")
sys.exit("--draft" in sys.argv and bool(os.environ["NO_DRAFTS"]))
"""
OPTIONS = """#!/bin/sh
at=0
while [ "$at" -lt "${GIT_PUSH_OPTION_COUNT:-0}" ]; do
  eval "printf '%s\\n' \\"\\$GIT_PUSH_OPTION_$at\\"" >> push-options
  at=$((at + 1))
done
"""
FACTS = (rendering.ROOT / "hooks/facts.jinja").read_text()
[COPIER] = re.findall(r"set copier = '([\d.]+)'", FACTS)
PROJECT_URL = "https://gitlab.example.com/acme/crm"
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
    """A connector on a host: its origin, the person who works on it, and the job that updates it."""

    def __init__(self, folder: Path, start: Path, repository: Path, ci: str) -> None:
        self.folder, self.ci = folder, ci
        self.origin, self.bin = folder / "origin.git", folder / "bin"
        git("clone", "-q", "--bare", str(start), str(self.origin), cwd=folder)
        git("config", "receive.advertisePushOptions", "true", cwd=self.origin)
        (self.origin / "hooks").mkdir(exist_ok=True)
        program(self.origin / "hooks/pre-receive", OPTIONS)
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / "gitconfig").write_text(
            f'[url "{repository}"]\n\tinsteadOf = {URL}\n[url "{self.origin}"]\n\tinsteadOf = {PROJECT_URL}.git\n'
        )
        self.bin.mkdir()
        for name in ("pip", "ruff", "mypy", "pytest"):
            program(self.bin / name, PROGRAM % "")
        program(self.bin / "uv", PROGRAM % UV)
        program(self.bin / "uvx", PROGRAM % UVX)
        program(self.bin / "gh", GH)
        (self.bin / "python3").symlink_to(sys.executable)
        self.runs = 0

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

    def run(self, number: str = "", fails: str = "nothing", own: str = "", **environment: str) -> Outcome:
        """The job, as its host runs it; `number`: of the pull request that is open there."""
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        folder.mkdir()
        checkout = folder / "checkout"
        git("clone", "-q", str(self.origin), str(checkout), cwd=folder)
        self.environment = {
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "GIT_CONFIG_GLOBAL": str(self.home / "gitconfig"),
            "GIT_CONFIG_SYSTEM": os.devnull,
            "COPIER_CACHE_DIR": str(self.folder / "cache"),
            "COPIER_SETTINGS_PATH": os.environ["COPIER_SETTINGS_PATH"],
            "COPIER": COPIER,
            "TOLD": str(folder / "told"),
            "GH_TOLD": str(folder / "gh"),
            "FAILS": fails,
            "OWN": own,
            "NUMBER": number,
            "NO_DRAFTS": "",
            "TMPDIR": str(folder),
            **environment,
        }
        outcome = self.github(checkout) if self.ci == "github" else self.gitlab(checkout)
        outcome.told = (folder / "told").read_text().splitlines() if (folder / "told").exists() else []
        return outcome

    def github(self, checkout: Path) -> Outcome:
        values = {"github.token": "job-token", "secrets.TEMPLATE_TOKEN": OURS[0]}
        values["secrets.UPDATE_TOKEN || github.token"] = OURS[1]
        temp = checkout.parent / "temp"
        temp.mkdir()

        def value(match: re.Match[str]) -> str:
            return values.get(match[1], "") if match[1].startswith("steps.") else values[match[1]]

        outcome = Outcome(0, "", [])
        for step in read(checkout, FILES["github"])["jobs"]["update"]["steps"]:
            if "run" not in step:
                continue
            assert step.get("if") in (None, "steps.update.outputs.version != ''")
            if "if" in step and not values.get("steps.update.outputs.version"):
                continue
            given = {name: re.sub(r"\$\{\{ (.*?) \}\}", value, text) for name, text in step.get("env", {}).items()}
            outputs = temp / f"outputs-{step['name']}"
            outputs.touch()
            runner = {
                "RUNNER_TEMP": str(temp),
                "GITHUB_OUTPUT": str(outputs),
                "GITHUB_STEP_SUMMARY": str(temp / "summary"),
                "GITHUB_REPOSITORY": "acme/crm",
                "GITHUB_REF_NAME": "main",
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_RUN_ID": "7",
            }
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = self.shell(shell, checkout, {**runner, **given})
            outcome.said += done.stdout + done.stderr
            for line in outputs.read_text().splitlines():
                name, _, text = line.partition("=")
                values[f"steps.{step['id']}.outputs.{name}"] = text
            if done.returncode:
                outcome.status = done.returncode
                break
        said = checkout.parent / "gh"
        outcome.gh = [json.loads(line) for line in said.read_text().splitlines()] if said.exists() else []
        for arguments, _, *bodies in outcome.gh:
            if bodies:
                outcome.body = bodies[0]
                titles = [word.removeprefix("title=") for word in arguments if word.startswith(("title=", "Update to"))]
                [outcome.title] = titles
                outcome.draft = "--draft" in arguments
            if arguments[:2] == ["pr", "ready"]:
                outcome.draft = "--undo" in arguments
        if outcome.body:
            assert (temp / "summary").read_text() == outcome.body
        return outcome

    def gitlab(self, checkout: Path) -> Outcome:
        job = read(checkout, FILES["gitlab"])["update"]
        script = "\n".join(["set -e", *job["script"]])
        runner = {
            "CI_SERVER_HOST": "gitlab.example.com",
            "CI_PROJECT_URL": PROJECT_URL,
            "CI_COMMIT_BRANCH": "main",
            "CI_JOB_URL": f"{PROJECT_URL}/-/jobs/7",
            "TEMPLATE_TOKEN": OURS[0],
            "UPDATE_TOKEN": OURS[1],
        }
        note = self.origin / "push-options"
        note.unlink(missing_ok=True)
        done = self.shell(["dash", "-c", script], checkout, runner)
        outcome = Outcome(done.returncode, done.stdout + done.stderr, [])
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
    path.write_text(text)
    path.chmod(0o755)


def rename(project: Path) -> None:
    """An edit that the newer releases are in conflict with."""
    readme = project / "README.md"
    readme.write_text("# Ours\n" + readme.read_text().split("\n", 1)[1])


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
            releasing.served(repository, shared / "update_workflow" / "cache", patch)
            releasing.start(start, f"--data=ci={ci}", version=version)

    return Connector(tmp_path, once(start, make), repository, ci)


def assert_proposed(connector: Connector, outcome: Outcome) -> None:
    """One commit on top of main, with the newest release."""
    assert connector.branches() == {"main", BRANCH}
    assert connector.commit(f"{BRANCH}~1") == connector.commit("main")
    assert f"_commit: {LATER}\n" in connector.show(f"{BRANCH}:.copier-answers.yml")
    assert "# Acme CRM (new)\n" in connector.show(f"{BRANCH}:README.md")
    assert outcome.title == f"Update to template {LATER}"
    assert outcome.body.startswith(f"    checkout: {TAG} → {LATER}, from {URL}\n")


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
    assert "    Nothing needs a person.\n" in outcome.body
    listed = re.findall(r"^- (\w+): (.*)$", outcome.body, re.MULTILINE)
    names = ["Locks", "Install", *re.findall(r"'name': '(\w+)', 'run'", FACTS)]
    assert listed == [(name, "passed") for name in names]
    assert [line for line in outcome.told if line.startswith(("ruff", "mypy", "pytest"))] == [
        "ruff check .",
        "ruff format --check .",
        "mypy ",
        "pytest ",
    ]
    expected = {"docs/operate.md", "docs/deploy.md", "README.md", ".copier-answers.yml"}
    assert set(git("diff", "--name-only", "--no-renames", "main", BRANCH, cwd=connector.origin).split()) == expected


@every_pipeline
def test_a_conflict(connector: Connector) -> None:
    connector.person(rename)
    outcome = connector.run()
    assert outcome.status != 0
    assert_proposed(connector, outcome)
    assert outcome.draft
    assert "1. In conflict: README.md." in outcome.body
    assert "<<<<<<< before updating\n# Ours\n" in connector.show(f"{BRANCH}:README.md")


@every_pipeline
def test_a_second_run_makes_the_same_request_anew(connector: Connector) -> None:
    connector.person(rename)
    connector.run()
    before = connector.commit(BRANCH)
    connector.person(lambda project: git("checkout", "-q", "HEAD~1", "--", "README.md", cwd=project))
    outcome = connector.run(number="12")
    assert outcome.status == 0, outcome.said
    assert_proposed(connector, outcome)
    assert not outcome.draft
    assert connector.commit(BRANCH) != before
    assert "<<<<<<<" not in connector.show(f"{BRANCH}:README.md")
    assert not [arguments for arguments, *_ in outcome.gh if arguments[:2] == ["pr", "create"]]


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
    assert [("--draft" in arguments) for arguments, *_ in outcome.gh if arguments[1] == "create"] == [True, False]


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
def test_locks_that_an_update_changes_come_with_it(connector: Connector) -> None:
    connector.run(own="# theirs\n")
    assert connector.show(f"{BRANCH}:requirements-own.lock").endswith("# theirs")


@every_pipeline
def test_a_template_out_of_reach_fails_the_job(connector: Connector) -> None:
    connector.person(lambda project: releasing.record(project, _src_path=f"{URL}/nowhere"))
    outcome = connector.run()
    assert outcome.status != 0
    assert connector.branches() == {"main"}


@every_pipeline
def test_tokens_go_to_git_alone(connector: Connector) -> None:
    """Git asks the variable, before and after whatever helper a host has set, and no command line has it."""
    outcome = connector.run()
    assert not [token for token in OURS if token in "\n".join(outcome.told) + outcome.said + outcome.body]
    script = (connector.folder / "run-1/checkout" / FILES[connector.ci]).read_text()
    logins = re.findall(r"(?m)^ +(export GIT_TERMINAL_PROMPT.*\n +export.*\n +export.*)$", script)
    assert logins
    (connector.home / "gitconfig").write_text('[credential]\n\thelper = "!echo password=the host\'s; true"\n')
    for login in logins:
        asked = f"{login}\nprintf 'protocol=https\\nhost=git.example.com\\n\\n' | git credential fill"
        answer = connector.shell(["sh", "-c", asked], connector.folder, {"TEMPLATE_TOKEN": "a", "UPDATE_TOKEN": "b"})
        assert f"password={'a' if 'TEMPLATE' in login else 'b'}\n" in answer.stdout


@pytest.mark.parametrize("ci", ["github"])
def test_the_checks_of_an_updated_project_pass(connector: Connector, rendered: Rendered, installed: Installed) -> None:
    project, environment = installed({"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "github"})
    for name in ("ruff", "mypy", "pytest"):
        (connector.bin / name).unlink()
        (connector.bin / name).symlink_to(rendering.python(project).with_name(name))
    source = connector.folder / "run-1/checkout/src"
    outcome = connector.run(PYTHONPATH=f"{source}:{environment['PYTHONPATH']}", PYTHONDONTWRITEBYTECODE="1")
    assert outcome.status == 0, outcome.said
    assert " passed in " in outcome.said


# ------------------------------------------------------------------------------------------- beside Renovate

VERSIONS = re.compile(r"uses: \S+@|image: |^FROM |_IMAGE=|==[0-9]|>=[0-9]|image = |image\(", re.MULTILINE)
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
    [rule] = config.packageRules
    ignored = (".py", ".md", ".lock")
    texts = {name: data.decode() for name, data in rendering.files(project).items() if not name.endswith(ignored)}
    found = {name for name, text in texts.items() if VERSIONS.search(text)}
    for manager, its in patterns().items():
        if manager != "renovate-config" and (manager != "copier" or config.copier.enabled):
            found |= {name for name in rendering.files(project) if any(matches(name, pattern) for pattern in its)}
    guarded = rule.matchFileNames if not rule.enabled else []
    return {name for name in found if not any(fnmatch(name, pattern) for pattern in guarded)}


def test_renovate_s_managers_are_known() -> None:
    assert {"copier", "pip_requirements", "github-actions", "dockerfile", "pep621", "kustomize"} <= set(patterns())


@every_pipeline
@pytest.mark.parametrize("target", rendering.choices("hosting"))
def test_renovate_leaves_alone_what_the_template_brings(rendered: Rendered, ci: str, target: str) -> None:
    project = project_for(rendered, ci, target)
    assert unguarded(project) == set()
    files = set(rendering.files(project))
    for pattern in renovate(project).packageRules[0].matchFileNames:
        assert [name for name in files if fnmatch(name, pattern)], pattern


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (lambda text: text.replace('"Dockerfile"', '"Dockerfiles"'), "Dockerfile"),
        (
            lambda text: text.replace('.github/workflows/ci.yml"', '.github/workflows/cu.yml"'),
            ".github/workflows/ci.yml",
        ),
        (lambda text: text.replace('"enabled": false', '"enabled": true', 1), ".copier-answers.yml"),
    ],
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
def test_renovate_updates_the_owner_s_own_lock(rendered: Rendered, ci: str) -> None:
    project = project_for(rendered, ci)
    [pattern] = renovate(project).pip_requirements.managerFilePatterns
    assert [name for name in rendering.files(project) if matches(name, pattern)] == ["requirements-own.lock"]


def test_the_readme_says_how_to_choose(rendered: Rendered) -> None:
    for ci, file in FILES.items():
        text = (project_for(rendered, ci) / "README.md").read_text()
        section = text.split("## Stay current\n")[1].split("\n## ")[0]
        for word in (file, "Renovate", "`enabled` under `copier` in `renovate.json` to `true`", "uvx copier update"):
            assert word in section
    project = project_for(rendered, "none")
    assert "uvx copier update" in (project / "README.md").read_text()
    assert "enovate" not in (project / "README.md").read_text()
    assert not [name for name in rendering.files(project) if name.endswith(("update.yml", "renovate.json"))]


def test_renovate_accepts_the_other_choice(rendered: Rendered, tmp_path: Path) -> None:
    """`enabled` under `copier` set to true, as the README says: it brings the releases, and nothing else changes."""
    project = shutil.copytree(project_for(rendered, "github"), tmp_path / "project")
    config = project / "renovate.json"
    config.write_text(config.read_text().replace('"enabled": false', '"enabled": true', 1))
    done = judge([*SCHEMA, "vendor.renovate", "renovate.json"], project)
    assert done.returncode == 0, done.stdout
    assert renovate(project).copier.enabled
    assert unguarded(project) == {".copier-answers.yml"}
