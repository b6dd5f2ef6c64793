"""What a release changed of a connector, apart from what its owner changed: both releases, rendered without edits."""

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from . import carry, renders
from .imports import Moves
from .recorded import Answers, Problem, git, names, shown, source_of

MOVES = "hooks/moves.yaml"  # of the release updated to: what it and those before it moved


@dataclass(frozen=True)
class Sides:
    """A connector as the release before makes it, and as the new one does."""

    old: Mapping[str, bytes]
    new: Mapping[str, bytes]
    moves: Moves
    relocated: Mapping[str, str] = field(default_factory=dict)  # files that the owner moved, and where to
    deleted: list[str] = field(default_factory=list)  # files that the owner deleted

    def unmet(self, paths: Mapping[str, str] | list[str]) -> list[str]:
        """Those of these files that the release changed."""
        return [path for path in paths if path in self.new and self.new[path] != self.old[path]]


def sides(project: Path, since: str, before: Answers, after: Answers, answers_file: str) -> Sides:
    """Both renders of a project that was updated from its state at `since`.

    Raises:
        Problem: The template cannot be reached, or cannot be rendered.
    """
    copier = renders.command()
    with tempfile.TemporaryDirectory(prefix="check.") as folder:
        work = Path(folder)
        mirror = work / "template.git"
        try:
            renders.clone(renders.location(source_of(after), project), mirror)
        except Problem as problem:
            raise Problem(f"{shown(source_of(after), 90)} cannot be cloned ({problem})") from None
        both = [{**recorded, "_src_path": after["_src_path"]} for recorded in (before, after)]
        for recorded in both:
            if not renders.has(mirror, str(recorded["_commit"])):
                raise Problem(f"the template has no {shown(recorded['_commit'])}")
        with ThreadPoolExecutor() as pool:
            jobs = [
                pool.submit(renders.render, copier, mirror, recorded, answers_file, work / name)
                for name, recorded in zip(("old", "new"), both, strict=True)
            ]
            old, new = (job.result() for job in jobs)
        owned = [pattern for recorded in both for pattern in renders.seeds(mirror, str(recorded["_commit"]))]
        relocated, deleted = away(project, since, old, work)
        return Sides(
            renders.files(old),
            renders.files(new),
            moves(mirror, str(after["_commit"])),
            {one: other for one, other in relocated.items() if not renders.is_seed(one, owned)},
            [path for path in deleted if not renders.is_seed(path, owned)],
        )


def moves(mirror: Path, version: str) -> Moves:
    try:
        return carry.moves(git("show", f"{version}:{MOVES}", cwd=mirror))
    except Problem:  # no file moved up to this release
        return {}


def moves_here() -> Moves:
    """The same, of the clone of the template from which this runs, if it does."""
    try:
        return carry.moves((Path(__file__).parents[1] / MOVES).read_text(encoding="utf-8"))
    except OSError:
        return {}


def away(project: Path, since: str, rendered: Path, work: Path) -> tuple[dict[str, str], list[str]]:
    """Rendered files that the project has elsewhere at a commit, and those that it does not have."""
    store, tree = stored(project, rendered, work)
    mine = git("rev-parse", f"{since}:./", cwd=project).strip()
    options = ["-r", "-z", "-l0", "--find-renames", "--diff-filter=RD", "--name-status"]
    listed = iter(names(git("diff-tree", *options, tree, mine, cwd=store)))
    relocated, deleted = {}, []
    for status in listed:
        path = next(listed)
        if status == "D":
            deleted.append(path)
        else:
            relocated[path] = next(listed)
    return relocated, deleted


def stored(project: Path, rendered: Path, work: Path) -> tuple[Path, str]:
    """A repository that has all that the project's has, and a folder as a tree in it."""
    store = work / "trees.git"
    form = git("rev-parse", "--show-object-format", cwd=project).strip()
    git("init", "--quiet", "--bare", f"--object-format={form}", store, cwd=work)
    objects = (project / git("rev-parse", "--git-path", "objects", cwd=project).rstrip("\n")).resolve()
    (store / "objects/info/alternates").write_text(f"{objects}\n", encoding="utf-8")
    here = {"GIT_DIR": str(store), "GIT_WORK_TREE": str(rendered), "GIT_INDEX_FILE": str(work / "index")}
    exact = ["-c", "core.autocrlf=false", "-c", "core.safecrlf=false"]
    git(*exact, "add", "--all", "--force", ".", cwd=rendered, variables=here)
    return store, git("write-tree", cwd=rendered, variables=here).strip()
