"""An update adds what a fresh render has, and keeps what is the owner's."""

import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from ..conftest import TAG, once, renders
from ..docs.test_docs import blocks, shell
from ..lib import edits, rendering, updating
from ..lib.rendering import Answers, Rendered
from ..lib.updating import files

pytestmark = pytest.mark.updates

Released = Callable[[str, Answers], Path]
Choice = Callable[[str], list[Answers]]  # of the answers that a release has
SEEDS = updating.SEEDS


@pytest.fixture(scope="session")
def template(_isolated: None, shared: Path) -> Path:
    """The template with its releases, and the working tree as the next."""
    return updating.shared_history(shared)


@pytest.fixture(scope="session")
def released(template: Path, shared: Path) -> Released:
    """Gives the connector of a release for these answers, made once for all workers. Tests must not change it."""

    def get(version: str, answers: Answers) -> Path:
        target = shared / "released" / version / rendering.label(answers)
        return once(target, lambda: updating.copied(template, target, answers, version))

    return get


@pytest.fixture(scope="session")
def rendered(template: Path, shared: Path) -> Rendered:
    """As elsewhere, of the template above: a fixture of a session has one value, whichever module asks first."""
    return renders(template, shared)


NAMES = ("auth_mode", "hosting", "source", "ci")
PREVIOUS = updating.previous()
EARLIER = updating.VERSIONS[: updating.VERSIONS.index(PREVIOUS) + 1]  # than the working tree


def pairs(version: str) -> list[Answers]:
    """Each auth mode with each target, and both with each source that a release had: no file depends on all three.

    Pipelines share no file with these.
    """
    modes, targets, sources = (updating.offered(version, name) for name in NAMES[:3])
    return [
        dict(zip(NAMES, (mode, target, sources[(row + column) % len(sources)], "github"), strict=True))
        for row, mode in enumerate(modes)
        for column, target in enumerate(targets)
    ]


def sample(version: str) -> list[Answers]:
    """Of these, each auth mode and each target with each source."""
    modes, targets, sources, pipelines = (updating.offered(version, name) for name in NAMES)
    cycles = [itertools.cycle(values) for values in (modes, targets, pipelines)]
    longest = max(len(modes), len(targets))
    return [
        dict(zip(NAMES, (next(cycles[0]), next(cycles[1]), source, next(cycles[2])), strict=True))
        for source in sources
        for _ in range(longest)
    ]


def half(version: str) -> list[Answers]:
    """Of a sample, each target with every other source."""
    chosen, sources = sample(version), updating.offered(version, "source")
    targets = len(chosen) // len(sources)
    return [answers for row, answers in enumerate(chosen) if (row + row // targets) % 2 == 0]


def few(version: str) -> list[Answers]:
    """Of a sample, as many as there are targets; another source with each next two."""
    chosen, sources = sample(version), updating.offered(version, "source")
    targets = len(chosen) // len(sources)
    return [chosen[row + targets * (row // 2 % len(sources))] for row in range(targets)]


def cases(chosen: Choice, of_previous: Choice) -> list[ParameterSet]:
    """What is chosen of each earlier release, and of the previous one."""
    return [
        pytest.param(version, answers, id=f"{version}-{rendering.label(answers)}")
        for version in EARLIER
        for answers in (of_previous if version == PREVIOUS else chosen)(version)
    ]


def content(project: Path) -> dict[str, list[bytes]]:
    """Every file with its lines, whatever their order: where in a list an owner's line stands does not matter."""
    return {name: sorted(data.splitlines()) for name, data in files(project).items()}


def test_each_pair_of_answers_is_among_the_cases() -> None:
    for one, other in itertools.combinations(NAMES[:3], 2):
        there = {(answers[one], answers[other]) for answers in pairs(PREVIOUS)}
        assert there == set(itertools.product(updating.offered(PREVIOUS, one), updating.offered(PREVIOUS, other)))


def test_a_part_of_a_sample_has_each_target_auth_mode_and_source() -> None:
    for choice, version, question in itertools.product((half, few), EARLIER, NAMES[:3]):
        assert {answers[question] for answers in choice(version)} == set(updating.offered(version, question))


@pytest.mark.parametrize(("version", "answers"), cases(few, half))
def test_an_update_equals_a_fresh_render(
    released: Released, rendered: Rendered, tmp_path: Path, version: str, answers: Answers
) -> None:
    project = shutil.copytree(released(version, answers), tmp_path / "project")
    owned = {name: data for name, data in rendering.files(project).items() if name.startswith(SEEDS)}
    updating.update(project)
    assert updating.conflicts(project) == []
    assert files(project) == {**rendering.files(rendered(answers)), **owned}


@pytest.mark.parametrize(("version", "answers"), cases(few, half))
def test_what_owners_change_is_kept_without_a_conflict(
    released: Released, rendered: Rendered, tmp_path: Path, version: str, answers: Answers
) -> None:
    project = edited(released(version, answers), tmp_path / "project")
    owned = {name: lines for name, lines in content(project).items() if name.startswith(SEEDS)}
    rendering.commit(project, "ours")
    updating.update(project)
    assert updating.conflicts(project) == []
    assert content(project) == {**content(edited(rendered(answers), tmp_path / "fresh", version)), **owned}


@pytest.mark.parametrize("answers", half(PREVIOUS), ids=rendering.label)
def test_a_second_update_changes_nothing(released: Released, tmp_path: Path, answers: Answers) -> None:
    project = edited(released(PREVIOUS, answers), tmp_path / "project")
    rendering.commit(project, "ours")
    updating.update(project)
    rendering.commit(project, "update")
    updating.update(project)
    assert rendering.git("status", "--porcelain", cwd=project) == ""


@pytest.mark.parametrize(("version", "answers"), cases(sample, pairs))
def test_what_owners_change_and_what_a_release_changes_are_never_the_same_lines(
    released: Released, rendered: Rendered, tmp_path: Path, version: str, answers: Answers
) -> None:
    old = released(version, answers)
    ours = edited(old, tmp_path / "ours")
    assert (clashing(ours, old, rendered(answers)), gone(ours, old, rendered(answers))) == ([], [])


@pytest.mark.parametrize("version", EARLIER)
def test_what_does_not_survive_is_what_conflicts_toml_says(
    released: Released, rendered: Rendered, tmp_path: Path, version: str
) -> None:
    """Each of these edits alone; in at least one combination it does not."""
    said = {row["edit"]: row for row in edits.CONFLICTS if version in row["releases"]}
    seen: dict[str, tuple[set[str], set[str]]] = {name: (set(), set()) for name in said}
    for answers in sample(version):
        old, new = released(version, answers), rendered(answers)
        for change in edits.edits_of(version):
            if change.__name__ in said:
                ours = shutil.copytree(old, tmp_path / rendering.label(answers) / change.__name__)
                change(ours)
                conflicts, lost = seen[change.__name__]
                conflicts.update(clashing(ours, old, new))
                lost.update(gone(ours, old, new))
    assert seen == {name: (set(row.get("files", [])), set(row.get("gone", []))) for name, row in said.items()}


def test_each_row_of_conflicts_toml_names_an_edit_its_releases_and_a_reason() -> None:
    for row in edits.CONFLICTS:
        assert set(row["releases"]) <= set(updating.VERSIONS)
        assert row["edit"] in {change.__name__ for change in edits.EDITS_OF_1}
        assert row["reason"]


def edited(project: Path, target: Path, version: str = "") -> Path:
    """A copy of a connector, with what owners change; as in this release, if one is given."""
    shutil.copytree(project, target)
    edits.edit(target, version)
    return target


def gone(ours: Path, old: Path, new: Path) -> list[str]:
    """Files that a release removes, and that owners had changed."""
    before, after = rendering.files(old), rendering.files(new)
    return [
        name for name, data in rendering.files(ours).items() if name not in after and data != before.get(name, data)
    ]


def clashing(ours: Path, old: Path, new: Path) -> list[str]:
    """Files in which both changed the same lines: merged as Copier merges them, which is a hundred times faster."""
    return [name for name in clashes(ours, old, new) if not name.startswith(SEEDS)]


def clashes(ours: Path, old: Path, new: Path) -> Iterator[str]:
    for name in rendering.files(new):
        sides = [folder / name for folder in (ours, old, new)]
        if name == ".copier-answers.yml" or not all(side.exists() for side in sides):
            continue
        mine, base, theirs = (side.read_bytes() for side in sides)
        if base in (mine, theirs) or mine == theirs:
            continue  # only one side changed, or both alike
        if subprocess.run(["git", "merge-file", "-p", *sides], capture_output=True).returncode != 0:
            yield name


# ---------------------------------------------------------------------------------------------------- other answers

# Owners change its region too, and it goes: nobody but they can say whether they still want it.
STORE = "render.yaml"


def on(target: str, mode: str, source: str, ci: str = "github") -> Answers:
    return {"auth_mode": mode, "hosting": target, "source": source, "ci": ci}


def changes(target: str) -> Iterator[tuple[Answers, Answers]]:
    """Two auth modes, sources or pipelines, on this target, for each two that there are: no file depends on all three.

    On every other target, the change is the other way.
    """
    modes, sources = rendering.choices("auth_mode"), rendering.choices("source")
    way = 1 if rendering.choices("hosting").index(target) % 2 else -1

    def each_two(values: Sequence[str]) -> list[tuple[str, ...]]:
        return [two[::way] for two in itertools.combinations(values, 2)]

    for (one, other), source in zip(each_two(modes), itertools.cycle(sources)):
        yield on(target, one, source), on(target, other, source)
    for (one, other), mode in zip(each_two(sources), itertools.cycle(modes)):
        yield on(target, mode, one), on(target, mode, other)
    for one, other in each_two(rendering.choices("ci")):
        yield on(target, "api-key", "blank", one), on(target, "api-key", "blank", other)


@pytest.mark.parametrize("target", rendering.choices("hosting"))
def test_what_owners_change_and_what_an_answer_changes_are_never_the_same_lines(
    rendered: Rendered, tmp_path: Path, target: str
) -> None:
    ours: dict[str, Path] = {}
    for old, new in changes(target):
        label = rendering.label(old)
        if label not in ours:
            ours[label] = edited(rendered(old), tmp_path / label)
        for name in clashing(ours[label], rendered(old), rendered(new)):
            assert (name, old["auth_mode"]) == (STORE, "oauth-proxy"), (name, old, new)


def some_changes() -> Iterator[tuple[Answers, Answers]]:
    """Each target, auth mode and pipeline into the next one, and back to the first."""
    start = {"auth_mode": "api-key", "hosting": "compose", "source": "blank", "ci": "github"}
    for question in ("hosting", "auth_mode", "ci"):
        values = rendering.choices(question)
        for one, other in itertools.pairwise([*values, values[0]]):
            yield {**start, question: one}, {**start, question: other}


@pytest.mark.parametrize(("old", "new"), list(some_changes()), ids=rendering.label)
def test_a_changed_answer_leaves_what_a_fresh_render_has_and_the_owner_s(
    template: Path, rendered: Rendered, tmp_path: Path, old: Answers, new: Answers
) -> None:
    project = updating.owned(template, tmp_path / "project", old, TAG)
    updating.change(project, **{name: value for name, value in new.items() if old[name] != value})
    assert updating.conflicts(project) == []
    fresh = content(edited(rendered(new), tmp_path / "fresh"))
    # What the owner changed in another target's files went with them.
    came = {name for name in {*edits.VARIABLE, *(file for file, *_ in edits.SIZE)} if old["hosting"] != new["hosting"]}
    came |= {name for name in edits.STEP if old["ci"] != new["ci"]}
    fresh |= {name: lines for name, lines in content(rendered(new)).items() if name in came}
    # And what the owner wrote beside them stayed.
    beside = {file for file, _ in edits.OVERRIDES.values()}
    assert {name: lines for name, lines in content(project).items() if name not in beside} == {
        name: lines for name, lines in fresh.items() if name not in beside
    }


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(rendering.choices("source"), 2)))
def test_another_source_brings_its_seeds_and_leaves_those_that_are_there(
    template: Path, rendered: Rendered, tmp_path: Path, old: str, new: str
) -> None:
    answers = {"auth_mode": "api-key", "hosting": "compose", "source": old, "ci": "none"}
    project = updating.owned(template, tmp_path / "project", answers, TAG)
    before = {name: data for name, data in rendering.files(project).items() if name.startswith(SEEDS)}
    updating.change(project, source=new)
    assert updating.conflicts(project) == []
    after = {name: data for name, data in rendering.files(project).items() if name.startswith(SEEDS)}
    fresh = rendering.files(rendered({**answers, "source": new}))
    assert {name: data for name, data in after.items() if name in before} == before
    assert {name: data for name, data in after.items() if name not in before} == {
        name: data for name, data in fresh.items() if name.startswith(SEEDS) and name not in before
    }


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(rendering.choices("source"), 2)))
def test_another_source_starts_anew_where_the_owner_made_room_as_documented(
    template: Path, rendered: Rendered, tmp_path: Path, old: str, new: str
) -> None:
    answers = {"auth_mode": "none", "hosting": "compose", "source": old, "ci": "none"}
    project = updating.copied(template, tmp_path / "project", answers, TAG)
    [room] = [block for block in blocks(updating.PAGE.read_text()) if block.startswith("git rm ")]
    make_room, commit, _ = room.splitlines()
    shell(f"{make_room}\n{commit}", project)
    updating.change(project, source=new)
    assert files(project) == rendering.files(rendered({**answers, "source": new}))
