"""`make first`: it fits what it follows, and says in a sentence why a newcomer would not get there."""

from pathlib import Path

import pytest

from ..lib import rendering
from ..lib.rendering import Rendered
from ..programs import first_row
from ..programs.first_row_systems import SYSTEMS, Failed, Newcomer, block, fitted

UPSTREAM = rendering.group("rest-api") / "src/{{ package_name }}/upstream.py"


@pytest.fixture
def user(tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path, {"PATH": "/usr/bin:/bin"}, tmp_path, {"uv sync": 100, "uvx copier copy": 200})


def test_every_source_has_a_system() -> None:
    assert {source for source, _ in SYSTEMS.values()} == set(rendering.choices("source"))


def test_the_owners_edits_fit_upstream_py() -> None:
    compile(fitted(UPSTREAM.read_text()), "upstream.py", "exec")
    with pytest.raises(Failed, match="has no `items: list"):
        fitted("")


@pytest.mark.parametrize(
    ("source", "name", "words", "language"),
    [("openapi", "import", "import ./openapi.yaml", "sh"), ("database", "database", "'choose one'", "sql")],
)
def test_what_is_typed_is_in_the_documents(
    rendered: Rendered, source: str, name: str, words: str, language: str
) -> None:
    project = rendered({"auth_mode": "none", "hosting": "compose", "source": source, "ci": "none"})
    assert block(project / f"docs/{name}.md", words, language)


def test_a_row_that_does_not_come_back_is_told_with_what_came(user: Newcomer) -> None:
    first_row.check(user, "get_row", "row-1", '{"name": "row-1"}')
    with pytest.raises(Failed, match=r"get_row did not return row-2, which .*: .*row-1"):
        first_row.check(user, "get_row", "row-2", '{"name": "row-1"}')


def test_more_than_five_minutes_are_told(user: Newcomer) -> None:
    user.steps["uv sync"] += 1
    with pytest.raises(Failed, match="it took 301 s, more than 300"):
        first_row.check(user, "get_row", "row-1", "row-1")


def test_a_step_that_fails_is_told_by_its_last_line(user: Newcomer) -> None:
    with pytest.raises(Failed, match=r"^uv sync failed: the reason$"):
        user.types("echo first >&2; echo the reason >&2; exit 3", user.folder, "uv sync")
