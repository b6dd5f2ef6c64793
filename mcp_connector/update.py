"""A project before and after a `copier update`: its answers, and which files are not as they were."""

import re
from dataclasses import dataclass
from pathlib import Path

from .recorded import ANSWERS_FILE, Answers, Problem, answers, git, names, read, shown
from .report import WHOLE, pasted


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

    def had(self, path: str, content: bytes) -> bool:
        """Whether a file was just that before, whatever its line endings."""
        ours = git("show", f"{self.since}:./{path}", cwd=self.project).encode(errors="surrogateescape")
        return ours.replace(b"\r\n", b"\n") == content.replace(b"\r\n", b"\n")

    def at_head(self) -> bool:
        """Whether the update is not committed yet."""
        at, head = git("rev-parse", f"{self.since}^{{commit}}", "HEAD", cwd=self.project).split()
        return at == head


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
    if not (project / name).exists() and answers_file:
        raise Problem(f"{project} has no {shown(name, WHOLE)}: name its answers file, such as .copier-answers.yml.")
    try:
        committed = git("show", f"{since}:./{name}", cwd=project)
    except Problem:
        raise Problem(f"{name} is not in the commit {since}: commit the project before the update.") from None
    if answers_file and not re.search(r"^(_src_path|_commit|project_name):", committed, flags=re.MULTILINE):
        raise Problem(f"{shown(name, WHOLE)} is not an answers file: name the one that Copier wrote.")

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
