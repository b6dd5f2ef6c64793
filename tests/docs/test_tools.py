"""docs/tools.md of a connector: every block works as it stands, for each source and each auth mode."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from ..lib import rendering
from ..lib.rendering import Answers, Rendered, recorded
from ..render.test_rendered import judge
from .test_docs import blocks
from .test_readme import long_lines, long_sentences

# Each source, and each mode once.
CHOSEN = [
    {"auth_mode": mode, "hosting": "compose", "source": source, "ci": "none"}
    for mode, source in [
        ("none", "blank"),
        ("api-key", "rest-api"),
        ("headers", "openapi"),
        ("oauth", "database"),
        ("oauth-introspection", "rest-api"),
        ("oauth-proxy", "blank"),
    ]
]
BLOCK = re.compile(r"^`([\w./]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text(project: Path) -> str:
    return (project / "docs/tools.md").read_text(encoding="utf-8")


def written(project: Path) -> list[str]:
    """Write each file that the document shows to where it says."""
    tools = project / "src" / recorded(project)["package_name"] / "tools"
    found = BLOCK.findall(text(project))
    for name, content in found:
        (project / name if "/" in name else tools / name).write_text(content, encoding="utf-8")
    return [name for name, _ in found]


def test_every_choice_has_its_turn() -> None:
    for question in ("auth_mode", "source"):
        assert {answers[question] for answers in CHOSEN} == set(rendering.choices(question))


@pytest.mark.parametrize("answers", CHOSEN, ids=rendering.label)
def test_each_block_of_code_names_its_file(rendered: Rendered, answers: Answers) -> None:
    shown = text(rendered(answers))
    assert shown.count("```python") == len(BLOCK.findall(shown))
    assert long_lines(re.sub(r"```.*?```", "", shown, flags=re.DOTALL)) + long_sentences(shown) == []


@pytest.mark.peers
@pytest.mark.parametrize("answers", CHOSEN, ids=rendering.label)
def test_its_tools_work_as_they_stand(rendered: Rendered, shared: Path, tmp_path: Path, answers: Answers) -> None:
    project = shutil.copytree(rendered(answers), tmp_path / "project")
    assert {"reading.py", "writing.py", "reporting.py", "__init__.py", "tests/test_writing.py"} <= set(written(project))
    (project / "tests/test_tools.py").unlink()  # of the tools that are no longer registered
    environment = rendering.environment(project, tmp_path / "site")
    checks = ["ruff check .", "pytest"]
    if answers in CHOSEN[:4]:  # the other modes show the same code
        checks += ["ruff format --check .", "mypy"]
    chosen = {"PYTEST_ADDOPTS": "tests/test_writing.py tests/test_platforms.py"}
    for check in checks:
        accepted, said = judge(check, project, {**environment, **chosen}, shared)
        assert accepted, said
    [commands] = blocks(text(project))
    for command in commands.splitlines():
        done = rendering.run(project, environment, *shlex.split(command.removeprefix("uv run ")))
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_block_that_does_not_work_is_found(rendered: Rendered, tmp_path: Path) -> None:
    project = shutil.copytree(rendered(CHOSEN[0]), tmp_path / "project")
    wrong = text(project).replace("answer.data.agreed", "True").replace("`reading.py`:\n", "")
    (project / "docs/tools.md").write_text(wrong, encoding="utf-8")
    assert wrong.count("```python") == len(BLOCK.findall(wrong)) + 1
    assert "reading.py" not in written(project)
    (project / "src/acme_crm/tools/reading.py").write_text("def read_note() -> str:\n    return ''\n", encoding="utf-8")
    environment = rendering.environment(project, tmp_path / "site")
    done = rendering.run(project, environment, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_writing.py")
    assert "test_a_change_is_made_if_the_user_agrees[False" in done.stdout
