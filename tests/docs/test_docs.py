"""What the documents say is what happens: their commands are run as they stand."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..lib import pins, rendering
from ..lib.rendering import Rendered
from ..lib.serving import free_port

URL = "https://YOUR-GIT-HOST/mcp-connector-template.git"
FULL = {"auth_mode": "api-key", "hosting": "compose", "source": "rest-api", "ci": "github"}
README = (rendering.ROOT / "README.md").read_text()


def blocks(markdown: str) -> list[str]:
    """The shell commands of a document, a block each, without the indentation of lists."""
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", markdown, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An environment of another project that is active, as in many a shell: commands must leave it as it is."""
    folder = tmp_path_factory.mktemp("elsewhere") / ".venv"
    venv.create(folder, symlinks=True)
    uv = pins.program(tmp_path_factory.mktemp("programs"))
    before = sorted(folder.rglob("*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIRTUAL_ENV", str(folder))
        patch.setenv("PATH", f"{folder / 'bin'}:{uv.parent}:{os.environ['PATH']}")
        yield folder
    assert sorted(folder.rglob("*")) == before


def shell(command: str, folder: Path, **variables: str) -> str:
    path = f"{os.environ['PATH']}:{Path(sys.executable).parent}"
    environment = {**os.environ, "PATH": path, **variables}
    done = subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def starts(command: str, project: Path) -> None:
    """A connector begins to serve by this command, and ends by Ctrl+C."""
    port = free_port()
    process = subprocess.Popen(
        command.split(),
        cwd=project,
        env={**os.environ, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    )
    try:
        assert process.stdout
        assert any(f"http://127.0.0.1:{port}/mcp" in process.stdout.readline() for _ in range(3))
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=20)


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
    assert (tmp_path / "my-connector/src/acme_crm/core/auth/keys.py").is_file()


@pytest.mark.peers
@pytest.mark.parametrize("around", ["nothing", "a repository"])
def test_a_connector_runs_by_the_commands_said_after_the_copy(
    template: Path, elsewhere: Path, tmp_path: Path, around: str
) -> None:
    if around == "a repository":
        rendering.git("init", "-q", "-b", "trunk", cwd=tmp_path)
    name = "Ada's connector"
    done = rendering.copier("copy", "--defaults", *rendering.data(FULL), template, name, cwd=tmp_path)
    said = done.stderr[done.stderr.index("Next:") :]
    assert [line for line in said.splitlines() if len(line) > 80] == []
    commands = [line.removeprefix("  ") for line in said.splitlines() if line.startswith("  ")]
    [start] = [line for line in commands if line.endswith(" dev")]
    before, after = commands[: commands.index(start)], commands[commands.index(start) + 1 :]

    shell("\n".join(before), tmp_path)
    starts(start, tmp_path / name)
    shell("\n".join(after), tmp_path / name)
    assert rendering.git("status", "--porcelain", cwd=tmp_path / name) == ""
    assert rendering.git("ls-files", "uv.lock", cwd=tmp_path / name) == "uv.lock"
    assert rendering.git("branch", "--show-current", cwd=tmp_path / name) == "main"
    if around == "a repository":  # of which nothing is staged or committed
        assert rendering.git("status", "--porcelain", cwd=tmp_path) == f'?? "{name}/"'


def test_the_commands_said_after_the_copy_leave_a_repository_there_as_it_is(
    template: Path, elsewhere: Path, tmp_path: Path
) -> None:
    rendering.git("init", "-q", "-b", "trunk", cwd=tmp_path)
    (tmp_path / "notes.txt").write_text("mine\n")
    rendering.commit(tmp_path, "mine")
    done = rendering.copier("copy", "--defaults", *rendering.data(FULL), template, ".", cwd=tmp_path)
    commands = [line for line in done.stderr[done.stderr.index("Next:") :].splitlines() if line.startswith("  ")]
    shell("\n".join(line for line in commands if not line.endswith(" dev")), tmp_path)
    assert rendering.git("branch", "--show-current", cwd=tmp_path) == "trunk"
    assert rendering.git("log", "--format=%s", cwd=tmp_path).splitlines() == ["First version", "mine"]


@pytest.mark.peers
def test_a_connector_runs_by_the_commands_of_its_readme(rendered: Rendered, elsewhere: Path, tmp_path: Path) -> None:
    project = shutil.copytree(rendered(FULL), tmp_path / "project")
    try_it, check, _ = blocks((project / "README.md").read_text())
    [change] = [block for block in blocks((project / "docs/develop.md").read_text()) if "uv add" in block]
    *prepare, start = try_it.splitlines()
    shell("\n".join(prepare), project)
    shell("\n".join(prepare), project)  # a second time, as people do
    starts(start, project)

    shell(check, project)
    before = versions(project)
    shell(change, project)
    shell(".venv/bin/python -c 'import tenacity'", project)
    declared = (project / "pyproject.toml").read_text()  # below the line that no release changes
    assert re.search(r'^    # The last line stays.*\n    "uvicorn.*\n    "tenacity', declared, re.MULTILINE)
    assert {"tenacity"} <= {name for name, _ in versions(project) - before} <= {"tenacity", "starlette"}


def versions(project: Path) -> set[tuple[str, str]]:
    """Every package that uv.lock names, with its version."""
    locked = tomllib.loads((project / "uv.lock").read_text())
    return {(package["name"], package["version"]) for package in locked["package"]}


DOCKER = """#!/bin/sh
# Runs the connector of this machine in the place of the image, with the mounted folder where it is mounted.
while [ "$1" != acme-crm ]; do
  if [ "$1" = -v ]; then mounted=${2%:*} at=${2##*:}; fi
  if [ "$1" = -e ]; then setting=$2; fi
  shift
done
shift
exec env "${setting%%=*}=$mounted${setting#*="$at"}" "$@"
"""


@pytest.mark.parametrize("target", ["compose", "fly"])  # on a machine that has Docker alone, and in this project
def test_keys_are_made_and_ended_by_the_commands_of_the_document(
    rendered: Rendered, tmp_path: Path, target: str
) -> None:
    project = rendered({**FULL, "hosting": target})
    environment = rendering.environment(project, tmp_path / "site")
    if target == "compose":
        (tmp_path / "site/bin/docker").write_text(DOCKER)
        (tmp_path / "site/bin/docker").chmod(0o755)
        environment["PATH"] = f"{tmp_path / 'site/bin'}:{environment['PATH']}"
    else:  # of which the environment is the one that the tests have
        (tmp_path / "site/bin/uv").write_text('#!/bin/sh\nshift\nexec "$@"\n')
        (tmp_path / "site/bin/uv").chmod(0o755)
    make, manage = blocks((project / "docs/connect.md").read_text())[:2]
    made = shell(make, tmp_path, **environment)
    key_id = re.search(r"acme_crm_([0-9a-f]{12})_", made)
    assert key_id
    assert (tmp_path / "secrets/keys/keys.jsonl").is_file()
    listed, revoked = re.sub(r"\\\n *", "", manage).splitlines()
    assert "Ada Lovelace" in shell(listed, tmp_path, **environment)
    shell(revoked.replace("revoke ID", f"revoke {key_id[1]}"), tmp_path, **environment)
    assert "No keys are stored" in shell(listed, tmp_path, **environment)
