"""What an owner of 1.x wrote into files of the template, and has a room for in extend.py since 2.0."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .hunk import Hunk, Lines, packed

EXTEND = "extend.py"
COMMAND = re.compile(r"\.add_parser\(|\bset_defaults\(run=|\(commands\)")
HOOKS = {"middleware": r"\bMiddleware\(", "lifespan": r"\blifespan", "routes": r"\b(Route|Mount)\("}  # in app.py
IMPORT = re.compile(r"(from [.\w]+ )?import |\w+( as \w+)?,$|\)$")


@dataclass(frozen=True)
class Room:
    """The extend.py of a connector, and as the release makes it."""

    path: str
    now: Lines
    fresh: Lines

    def belonging(self, file: str, every: Sequence[Hunk]) -> dict[Hunk, str]:
        """Of the edits in cli.py of 1.x, those of commands and what these need; the commands with their function."""
        if not file.endswith("/cli.py"):
            return {}
        found = {hunk: "add_commands" for hunk in every if COMMAND.search("\n".join(added(hunk)))}
        while more := [hunk for hunk in every if hunk not in found and apart(hunk) and bound(hunk) & needed(found)]:
            found.update(dict.fromkeys(more, ""))
        return found

    def has(self, hunk: Hunk) -> bool:
        """Whether the owner put an edit here: each line, whatever its indentation, or what a line imports."""
        lines, here = added(hunk), {*packed(self.now)}
        if not lines or {*lines} <= {*packed(self.fresh)}:
            return False
        others = [line for line in lines if line not in here]
        imported = {*words(line for line in here if IMPORT.match(line))}
        return all(IMPORT.match(line) for line in others) and (not others or bound(hunk) <= imported)

    def fate(self, hunk: Hunk, function: str = "") -> tuple[str, tuple[str, int | None]]:
        """What became of an edit that belongs here, and the index of the line."""
        if self.has(hunk):
            lines = added(hunk)
            return "carried", (self.path, next((i for i, line in enumerate(self.now) if line.strip() in lines), None))
        at = (i for i, line in enumerate(self.now) if function and f"def {function}(" in line)
        return "left", (self.path, next(at, None))


def added(hunk: Hunk) -> Lines:
    """Its lines that are the owner's."""
    old = packed(hunk.old)
    return [line for line in packed(hunk.new) if line not in old]


def bound(hunk: Hunk) -> set[str]:
    """Names that its lines define or import for the whole module."""
    text = "\n".join(line for line in hunk.new if line not in hunk.old)
    defined = re.findall(r"^(?:async )?(?:def|class) (\w+)|^(\w+)(?:: [^=]+)? = ", text, re.MULTILINE)
    named = words(line.split("import ")[-1] for line in added(hunk) if IMPORT.match(line))
    return {name for pair in defined for name in pair if name} | {*named} - {*words(packed(hunk.old))}


def words(lines: Iterable[str]) -> list[str]:
    return [word for line in lines for word in re.findall(r"[A-Za-z_]\w*", line)]


def needed(hunks: Iterable[Hunk]) -> set[str]:
    return {word for hunk in hunks for word in words(added(hunk))}


def apart(hunk: Hunk) -> bool:
    """Whether it only adds, or changes imports alone."""
    return not packed(hunk.old) or all(IMPORT.match(line) for line in (*packed(hunk.old), *packed(hunk.new)))


def hooks(lines: Iterable[str]) -> list[str]:
    """The functions of extend.py that lines of app.py belong to."""
    text = "\n".join(lines)
    return [name for name, sign in HOOKS.items() if re.search(sign, text)]
