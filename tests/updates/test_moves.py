"""Edits of connectors of 1.x in files that 2.0 moved: each is in the new files, or shown."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mcp_connector import carry, check

from ..conftest import TAG
from ..lib import rendering, updating
from ..lib.rendering import Answers, git

MOVES = carry.moves((rendering.ROOT / "hooks/moves.yaml").read_text(encoding="utf-8"))
PACKAGE = "src/acme_crm"


def paths(commit: str = "") -> set[str]:
    """Modules below the package that a release, or the working tree, can render."""
    listing = ["ls-tree", "-r", "--name-only", commit] if commit else ["ls-files", "--cached", "--others"]
    every = git(*listing, "--", "template", cwd=rendering.ROOT).splitlines()
    return {path.split("/src/{{ package_name }}/")[-1].removesuffix(".jinja").strip('"') for path in every}


def wrong(moves: Mapping[str, list[str]]) -> list[str]:
    """Modules of 1.x that are no more and have no row, rows of none of its modules, and new paths of none of ours."""
    old = {path for version in updating.COMMITS if version >= "v1." for path in paths(updating.COMMITS[version])}
    now = paths()
    gone = {path for path in old - now if path.endswith(".py") and not path.startswith("template/")}
    rows = [path for path in moves if path not in old]
    return [*sorted(gone - {*moves}), *rows, *(path for new in moves.values() for path in new if path not in now)]


def test_each_module_of_1_x_that_is_no_more_has_a_row_of_files_of_2_0() -> None:
    assert wrong(MOVES) == []
    assert wrong({**MOVES, "clii.py": ["core/command/clii.py"]}) == ["clii.py", "core/command/clii.py"]
    assert wrong({old: new for old, new in MOVES.items() if old != "cli.py"}) == ["cli.py"]


# A line that stands once in the file of that release, and the owner's after it.
EDITS: Mapping[tuple[str, str], list[tuple[str, str]]] = {
    ("v1.2.0", "api-key"): [
        ("cli.py", "    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)"),
        ("auth.py", "        presented = credentials(Headers(scope=scope))"),
        ("keys.py", 'PREFIX = "acme_crm_"'),
        ("smoke.py", "    parser.set_defaults(run=smoke)"),
    ],
    ("v1.0.1", "api-key"): [
        ("cli.py", "    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)"),
        ("keys.py", 'PREFIX = "acme_crm_"'),
    ],
}


@pytest.mark.updates
@pytest.mark.parametrize(("version", "mode"), EDITS)
def test_no_edit_in_a_file_that_moved_is_lost(shared: Path, tmp_path: Path, version: str, mode: str) -> None:
    answers: Answers = {"auth_mode": mode, "hosting": "compose", "source": "rest-api", "ci": "none"}
    template = updating.shared_history(shared)
    project = updating.copied(template, tmp_path / "project", answers, version)
    ours = []
    for number, (name, line) in enumerate(EDITS[version, mode]):
        file = project / PACKAGE / name
        text = file.read_text(encoding="utf-8")
        assert text.count(f"{line}\n") == 1
        ours.append(f"{line[: len(line) - len(line.lstrip())]}ours_{number} = {number}")
        file.write_text(text.replace(f"{line}\n", f"{line}\n{ours[-1]}\n"), encoding="utf-8")
    (project / "tests/test_ours.py").write_text("from acme_crm import cli\n\nassert cli\n", encoding="utf-8")
    rendering.commit(project, "ours")
    updating.update(project)
    assert updating.conflicts(project) == []

    found = check.check(project, "HEAD", None, set())
    code = [line for file in (project / PACKAGE).rglob("*.py") for line in file.read_text("utf-8").splitlines()]
    shown = [line[1:] for edit in found.moved if edit.state == "left" for line in edit.hunk.splitlines()]
    assert [(line, code.count(line) + shown.count(line)) for line in ours] == [(line, 1) for line in ours]
    assert [line for line in ours if line in code] != []
    assert [(one.file, one.line, one.module) for one in found.imports] == [("tests/test_ours.py", 1, "acme_crm.cli")]
    assert check.check(project, "HEAD", None, set()).moved == found.moved
    assert found.version["after"] == TAG
