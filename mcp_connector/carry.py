"""An owner's edits in files that a release moved, carried to where the lines around them went.

Copier removes the old file and writes the new one, and the owner's edit finds neither. Here, what the owner had changed
is the difference between a render of the release before and the commit before the update. A hunk goes where its lines
stand exactly once in the new files. Otherwise it is shown, with the place that it seems to belong to.

Lines are compared in Python, so neither line endings nor anybody's settings of git matter.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .hunk import CONTEXT, Hunk, Lines, hunks, packed, plain
from .rooms import Room

Texts = Mapping[str, Lines]
Place = tuple[str, int]  # a file, and the index of a line in it


@dataclass(frozen=True)
class Edit:
    """A hunk of a file that moved, and what became of it."""

    file: str  # the old one, as are all paths here, below the project
    hunk: str
    state: str  # `carried`, now or before; `free`, it can be carried; or `left` to the owner
    to: str  # the new file, or those that it may belong to
    line: int | None = None  # where, if that is known
    room: str = ""  # the function of extend.py that is for it


def moves(text: str) -> dict[str, list[str]]:
    """The rows of a `moves.yaml`: each old path below src/<package>/, with the new ones."""
    rows = re.sub(r"(^|\s)#.*", "", text)
    found = re.findall(r"^([\w./-]+):[ ]*(\[[^\]]*\]|(?:\n *- *\S+)+|\S+)", rows, flags=re.MULTILINE)
    return {old: re.findall(r"[\w./]+[\w./-]*", places) for old, places in found}


def found(texts: Texts, wanted: Sequence[str], start: bool = False, end: bool = False) -> list[Place]:
    """Where these lines stand: the index of the first; with `start` or `end`, at the start or end of a file alone."""
    needle = [plain(line) for line in wanted]
    places = []
    for name, text in texts.items():
        hay = [plain(line) for line in text]
        last = len(hay) - len(needle)
        first, final = (last if end else 0), (0 if start else last)
        places += [(name, i) for i in range(max(first, 0), final + 1) if hay[i : i + len(needle)] == needle]
    return places


def places(hunk: Hunk, texts: Texts, new: bool = False) -> list[Place]:
    """Where the old lines of a hunk, or the new ones, stand between those around it: the index of their first."""
    middle = hunk.new if new else hunk.old
    for width in (CONTEXT, CONTEXT - 1):
        before, after = hunk.before[-width:], hunk.after[:width]
        if sum(bool(line.strip()) for line in (*before, *hunk.old, *after)) < 2:
            return []
        start, end = len(before) < width, len(after) < width
        if at := found(texts, (*before, *middle, *after), start, end):
            return [(name, i + len(before)) for name, i in at]
    return []


def alone(hunk: Hunk, base: Lines, fresh: Texts, now: Texts) -> list[Place]:
    """Where replaced lines stand, whatever is around them: if they are distinctive, and their replacement is too."""
    old, new = packed(hunk.old), packed(hunk.new)
    if not old or len("".join(old)) < 12 or not new or {*new} & all_of(fresh) or len(found({"": base}, hunk.old)) != 1:
        return []
    return at if len(at := found(now, hunk.old)) == 1 else []


def stands(hunk: Hunk, every: Iterable[Hunk], now: Texts, fresh: Texts) -> bool:
    """Whether the new files have an edit already, by the owner or by us.

    `fresh` is what they are without edits, or nothing where that is unknown. Of `every` hunk, others may add the same.
    """
    if len(places(hunk, now, new=True)) > len(places(hunk, fresh, new=True)):
        return True
    own = packed(hunk.new)
    if not fresh or {*own} <= all_of(fresh):
        return False  # such lines look like the release's
    here, there = (len(found({name: packed(text) for name, text in texts.items()}, own)) for texts in (now, fresh))
    return here >= there + len(found({str(n): packed(one.new) for n, one in enumerate(every)}, own))


def all_of(texts: Texts) -> set[str]:
    return {line for text in texts.values() for line in packed(text)}


def hint(hunk: Hunk, now: Texts) -> tuple[str, int | None]:
    """The file and line beside which an edit seems to belong; without a line where nothing tells."""
    several = places(hunk, now)
    for text in () if several else (*hunk.new, *hunk.old, *reversed(hunk.before), *hunk.after):
        if text.strip() and len(at := found(now, [text])) == 1:
            return at[0]
    return " or ".join(dict.fromkeys(name for name, _ in several) or now), None


def carried(
    file: str, base: Lines, mine: Lines, fresh: Texts, now: dict[str, Lines], room: Room | None = None
) -> list[Edit]:
    """Each edit of one file that moved. Those that have a place are put into `now`, the new files as they are.

    `fresh` are the new files as the release has them. What belongs into `room` is for its owner to put there.
    """
    every = [*hunks(base, mine)]
    own = room.belonging(file, every) if room else {}
    put: list[tuple[Place, Hunk]] = []
    fates: list[tuple[Hunk, str, tuple[str, int | None]]] = []
    for hunk in every:
        if stands(hunk, every, now, fresh):
            there = places(hunk, now, new=True)
            fates.append((hunk, "carried", there[0] if there else hint(hunk, now)))
        elif room and hunk in own:
            fates.append((hunk, *room.fate(hunk, own[hunk])))
        elif len(at := places(hunk, now) or alone(hunk, base, fresh, now)) == 1:
            put += [(at[0], hunk)]
            fates.append((hunk, "free", at[0]))
        elif room and room.has(hunk):
            fates.append((hunk, *room.fate(hunk)))
        else:
            fates.append((hunk, "left", hint(hunk, now)))

    def line(name: str, index: int | None) -> int | None:
        """Counted from one, and in what the file will be."""
        if index is None:
            return None
        return index + 1 + sum(len(h.new) - len(h.old) for (file, above), h in put if file == name and above < index)

    result = [Edit(file, hunk.text(), state, place[0], line(*place), own.get(hunk, "")) for hunk, state, place in fates]
    for (name, index), hunk in sorted(put, key=lambda one: one[0], reverse=True):
        now[name][index : index + len(hunk.old)] = hunk.new
    return result


def write(path: Path, text: Lines) -> None:
    """Lines into a file, which keeps its line endings."""
    ending = b"\r\n" if b"\r\n" in path.read_bytes() else b"\n"
    path.write_bytes("\n".join(text).encode(errors="surrogateescape").replace(b"\n", ending))
