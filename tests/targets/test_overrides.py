"""Files of the owner's that a tool reads beside the template's: as the guides show them, they take effect."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..docs.test_docs import blocks
from ..lib import edits
from ..lib.rendering import Answers, Rendered
from .test_deploy_files import COMPOSE, judge, prepared
from .test_orchestrators import run
from .test_workflows import Run, needs_jq

pytestmark = pytest.mark.targets

COMPOSED: Answers = {"auth_mode": "oauth-proxy", "hosting": "compose", "source": "rest-api", "ci": "github"}
CLUSTER: Answers = {"auth_mode": "oauth-proxy", "hosting": "kubernetes", "source": "rest-api", "ci": "gitlab"}
OVERRIDE = "compose.override.yaml"


def composed(project: Path) -> dict[str, Any]:
    """What Docker Compose makes of the files there."""
    done = judge([COMPOSE, "config", "--format=json"], project)
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def documented(project: Path) -> str:
    """The override that the guide of Compose shows."""
    [text] = re.findall(r"^```yaml\n(.*?)^```$", (project / "docs/deploy.md").read_text(), re.DOTALL | re.MULTILINE)
    return str(text)


def test_compose_reads_the_override_of_its_guide(rendered: Rendered, tmp_path: Path) -> None:
    project = prepared(rendered(COMPOSED), tmp_path / "project")
    before = composed(project)
    (project / OVERRIDE).write_text(documented(project))
    after = composed(project)
    connector, changed = before.pop("connector"), after.pop("connector")
    assert set(after) - set(before) == {"search"}
    assert {name: after[name] for name in before} == before
    assert set(changed.pop("networks")) == {*connector.pop("networks"), "beside"}
    assert set(after["search"]["networks"]) == {"beside"}
    assert changed.pop("mem_limit") == str(1024**3)
    assert changed == connector


def test_compose_reads_no_override_of_another_name(rendered: Rendered, tmp_path: Path) -> None:
    project = prepared(rendered(COMPOSED), tmp_path / "project")
    (project / "compose.overrides.yaml").write_text(documented(project))
    assert "search" not in composed(project)


@needs_jq
@pytest.mark.parametrize("there", [True, False])
def test_the_pipeline_takes_the_override_along_if_it_is_there(rendered: Rendered, tmp_path: Path, there: bool) -> None:
    deployment = Run(rendered(COMPOSED), tmp_path, "compose", "github")
    if there:
        edits.override_what_deploys(deployment.project)
    status, told = deployment.deploy()
    assert status == 0
    assert ("cat > 'acme-crm/compose.override.yaml'" in told) == there
    assert "cat > 'acme-crm/Caddyfile'" in told


def objects(project: Path, overlay: str) -> dict[tuple[str, str], dict[str, Any]]:
    done = run("kubectl", "kustomize", f"deploy/{overlay}", cwd=project)
    assert done.returncode == 0, done.stderr
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(done.stdout)}


def test_an_overlay_of_the_owner_s_changes_what_it_names_and_nothing_else(rendered: Rendered, tmp_path: Path) -> None:
    project = shutil.copytree(rendered(CLUSTER), tmp_path / "project")
    [block] = [block for block in blocks((project / "docs/deploy.md").read_text()) if "deploy/own" in block]
    make, apply = block.rsplit("\nkubectl ", 1)
    assert apply == "apply -k deploy/own\n"
    subprocess.run(["bash", "-euc", make], cwd=project, check=True)
    base, own = objects(project, "gateway"), objects(project, "own")
    assert set(own) == set(base)
    changed = {name: item for name, item in own.items() if item != base[name]}
    assert set(changed) == {("HorizontalPodAutoscaler", "connector")}
    base["HorizontalPodAutoscaler", "connector"]["spec"]["minReplicas"] = 3
    assert own == base


def test_an_overlay_that_names_nothing_is_found(rendered: Rendered, tmp_path: Path) -> None:
    project = shutil.copytree(rendered(CLUSTER), tmp_path / "project")
    (project / "deploy/own").mkdir()
    (project / "deploy/own/kustomization.yaml").write_text("resources:\n  - ../gatway\n")
    assert run("kubectl", "kustomize", "deploy/own", cwd=project).returncode != 0
