"""The command `mcp-connector`, installed from this repository as `uvx --from` does it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import jinja2
import pytest

from mcp_connector import renders
from mcp_connector.recorded import git_url

from ..docs.test_docs import URL, blocks, shell
from ..lib import importing, releasing, rendering

UPDATES = rendering.ROOT / "docs/updates.md"
ABOUT = tomllib.loads((rendering.ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package alone, as the scripts of a clone have it."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    rendering.snapshot(source / "template", "v1000.0.0")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "install", "-q", "--no-deps", "--target", site, source / "template"], check=True)
    return site


def test_it_is_run_by_uvx_as_the_documents_say(tmp_path: Path) -> None:
    repository = rendering.snapshot(tmp_path / "template", "v1000.0.0")
    [command] = {block for block in blocks(UPDATES.read_text()) if block.startswith("uvx --from")}
    uvx, source = f"{Path(sys.executable).with_name('uv')} tool run", f"file://{repository}@v1000.0.0"
    command = command.replace("uvx", uvx).replace(URL, source).replace(" check", " check --help")
    assert shell(command, tmp_path).startswith("usage: mcp-connector check ")


@pytest.mark.parametrize("page", ["README.md", "docs/update.md"])
def test_it_is_run_by_uvx_as_a_connector_says(tmp_path: Path, page: str) -> None:
    """From the template that the connector was made from, in the release that it has."""
    repository = rendering.snapshot(tmp_path / "template", "v1000.0.0")
    project = rendering.render_here(repository, tmp_path / "project", {"auth_mode": "none", "hosting": "fly"})
    (repository / "mcp_connector/command.py").write_text("raise SystemExit('not released')")
    rendering.commit(repository, "Work in progress")
    [command] = {block for block in blocks((project / page).read_text()) if block.startswith("uvx --from")}
    command = f"{Path(sys.executable).with_name('uv')} tool run{command.removeprefix('uvx').rstrip()} --help"
    assert shell(command, project).startswith("usage: mcp-connector check ")


@pytest.mark.parametrize(
    ("recorded", "named"),
    [
        ("https://git.example.com/acme/template.git", "git+https://git.example.com/acme/template.git"),
        ("https://ada:secret@git.example.com/acme/template.git", "git+https://git.example.com/acme/template.git"),
        ("ssh://git@git.example.com/acme/template.git", "git+ssh://git@git.example.com/acme/template.git"),
        ("git@git.example.com:acme/template", "git+ssh://git@git.example.com/acme/template"),
        ("gh:acme/template", "git+https://github.com/acme/template.git"),
        ("gl:acme/template.git", "git+https://gitlab.com/acme/template.git"),
        ("git+https://git.example.com/acme/template", "git+https://git.example.com/acme/template"),
        ("/srv/template", "git+file:///srv/template"),
        ("/srv/our template", "git+file:///srv/our%20template"),
        ("../template", "git+file://$PWD/../template"),
        ("~/template", "git+file://$HOME/template"),
    ],
)
def test_every_form_of_the_template_s_address_is_one_that_uvx_takes(recorded: str, named: str) -> None:
    text = (rendering.ROOT / "hooks/tool.jinja").read_text() + "{{ command('check') }}"
    environment = jinja2.Environment(extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"])
    said = environment.from_string(text).render(
        _copier_answers={"_src_path": recorded}, _copier_conf={"answers_file": ".copier-answers.yml"}
    )
    assert said.startswith(f'uvx --from "{named}@$(sed ')


@pytest.mark.parametrize(
    ("recorded", "named"),
    [
        ("https://ada:secret@git.example.com/acme/t.git", "git+https://git.example.com/acme/t.git"),
        ("ssh://git@git.example.com/acme/t.git", "git+ssh://git@git.example.com/acme/t.git"),
        ("git@git.example.com:acme/t.git", "git+ssh://git@git.example.com/acme/t.git"),
        ("git@git.example.com:/srv/t.git", "git+ssh://git@git.example.com/srv/t.git"),
        ("gh:acme/t", "git+https://github.com/acme/t.git"),
        ("/srv/our template", "git+file:///srv/our%20template"),
        ("../template", "git+file:///srv/template"),
        ("ext::sh -c id", ""),
        ("http:/host/t.git", ""),
    ],
)
def test_the_check_names_the_tool_by_an_address_that_uvx_takes(recorded: str, named: str) -> None:
    assert renders.installable(git_url(recorded), Path("/srv/connector")) == named


def tool(
    site: Path, *arguments: str | Path, cwd: Path, python: str | Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run by an interpreter that has nothing that the tool needs, unless another is named."""
    environment = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "COLUMNS": "80"}
    command = [python or rendering.interpreter(), site / "bin/mcp-connector", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_it_comes_with_what_the_doctor_and_an_import_need_alone() -> None:
    names = [name.partition(">")[0] for name in ABOUT["dependencies"]]
    assert names == ["certifi", "h11", "pyyaml", "questionary", "ruff"]


def test_without_these_an_import_says_what_it_needs(site: Path, tmp_path: Path) -> None:
    project = importing.project(tmp_path)
    place = importing.written(tmp_path, importing.document({"/pets": {"get": importing.operation("listPets")}}))
    other = importing.written(tmp_path, "openapi: 3.0.0\n", "pets.yaml")
    for document, said in ((place, "Formatting needs ruff."), (other, "YAML needs PyYAML.")):
        program = str(site / "bin/mcp-connector")
        command = [str(rendering.interpreter()), "-S", program, "import", str(document), "--all"]
        env = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)
        assert (done.returncode, done.stderr.startswith(f"mcp-connector import: {said}")) == (2, True), done.stderr


def test_it_imports_by_the_command_of_a_connector(tmp_path: Path) -> None:
    repository = rendering.snapshot(tmp_path / "template", "v1000.0.0")
    project = rendering.render_here(repository, tmp_path / "project", {**importing.ANSWERS, "auth_mode": "api-key"})
    importing.written(project, importing.document({"/pets": {"get": importing.operation("listPets")}}), "openapi.yaml")
    [command] = {block for block in blocks((project / "docs/import.md").read_text()) if block.startswith("uvx --from")}
    command = f"{Path(sys.executable).with_name('uv')} tool run{command.removeprefix('uvx').rstrip()} --all"
    said = shell(command, project)
    assert "new      tools/pets.py: list_pets\n" in said
    assert "deleted  tools/example.py: the example, which you had not edited\n" in said
    assert "async def list_pets(" in importing.source(project)


def test_the_doctor_has_its_data(site: Path, tmp_path: Path) -> None:
    done = tool(site, "doctor", "http://127.0.0.1:9/mcp", cwd=tmp_path, python=sys.executable)
    assert (done.returncode, done.stderr) == (1, "")
    assert "nothing answers (refused)" in done.stdout
    lacking = tool(site, "doctor", "http://127.0.0.1:9/mcp", cwd=tmp_path)
    assert (lacking.returncode, lacking.stdout) == (2, "")
    assert "It needs the package yaml: install this tool with uvx or pip." in lacking.stderr


def test_without_a_command_it_says_which_there_are(site: Path, tmp_path: Path) -> None:
    done = tool(site, cwd=tmp_path)
    assert done.returncode == 2
    assert "required: COMMAND" in done.stderr
    shown = tool(site, "--help", cwd=tmp_path).stdout
    names = ("check", "fleet", "import", "doctor", "changelog")
    assert all(f"\n    {name} " in shown or f"\n    {name}\n" in shown for name in names)
    assert max(map(len, shown.splitlines())) <= 80


def test_it_says_its_version(site: Path, tmp_path: Path) -> None:
    said = f"mcp-connector {ABOUT['version']}\n"
    assert tool(site, "--version", cwd=tmp_path).stdout == said
    clone = [sys.executable, "-m", "mcp_connector", "--version"]
    assert subprocess.run(clone, cwd=rendering.ROOT, capture_output=True, text=True).stdout.endswith(
        f" {ABOUT['version']}\n"
    )


def test_it_checks_an_update(site: Path, template: Path, shared: Path, tmp_path: Path) -> None:
    with releasing.available(template, shared, tmp_path / "cache"):
        project = tmp_path / "acme-crm"
        releasing.start(project)
        releasing.update(project, version=releasing.NEXT)
        done = tool(site, "check", cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n\nNothing is left for you to do.\n")


def test_it_shows_connectors(site: Path, template: Path, shared: Path, tmp_path: Path) -> None:
    with releasing.available(template, shared, tmp_path / "cache"):
        releasing.start(tmp_path / "checkouts/acme-crm")
        done = tool(site, "fleet", "--no-drift", "checkouts", cwd=tmp_path)
    assert "1 connector" in done.stdout


def test_what_is_wrong_is_said_under_the_name_that_was_called(site: Path, tmp_path: Path) -> None:
    done = tool(site, "check", tmp_path / "none", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"mcp-connector check: {tmp_path / 'none'} is not a folder.\n")
