"""The workflows that deploy: accepted by the linters, and each in the order that lets nothing unchecked stay."""

import copy
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from . import rendering
from .rendering import Rendered
from .test_deploy_files import judge

pytestmark = pytest.mark.targets

FILE = ".github/workflows/deploy.yml"
DEPLOYED = ["cloud-run", "kubernetes", "aws-ecs", "azure-container-apps"]
MODES = ["none", "oauth-proxy"]  # with nobody to call as, and with someone
CHECKS = {
    "actionlint": (["actionlint"], ("needs: check", "needs: chekc")),
    "zizmor": (
        ["zizmor", "--offline", "--strict-collection", "--quiet", "--persona=pedantic", ".github/workflows"],
        ("permissions: {}", "permissions: write-all"),
    ),
    "schema": (
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", FILE],
        ("timeout-minutes: ", "timeout-minutes: soon "),
    ),
}
IMAGE, DIGEST = "registry.example.com/acme-crm", f"sha256:{'0' * 64}"

every_target = pytest.mark.parametrize("target", DEPLOYED)


def project_for(rendered: Rendered, target: str, mode: str = "none") -> Path:
    return rendered({"auth_mode": mode, "hosting": target, "source": "blank", "ci": "github"})


def workflow(project: Path, file: str = FILE) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load((project / file).read_text(), yaml.BaseLoader)
    return document


@pytest.mark.parametrize("target", rendering.choices("hosting"))
def test_a_target_has_a_workflow_or_ci_runs_on_main_by_itself(rendered: Rendered, target: str) -> None:
    project = project_for(rendered, target)
    events = workflow(project, ".github/workflows/ci.yml")["on"]
    assert (project / FILE).exists() == (target in DEPLOYED)
    assert set(events) == {"pull_request", "workflow_call" if target in DEPLOYED else "push"}


@every_target
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("check", CHECKS)
def test_a_workflow_is_accepted(rendered: Rendered, tmp_path: Path, target: str, mode: str, check: str) -> None:
    project = shutil.copytree(project_for(rendered, target, mode), tmp_path / "project")
    rendering.git("init", "-q", cwd=project)
    done = judge(CHECKS[check][0], project)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("check", CHECKS)
def test_a_planted_error_is_rejected(rendered: Rendered, tmp_path: Path, check: str) -> None:
    project = shutil.copytree(project_for(rendered, "cloud-run"), tmp_path / "project")
    rendering.git("init", "-q", cwd=project)
    command, (right, wrong) = CHECKS[check]
    text = (project / FILE).read_text()
    assert right in text
    (project / FILE).write_text(text.replace(right, wrong, 1))
    assert judge(command, project).returncode != 0


# --------------------------------------------------------------------------------------------------- what it does


def step(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in document["jobs"]["deploy"]["steps"] if s.get("name") == name)
    return found


def check_order(document: dict[str, Any]) -> None:
    """What is deployed was checked, built once, scanned, is named by its digest, and goes if it does not work."""
    job = document["jobs"]["deploy"]
    steps = [s.get("name", "") for s in job["steps"]]
    order = ["Log in to the registry", "Build and push", "Scan", "Deploy", "Smoke", "Roll back"]
    assert [name for name in steps if name in order] == order
    assert job["needs"] == "check"
    assert document["jobs"]["check"]["uses"].endswith("/.github/workflows/ci.yml")
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
    assert document["concurrency"]["cancel-in-progress"] == "false"
    for used in (s["uses"] for s in job["steps"] if "uses" in s):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", used)
    for script in (s["run"] for s in job["steps"] if "run" in s):
        assert "${{" not in script


@every_target
def test_what_is_deployed_was_checked_and_goes_if_it_does_not_work(rendered: Rendered, target: str) -> None:
    check_order(workflow(project_for(rendered, target)))


@every_target
def test_no_key_that_lasts_deploys_but_where_the_target_has_no_other(rendered: Rendered, target: str) -> None:
    project = project_for(rendered, target)
    secrets = set(re.findall(r"secrets\.(\w+)", (project / FILE).read_text())) - {"SMOKE_HEADERS"}
    assert secrets == ({"KUBECONFIG", "REGISTRY_PASSWORD"} if target == "kubernetes" else set())
    if not secrets:
        assert workflow(project)["jobs"]["deploy"]["permissions"]["id-token"] == "write"


def without(name: str) -> Callable[[dict[str, Any]], object]:
    def edit(document: dict[str, Any]) -> None:
        steps = document["jobs"]["deploy"]["steps"]
        steps.remove(step(document, name))

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        without("Scan"),
        without("Smoke"),
        without("Roll back"),
        lambda document: document["jobs"]["deploy"].update(needs="other"),
        lambda document: document["on"].update(pull_request=""),
        lambda document: step(document, "Build and push")["with"].update(sbom="false"),
        lambda document: step(document, "Deploy").update(run="deploy $IMAGE:latest"),
        lambda document: step(document, "Roll back").update({"if": "always()"}),
        lambda document: step(document, "Scan").update(uses="anchore/scan-action@v7"),
    ],
    ids=range(9),
)
def test_a_step_that_is_missing_or_weaker_is_found(
    rendered: Rendered, edit: Callable[[dict[str, Any]], object]
) -> None:
    document = copy.deepcopy(workflow(project_for(rendered, "cloud-run")))
    edit(document)
    with pytest.raises((AssertionError, StopIteration)):
        check_order(document)


STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$TOLD"
for argument; do case "$argument" in *.yaml) grep -s image: "$argument" >> "$TOLD" ;; esac; done
echo "${ANSWER:-true}"
exit "${STATUS:-0}"
"""


def run_step(project: Path, folder: Path, name: str, **variables: str) -> tuple[int, str, str]:
    """Run a step's script beside stand-ins for the programs that it calls: status, what they were told, its outputs."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for program in ("aws", "az", "docker", "gcloud", "kubectl", "kustomize", "sleep"):
        (programs / program).write_text(STAND_IN)
        (programs / program).chmod(0o755)
    told, outputs = folder / "told", folder / "outputs"
    told.touch()
    outputs.touch()
    given = {"TOLD": told, "GITHUB_OUTPUT": outputs, "RUNNER_TEMP": folder, "PATH": f"{programs}:{os.environ['PATH']}"}
    known = {"IMAGE": IMAGE, "DIGEST": DIGEST, "REGION": "r", "GROUP": "g", "OVERLAY": "gateway", "PUBLIC_URL": "u"}
    script = step(workflow(project), name)["run"]
    env = {**os.environ, **known, **{n: str(value) for n, value in given.items()}, **variables}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=project, env=env, capture_output=True, text=True)
    return done.returncode, told.read_text(), outputs.read_text()


@every_target
def test_the_image_that_was_built_is_deployed_and_the_one_before_is_noted(
    rendered: Rendered, tmp_path: Path, target: str
) -> None:
    status, told, outputs = run_step(project_for(rendered, target), tmp_path, "Deploy")
    assert (status, outputs) == (0, "before=true\n")
    assert f"{IMAGE}@{DIGEST}" in told


@every_target
def test_a_deployment_that_fails_fails_the_step(rendered: Rendered, tmp_path: Path, target: str) -> None:
    assert run_step(project_for(rendered, target), tmp_path, "Deploy", STATUS="1")[0] != 0


def test_a_revision_that_does_not_get_ready_fails_the_step(rendered: Rendered, tmp_path: Path) -> None:
    project = project_for(rendered, "azure-container-apps")
    assert run_step(project, tmp_path, "Deploy", ANSWER="false")[0] != 0


@every_target
def test_a_rollback_goes_to_the_one_before(rendered: Rendered, tmp_path: Path, target: str) -> None:
    status, told, _ = run_step(project_for(rendered, target), tmp_path, "Roll back", BEFORE="the-one-before")
    assert (status, "the-one-before" in told) == (0, True)


@pytest.mark.parametrize(("status", "times"), [("0", 1), ("1", 6)])
def test_the_last_check_is_tried_for_a_minute(rendered: Rendered, tmp_path: Path, status: str, times: int) -> None:
    # A stand-in of `sleep` that fails would end the step by itself, so only what docker says counts.
    script = f"sleep() {{ :; }}; export -f sleep; {step(workflow(project_for(rendered, 'cloud-run')), 'Smoke')['run']}"
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$*" >> "{tmp_path}/told"\nexit {status}\n')
    (tmp_path / "docker").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "IMAGE": IMAGE, "DIGEST": DIGEST, "PUBLIC_URL": "https://x"}
    done = subprocess.run(["bash", "-e", "-c", script], env=env)
    told = (tmp_path / "told").read_text().splitlines()
    assert str(done.returncode) == status
    assert told == [f"run --rm --env SMOKE_HEADERS {IMAGE}@{DIGEST} connector smoke https://x/mcp"] * times
