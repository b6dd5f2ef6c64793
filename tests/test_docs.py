"""What the documents say is what happens: their commands are run as they stand."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from . import rendering
from .rendering import Rendered
from .serving import free_port

URL = "https://YOUR-GIT-HOST/mcp-connector-template.git"
FULL = {"auth_mode": "api-key", "hosting": "compose", "source": "rest-api", "ci": "github"}
README = (rendering.ROOT / "README.md").read_text()


def blocks(markdown: str) -> list[str]:
    """The shell commands of a document, a block each, without the indentation of lists."""
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", markdown, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def shell(command: str, folder: Path, **variables: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": "", **variables}
    done = subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_readme_names_targets_that_make_has() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (rendering.ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    documents = README + (rendering.ROOT / "CONTRIBUTING.md").read_text()
    named = {target for block in blocks(documents) for target in re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)}
    assert {"demo", "test"} <= named <= targets


def test_the_readme_names_every_question_and_choice() -> None:
    for name, question in rendering.questions().items():
        if "choices" in question:
            assert f"`{name}`" in README
            for choice in rendering.choices(name):
                assert f"`{choice}`" in README


def test_the_copy_command_with_all_answers_renders_a_connector(template: Path, tmp_path: Path) -> None:
    [command] = [block for block in blocks(README) if "copy --defaults" in block]
    shell(command.replace("uvx copier", str(rendering.COPIER)).replace(URL, str(template)), tmp_path)
    assert (tmp_path / "my-connector/src/acme_crm/keys.py").is_file()


def test_a_connector_runs_by_the_commands_of_its_readme(rendered: Rendered, tmp_path: Path) -> None:
    project = shutil.copytree(rendered(FULL), tmp_path / "project")
    try_it, check, locks = blocks((project / "README.md").read_text())
    *prepare, start = try_it.splitlines()
    shell("\n".join(prepare), project)

    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    port = free_port()
    process = subprocess.Popen(
        start.split(),
        cwd=project,
        env={**os.environ, "PATH": path, "VIRTUAL_ENV": "", "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout
        assert any(f"http://127.0.0.1:{port}/mcp" in process.stdout.readline() for _ in range(3))
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=20)

    shell(check, project)
    before = rendering.files(project)
    every = [name for name in before if name.endswith(".lock")]
    shell(locks, project)
    assert [name for name in every if (project / name).read_bytes() != before[name]] == []

    declared = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(declared.replace("dependencies = [", 'dependencies = [\n    "six<2",', 1))
    shell(locks, project)
    assert [name for name in every if (project / name).read_bytes() != before[name]] == ["requirements-own.lock"]
    assert re.findall(r"^(\w+)==", (project / "requirements-own.lock").read_text(), re.MULTILINE) == ["six"]


def test_keys_are_made_and_ended_by_the_commands_of_the_document(rendered: Rendered, tmp_path: Path) -> None:
    project = rendered(FULL)
    environment = rendering.environment(project, tmp_path / "site")
    make, manage = blocks((project / "docs/connect.md").read_text())
    made = shell(make, tmp_path, **environment)
    key_id = re.search(r"acme_crm_([0-9a-f]{12})_", made)
    assert key_id
    listed, revoked = manage.splitlines()
    assert "Ada Lovelace" in shell(listed, tmp_path, **environment)
    shell(revoked.replace("revoke ID", f"revoke {key_id[1]}"), tmp_path, **environment)
    assert "No keys are stored" in shell(listed, tmp_path, **environment)
