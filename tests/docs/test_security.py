"""docs/security.md: what it says to hold is proved by tests that there are."""

import re

import pytest

from ..lib import rendering

PAGE = rendering.ROOT / "docs/security.md"
LINE = re.compile(r"^\| (?P<tried>[^|]+) \| (?P<holds>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE)
HEADS = {"Tests", "---"}


def known_tests() -> set[str]:
    """The name of every test of this repository and of connectors."""
    files = [*(rendering.ROOT / "tests").rglob("test_*.py"), *rendering.TEMPLATE.rglob("test_*.py*")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return {name for text in texts for name in re.findall(r"^\s*(?:async )?def (test_\w+)\(", text, re.MULTILINE)}


def unproved(page: str) -> list[str]:
    """Lines that name no test, and names of tests that there are not."""
    known, found = known_tests(), []
    for line in LINE.finditer(page):
        named = re.findall(r"`(\w+)`", line["tests"])
        found += [line["tried"]] if not named and line["tests"] not in HEADS else []
        found += [name for name in named if name not in known]
    return found


def test_each_line_names_tests_that_there_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(LINE.findall(page)) > 25
    assert unproved(page) == []


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("`test_a_foreign_host_is_refused`", "`test_a_foreign_host_is_let_in`", "test_a_foreign_host_is_let_in"),
        ("| `test_a_new_key_is_shown_once_and_stored_without_its_secret` |", "| TODO |", "Keys in their file"),
    ],
)
def test_a_line_without_a_test_that_there_is_is_found(right: str, wrong: str, finding: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert right in page
    assert unproved(page.replace(right, wrong)) == [finding]
