"""The files that other programs read are accepted by those programs; each check is shown to reject a planted error."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import compose
import pytest
import yaml

from ..lib import homes, rendering
from ..lib.rendering import Rendered

BIN = Path(sys.executable).parent
# The package's own command forgets the exit status of the program that it carries.
COMPOSE = str(Path(compose.__file__).with_name("docker-compose"))
CADDY = {"PUBLIC_HOST": "connector.example.com"}
ENVIRONMENT = {
    **CADDY,
    "UPSTREAM_URL": "https://api.example.com",
    "OAUTH_ISSUER": "https://login.example.com",
    "OAUTH_CLIENT_ID": "connector",
    "OAUTH_ALLOWED_USERS": "@example.com",
}

ZIZMOR = [
    "zizmor",
    "--offline",
    "--strict-collection",
    "--quiet",
    "--persona=pedantic",
    f"--config={Path(__file__).with_name('zizmor.yml')}",
    ".github/workflows",
]

# Each check: the file, the command that judges it, and an edit that it must reject.
CHECKS: dict[str, tuple[str, list[str], tuple[str, str]]] = {
    **{
        name: (check["file"], check["run"], (check["right"], check["wrong"]))
        for target in homes.targets()
        for name, check in homes.expected(target).get("commands", {}).items()
    },
    "hadolint": ("Dockerfile", ["hadolint", "Dockerfile"], ("USER 10001:10001", "USER root")),
    "actionlint": (".github/workflows/ci.yml", ["actionlint"], ("runs-on: ubuntu-24.04", "runs-on: ubuntu-24.4")),
    "zizmor": (
        ".github/workflows/ci.yml",
        ZIZMOR,
        ("run: uv run mypy", "run: uv run mypy ${{ github.head_ref }}"),
    ),
    "workflow-schema": (
        ".github/workflows/ci.yml",
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", ".github/workflows/ci.yml"],
        ("timeout-minutes: 15", "timeout-minutes: soon"),
    ),
    "gitlab-schema": (
        ".gitlab-ci.yml",
        ["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", ".gitlab-ci.yml"],
        ("script:", "scripts:"),
    ),
}


def prepared(project: Path, target: Path) -> Path:
    """A copy of a rendered project, with the secret files that its owner would have made."""
    shutil.copytree(project, target)
    rendering.git("init", "-q", cwd=target)
    (target / "secrets").mkdir()
    for name in ("oauth_client_secret", "signing_key", "state_key", "upstream_auth_value"):
        (target / "secrets" / name).touch()
    return target


def judge(command: list[str], project: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = [COMPOSE if word == "docker-compose" else word for word in command]
    environment = {**os.environ, **ENVIRONMENT}
    return subprocess.run([BIN / program, *arguments], cwd=project, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("check", CHECKS)
def test_every_rendered_file_is_accepted(check: str, rendered: Rendered, tmp_path: Path) -> None:
    file, command, _ = CHECKS[check]
    different: dict[bytes, Path] = {}
    for answers in rendering.combinations():
        project = rendered(answers)
        if (project / file).exists():
            different.setdefault((project / file).read_bytes(), project)
    assert different
    for project in different.values():
        done = judge(command, prepared(project, tmp_path / project.name))
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("check", CHECKS)
def test_a_planted_error_is_rejected(check: str, rendered: Rendered, tmp_path: Path) -> None:
    file, command, (right, wrong) = CHECKS[check]
    answers = next(a for a in rendering.combinations() if (rendered(a) / file).exists())
    project = prepared(rendered(answers), tmp_path / "project")
    text = (project / file).read_text()
    assert right in text
    (project / file).write_text(text.replace(right, wrong, 1))
    assert judge(command, project).returncode != 0


def test_keys_are_mounted_as_a_folder_so_that_a_revoked_one_ends_at_once(rendered: Rendered) -> None:
    project = rendered({"auth_mode": "api-key", "hosting": "compose", "source": "blank", "ci": "github"})
    service = yaml.safe_load((project / "compose.yaml").read_text())["services"]["connector"]
    [folder] = [mount.split(":")[1] for mount in service["volumes"]]
    assert service["environment"]["API_KEYS_FILE"].startswith(f"{folder}/")
