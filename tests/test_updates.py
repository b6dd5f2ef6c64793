"""An update brings what a fresh render has, and keeps what is the owner's."""

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import edits, rendering, updating
from .conftest import TAG, once
from .rendering import Answers, Rendered

pytestmark = pytest.mark.updates


@pytest.fixture(scope="session")
def template(_isolated: None, shared: Path) -> Path:
    """The template with its releases, and the working tree as the next."""
    target = shared / "history"
    return once(target, lambda: updating.history(target, TAG))


def combinations() -> Iterator[tuple[str, Answers]]:
    """Each release with every auth mode, target and source that it had; pipelines in turn, as they share no file."""
    names = ("auth_mode", "hosting", "source")
    for version in updating.VERSIONS:
        values = [updating.offered(version, name) for name in names]
        pipelines = itertools.cycle(updating.offered(version, "ci"))
        for combination in itertools.product(*values):
            yield version, {**dict(zip(names, combination, strict=True)), "ci": next(pipelines)}


every_combination = pytest.mark.parametrize(
    ("version", "answers"), [pytest.param(*case, id=f"{case[0]}-{rendering.label(case[1])}") for case in combinations()]
)


def files(project: Path) -> dict[str, bytes]:
    """Path and content of every file that git does not keep for itself."""
    return {name: data for name, data in rendering.files(project).items() if not name.startswith(".git/")}


def content(project: Path) -> dict[str, list[bytes]]:
    """Every file with its lines, whatever their order: where in a list an owner's line stands is no matter."""
    return {name: sorted(data.splitlines()) for name, data in files(project).items()}


@every_combination
def test_an_update_equals_a_fresh_render_and_a_second_one_changes_nothing(
    template: Path, rendered: Rendered, tmp_path: Path, version: str, answers: Answers
) -> None:
    project = updating.copied(template, tmp_path / "project", answers, version)
    updating.update(project)
    assert updating.conflicts(project) == []
    assert files(project) == rendering.files(rendered(answers))
    rendering.commit(project, "update")
    updating.update(project)
    assert rendering.git("status", "--porcelain", cwd=project) == ""


@every_combination
def test_what_owners_change_is_kept_without_a_conflict(
    template: Path, rendered: Rendered, tmp_path: Path, version: str, answers: Answers
) -> None:
    project = updating.copied(template, tmp_path / "project", answers, version)
    edits.edit(project)
    rendering.commit(project, "ours")
    updating.update(project)
    if known := known_conflicts(version, answers):
        assert updating.conflicts(project) == known
        return
    assert updating.conflicts(project) == []
    fresh = content(edited(rendered(answers), tmp_path / "fresh"))
    fresh["requirements-own.lock"] = content(rendered(answers))["requirements-own.lock"]  # there was none to edit
    assert content(project) == fresh


def known_conflicts(version: str, answers: Answers) -> list[str]:
    """Where an old release left no room for the owner's lines; the changelog says what to do."""
    route = version == "v0.1.0" and answers["source"] == "rest-api"
    ignored = version == "v0.2.0" and answers["auth_mode"] == "oauth-proxy"
    return [".gitignore"] * ignored + ["src/acme_crm/app.py"] * route


def edited(project: Path, target: Path) -> Path:
    """A copy of a connector, with what owners change."""
    shutil.copytree(project, target)
    edits.edit(target)
    return target


# ---------------------------------------------------------------------------------------------------- other answers

# The owner's files, which an update does not read.
SEEDS = ("src/acme_crm/tools/", "src/acme_crm/upstream.py", "src/acme_crm/stand_in.py", "tests/test_tools.py")
# Owners change its region too, and it goes: nobody but they can say whether they still want it.
STORE = "render.yaml"


def on(target: str, mode: str, source: str, ci: str = "github") -> Answers:
    return {"auth_mode": mode, "hosting": target, "source": source, "ci": ci}


def changes(target: str) -> Iterator[tuple[Answers, Answers]]:
    """Each auth mode, source and pipeline into each other one, on this target."""
    modes, sources = rendering.choices("auth_mode"), rendering.choices("source")
    for source in sources:
        for one, other in itertools.permutations(modes, 2):
            yield on(target, one, source), on(target, other, source)
    for mode, (one, other) in itertools.product(modes, itertools.permutations(sources, 2)):
        yield on(target, mode, one), on(target, mode, other)
    for one, other in itertools.permutations(rendering.choices("ci"), 2):
        yield on(target, "api-key", "blank", one), on(target, "api-key", "blank", other)


@pytest.mark.parametrize("target", rendering.choices("hosting"))
def test_what_owners_change_and_what_an_answer_changes_are_never_the_same_lines(
    rendered: Rendered, tmp_path: Path, target: str
) -> None:
    """Merged as Copier merges them, file by file, which is a hundred times faster."""
    ours: dict[str, Path] = {}
    for old, new in changes(target):
        label = rendering.label(old)
        if label not in ours:
            ours[label] = edited(rendered(old), tmp_path / label)
        before, after = rendering.files(rendered(old)), rendering.files(rendered(new))
        for name in before.keys() & after.keys() - {".copier-answers.yml"}:
            if name.startswith(SEEDS) or (name == STORE and old["auth_mode"] == "oauth-proxy"):
                continue
            merged = [ours[label] / name, rendered(old) / name, rendered(new) / name]
            if merged[0].exists():
                assert subprocess.run(["git", "merge-file", "-p", *merged], capture_output=True).returncode == 0, (
                    name,
                    old,
                    new,
                )


def some_changes() -> Iterator[tuple[Answers, Answers]]:
    """Each target, auth mode and pipeline into the next one, and back to the first."""
    start = {"auth_mode": "api-key", "hosting": "compose", "source": "blank", "ci": "github"}
    for question in ("hosting", "auth_mode", "ci"):
        values = rendering.choices(question)
        for one, other in itertools.pairwise([*values, values[0]]):
            yield {**start, question: one}, {**start, question: other}


@pytest.mark.parametrize(("old", "new"), some_changes(), ids=rendering.label)
def test_a_changed_answer_leaves_what_a_fresh_render_has_and_the_owner_s(
    template: Path, rendered: Rendered, tmp_path: Path, old: Answers, new: Answers
) -> None:
    project = updating.copied(template, tmp_path / "project", old, TAG)
    edits.edit(project)
    rendering.commit(project, "ours")
    updating.change(project, **{name: value for name, value in new.items() if old[name] != value})
    assert updating.conflicts(project) == []
    fresh = content(edited(rendered(new), tmp_path / "fresh"))
    # What the owner changed in another target's files went with them.
    came = {name for name in {*edits.VARIABLE, *(file for file, *_ in edits.SIZE)} if old["hosting"] != new["hosting"]}
    came |= {name for name in edits.STEP if old["ci"] != new["ci"]}
    fresh |= {name: lines for name, lines in content(rendered(new)).items() if name in came}
    assert content(project) == fresh
