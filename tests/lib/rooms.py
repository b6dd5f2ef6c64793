"""Where owners write in files that the template changes, too, and a next release that changes every line beside."""

import re
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from . import rendering, updating
from .rendering import Answers

TABLE = Path(__file__).with_name("rooms.toml")
CHANGED = "changed by the next release"
WIDEST = 4  # lines of the template that owners replace in one room


class Room(NamedTuple):
    """The template's lines directly above and below what owners write; nothing at an end of the file."""

    above: str
    below: str


def recorded() -> dict[str, set[Room]]:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["rooms"]
    return {file: {Room(*pair) for pair in pairs} for file, pairs in rows.items()}


def projects() -> list[Answers]:
    """Every auth mode, target, source and pipeline, each in two combinations at least."""
    names = ("auth_mode", "hosting", "source", "ci")
    modes, targets, sources, pipelines = (rendering.choices(name) for name in names)
    longest = max(len(modes), len(targets))
    turns = zip(range(2 * longest), cycle(modes), cycle(targets), cycle(pipelines), strict=False)
    # Sources alternate the other way round the second time, since all counts are even but that of pipelines.
    return [
        dict(zip(names, (mode, target, sources[(turn + turn // longest) % 2], ci), strict=True))
        for turn, mode, target, ci in turns
    ]


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def changes(base: Path, ours: Path) -> list[tuple[int, int]]:
    """Of what owners changed, the lines of the template: from which, up to which. As git sees it when it merges."""
    options = ["--no-index", "--unified=0", "--no-indent-heuristic", "--diff-algorithm=myers"]
    done = subprocess.run(["git", "diff", *options, base, ours], capture_output=True, text=True)
    hunks = re.findall(r"^@@ -(\d+)(?:,(\d+))? ", done.stdout, re.MULTILINE)
    counted = [(int(first), int(count or 1)) for first, count in hunks]
    return [(first - bool(count), first - bool(count) + count) for first, count in counted]


def shared(project: Path, ours: Path) -> list[str]:
    """The template's files in which owners wrote."""
    before = rendering.files(project)
    return [
        name
        for name, data in rendering.files(ours).items()
        if name in before and data != before[name] and not name.startswith(updating.SEEDS)
    ]


def found(project: Path, ours: Path) -> Iterator[tuple[str, Room]]:
    """The rooms that owners used, by file."""
    for name in shared(project, ours):
        base = ["", *lines(project / name), ""]
        for start, end in changes(project / name, ours / name):
            yield name, Room(base[start], base[end + 1])


def beside(base: Path, ours: Path) -> list[str]:
    """The file, with each line changed that is next to the two around a room."""
    pairs = changes(base, ours)
    kept = {number for start, end in pairs for number in range(start - 1, end + 1)}
    next_to = {number for start, end in pairs for number in (start - 2, end + 1)} - kept
    return [f"{line} ({CHANGED})" if number in next_to else line for number, line in enumerate(lines(base))]


def plant(repository: Path) -> dict[str, set[Room]]:
    """Put a comment next to the two lines around each room of the template there; gives the rooms where it could."""
    planted: dict[str, set[Room]] = {}
    for source in sorted(path for path in (repository / "template").rglob("*") if path.is_file()):
        name = source.as_posix().removesuffix(".jinja").replace("{{ package_name }}", "acme_crm")
        for file, rooms in recorded().items():
            if not name.endswith(f"/{file}"):
                continue
            text = lines(source)
            places = {room: list(around(text, room)) for room in rooms}
            inside = {at for found in places.values() for start, end in found for at in range(start + 1, end + 1)}
            beside = {at for found in places.values() for start, end in found for at in (start, end + 1)} - inside
            mark = "//" if file.endswith(".ts") else "#"
            for at in sorted(beside & {*range(len(text))}, reverse=True):
                near = text[at] if at in {start for found in places.values() for start, _ in found} else text[at - 1]
                text.insert(at, f"{near[: len(near) - len(near.lstrip())]}{mark} {CHANGED}")
            source.write_text("\n".join([*text, ""]), encoding="utf-8")
            planted.setdefault(file, set()).update(room for room, found in places.items() if found)
    return planted


def around(source: Sequence[str], room: Room) -> Iterator[tuple[int, int]]:
    """The numbers of the lines above and below a room, wherever a template has these; the latter may be its end."""
    patterns = [re.compile(".*".join(map(re.escape, re.split(r"\{\{.*?\}\}", line)))) for line in source]
    literal = [number for number, line in enumerate(source) if not line.startswith("{%")]  # others render nothing
    for at, start in enumerate(literal):
        if not patterns[start].fullmatch(room.above):
            continue
        if not room.below and len(literal) - at <= WIDEST:
            yield start, len(source)
        for end in literal[at + 1 : at + 2 + WIDEST]:
            if patterns[end].fullmatch(room.below):
                yield start, end
                break
