"""No line of this repository has more than 120 characters, but for tables and what is rendered as it stands."""

import re
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import pytest

from ..lib import rendering

WIDTH = 120
TABLE = rendering.ROOT / "tests/lib/long_lines.toml"
JINJA = re.compile(r"\{% raw %\}.*?\{% endraw %\}|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
NAME = re.compile(r"\{\{ [\w.]+ \}\}")  # stands for a value, in a line that is otherwise rendered as it stands


class Exempt(NamedTuple):
    """Lines that may be longer."""

    files: str
    why: str
    lines: str = ""

    def covers(self, name: str, line: str) -> bool:
        return fnmatchcase(name, self.files) and bool(re.search(self.lines, line))


EXEMPT = [Exempt(**row) for row in tomllib.loads(TABLE.read_text(encoding="utf-8"))["row"]]


def computed(text: str) -> set[int]:
    """The numbers of lines, from 0, in which Jinja says more than a name, so that it can be broken there."""
    numbers: set[int] = set()
    for match in JINJA.finditer(text):
        if not NAME.fullmatch(match[0]) and not match[0].startswith("{% raw"):
            numbers.update(range(text.count("\n", 0, match.start()), text.count("\n", 0, match.end()) + 1))
    return numbers


def long_lines(name: str, text: str, exempt: Sequence[Exempt] = ()) -> list[str]:
    """The lines that are too long, each with its file and number."""
    lines = text.split("\n")
    rendered = set(range(len(lines))) if name.endswith(".jinja") or "template" in name.split("/") else set()
    if name.endswith(".jinja"):
        rendered -= computed(text)
    return [
        f"{name}:{number + 1}: {line}"
        for number, line in enumerate(lines)
        if len(line) > WIDTH
        and number not in rendered
        and not line.lstrip().startswith("|")
        and not any(row.covers(name, line) for row in exempt)
    ]


def test_no_line_is_too_long() -> None:
    found = [line for name, text in rendering.committed_texts().items() for line in long_lines(name, text, EXEMPT)]
    assert not found, "\n".join(found)


def test_each_exemption_is_needed() -> None:
    every = rendering.committed_texts()
    all_of_them = sum(len(long_lines(name, text)) for name, text in every.items())
    for row in EXEMPT:
        assert sum(len(long_lines(name, text, [row])) for name, text in every.items()) < all_of_them, row


WORDS = "word " * 30


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tests/lib/x.py", f"# {WORDS}"),
        ("hooks/modes/x.yaml", f"about: {WORDS}"),
        ("hooks/modes/x.yaml", f"about: {{{{ name }}}} {WORDS}"),
        ("hooks/x.jinja", f"{{#- {WORDS} -#}}"),
        ("hooks/x.jinja", f"{{#- First.\n    {WORDS}\n    Last. -#}}"),
        ("hooks/x.jinja", f"{{%- set x = '{WORDS}' -%}}"),
        ("template/docs/x.md.jinja", f"You pay{{{{ ' for {WORDS}' if facts.mode.proxied }}}}."),
        ("template/docs/x.md.jinja", f"{WORDS}{{{{ first + 2 }}}}"),
        ("Makefile", f"\tpytest {WORDS} ## It runs."),
        ("README.md", f"[page](https://example.com/{'x' * 120}) {WORDS}"),
    ],
)
def test_a_line_that_is_too_long_is_found(name: str, text: str) -> None:
    [found] = long_lines(name, text, EXEMPT)
    assert found.startswith(f"{name}:")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", f"| {WORDS} |"),
        ("CONTRIBUTING.md", f"   | {WORDS} |"),
        ("template/docs/x.md.jinja", f"{WORDS} of {{{{ facts.command }}}}"),
        ("template/x.yaml.jinja", f"{{% raw %}}{{{{ $value | {WORDS} }}}}{{% endraw %}}"),
        ("template/src/x.py", f"# {WORDS}"),
        ("hooks/providers/x.yaml", f"  - https://example.com/{'x' * 120}"),
        ("Makefile", f"test: $(ENV) ## {WORDS}"),
    ],
)
def test_a_line_that_cannot_be_broken_is_not_found(name: str, text: str) -> None:
    assert long_lines(name, text, EXEMPT) == []
