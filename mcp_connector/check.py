"""Say what a `copier update` did to a project, and fail while something is left for you to do.

Run it in the project after the update and before the commit, or right after the commit; later, with `--since` and the
commit before the update. Before the commit, it carries edits of yours into files that the release moved; it changes
nothing else. Exit status: 0, nothing is left to do; 1, something is; 2, there was nothing to check: no project, no git,
no such commit, or wrong options.
"""

import argparse
import re
import shlex
from pathlib import Path

from . import locks, moved
from .recorded import Answers, Problem, Value, answers, credential, git, names, order, put, shown, source_of, untagged
from .release import Sides
from .report import FORMATS, Report, accept, listed, pasted, step
from .update import Update, look

DESCRIPTION = "Say what a `copier update` did to a project, and fail while something is left for you to do."
EPILOG = (
    "Exit status: 0, nothing is left to do; 1, something is; 2, it could not check: no project, no git, no such "
    "commit, or wrong options."
)
BEGIN, MIDDLE, END = (re.compile(rb"^" + mark * 7 + rb"( .*)?\r?$") for mark in (b"<", b"=", b">"))


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


def just_updated(update: Update) -> bool:
    """Whether the commit that the project is compared with is itself an update, and no other was made since."""
    try:
        earlier = answers(git("show", f"{update.since}~1:./{update.answers_file}", cwd=update.project))
    except Problem:  # the first commit, or a shallow clone
        return False
    versions = [recorded.get("_commit") for recorded in (earlier, update.before, update.after)]
    return versions[0] != versions[1] and update.before == update.after


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


def edited_deletions(update: Update, both: Sides | None) -> tuple[list[str], bool]:
    """Deleted files that their owner had changed or added, and whether that is certain.

    A file of the release before is compared with it, if that was rendered. Else history tells: an owner's commit is one
    that does not change the answers file, because each copy and update writes it.
    """
    if not update.deleted:
        return [], True
    known = both.old if both else {}
    edited = [path for path in update.deleted if path in known and not update.had(path, known[path])]
    rest = [path for path in update.deleted if path not in known]
    if not rest or git("rev-parse", "--is-shallow-repository", cwd=update.project).strip() == "true":
        return edited, not rest

    def commits(path: str) -> set[str]:
        return set(git("rev-list", "--no-merges", update.since, "--", path, cwd=update.project).split())

    updates = commits(update.answers_file)
    owned = {*edited, *(path for path in rest if commits(f":(literal){path}") - updates)}
    return [path for path in update.deleted if path in owned], True


def successors(update: Update, accepted: set[str]) -> list[str]:
    """What is left to do about the locks of 1.x, where this update deleted them."""
    if not set(locks.GONE) & {*update.deleted}:
        return []
    own = git("show", f"{update.since}:./{locks.OWN}", cwd=update.project) if locks.OWN in update.deleted else ""
    try:
        git("check-ignore", "--quiet", "--no-index", "uv.lock", cwd=update.project)
        ignored = True
    except Problem:
        ignored = False
    return locks.left(update.project, own, ignored, accepted)


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


def check(
    project: Path,
    since: str | None,
    answers_file: str | None,
    accepted: set[str],
    carrying: bool | None = None,
    rendering: bool = True,
) -> Report:
    """What happened, and what is left for somebody to do.

    Without `since`, that is the last commit, or the one before it where the last commit is the update.
    `carrying` writes edits into files that moved; None does that before the commit alone, where the result is seen.
    """
    update, wrong = look(project, since or "HEAD", answers_file)
    committed = since is None and not wrong and just_updated(update)
    if committed:
        update, wrong = look(project, "HEAD~1", answers_file)
    found, readable = report(update), not wrong
    both, why = moved.sides(update, rendering and readable)
    wrong += [*conflicts(update), *moved.conflicting(update, both)]
    if changed := [name for name in differing(update.before, update.after) if name not in {*accepted, "package_name"}]:
        wrong.append(
            f"Answers changed: {listed(changed)}. An update replaces an answer that is no longer valid. If you asked "
            f"for the change, accept it: {accept(changed)}"
        )
    wrong += moved.package(update, accepted)
    wrong += moved.find(update, found, both, update.at_head() if carrying is None else carrying, accepted)
    wrong += successors(update, accepted)
    said = {*accepted, *locks.GONE, *(edit.file for edit in found.moved)}
    lost, known = edited_deletions(update, both)
    if lost := [path for path in lost if path not in said]:
        wrong.append(
            f"Deleted with your edits: {listed(lost)}. Read what is gone with "
            f"git show {pasted(f'{update.since}:./{lost[0]}')} and move what you need, then accept the rest: "
            f"{accept(lost)}"
        )
    elif not known:
        found.notes.append("This clone is shallow, so edits of yours in the deleted files cannot be found.")
    elif update.deleted and not both:
        found.notes.append("Edits in these that you committed together with a copy or an update cannot be found.")
    if both:
        wrong += moved.away(update, found, both, accepted)
    if committed:
        found.notes.append("The last commit is the update, so this looks at what changed since HEAD~1.")
    found.unknown = why
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "project", nargs="?", default=".", type=Path, metavar="PROJECT", help="its folder; default: here"
    )
    parser.add_argument(
        "--since",
        metavar="COMMIT",
        help="the commit before the update; default: HEAD, or HEAD~1 where HEAD is the update",
    )
    parser.add_argument("--answers-file", metavar="FILE", help="which one, where the project has several")
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="NAME",
        help="an answer that was meant to change, or a deleted file whose edits are not needed; repeatable",
    )
    parser.add_argument(
        "--carry",
        action=argparse.BooleanOptionalAction,
        help="write your edits of files that the release moved into the new files; on unless --since says otherwise",
    )
    parser.add_argument(
        "--render",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="render both releases, which takes some seconds, to compare your files with them; on unless you choose "
        "--no-render",
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")


def run(given: argparse.Namespace, _: str) -> int:
    """Print the report; the exit status."""
    accepted = set(given.accept)
    found = check(given.project, given.since, given.answers_file, accepted, given.carry, given.render)
    put(FORMATS[given.format](found))
    return 1 if found.left else 0
