"""Every place where owners write in a file of the template has a line that never changes on both sides."""

import itertools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ..lib import edits, rendering, updating
from ..lib.rendering import Rendered
from ..lib.rooms import CHANGED, Room, beside, changes, found, lines, plant, projects, recorded, shared

pytestmark = pytest.mark.updates

# As the newest release says, and as 1.x said: its rooms stay.
WAYS = ("", [version for version in updating.VERSIONS if version.startswith("v1.")][-1])


def edited(project: Path, target: Path, way: str = "") -> Path:
    shutil.copytree(project, target)
    edits.edit(target, way)
    return target


def test_the_lines_around_each_room_are_those_of_rooms_toml(rendered: Rendered, tmp_path: Path) -> None:
    """To change one breaks the updates of everyone who wrote beside it: leave it, and change another line."""
    seen: dict[str, set[Room]] = {}
    for answers, way in itertools.product(projects(), WAYS):
        project = rendered(answers)
        for name, room in found(project, edited(project, tmp_path / f"{rendering.label(answers)}-{way}", way)):
            seen.setdefault(name, set()).add(room)
    assert seen == recorded()


def merged(folder: Path, ours: Sequence[str], base: Sequence[str], theirs: Sequence[str]) -> tuple[int, str]:
    """How many conflicts there are, and the file: merged as Copier merges it."""
    sides = [folder / name for name in ("ours", "base", "theirs")]
    for side, text in zip(sides, (ours, base, theirs), strict=True):
        side.write_text("\n".join([*text, ""]), encoding="utf-8")
    done = subprocess.run(["git", "merge-file", "-p", *sides], capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize("way", WAYS)
def test_each_line_beside_a_room_may_change_under_every_edit(rendered: Rendered, tmp_path: Path, way: str) -> None:
    for answers in projects():
        project = rendered(answers)
        ours = edited(project, tmp_path / rendering.label(answers), way)
        for name in shared(project, ours):
            before, mine = lines(project / name), lines(ours / name)
            theirs = beside(project / name, ours / name)
            assert theirs != before, name
            conflicts, text = merged(tmp_path, mine, before, theirs)
            assert conflicts == 0, f"{name}, {rendering.label(answers)}:\n{text}"
            assert text.count(CHANGED) == "\n".join(theirs).count(CHANGED)
            assert {*mine} - {*before} <= {*text.splitlines()}


@pytest.mark.parametrize("side", ["above", "below"])
def test_a_line_directly_at_a_room_may_not_change(rendered: Rendered, tmp_path: Path, side: str) -> None:
    project = rendered({"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"})
    ours = edited(project, tmp_path / "edited")
    before, mine = lines(project / "Dockerfile"), lines(ours / "Dockerfile")
    [(start, end)] = changes(project / "Dockerfile", ours / "Dockerfile")
    changed = start - 1 if side == "above" else end
    theirs = [f"{line} ({CHANGED})" if number == changed else line for number, line in enumerate(before)]
    assert merged(tmp_path, mine, before, theirs)[0] == 1


def test_a_next_release_can_be_rehearsed_that_changes_something_beside_every_room(tmp_path: Path) -> None:
    shutil.copytree(rendering.TEMPLATE, tmp_path / "template")
    assert plant(tmp_path) == recorded()


# What owners write in extend.py, asked of a connector in memory.
ASKED = """
import asyncio
import httpx2
from acme_crm import extend
from acme_crm.app import create_app
from acme_crm.settings import Settings

app = create_app(Settings(public_url="http://localhost:8000"))

async def ask():
    transport = httpx2.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport) as client:
        answer = await client.get("http://localhost:8000/greeting")
        print(answer.status_code, answer.text, answer.headers["x-ours"])

asyncio.run(ask())
print(extend.Own().greeting)
"""


def test_what_owners_write_in_extend_takes_effect(rendered: Rendered, tmp_path: Path) -> None:
    """A route, middleware around it, what starts with the connector, once, a setting and a command."""
    answers = {"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"}
    project = edited(rendered(answers), tmp_path / "project")
    environment = rendering.environment(project, tmp_path / "site") | {"GREETING": "Good morning"}
    python = rendering.python(project)
    asked = rendering.run(project, environment, python, "-c", ASKED)
    assert asked.stdout == "200 Hello! 1\nGood morning\n", asked.stderr
    assert rendering.run(project, environment, python, "-m", "acme_crm", "export").stdout == "ours\n"


NO_TOOLS = '''"""Ours."""

from mcp.server import MCPServer


def register(server: MCPServer) -> None:
    """None yet."""
'''


@pytest.mark.parametrize(("mode", "source"), [("none", "blank"), ("api-key", "rest-api")])
def test_all_else_stays_green_when_the_example_tools_go_with_their_tests(
    rendered: Rendered, tmp_path: Path, mode: str, source: str
) -> None:
    answers = {"auth_mode": mode, "hosting": "compose", "source": source, "ci": "none"}
    project = shutil.copytree(rendered(answers), tmp_path / "project")
    shutil.rmtree(edits.package(project) / "tools")
    (edits.package(project) / "tools").mkdir()
    (edits.package(project) / "tools/__init__.py").write_text(NO_TOOLS)
    (project / "tests/test_tools.py").unlink()
    environment = rendering.environment(project, tmp_path / "site")
    for check in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["pytest", "-q", "-x"]):
        done = rendering.run(project, environment, *check)
        assert done.returncode == 0, done.stdout + done.stderr
