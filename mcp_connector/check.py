"""Say what a `copier update` did to a project, and fail while something is left for you to do.

Run it in the project after the update and before the commit; or after that, with `--since` and the commit before the
update. It reads files and asks git, and changes nothing. Exit status: 0, nothing is left to do; 1, something is; 2,
there was nothing to check: no project, no git, no such commit, or wrong options.
"""

import argparse
import json
import re
import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sized
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .recorded import (
    ANSWERS_FILE,
    Answers,
    Problem,
    Value,
    answers,
    credential,
    git,
    order,
    put,
    read,
    shown,
    source_of,
    untagged,
)

DESCRIPTION = "Say what a `copier update` did to a project, and fail while something is left for you to do."
EPILOG = (
    "Exit status: 0, nothing is left to do; 1, something is; 2, it could not check: no project, no git, no such "
    "commit, or wrong options."
)
WIDTH = 110
WHOLE = 5000  # characters: longer than any path
BEGIN, MIDDLE, END = (re.compile(rb"^" + mark * 7 + rb"( .*)?\r?$") for mark in (b"<", b"=", b">"))


@dataclass
class Update:
    """A project before, at the commit `since`, and as its files are now."""

    project: Path
    since: str
    answers_file: str
    before: Answers
    after: Answers
    added: list[str]
    changed: list[str]
    deleted: list[str]


@dataclass
class Report:
    """What an update did; `--format json` prints it."""

    project: str
    version: dict[str, Value]  # before and after, as are the source and each changed answer
    source: dict[str, Value]  # without credentials
    answers: dict[str, dict[str, Any]]  # those changed, added and removed
    files: dict[str, list[str]]  # those added, changed and deleted
    notes: list[str] = field(default_factory=list)  # what could not be looked for
    left: list[str] = field(default_factory=list)  # sentences: what somebody must do


def names(output: str) -> list[str]:
    return [name for name in output.split("\0") if name]


def find_answers_file(project: Path, since: str) -> str:
    """The one answers file of the project, or of several the one that differs from the commit."""
    here = {path.name for path in project.iterdir() if ANSWERS_FILE.fullmatch(path.name)}
    committed = names(git("ls-tree", "--name-only", "-z", since, "--", "./", cwd=project))
    found = sorted(here | {name for name in committed if ANSWERS_FILE.fullmatch(name)})
    if len(found) > 1:
        changed = names(git("diff", "--name-only", "--relative", "-z", since, "--", *found, cwd=project))
        found = changed if len(changed) == 1 else found
    if not found:
        raise Problem(f"{project} has no .copier-answers.yml: name the folder of a project that Copier made.")
    if len(found) > 1:
        raise Problem(f"{project} has several answers files: choose one with --answers-file, {' or '.join(found)}.")
    return found[0]


def look(project: Path, since: str, answers_file: str | None) -> tuple[Update, list[str]]:
    """What changed since a commit, and what is wrong with the answers file."""
    if not project.is_dir():
        raise Problem(f"{shown(str(project), WHOLE)} is not a folder.")
    try:
        git("rev-parse", "--show-toplevel", cwd=project)
    except Problem as problem:
        raise Problem(f"{project}: {problem}.") from None
    try:
        git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{since}^{{commit}}", cwd=project)
    except Problem:
        raise Problem(f"{project} has no commit {since}: commit the project, or fetch that commit.") from None
    name = answers_file or find_answers_file(project, since)
    try:
        committed = git("show", f"{since}:./{name}", cwd=project)
    except Problem:
        raise Problem(f"{name} is not in the commit {since}: commit the project before the update.") from None

    status = names(git("diff", "--name-status", "--no-renames", "--relative", "-z", since, "--", ".", cwd=project))
    kinds = dict(zip(status[1::2], status[::2], strict=True))
    untracked = names(git("ls-files", "--others", "--exclude-standard", "-z", "--", ".", cwd=project))
    kinds.update({path: "M" if kinds.get(path) == "D" else "A" for path in untracked})
    files = (sorted(path for path in kinds if kinds[path] in kind) for kind in ("A", "MTU", "D"))
    update = Update(project, since, name, {}, {}, *files)

    wrong = []
    try:
        update.before = answers(committed)
    except Problem as problem:
        wrong.append(f"{name} at {since} cannot be read: {problem}.")
    if not (project / name).exists():
        wrong.append(f"{name} is gone, and no update can start without it: git checkout {since} -- {pasted(name)}")
        update.after = update.before
    else:
        try:
            update.after = read(project / name)
        except Problem as problem:
            wrong.append(f"{name} cannot be read: {problem}. Restore what the update wrote.")
            update.after = update.before
    return update, wrong


def differing(before: Answers, after: Answers) -> list[str]:
    """The names of questions whose answer changed."""
    return [name for name in before if name in after and before[name] != after[name] and name[0] != "_"]


def conflicts(update: Update) -> list[str]:
    """Entries of git's index that are not merged, files with markers, and rejected hunks."""
    project = update.project
    unmerged = sorted({line.split("\t", 1)[1] for line in names(git("ls-files", "-u", "-z", cwd=project))})
    marked = [path for path in [*update.added, *update.changed] if markers(update, path)]
    # Also what .gitignore hides: many people ignore *.rej. Not what others installed.
    hidden = ["ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--", "*.rej"]
    ignored = names(git(*hidden, ":(exclude,glob)**/.venv/**", ":(exclude,glob)**/node_modules/**", cwd=project))
    rejected = sorted({*ignored, *(path for path in update.added if path.endswith(".rej"))})
    found = []
    if both := [path for path in unmerged if path in marked]:
        found.append(f"In conflict: {listed(both)}. Keep the right lines, remove the markers, then git add.")
    if bare := [path for path in unmerged if path not in marked]:
        found.append(f"Not merged in git's index: {listed(bare)}. Look at each, then git add.")
    if left := [path for path in marked if path not in unmerged]:
        found.append(f"Conflict markers: {listed(left)}. Keep the right lines and remove the markers.")
    if rejected:
        found.append(f"Rejected hunks: {listed(rejected)}. Put each into its file by hand, then delete the .rej file.")
    return found


def markers(update: Update, path: str) -> bool:
    """Whether a file has more conflicts than before: documents about git have such lines, too."""
    file = update.project / path
    if file.is_symlink() or not file.is_file():
        return False
    now = count_conflicts(file.read_bytes())
    if now and path in update.changed:
        before = git("show", f"{update.since}:./{path}", cwd=update.project)
        now -= count_conflicts(before.encode(errors="surrogateescape"))
    return now > 0


def count_conflicts(content: bytes) -> int:
    """How often the three marks follow each other, each on a line of its own."""
    wanted, found = 0, 0
    for line in content.split(b"\n"):
        if BEGIN.match(line):
            wanted = 1
        elif (wanted == 1 and MIDDLE.match(line)) or (wanted == 2 and END.match(line)):
            wanted += 1
        if wanted == 3:
            wanted, found = 0, found + 1
    return found


def source(update: Update) -> list[str]:
    """What is wrong with where the template comes from and with the version."""
    name, recorded, commit = update.answers_file, update.after.get("_src_path"), update.after.get("_commit")
    found = []
    if not isinstance(recorded, str) or not recorded:
        found.append(f"{name} has no _src_path, so no update can start: add the template's URL, https://….git")
    elif credential(recorded):
        found.append(
            f"{name} has a password or token in _src_path: revoke it, write {shown(source_of(update.after), 120)} "
            "there, and let a git credential helper log in."
        )
    elif not re.match(r"(git\+)?(https|ssh)://[^/]+/.|git@[^/:]+:.", recorded):
        found.append(
            f"{name} has {shown(recorded)} as _src_path, which others cannot reach or Renovate cannot read: "
            "write the template's full URL there, https://….git"
        )
    if not isinstance(commit, str | int | float):
        found.append(
            f"{name} has no _commit, so no update can start: the copy was not of a release. "
            "Copy a release over it and look at what differs."
        )
    elif untagged(str(commit)):
        found.append(
            f"{name} has {shown(commit)} as _commit, which is not a release, because the template had no tags: whoever "
            "publishes it must run there: make tags && git push --tags. Then update again."
        )
    elif order(str(commit)) is None:
        found.append(
            f"{name} has {shown(commit)} as _commit, which is not a release and can vanish: "
            "update to a release, copier update --vcs-ref=vX.Y.Z"
        )
    else:
        before = order(str(update.before.get("_commit")))
        after = order(str(commit))
        if before and after and after < before:
            found.append(f"The version went back, from {shown(update.before.get('_commit'))} to {shown(commit)}.")
    return found


def by_hand(update: Update) -> list[str]:
    """Answers that somebody wrote into the file: Copier renders nothing for them."""
    name = update.answers_file
    others = [path for path in [*update.added, *update.changed, *update.deleted] if path != name]
    edited = edits(update.before, update.after)
    if edited and not others:
        return [advice(name, edited, update.after)]

    # The same, committed before the update: since the last commit that rendered something.
    touched = ["diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "-z", "--relative"]
    commits = git("rev-list", update.since, "--", name, cwd=update.project).split()
    for commit in commits:
        if names(git(*touched, commit, cwd=update.project)) != [name]:  # of a merge nobody can tell: it has none
            break
    else:
        return []
    try:
        edited = edits(answers(git("show", f"{commit}:./{name}", cwd=update.project)), update.before)
    except Problem:
        return []
    return [advice(name, edited, update.before, f" in {commits[0][:9]}")] if edited else []


def edits(before: Answers, after: Answers) -> list[str]:
    """Answers that differ where the version does not."""
    keys = {**before, **after}
    same = before.get("_commit") == after.get("_commit")
    return [key for key in keys if key[0] != "_" and before.get(key) != after.get(key)] if same else []


def advice(name: str, edited: list[str], now: Answers, where: str = "") -> str:
    data = " ".join(f"-d {assignment(key, now[key])}" for key in edited if key in now)
    return (
        f"{name} was edited by hand{where} ({listed(edited)}), and nothing was rendered for that. Undo that, commit, "
        f"and run: copier update --defaults --vcs-ref=:current: {data}".rstrip()
    )


def assignment(key: str, value: Value) -> str:
    """`KEY=VALUE` for a shell, or with `…` for what its owner must write there."""
    usable = isinstance(value, str | int | float) and str(value).isprintable()
    return shlex.quote(f"{key}={value}") if usable else f"{key}=…"


def edited_deletions(update: Update) -> tuple[list[str], bool]:
    """Deleted files that a commit of their owner had changed, and whether history is there to tell.

    An owner's commit is one that does not change the answers file: each copy and update writes it.
    """
    if not update.deleted:
        return [], True
    if git("rev-parse", "--is-shallow-repository", cwd=update.project).strip() == "true":
        return [], False

    def commits(path: str) -> set[str]:
        return set(git("rev-list", "--no-merges", update.since, "--", path, cwd=update.project).split())

    updates = commits(update.answers_file)
    return [path for path in update.deleted if commits(f":(literal){path}") - updates], True


def lost_lines(update: Update) -> list[str]:
    """Changed files without the lines that their owner had added, where no such line is left in any of them.

    Copier writes these last, all at once, so it may have been interrupted before. Looked for only before the commit:
    later, an owner may have removed lines.
    """
    at, head = git("rev-parse", f"{update.since}^{{commit}}", "HEAD", cwd=update.project).split()
    last = git("rev-list", "--max-count=1", at, "--", update.answers_file, cwd=update.project).strip()
    if at != head or last in ("", at):
        return []
    lost = []
    for path in update.changed:
        file = update.project / path
        if path == update.answers_file or path.endswith(".lock") or file.is_symlink() or not file.is_file():
            continue
        try:
            rendered, before = (git("show", f"{commit}:./{path}", cwd=update.project) for commit in (last, at))
        except Problem:  # it is younger than the last copy or update
            continue
        now = {*file.read_bytes().decode(errors="surrogateescape").splitlines()}
        own = {line for line in before.splitlines() if line.strip()} - {*rendered.splitlines()}
        if own & now:
            return []
        if own:
            lost.append(path)
    return lost


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


def report(update: Update) -> Report:
    """What happened, without what is left to do."""
    before, after = update.before, update.after
    files = (("added", update.added), ("changed", update.changed), ("deleted", update.deleted))
    return Report(
        project=update.project.resolve().name,
        version=step(shown(before.get("_commit", "no version")), shown(after.get("_commit", "no version"))),
        source=step(source_of(before), source_of(after)),
        answers={
            "changed": {name: step(before[name], after[name]) for name in differing(before, after)},
            "added": {name: value for name, value in after.items() if name not in before and name[0] != "_"},
            "removed": {name: value for name, value in before.items() if name not in after and name[0] != "_"},
        },
        files={kind: [path for path in paths if path != update.answers_file] for kind, paths in files},
    )


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
    lines += [f"  {note}" for note in found.notes]
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
    todo = "\n".join(left_to_do(found.left))
    fence = "`" * max(longest_run(todo) + 1, 3)
    parts += [*found.notes, f"{fence}text\n{todo}\n{fence}" if found.left else todo]
    return "\n\n".join(filter(None, parts)) + "\n"


def as_json(found: Report) -> str:
    """For a program: every name and value as it is."""
    return json.dumps(asdict(found), indent=2, allow_nan=False) + "\n"


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


def accept(names: list[str]) -> str:
    return " ".join(f"--accept {pasted(name)}" for name in names)


def counts(found: Mapping[str, Sized]) -> str:
    said = ", ".join(f"{len(items)} {kind}" for kind, items in found.items() if items)
    return said or "none changed"


def check(project: Path, since: str, answers_file: str | None, accepted: set[str]) -> Report:
    """What happened, and what is left for somebody to do."""
    update, wrong = look(project, since, answers_file)
    found, readable = report(update), not wrong
    wrong += conflicts(update)
    if changed := [name for name in differing(update.before, update.after) if name not in accepted]:
        wrong.append(
            f"Answers changed: {listed(changed)}. An update replaces an answer that is no longer valid. If you asked "
            f"for the change, accept it: {accept(changed)}"
        )
    lost, known = edited_deletions(update)
    if lost := [path for path in lost if path not in accepted]:
        wrong.append(
            f"Deleted with your edits: {listed(lost)}. Read what is gone with "
            f"git show {pasted(f'{since}:./{lost[0]}')} and move what you need, then accept the rest: {accept(lost)}"
        )
    elif not known:
        found.notes.append("This clone is shallow, so edits of yours in the deleted files cannot be found.")
    elif update.deleted:
        found.notes.append("Edits in these that you committed together with a copy or an update cannot be found.")
    if gone := [path for path in lost_lines(update) if path not in accepted]:
        wrong.append(
            f"Lines of yours are gone: {listed(gone)}; git diff shows them. If the update was interrupted, undo it as "
            f"the template's docs/updates.md says, and update again. If you do not need them, accept that: "
            f"{accept(gone)}"
        )
    wrong += by_hand(update)
    if readable:
        wrong += source(update)

    found.left = wrong
    return found


FORMATS = {"text": as_text, "markdown": as_markdown, "json": as_json}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "project", nargs="?", default=".", type=Path, metavar="PROJECT", help="its folder; default: here"
    )
    parser.add_argument("--since", default="HEAD", metavar="COMMIT", help="the commit before the update; default: HEAD")
    parser.add_argument("--answers-file", metavar="FILE", help="which one, where the project has several")
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="NAME",
        help="an answer that was meant to change, or a deleted file whose edits are not needed; repeatable",
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")


def run(given: argparse.Namespace, _: str) -> int:
    """Print the report; the exit status."""
    found = check(given.project, given.since, given.answers_file, set(given.accept))
    put(FORMATS[given.format](found))
    return 1 if found.left else 0
