"""Names that moved with their module, in a package as an update leaves it: each with the module that has it now."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mcp_connector import bound, hunk, moved, rooms
from mcp_connector.imports import Stale, stale
from mcp_connector.release import Sides
from mcp_connector.report import stale as said
from mcp_connector.update import Update

MOVES = {"cli.py": ["core/cli.py", "core/serve.py"], "keys.py": ["core/keys.py"]}
HOME = "src/crm"
OLD = {
    "settings.py": "from typing import Annotated, Any\n\nUrl = Annotated[str, 1]\nSecret = str\nclass Settings: ...\n",
    "cli.py": "import argparse\ndef main() -> None: ...\ndef serve() -> None: ...\ndef load() -> None: ...\n",
    "keys.py": "def new() -> None: ...\n",
}
NEW = {
    "settings.py": "from .core.fields import Host\n\n\nclass Settings:\n    u: Host\n",
    "core/__init__.py": "",
    "core/fields.py": "from typing import Annotated\n\nUrl = Annotated[str, 1]\nHost = str\n",
    "core/other.py": "Url = 1\n",
    "core/cli.py": "from .serve import serve\n\n\ndef main() -> None: ...\n",
    "core/serve.py": "def serve() -> None: ...\n",
    "core/environment.py": "def load() -> None: ...\n",
    "core/keys.py": "def new() -> None: ...\n",
}
Find = Callable[[Mapping[str, str]], list[str]]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """Gives what is said of files of the owner's."""

    def look(files: Mapping[str, str]) -> list[str]:
        for name, text in {**{f"{HOME}/{name}": text for name, text in NEW.items()}, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        found = stale(tmp_path, "crm", MOVES, [*files], lambda path: OLD.get(path.removeprefix(f"{HOME}/")))
        return [said(one) for one in found]

    return look


def test_each_imported_name_has_a_line_with_its_module(find: Find) -> None:
    text = "from .cli import (\n    load,\n    main,\n    serve,\n)\nfrom crm.keys import new\n"
    assert find({f"{HOME}/own.py": text}) == [
        f"{HOME}/own.py line 2: load of crm.cli is now in crm.core.environment",
        f"{HOME}/own.py line 3: main of crm.cli is now in crm.core.cli",
        f"{HOME}/own.py line 4: serve of crm.cli is now in crm.core.serve",
        f"{HOME}/own.py line 6: new of crm.keys is now in crm.core.keys",
    ]


def test_of_a_module_what_the_file_uses_tells_where(find: Find) -> None:
    assert find({f"{HOME}/own.py": "from . import cli, keys\n\ncli.serve()\n"}) == [
        f"{HOME}/own.py line 1: serve of crm.cli is now in crm.core.serve",
        f"{HOME}/own.py line 1: crm.keys is now crm.core.keys",
    ]
    assert find({f"{HOME}/own.py": "import crm.cli\n"}) == [
        f"{HOME}/own.py line 1: crm.cli is now crm.core.cli or crm.core.serve"
    ]


def test_text_that_names_a_module_or_a_name_in_it_is_found(find: Find) -> None:
    scripts = 'crm = "crm.cli:main"\nother = "crm.cli.serve"\n'
    assert find({"pyproject.toml": scripts, "tests/test_own.py": 'patch("crm.cli.load")\n'}) == [
        "pyproject.toml line 1: main of crm.cli is now in crm.core.cli",
        "pyproject.toml line 2: serve of crm.cli is now in crm.core.serve",
        "tests/test_own.py line 1: load of crm.cli is now in crm.core.environment",
    ]


def test_types_that_settings_of_the_owner_used_are_named_with_their_module(find: Find) -> None:
    ours = "    hook: Url\n    secret: Secret\n    more: Any\n"
    assert find({f"{HOME}/settings.py": NEW["settings.py"] + ours}) == [
        f"{HOME}/settings.py line 6: Url is now in crm.core.fields",
        f"{HOME}/settings.py line 7: Secret is nowhere now: copy it from the old {HOME}/settings.py",
        f"{HOME}/settings.py line 8: Any is nowhere now: write from typing import Any",
    ]
    mended = "from typing import Any\n\nfrom .core.fields import Host, Url\n\nSecret = str\n"
    assert find({f"{HOME}/settings.py": mended + NEW["settings.py"].split("\n", 1)[1] + ours}) == []


def test_an_import_of_a_name_that_left_its_module_is_named(find: Find) -> None:
    assert find({"tests/test_own.py": "from crm.settings import Settings, Url\n"}) == [
        "tests/test_own.py line 1: Url of crm.settings is now in crm.core.fields"
    ]


def test_what_a_command_needs_is_named_where_its_owner_put_it(find: Find) -> None:
    text = "def ours(_: argparse.Namespace) -> None:\n    load()\n    other()\n"
    assert find({f"{HOME}/extend.py": text}) == [
        f"{HOME}/extend.py line 1: argparse is nowhere now: write import argparse",
        f"{HOME}/extend.py line 2: load is now in crm.core.environment",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "from .core.cli import main\n",
        "def load() -> None: ...\n\n\nload()\n",
        "from .core.environment import *\n\nload()\n",
        "def ours(load: int) -> int:\n    return load\n",
        "print([load for load in ()], lambda main: main)\n",
        "<<<<<<< ours\nload()\n",
    ],
)
def test_what_a_file_has_is_not_said(find: Find, text: str) -> None:
    assert find({f"{HOME}/extend.py": text}) == []


def test_every_way_to_bind_a_name_is_known() -> None:
    text = """
import a.b, c as d
from e import f as g
h: int = 1
i, (j, *k) = (), ()
for l in (): pass
with m() as n: pass
try: pass
except OSError as o: pass
match h:
    case [p, *q]: pass
    case {"r": 1, **r}: pass
if (s := 1): pass
def t(u, *v, w=1, **x):
    global y
async def z(): pass
class A: pass
"""
    names = bound.names(text)
    assert {*names.imported} == {"a", "d", "g"}
    assert {*names.defined} == {*"hijklnopqrstzA"}
    assert names.within >= {*"uvwxy"}
    assert names.missing() == {"m": 7}


def test_a_line_without_a_module_says_to_correct_it() -> None:
    assert said(Stale("own.py", 1, "crm.cli", "gone", ())) == "own.py line 1: gone of crm.cli is nowhere now"


def hunks(new: str, old: str = "") -> list[hunk.Hunk]:
    return [*hunk.hunks(f"one\n{old}two\n".split("\n"), f"one\n{new}two\n".split("\n"))]


@pytest.mark.parametrize(
    ("new", "old", "extend", "has"),
    [
        ("    ours()\n", "", "def add():\n        ours()\n", True),
        ("    ours()\n", "", "def add():\n    theirs()\n", False),
        ("from . import a, ours\n", "from . import a\n", "from . import ours\n", True),
        ("from . import a, ours\n", "from . import a\n", "from . import a\n", False),
        ("    yield\n", "", "    yield\n", False),  # the release has it
        ("", "gone\n", "", False),
    ],
)
def test_an_edit_is_in_extend_when_its_lines_or_imports_are(new: str, old: str, extend: str, has: bool) -> None:
    room = rooms.Room("extend.py", f"    yield\n{extend}".split("\n"), ["    yield"])
    [edit] = hunks(new, old)
    assert room.has(edit) is has


@pytest.mark.parametrize(
    ("line", "functions"),
    [("Middleware(Ours)", ["middleware"]), ("around(app.router.lifespan_context)", ["lifespan"]), ("ours()", [])],
)
def test_a_conflict_in_the_application_names_the_function_for_it(
    tmp_path: Path, line: str, functions: list[str]
) -> None:
    (tmp_path / HOME).mkdir(parents=True)
    (tmp_path / HOME / "extend.py").write_text("")
    (tmp_path / HOME / "app.py").write_text(
        f"<<<<<<< before updating\nMiddleware(Old)\n{line}\n=======\n*extend.middleware()\n>>>>>>> after updating\n"
    )
    update = Update(tmp_path, "HEAD", "", {}, {"package_name": "crm"}, [], [], [])
    both = Sides({f"{HOME}/app.py": b"Middleware(Old)\n"}, {}, {})
    named = [
        f"move yours to `{name}` in {HOME}/extend.py." in "".join(moved.conflicting(update, both)) for name in functions
    ]
    assert (named, bool(moved.conflicting(update, both))) == ([True] * len(functions), bool(functions))
