"""What the tests share: the template as a tagged repository, and connectors rendered from it."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from pytest_copie.plugin import Copie

from .lib import rendering

TAG = "v1000.0.0"  # above every release, so that copier takes the working tree's state


@pytest.fixture(scope="session", autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No git variable, copier setting or git configuration of this machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "COPIER_")):
            del os.environ[name]
    nowhere = tmp_path_factory.mktemp("settings")
    os.environ["COPIER_SETTINGS_PATH"] = str(nowhere / "copier.yml")
    os.environ["COPIER_CACHE_DIR"] = str(nowhere / "mirrors")  # workers that refresh one mirror at once would fail
    os.environ["GIT_CONFIG_GLOBAL"] = str(nowhere / "gitconfig")
    os.environ["GIT_CONFIG_SYSTEM"] = os.devnull
    (nowhere / "copier.yml").write_text("{}\n")
    (nowhere / "gitconfig").write_text("[user]\n\tname = Test\n\temail = test@example.com\n")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def once(target: Path, make: Callable[[], object]) -> Path:
    """`target`, made by the first worker that asks; the others wait for it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f"{target.name}.made")
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make()
            made.touch()
    return target


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    with rendering.compiled_once():
        yield


@pytest.fixture(scope="session")
def template(_isolated: None, shared: Path, pytestconfig: pytest.Config) -> Path:
    """The working tree as a repository with one release."""
    target = shared / "template"
    pytestconfig.option.template = str(target)  # what pytest-copie renders, too
    return once(target, lambda: rendering.snapshot(target, TAG))


@pytest.fixture
def copie(template: Path, copie: Copie) -> Copie:
    """For a test that needs a render and nothing else. Where it cannot serve: docs/decisions/0009-tests-render.md."""
    return copie


def renders(template: Path, shared: Path) -> rendering.Rendered:
    def get(answers: Mapping[str, str]) -> Path:
        target = shared / "rendered" / template.name / rendering.label(answers)
        return once(target, lambda: rendering.render_here(template, target, answers))

    return get


@pytest.fixture(scope="session")
def rendered(template: Path, shared: Path) -> rendering.Rendered:
    """Gives the connector for these answers, rendered once for all workers. Tests must not change it."""
    return renders(template, shared)


@pytest.fixture(scope="session")
def installed(
    rendered: Callable[[Mapping[str, str]], Path], shared: Path
) -> Callable[[Mapping[str, str]], tuple[Path, dict[str, str]]]:
    """Gives the connector for these answers, and the environment variables to run it in."""

    def get(answers: Mapping[str, str]) -> tuple[Path, dict[str, str]]:
        project = rendered(answers)
        site = shared / "installed" / project.parent.name / project.name
        once(site, lambda: rendering.environment(project, site))
        return project, rendering.variables(project, site)

    return get


@pytest.fixture(scope="session")
def lock(shared: Path) -> rendering.Lock:
    """Makes the uv.lock of a project, as its owner's first `uv sync` does, in a tenth of the time."""

    def put(project: Path) -> Path:
        known = shared / "locked" / rendering.lock_set(project) / "uv.lock"

        def make() -> None:
            shutil.copy(project / "pyproject.toml", known.parent)
            rendering.lock(known.parent)

        return rendering.lock(project, once(known, make))

    return put


@pytest.fixture(scope="session")
def locked(rendered: rendering.Rendered, lock: rendering.Lock, shared: Path) -> rendering.Rendered:
    """Gives the connector for these answers with a uv.lock, ready to be committed. Tests must not change it."""

    def get(answers: Mapping[str, str]) -> Path:
        project = rendered(answers)
        target = shared / "with-lock" / project.parent.name / project.name
        return once(target, lambda: lock(shutil.copytree(project, target)))

    return get


@pytest.fixture(scope="session")
def questionnaire(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with its questions and nothing to render but the answers: what it asks is the same, and fast."""
    folder = tmp_path_factory.mktemp("questionnaire")
    shutil.copy(rendering.ROOT / "copier.yml", folder)
    rendering.copy_working_tree(folder, "hooks", "mcp_connector/platforms.yaml")
    (folder / "template").mkdir()
    shutil.copy(rendering.TEMPLATE / "{{ _copier_conf.answers_file }}.jinja", folder / "template")
    return folder


@pytest.fixture
def project(questionnaire: Path, tmp_path: Path) -> Path:
    """The answers of a connector, recorded at one release of that template, with a newer one there."""
    repository = shutil.copytree(questionnaire, tmp_path / "template")
    rendering.git("init", "-q", "-b", "main", cwd=repository)
    rendering.release(repository, TAG)
    answers = {"auth_mode": "none", "hosting": "compose", "source": "rest-api", "ci": "none"}
    project = rendering.render(repository, tmp_path / "project", answers)
    rendering.git("init", "-q", "-b", "main", cwd=project)
    rendering.commit(project, "start")
    rendering.release(repository, "v1000.1.0")
    return project


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded, such as the counts of the conformance suite."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(str(value))
