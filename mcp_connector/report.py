"""What `mcp-connector check` found, for a terminal, for a request, and for a program."""

import json
import re
import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sized
from dataclasses import asdict, dataclass, field
from typing import Any

from .carry import Edit
from .imports import Stale
from .recorded import Value, shown

WIDTH = 110
WHOLE = 5000  # characters: longer than any path


@dataclass
class Report:
    """What an update did; `--format json` prints it."""

    project: str
    version: dict[str, Value]  # before and after, as are the source and each changed answer
    source: dict[str, Value]  # without credentials
    answers: dict[str, dict[str, Any]]  # those changed, added and removed
    files: dict[str, list[str]]  # those added, changed and deleted
    notes: list[str] = field(default_factory=list)  # what could not be looked for
    unknown: str = ""  # why the releases could not be compared, in words of other programs
    left: list[str] = field(default_factory=list)  # sentences: what somebody must do
    moved: list[Edit] = field(default_factory=list)  # the owner's edits in files that the release moved
    imports: list[Stale] = field(default_factory=list)  # of what moved or is gone
    away: dict[str, str | None] = field(default_factory=dict)  # changed by the release, moved there or deleted by you


def listed(items: Iterable[str]) -> str:
    """`a, b, c`: all of them and whole, because whoever reads this must find each."""
    return ", ".join(shown(item, WHOLE) for item in items)


def pasted(text: str) -> str:
    """One word of a command that somebody pastes."""
    return shown(shlex.quote(text), WHOLE)


def wrapped(text: str, first: str, rest: str, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def accept(names: list[str]) -> str:
    return " ".join(f"--accept {pasted(name)}" for name in names)


def step(before: Value, after: Value) -> dict[str, Value]:
    return {"before": before, "after": after}


def arrow(found: Mapping[str, Value], width: int = 48) -> str:
    return f"{shown(found['before'], width)} → {shown(found['after'], width)}"


def as_text(found: Report) -> str:
    """For a terminal, or a code block."""
    version, source = found.version, found.source
    moved = arrow(version) if version["before"] != version["after"] else f"{shown(version['after'])}, as before"
    lines = [f"{shown(found.project, 90)}: {moved}, from {shown(source['after'], 70)}"]
    if source["before"] != source["after"]:
        lines.append(f"  the source was {shown(source['before'], 70)}")
    lines += ["", f"Answers: {counts(found.answers)}"]
    lines += [f"  {kind:<8} {name}: {said}" for kind, name, said in answers_said(found)]
    lines.append(f"Files: {counts(found.files)}")
    for kind, paths in found.files.items():
        if paths:
            lines += wrapped(listed(paths), f"  {kind:<8} ", " " * 11)
    for edit in found.moved:
        lines += ["", *wrapped(f"{shown(edit.file, WHOLE)}: {fate(edit)}", "  ", "  ")]
        lines += [f"    {line}" for line in hunk(edit)]
    if found.imports:
        lines += ["", *(line for one in found.imports for line in wrapped(stale(one), "  ", "      "))]
    if gone := stay_deleted(found):
        lines += wrapped(f"{GONE} {listed(gone)}.", "  ", "  ")
    for note in filter(None, [*found.notes, found.unknown and f"{UNKNOWN} {found.unknown}."]):
        lines += wrapped(note, "  ", "  ")
    return "\n".join([*lines, "", *left_to_do(found.left)]) + "\n"


def as_markdown(found: Report) -> str:
    """For a request, or a comment on one. Names are code there, so that none of them is a mention or a link."""
    version, source = found.version, found.source
    parts = [f"### {code(found.project)}: {code(version['before'])} → {code(version['after'])}"]
    parts.append(f"Template: {code(source['after'])}")
    if source["before"] != source["after"]:
        parts.append(f"The source was {code(source['before'])}.")
    parts.append(f"**Answers**: {counts(found.answers)}")
    parts.append("\n".join(f"- {kind}: {code(f'{name}: {said}')}" for kind, name, said in answers_said(found)))
    parts.append(f"**Files**: {counts(found.files)}")
    parts.append("\n".join(f"- {kind}: {', '.join(map(code, paths))}" for kind, paths in found.files.items() if paths))
    for edit in found.moved:
        parts += [f"{code(edit.file)}: {code(fate(edit))}", fenced("\n".join(hunk(edit)), "diff")]
    parts.append("\n".join(f"- {code(stale(one))}" for one in found.imports))
    todo = "\n".join(left_to_do(found.left))
    if gone := stay_deleted(found):
        parts.append(f"{GONE} {', '.join(map(code, gone))}.")
    parts += [*found.notes, found.unknown and f"{UNKNOWN} {code(found.unknown)}."]
    parts += [fenced(todo, "text") if found.left else todo]
    return "\n\n".join(filter(None, parts)) + "\n"


def as_json(found: Report) -> str:
    """For a program: every name and value as it is."""
    return json.dumps(asdict(found), indent=2, allow_nan=False) + "\n"


GONE = "The release changed files that you deleted, and they stay deleted:"

UNKNOWN = "What the release changed in files that you moved or deleted is not known:"


def stay_deleted(found: Report) -> list[str]:
    return [path for path, to in found.away.items() if to is None]


def fenced(text: str, language: str) -> str:
    fence = "`" * max(longest_run(text) + 1, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def fate(edit: Edit) -> str:
    """What became of an edit of the owner's, or what should."""
    if not edit.to:
        return "your edit has no place, because none of the new files is here"
    line = f", line {edit.line}" if edit.line else ""
    if edit.room and edit.state == "left":
        return f"your edit belongs to `{edit.room}` in {edit.to}{line}"
    what = {"carried": "is in", "free": "can be carried to", "left": "seems to belong beside" if line else "belongs to"}
    return f"your edit {what[edit.state]} {edit.to}{line}"


def stale(one: Stale) -> str:
    """A line that names what is not there, and what to write instead."""
    now, what = " or ".join(one.now), one.name or one.module
    if one.name and one.module:
        what = f"{one.name} of {one.module}"
    if not now:
        now = "is nowhere now"
        if one.was:
            add = f"write {one.was}" if "import " in one.was else f"copy it from the old {one.was}"
            now = f"{now}: {add}"
    else:
        now = f"is now in {now}" if one.name else f"is now {now}"
    return f"{shown(one.file, WHOLE)} line {one.line}: {what} {now}"


def hunk(edit: Edit) -> list[str]:
    """Its lines, without characters that a terminal would obey."""
    return ["".join(c if c.isprintable() or c == "\t" else " " for c in line) for line in edit.hunk.split("\n")]


def answers_said(found: Report) -> list[tuple[str, str, str]]:
    """The kind of each change, the name of the answer, and what it is now, and was."""
    changed = [("changed", name, arrow(values)) for name, values in found.answers["changed"].items()]
    rest = [
        (kind, name, shown(found.answers[kind][name])) for kind in ("added", "removed") for name in found.answers[kind]
    ]
    return [*changed, *rest]


def left_to_do(left: list[str]) -> list[str]:
    if not left:
        return ["Nothing is left for you to do."]
    lines = ["1 thing is left for you to do:" if len(left) == 1 else f"{len(left)} things are left for you to do:"]
    for number, sentence in enumerate(left, 1):
        lines += wrapped(sentence, f"  {number}. ", "     ")
    return lines


def code(text: Value) -> str:
    """As code in Markdown, whatever backticks it has."""
    said = shown(text, WHOLE)
    marks = "`" * (longest_run(said) + 1)
    space = " " if said[0] in "` " or said[-1] in "` " else ""  # CommonMark takes one away again
    return f"{marks}{space}{said}{space}{marks}"


def longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def counts(found: Mapping[str, Sized]) -> str:
    said = ", ".join(f"{len(items)} {kind}" for kind, items in found.items() if items)
    return said or "none changed"


FORMATS = {"text": as_text, "markdown": as_markdown, "json": as_json}
