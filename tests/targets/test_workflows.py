"""The pipelines that deploy: accepted by the linters, and each in the order that lets nothing unchecked stay."""

import copy
import json
import os
import re
import shutil
import string
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from ..lib import edits, homes, rendering
from ..lib.models import render
from ..lib.rendering import Rendered
from .test_deploy_files import COMPOSE, ENVIRONMENT, ZIZMOR, judge

pytestmark = pytest.mark.targets

FILES = {"github": ".github/workflows/deploy.yml", "gitlab": ".gitlab/deploy.yml"}
MODES = ["none", "oauth-proxy"]  # with nobody to call as, and with someone
SCHEMA = ["check-jsonschema", "--builtin-schema"]
# Each check: whose pipeline, the command that judges it, and an edit that it must reject.
CHECKS = {
    "actionlint": ("github", ["actionlint"], ("needs: check", "needs: chekc")),
    "zizmor": (
        "github",
        ZIZMOR,
        ("permissions: {}", "permissions: write-all"),
    ),
    "schema": (
        "github",
        [*SCHEMA, "vendor.github-workflows", FILES["github"]],
        ("timeout-minutes: ", "timeout-minutes: soon "),
    ),
    "gitlab-schema": (
        "gitlab",
        [*SCHEMA, "vendor.gitlab-ci", "--data-transform", "gitlab-ci", ".gitlab-ci.yml", FILES["gitlab"]],
        ("script:", "scripts:"),
    ),
}
IMAGE, DIGEST = "registry.example.com/acme-crm", f"sha256:{'0' * 64}"
BEFORE = "the-one-before"


class Target(NamedTuple):
    """What the pipelines of a target may hold, and what its platform answers: globs of commands with their output."""

    releases: str  # the command that deploys the new version
    answers: dict[str, str]
    first: dict[str, str] | None = None  # the same while nothing runs; None where a pipeline never is the first
    unready: dict[str, str] | None = None  # the same when it does not get ready, where it is asked
    secrets: frozenset[str] = frozenset()  # what lasts, because the target takes nothing that does not
    registry: bool = False  # the image goes where the repository is


def stand_in(
    releases: str,
    answers: dict[str, str],
    first: dict[str, str] | None = None,
    unready: dict[str, str] | None = None,
    secrets: list[str] | None = None,
    registry: bool = False,
) -> Target:
    """A target as its home describes it."""
    return Target(releases, answers, first, unready, frozenset(secrets or ()), registry)


TARGETS = {target: stand_in(**homes.expected(target)["pipeline"]) for target in homes.targets()}
every_target = pytest.mark.parametrize("target", TARGETS)
every_pipeline = pytest.mark.parametrize("ci", FILES)


def project_for(rendered: Rendered, target: str, ci: str = "github", mode: str = "none") -> Path:
    return rendered({"auth_mode": mode, "hosting": target, "source": "blank", "ci": ci})


def read(project: Path, file: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load((project / file).read_text(), yaml.BaseLoader)
    return document


def pipeline(rendered: Rendered, target: str, ci: str) -> dict[str, Any]:
    return read(project_for(rendered, target, ci), FILES[ci])


@pytest.mark.parametrize("target", ["compose", "render"])
def test_without_a_pipeline_there_is_none(rendered: Rendered, target: str) -> None:
    project = project_for(rendered, target, "none")
    assert not [name for name in rendering.files(project) if name.startswith(".git") and "/" in name]
    assert "deploy.yml" not in (project / "docs/deploy.md").read_text()


@every_target
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("check", CHECKS)
def test_a_pipeline_is_accepted(rendered: Rendered, tmp_path: Path, target: str, mode: str, check: str) -> None:
    ci, command, _ = CHECKS[check]
    project = shutil.copytree(project_for(rendered, target, ci, mode), tmp_path / "project")
    rendering.git("init", "-q", cwd=project)
    done = judge(command, project)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("check", CHECKS)
def test_a_planted_error_is_rejected(rendered: Rendered, tmp_path: Path, check: str) -> None:
    ci, command, (right, wrong) = CHECKS[check]
    project = shutil.copytree(project_for(rendered, "cloud-run", ci), tmp_path / "project")
    rendering.git("init", "-q", cwd=project)
    text = (project / FILES[ci]).read_text()
    assert right in text
    (project / FILES[ci]).write_text(text.replace(right, wrong, 1))
    assert judge(command, project).returncode != 0


@every_target
def test_an_image_is_built_once(rendered: Rendered, target: str) -> None:
    github = read(project_for(rendered, target), ".github/workflows/ci.yml")
    assert set(github["on"]) == {"pull_request", "workflow_call"}
    assert github["jobs"]["image"]["if"] == "github.event_name == 'pull_request'"
    gitlab = read(project_for(rendered, target, "gitlab"), ".gitlab-ci.yml")
    assert gitlab["include"][0] == {
        "local": FILES["gitlab"],
        "rules": [{"if": "$TEMPLATE_UPDATE == null"}],
    }
    assert gitlab["build"]["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'}]


@every_target
@every_pipeline
def test_the_documents_say_how_to_set_it_up_for_this_pipeline(rendered: Rendered, target: str, ci: str) -> None:
    project = project_for(rendered, target, ci)
    comment = "".join(re.findall(r"^#.*\n", (project / FILES[ci]).read_text(), re.MULTILINE))
    assert f"`{FILES[ci]}`" in (project / "docs/deploy.md").read_text()
    issuers = {"github": "https://token.actions.githubusercontent.com", "gitlab": "https://gitlab.com"}
    named = {name for name, issuer in issuers.items() if issuer in comment}
    assert named == (set() if TARGETS[target].secrets else {ci})


# --------------------------------------------------------------------------------------------------- what it does


def step(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in document["jobs"]["deploy"]["steps"] if s.get("name") == name)
    return found


def check_github(document: dict[str, Any]) -> None:
    """What is deployed was checked, built once, scanned, is named by its digest, and goes if it does not work."""
    job = document["jobs"]["deploy"]
    steps = [s.get("name", "") for s in job["steps"]]
    order = ["Log in to the registry", "Build and push", "Scan", "Deploy", "Smoke", "Roll back"]
    assert [name for name in steps if name in order] == order
    assert job["needs"] == "check"
    assert document["jobs"]["check"]["uses"] == "./.github/workflows/ci.yml"
    assert document["on"] == {"push": {"branches": ["main"]}}
    build = step(document, "Build and push")["with"]
    assert (build["push"], build["sbom"], build["provenance"]) == ("true", "true", "mode=max")
    assert step(document, "Scan")["with"]["image"].endswith("@${{ steps.build.outputs.digest }}")
    for name in ("Deploy", "Smoke"):
        assert step(document, name)["env"]["DIGEST"] == "${{ steps.build.outputs.digest }}"
        assert "$IMAGE@$DIGEST" in step(document, name)["run"]
    assert re.fullmatch(r"failure\(\) && .*steps\.deploy\.outputs\.before != ''", step(document, "Roll back")["if"])
    assert job["environment"] == "production"
    assert document["permissions"] == {}
    assert document["defaults"]["run"]["shell"] == "bash"
    assert document["concurrency"]["cancel-in-progress"] == "false"
    for used in (s["uses"] for s in job["steps"] if "uses" in s):
        assert re.fullmatch(r"[\w-]+(/[\w-]+){1,2}@[0-9a-f]{40}", used)
    for script in (s["run"] for s in job["steps"] if "run" in s):
        assert "${{" not in script


def check_gitlab(document: dict[str, Any]) -> None:
    """The same of GitLab's."""
    job = document["deploy"]
    script = "\n".join(job["script"])
    order = [
        "docker buildx build --push ",
        "DIGEST=$(jq -er '.\"containerimage.digest\"'",
        '"docker:$IMAGE@$DIGEST" --fail-on high --only-fixed',
        'printf %s "$before" > .deploy/before',
        ' smoke "$PUBLIC_URL/mcp"',
    ]
    places = [script.index(part) for part in order]
    assert places == sorted(places)
    assert script.count("docker buildx build") == 1
    assert "--sbom=true --provenance=mode=max" in script
    assert "$IMAGE@$DIGEST" in script[places[3] - 200 :]
    assert job["needs"] == ["check"]
    assert job["rules"] == [{"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $PUBLIC_URL"}]
    assert (job["environment"], job["resource_group"]) == ("production", "production")
    guard, tools, back = job["after_script"]
    assert guard == 'if [ "$CI_JOB_STATUS" = success ] || ! [ -s .deploy/before ]; then exit; fi'
    assert tools == job["before_script"]
    assert "$BEFORE" in back
    assert "allow_failure" not in job


ORDERS = {"github": check_github, "gitlab": check_gitlab}


@every_target
@every_pipeline
def test_what_is_deployed_was_checked_and_goes_if_it_does_not_work(rendered: Rendered, target: str, ci: str) -> None:
    ORDERS[ci](pipeline(rendered, target, ci))


@every_target
def test_no_key_that_lasts_deploys_but_where_the_target_has_no_other(rendered: Rendered, target: str) -> None:
    lasting = TARGETS[target].secrets
    for ci, noun in (("github", "environment's secret"), ("gitlab", "secret")):
        text = (project_for(rendered, target, ci, "api-key") / FILES[ci]).read_text()
        assert set(re.findall(rf"^# - the {noun} (\w+)", text, re.MULTILINE)) == {*lasting, "SMOKE_HEADERS"}
        if ci == "github":
            registry = {"REGISTRY_PASSWORD"} if TARGETS[target].registry else set()
            assert set(re.findall(r"secrets\.(\w+)", text)) == lasting | registry | {"SMOKE_HEADERS"}
    permissions = pipeline(rendered, target, "github")["jobs"]["deploy"]["permissions"]
    assert permissions.get("id-token") == (None if lasting else "write")
    assert ("id_tokens" in pipeline(rendered, target, "gitlab")["deploy"]) == (not lasting)


def without(name: str) -> Callable[[dict[str, Any]], object]:
    def edit(document: dict[str, Any]) -> None:
        steps = document["jobs"]["deploy"]["steps"]
        steps.remove(step(document, name))

    return edit


def in_script(right: str, wrong: str) -> Callable[[dict[str, Any]], object]:
    def edit(document: dict[str, Any]) -> None:
        job = document["deploy"]
        assert right in "".join(job["script"])
        job["script"] = [line.replace(right, wrong) for line in job["script"]]

    return edit


EDITS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("github", without("Scan")),
    ("github", without("Smoke")),
    ("github", without("Roll back")),
    ("github", lambda document: document["jobs"]["deploy"].update(needs="other")),
    ("github", lambda document: document["jobs"]["check"].update(uses="$/.github/workflows/ci.yml")),
    ("github", lambda document: document["on"].update(pull_request="")),
    ("github", lambda document: step(document, "Build and push")["with"].update(sbom="false")),
    ("github", lambda document: step(document, "Deploy").update(run="deploy $IMAGE:latest")),
    ("github", lambda document: step(document, "Roll back").update({"if": "always()"})),
    ("github", lambda document: step(document, "Scan").update(uses="anchore/scan-action@v7")),
    ("gitlab", in_script(" --fail-on high", "")),
    ("gitlab", in_script(" --sbom=true", "")),
    ("gitlab", in_script("$IMAGE@$DIGEST", "$IMAGE:latest")),
    ("gitlab", in_script(" smoke ", " serve ")),
    ("gitlab", lambda document: document["deploy"].update(needs=[])),
    ("gitlab", lambda document: document["deploy"].update(rules=[{"when": "always"}])),
    ("gitlab", lambda document: document["deploy"].update(allow_failure="true")),
    ("gitlab", lambda document: document["deploy"]["after_script"].pop(0)),
]


@pytest.mark.parametrize(("ci", "edit"), EDITS, ids=range(len(EDITS)))
def test_a_step_that_is_missing_or_weaker_is_found(
    rendered: Rendered, ci: str, edit: Callable[[dict[str, Any]], object]
) -> None:
    document = copy.deepcopy(pipeline(rendered, "cloud-run", ci))
    edit(document)
    with pytest.raises((AssertionError, StopIteration, ValueError)):
        ORDERS[ci](document)


# ------------------------------------------------------------------------------- its scripts, beside stand-ins

PROGRAMS = ["apk", "curl", "docker", "sleep", "ssh", *homes.programs()]
STAND_IN = """#!/bin/sh
line="$(basename "$0") $*"
if [ -p /dev/stdin ]; then line="$line $(tr -cd '[:print:]')"; fi
echo "$line" >> "$TOLD"
for argument; do case "$argument" in *.yaml) grep -s image: "$argument" >> "$TOLD" ;; esac; done
case "$line" in
  $FAILS) exit 1 ;;
  *--metadata-file*) echo '{"containerimage.digest": "%s"}' > .deploy/build.json ;;
%s
  *) echo true ;;
esac
"""
GIVEN = {
    "PUBLIC_URL": "https://x",
    "REGION": "r",
    "GROUP": "g",
    "REGISTRY": "registry.example.com",
    "OVERLAY": "gateway",
    "MACHINE": "deploy@x",
    "FOLDER": "acme-crm",
    "KNOWN_HOSTS": "x ssh-ed25519 AAAA",
    "CI_REGISTRY": "registry.example.com",
    "CI_REGISTRY_IMAGE": IMAGE,
    **dict.fromkeys(("CI_COMMIT_SHA", "CI_BUILDS_DIR", "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD", "TOKEN"), "x"),
    **dict.fromkeys(("GOOGLE_PROJECT", "GOOGLE_PROVIDER", "GOOGLE_DEPLOYER", "AWS_ROLE", "AWS_REGION"), "x"),
    **dict.fromkeys(("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"), "x"),
    **dict.fromkeys(("RENDER_SERVICE", "RENDER_API_KEY", "RAILWAY_SERVICE", "RAILWAY_ENVIRONMENT"), "x"),
    **dict.fromkeys(("RAILWAY_TOKEN", "SSH_KEY", "FLY_API_TOKEN"), "x"),
}
needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="the scripts call jq")


class Run:
    """A pipeline's job on a copy of the project, every program that it calls a stand-in."""

    def __init__(self, project: Path, folder: Path, target: str, ci: str) -> None:
        self.project = shutil.copytree(project, folder / "project")
        self.document, self.ci, self.target = read(self.project, FILES[ci]), ci, TARGETS[target]
        self.folder, self.programs = folder, folder / "bin"
        self.programs.mkdir()
        (folder / "home").mkdir()
        self.note = self.project / ".deploy/before" if ci == "gitlab" else folder / "outputs"

    def script(self, script: str, fails: str = "nothing", **answers: str) -> tuple[int, str]:
        """Run it as the pipeline does: the status, and what the programs were told."""
        answers = {**self.target.answers, **answers}
        cases = "\n".join(f"  {quoted(glob)}) echo '{answer}' ;;" for glob, answer in answers.items())
        stand_in = STAND_IN.replace("$FAILS", quoted(fails)) % (DIGEST, cases)
        for program in PROGRAMS:
            (self.programs / program).write_text(stand_in)
            (self.programs / program).chmod(0o755)
        told = self.folder / "told"
        told.write_text("")
        environment = {
            **GIVEN,
            "IMAGE": IMAGE,
            "DIGEST": DIGEST,
            "TOLD": str(told),
            "GITHUB_OUTPUT": str(self.folder / "outputs"),
            "HOME": str(self.folder / "home"),
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "BEFORE": BEFORE,
            "CI_JOB_STATUS": "failed",
        }
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=self.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return done.returncode, told.read_text()

    def deploy(self, fails: str = "nothing", **answers: str) -> tuple[int, str]:
        if self.ci == "github":
            return self.script(step(self.document, "Deploy")["run"], fails, **answers)
        job = self.document["deploy"]
        image = string.Template(job["variables"]["IMAGE"]).substitute(GIVEN)
        return self.script("\n".join([f"IMAGE={image}", *job["before_script"], *job["script"]]), fails, **answers)

    def roll_back(self) -> tuple[int, str]:
        if self.ci == "github":
            return self.script(step(self.document, "Roll back")["run"])
        guard, tools, back = self.document["deploy"]["after_script"]
        return self.script("\n".join([guard, *tools, back]))

    def before(self) -> str:
        return self.note.read_text().removeprefix("before=").removesuffix("\n") if self.note.exists() else ""


def quoted(glob: str) -> str:
    """A glob whose blanks and brackets are themselves in a shell's `case`."""
    return re.sub(r"[^*\w-]", r"\\\g<0>", glob)


@pytest.fixture
def run(rendered: Rendered, tmp_path: Path, target: str, ci: str) -> Run:
    return Run(project_for(rendered, target, ci), tmp_path, target, ci)


@needs_jq
@every_target
@every_pipeline
def test_the_image_that_was_built_is_deployed_and_the_one_before_is_noted(run: Run) -> None:
    status, told = run.deploy()
    assert (status, run.before()) == (0, BEFORE)
    assert f"@{DIGEST}" in told.split(BEFORE)[-1]


@needs_jq
@every_target
@every_pipeline
def test_a_deployment_that_fails_fails_the_step_and_leaves_the_one_before(run: Run) -> None:
    assert run.deploy(fails=run.target.releases)[0] != 0
    assert run.before() == BEFORE


@needs_jq
@pytest.mark.parametrize("target", [name for name, target in TARGETS.items() if target.unready])
@every_pipeline
def test_a_version_that_does_not_get_ready_fails_the_step(run: Run) -> None:
    status, told = run.deploy(**(run.target.unready or {}))
    assert status != 0
    assert "smoke" not in told


@needs_jq
@pytest.mark.parametrize("target", [name for name, target in TARGETS.items() if target.first])
@every_pipeline
def test_the_first_deployment_has_nothing_to_go_back_to(run: Run) -> None:
    assert run.deploy(**(run.target.first or {}))[0] == 0
    assert run.before() == ""
    if run.ci == "gitlab":
        assert run.roll_back() == (0, "")


@needs_jq
@every_target
@every_pipeline
def test_a_rollback_goes_to_the_one_before(run: Run) -> None:
    run.deploy()
    status, told = run.roll_back()
    assert status == 0
    assert BEFORE in told
    assert DIGEST not in re.sub(r".*\.yaml.*\n", "", told).split(BEFORE)[-1]


@needs_jq
@every_target
@pytest.mark.parametrize("ci", ["gitlab"])
def test_a_check_that_fails_fails_the_job(run: Run) -> None:
    status, told = run.deploy(fails="*smoke*")
    assert status != 0
    assert told.count(f"@{DIGEST} connector smoke https://x/mcp") == 6
    assert "imagetools" not in told


@pytest.mark.parametrize("target", ["compose"])
@pytest.mark.parametrize("ci", ["github"])
def test_the_machine_must_be_the_one_that_is_known(run: Run) -> None:
    assert run.script(step(run.document, "Log in to the machine")["run"])[0] == 0
    files = {path.name: path for path in (run.folder / "home/.ssh").iterdir()}
    assert "StrictHostKeyChecking yes" in files["config"].read_text()
    assert files["known_hosts"].read_text() == GIVEN["KNOWN_HOSTS"] + "\n"
    assert files["id_ed25519"].stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("status", "times"), [("0", 1), ("1", 6)])
def test_the_last_check_is_tried_for_a_minute(rendered: Rendered, tmp_path: Path, status: str, times: int) -> None:
    run = Run(project_for(rendered, "cloud-run"), tmp_path, "cloud-run", "github")
    done, told = run.script(step(run.document, "Smoke")["run"], "docker*" if status == "1" else "nothing")
    assert str(done) == status
    asked = f"docker run --rm --env SMOKE_HEADERS {IMAGE}@{DIGEST} connector smoke https://x/mcp"
    assert [line for line in told.splitlines() if line.startswith("docker")] == [asked] * times


# ------------------------------------------------------------------------- what a pipeline changes for a target


@every_pipeline
def test_render_runs_the_image_of_the_pipeline(rendered: Rendered, ci: str) -> None:
    text = (project_for(rendered, "render", ci) / "render.yaml").read_text()
    [web] = render.Blueprint.model_validate(yaml.safe_load(text)).services
    assert isinstance(web, render.Web)
    assert web.image
    assert web.image.url.endswith(":live")
    with pytest.raises(ValueError, match="is an image"):
        render.Blueprint.model_validate(yaml.safe_load(text.replace("runtime: image", "runtime: docker")))


def test_compose_runs_the_image_of_the_pipeline_or_builds_one(rendered: Rendered) -> None:
    project = project_for(rendered, "compose")
    for image in (None, f"{IMAGE}@{DIGEST}"):
        environment = {**os.environ, **ENVIRONMENT, **({"IMAGE": image} if image else {})}
        command = [COMPOSE, "config", "--format", "json"]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["services"]["connector"]["image"] == (image or "acme-crm")


# ------------------------------------------------------------------------------------- the template's own pipeline

OWN = ".github/workflows/ci.yml"
USES = re.compile(r"uses: (\S+ # \S+)")
PLANTED = {
    "actionlint": (["actionlint"], ("runs-on: ubuntu-24.04", "runs-on: ubuntu-24.4")),
    "zizmor": (ZIZMOR, ("permissions: {}", "permissions: write-all")),
    "schema": ([*SCHEMA, "vendor.github-workflows", OWN], ("timeout-minutes: 90", "timeout-minutes: soon")),
}


@pytest.mark.parametrize("check", PLANTED)
def test_the_template_s_own_pipeline_is_accepted_and_a_planted_error_is_not(check: str, tmp_path: Path) -> None:
    command, (right, wrong) = PLANTED[check]
    shutil.copytree(rendering.ROOT / ".github", tmp_path / ".github")
    rendering.git("init", "-q", cwd=tmp_path)
    done = judge(command, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    edits.replace(tmp_path / OWN, right, wrong)
    assert judge(command, tmp_path).returncode != 0


def test_it_uses_the_actions_of_the_connectors_in_their_versions(rendered: Rendered) -> None:
    project = rendered({"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "github"})
    own, connectors = (
        {use for file in (folder / ".github/workflows").iterdir() for use in USES.findall(file.read_text())}
        for folder in (rendering.ROOT, project)
    )
    assert own
    assert own <= connectors
