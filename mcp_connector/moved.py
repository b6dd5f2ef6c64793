"""What an update cannot reach: files that the release moved, and files or a package that the owner did."""

import re
from dataclasses import replace
from pathlib import Path

from . import carry, release
from .hunk import lines, packed
from .imports import Moves, Stale, stale
from .recorded import Problem, git, names, shown, source_of
from .renders import installable
from .report import Report, accept, listed, pasted
from .rooms import EXTEND, Room, hooks
from .update import Update

RENAME = 'Undo the update, and follow "Rename the package" in the template\'s docs/updates.md.'


def package(update: Update, accepted: set[str]) -> list[str]:
    """What is wrong with where the package lies: then no change of its files arrives."""
    name, before = (recorded.get("package_name") for recorded in (update.after, update.before))
    if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
        return []
    home = f"src/{name}"
    there = names(git("ls-tree", "-z", "--name-only", update.since, "--", f"./{home}/", cwd=update.project))
    if isinstance(before, str) and before != name:
        rest = update.project / "src" / before
        if "package_name" in accepted and not rest.exists():
            return []
        return [f"package_name changed from {shown(before)} to {name}, which moves none of your own files. {RENAME}"]
    if not there:
        return [
            f"{home} is not in {update.since}, although package_name is {name}: what the release changed in it did not "
            f"reach your files. {RENAME}"
        ]
    if not (update.project / home).is_dir():
        return [f"{home} is gone, although package_name is {name}. {RENAME}"]
    return []


def sides(update: Update, rendering: bool) -> tuple[release.Sides | None, str]:
    """Both releases rendered, or why not; neither where the release is the same."""
    versions = [recorded.get("_commit") for recorded in (update.before, update.after)]
    if not rendering or versions[0] == versions[1] or not all(versions) or not update.after.get("_src_path"):
        return None, ""
    try:
        found = release.sides(update.project, update.since, update.before, update.after, update.answers_file)
    except Problem as problem:
        return None, str(problem)
    return found, ""


def away(update: Update, found: Report, both: release.Sides, accepted: set[str]) -> list[str]:
    """Note what the release changed in files that the owner moved or deleted; the moved ones are left to do."""
    home = f"src/{update.before.get('package_name')}/"
    known = names(git("ls-tree", "-z", "--name-only", update.since, "--", f"./{home}", cwd=update.project))
    skipped = "\0" if known else home  # a package elsewhere is said as one thing, see `package`
    moved = {path: both.relocated[path] for path in both.unmet(both.relocated) if not path.startswith(skipped)}
    gone = [path for path in both.unmet(both.deleted) if not path.startswith(skipped)]
    gone = [path for path in gone if not (update.project / path).exists()]
    found.away = {**moved, **dict.fromkeys(gone)}
    if left := [path for path in moved if path not in accepted]:
        where = listed(f"{path} (now {moved[path]})" for path in left)
        return [
            f"The release changed files that you moved, and the changes did not reach them: {where}. Undo the update, "
            "move the files back, commit and update again; or make the changes yourself and accept that: "
            f"{accept(left)}"
        ]
    return []


def edits(update: Update, both: release.Sides | None, moves: Moves, carrying: bool) -> list[carry.Edit]:
    """The owner's edits in files that the release moved. With `carrying`, those that have a place are written there."""
    home = f"src/{update.after.get('package_name')}"
    room = extend(update, both)
    result = []
    for old, places in moves.items():
        path = f"{home}/{old}"
        base, mine = base_of(update, both, path), committed(update, update.since, path)
        if path not in update.deleted or base is None or mine is None:
            continue
        targets = [f"{home}/{place}" for place in places if (update.project / home / place).is_file()]
        now = {name: lines((update.project / name).read_bytes()) for name in targets}
        fresh = {name: lines(both.new[name]) for name in targets if name in both.new} if both else {}
        found = carry.carried(path, lines(base), lines(mine), fresh, now, room)
        if carrying:
            for name in {edit.to for edit in found if edit.state == "free"}:
                carry.write(update.project / name, now[name])
            found = [replace(edit, state="carried") if edit.state == "free" else edit for edit in found]
        result += found
    return result


def extend(update: Update, both: release.Sides | None) -> Room | None:
    """The room for code of the owner's, if the connector has it."""
    path = f"src/{update.after.get('package_name')}/{EXTEND}"
    if not (update.project / path).is_file():
        return None
    return Room(path, lines((update.project / path).read_bytes()), lines(both.new.get(path, b"") if both else b""))


def conflicting(update: Update, both: release.Sides | None) -> list[str]:
    """What an owner wrote into app.py, where a conflict shows it and extend.py has a room for it."""
    room, path = extend(update, both), f"src/{update.after.get('package_name')}/app.py"
    file = update.project / path
    if not room or not both or path not in both.old or not file.is_file():
        return []
    text = "\n".join(lines(file.read_bytes()))
    blocks = re.findall(r"^<{7}(?: [^\n]*)?\n(.*?)^={7}$", text, re.DOTALL | re.MULTILINE)
    own = {line for block in blocks for line in packed(block.split("\n"))} - {*packed(lines(both.old[path]))}
    if functions := hooks(own):
        named = listed(f"`{name}`" for name in functions)
        return [f"In {path}, take the template's lines where they conflict, and move yours to {named} in {room.path}."]
    return []


def imports(update: Update, both: release.Sides | None, moves: Moves) -> list[Stale]:
    """Names that moved with their module, in files that are not as the release has them."""
    package = str(update.after.get("package_name"))
    if not any(f"src/{package}/{old}" in update.deleted for old in moves):
        return []
    listed = ["ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "*.py", "*.toml"]
    files = sorted({*names(git(*listed, cwd=update.project))})
    new = both.new if both else {}
    own = [name for name in files if name not in new or not same(update.project / name, new[name])]

    def before(path: str) -> str | None:
        text = committed(update, update.since, path)
        return None if text is None else text.decode(errors="replace")

    return stale(update.project, package, moves, own, before)


def same(file: Path, content: bytes) -> bool:
    return file.is_file() and file.read_bytes().replace(b"\r\n", b"\n") == content.replace(b"\r\n", b"\n")


def find(update: Update, found: Report, both: release.Sides | None, carrying: bool, accepted: set[str]) -> list[str]:
    """Note all that moved, and carry what can be; what is left to do."""
    moves = both.moves if both else release.moves_here()
    found.moved = edits(update, both, moves, carrying)
    found.imports = imports(update, both, moves)
    left = []
    free, stuck = (
        sorted({edit.file for edit in found.moved if edit.state == state} - accepted) for state in ("free", "left")
    )
    if free:
        after = "before the commit, or with --since HEAD~1 after it"
        if not update.at_head():
            after = f"--since {pasted(update.since)}, and commit what it writes"
        left.append(
            f"The release moved files, and your edits in them can be carried along: {listed(free)}. Run "
            f"{tool(update)} check --carry {after}. If you do not need them, accept that: {accept(free)}"
        )
    if stuck:
        left.append(
            f"The release moved files, and these edits of yours are not carried, as shown above: "
            f"{listed(stuck)}. Put each where it belongs. If you do not need them, accept that: {accept(stuck)}"
        )
    if found.imports:
        files = listed(dict.fromkeys(one.file for one in found.imports))
        left.append(f"Lines of these files name what is not there any more, as shown above: {files}. Correct each.")
        if old := next((one.was for one in found.imports if one.was.endswith(".py")), ""):
            left[-1] += f" This prints the old file: git show {pasted(f'{update.since}:./{old}')}"
    return left


def tool(update: Update) -> str:
    """The command of the release updated to."""
    where = installable(source_of(update.after), update.project)
    version = f"{where}@{update.after.get('_commit')}"
    return f"uvx --from {pasted(version)} mcp-connector" if where else "mcp-connector"


def base_of(update: Update, both: release.Sides | None, path: str) -> bytes | None:
    """A file as the release before made it. If that was not rendered, as the last copy or update left it."""
    if both:
        return both.old.get(path)
    last = git("rev-list", "--max-count=1", update.since, "--", update.answers_file, cwd=update.project).strip()
    return committed(update, last, path) if last else None


def committed(update: Update, commit: str, path: str) -> bytes | None:
    try:
        return git("show", f"{commit}:./{path}", cwd=update.project).encode(errors="surrogateescape")
    except Problem:
        return None
