"""What the tests share: the template as a tagged repository, and connectors rendered from it."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from . import rendering

TAG = "v1000.0.0"  # above every release, so that copier takes the working tree's state


@pytest.fixture(scope="session", autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No git variable, copier setting or git configuration of this machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "COPIER_")):
            del os.environ[name]
    nowhere = tmp_path_factory.mktemp("settings")
    os.environ["COPIER_SETTINGS_PATH"] = str(nowhere / "copier.yml")
    os.environ["GIT_CONFIG_GLOBAL"] = str(nowhere / "gitconfig")
    os.environ["GIT_CONFIG_SYSTEM"] = os.devnull
    (nowhere / "gitconfig").write_text("[user]\n\tname = Test\n\temail = test@example.com\n")


@pytest.fixture(scope="session")
def template(_isolated: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree as a repository with one release."""
    return rendering.snapshot(tmp_path_factory.mktemp("template") / "repository", TAG)


@pytest.fixture(scope="session")
def rendered(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Mapping[str, str]], Path]:
    """Gives the connector for these answers, rendered once a session. Tests must not change it."""
    known: dict[str, Path] = {}

    def get(answers: Mapping[str, str]) -> Path:
        name = rendering.label(answers)
        if name not in known:
            known[name] = rendering.render(template, tmp_path_factory.mktemp("rendered") / name, answers)
        return known[name]

    return get


@pytest.fixture(scope="session")
def installed(
    rendered: Callable[[Mapping[str, str]], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Mapping[str, str]], tuple[Path, dict[str, str]]]:
    """Gives the connector for these answers, and the environment variables to run it in."""
    known: dict[str, dict[str, str]] = {}

    def get(answers: Mapping[str, str]) -> tuple[Path, dict[str, str]]:
        project = rendered(answers)
        name = rendering.label(answers)
        if name not in known:
            known[name] = rendering.environment(project, tmp_path_factory.mktemp("installed") / "site")
        return project, known[name]

    return get
