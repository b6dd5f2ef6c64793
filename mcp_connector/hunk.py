"""What an owner changed in one file, as the parts of a patch."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

CONTEXT = 3  # lines on each side of a hunk; a place that has two of them will do
Lines = list[str]


@dataclass(frozen=True)
class Hunk:
    """A change of the owner's: `old` lines became `new` ones, between lines that stayed."""

    before: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]
    after: tuple[str, ...]

    def text(self) -> str:
        """As a patch shows it."""
        signs = ((" ", self.before), ("-", self.old), ("+", self.new), (" ", self.after))
        return "\n".join(f"{sign}{line}".rstrip() for sign, lines in signs for line in lines).strip("\n")


def plain(line: str) -> str:
    """A line for comparison: in another folder, an import of the same module has another number of dots."""
    return re.sub(r"^(\s*from )\.+(\S*)( import\b)", r"\1.\2\3", line.rstrip())


def lines(data: bytes) -> Lines:
    return data.decode(errors="surrogateescape").replace("\r\n", "\n").split("\n")


def hunks(base: Lines, mine: Lines) -> Iterator[Hunk]:
    """What the owner changed; changes with less than three lines between them are one."""
    matcher = SequenceMatcher(None, [*map(plain, base)], [*map(plain, mine)], autojunk=False)
    joined: list[tuple[int, int, int, int]] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            continue
        between = base[joined[-1][1] : a] if joined else []
        if joined and (len(between) < 3 or not any(line.strip() for line in between)):
            a, _, c, _ = joined.pop()
        joined.append((a, b, c, d))
    for a, b, c, d in joined:
        around = base[max(a - CONTEXT, 0) : a], base[b : b + CONTEXT]
        yield Hunk(tuple(around[0]), tuple(base[a:b]), tuple(mine[c:d]), tuple(around[1]))


def packed(text: Iterable[str]) -> Lines:
    """Without indentation and empty lines: an owner may have put an edit into another block."""
    return [line.strip() for line in text if line.strip()]
