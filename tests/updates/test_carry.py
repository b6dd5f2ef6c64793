"""What `mcp-connector check` does with edits in files that a release moved, on a small template with such a release."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_connector import carry

from ..conftest import once
from ..lib import releasing, rendering
from ..lib.rendering import commit, git, release

pytestmark = pytest.mark.updates

DOOR = [rendering.ROOT / "hooks/check_update.py"]
TOOL = ["-m", "mcp_connector", "check"]
PACKAGE = "src/acme_crm"
OLD, NEW = "v1.0.0", "v2.0.0"
SETTINGS = """_subdirectory: template
project_name: {type: str}
package_name: {type: str, default: acme_crm}
auth_mode: {type: str, default: none}
hosting: {type: str, default: compose}
"""
KEYS = '''"""Keys."""

import json
import sys
from pathlib import Path

from .settings import Settings

LENGTH = 32


def load(path: Path) -> list[str]:
    """Read the keys."""
    text = path.read_text()
    return text.splitlines()


def check(settings: Settings) -> bool:
    """Whether keys are there."""
    try:
        return bool(load(settings.keys))
    except OSError as error:
        print(error, file=sys.stderr)
        return False


def show(keys: list[str]) -> None:
    """Print them."""
    print(json.dumps(keys))
'''
CLI = '''"""The command line."""

import argparse

from . import keys
from .settings import Settings

PAUSE = 5  # seconds that readiness fails


def serve(settings: Settings) -> int:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.parse_args()
    print("serving")
    return 0


def dev(settings: Settings) -> int:
    """Serve on this machine."""
    parser = argparse.ArgumentParser()
    parser.parse_args()
    print("developing")
    return 0


def main() -> int:
    """Run."""
    settings = Settings()
    keys.check(settings)
    return serve(settings)
'''
AUTH = '''"""Who calls."""

from .settings import Settings

NAMES = ("a", "b")


def user(settings: Settings) -> str:
    """A name."""
    return NAMES[0]
'''
EXTEND = '''"""Yours."""

from typing import Any


def add_commands(parser: Any) -> None:
    """More commands."""
    print(parser)
'''
MOVES = """# Where files of src/<package>/ went.
keys.py: [core/auth/keys.py]
auth.py:
  - core/auth/guard.py # whole
cli.py: [core/command/cli.py, core/command/serve.py,
  core/command/dev.py]
smoke.py: core/command/smoke.py
"""


def part(text: str, start: str, end: str) -> str:
    return text[text.index(start) : text.index(end)]


def make(repository: Path) -> None:
    """The template: the release before, and the one that moves files and changes some lines."""
    root = repository / "template"
    package = root / "src/{{ package_name }}"
    package.mkdir(parents=True)
    (repository / "copier.yml").write_text(SETTINGS)
    (root / "{{ _copier_conf.answers_file }}.jinja").write_text("{{ _copier_answers | to_nice_yaml }}")
    (root / "pyproject.toml").write_text('[project]\nname = "crm"\n\n[tool.x]\n')
    for name in ("guide", "deploy"):
        (root / "docs").mkdir(exist_ok=True)
        (root / f"docs/{name}.md").write_text(f"# {name}\n\nThese lines say\nwhat to do\nand why.\n")
    (root / "tests").mkdir()
    (root / "tests/test_it.py").write_text("def test_it() -> None:\n    assert True\n    assert not False\n")
    (package / "__init__.py").write_text('"""It."""\n')
    (package / "settings.py").write_text("class Settings:\n    keys = None\n")
    for name, text in {"keys.py": KEYS, "cli.py": CLI, "auth.py": AUTH}.items():
        (package / name).write_text(text)
    git("init", "-q", "-b", "main", cwd=repository)
    release(repository, OLD)

    core = package / "core"
    (core / "auth").mkdir(parents=True)
    (core / "command").mkdir()
    deeper = {"from .settings": "from ...settings", '"""Keys."""': '"""Keys, and how they are read."""'}
    for old, new in {"keys.py": "keys.py", "auth.py": "guard.py"}.items():
        text = (package / old).read_text()
        for line, other in deeper.items():
            text = text.replace(line, other)
        (package / old).unlink()
        (core / "auth" / new).write_text(text)
    (package / "cli.py").unlink()
    head = '"""Part."""\n\nimport argparse\n\nfrom ...settings import Settings\n\n\n'
    numbers = "GRACE = 30\nPAUSE = 5  # seconds that readiness fails\nKEEP = 60\n\n\n"
    (core / "command/serve.py").write_text(head + numbers + part(CLI, "def serve", "\n\ndef dev"))
    (core / "command/dev.py").write_text(head + part(CLI, "def dev", "\n\ndef main"))
    main = CLI[CLI.index("def main") :].replace("return serve(settings)", "return serve.serve(settings)")
    (core / "command/cli.py").write_text(
        f'"""Main."""\n\nfrom ...settings import Settings\nfrom ..auth import keys\nfrom . import serve\n\n\n{main}'
    )
    (package / "extend.py").write_text(EXTEND)
    for folder in (core, core / "auth", core / "command"):
        (folder / "__init__.py").write_text('"""It."""\n')
    for name in ("docs/guide.md", "docs/deploy.md", "tests/test_it.py"):
        (root / name).write_text((root / name).read_text() + "\n# New.\n")
    (repository / "hooks").mkdir()
    (repository / "hooks/moves.yaml").write_text(MOVES)
    release(repository, NEW)


@pytest.fixture(scope="module", autouse=True)
def template(_isolated: None, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Both releases, under URL."""
    repository = shared / "moving"
    once(repository, lambda: make(repository))
    with pytest.MonkeyPatch.context() as patch:
        releasing.served(repository, tmp_path_factory.mktemp("cache"), patch)
        yield


def start(target: Path) -> None:
    options = ["copy", "-q", "--defaults", f"--vcs-ref={OLD}", "-d", "project_name=Acme CRM"]
    done = rendering.copier(*options, releasing.URL, target)
    assert done.returncode == 0, done.stderr
    git("init", "-q", "-b", "main", cwd=target)
    commit(target, "start")


def update(project: Path) -> None:
    commit(project, "Ours")
    done = rendering.copier("update", "-q", "--defaults", cwd=project)
    assert done.returncode == 0, done.stderr


def edit(project: Path, file: str, old: str, new: str) -> None:
    path = project / PACKAGE / file
    text = path.read_text()
    assert text.count(old) == 1, (file, old)
    path.write_text(text.replace(old, new))


def whole(project: Path) -> None:
    """Edits of files that moved whole."""
    edit(project, "keys.py", "LENGTH = 32", "LENGTH = 64")
    edit(project, "keys.py", "import sys\n", "import os\nimport sys\n")
    edit(project, "keys.py", "    text = path.read_text()\n", "    text = path.read_text()\n    os.stat(path)\n")
    edit(project, "auth.py", '    """A name."""\n', "")


def apart(project: Path) -> None:
    """Edits of a file that was split: of the three, the first alone stands between lines that are together still."""
    edit(project, "cli.py", '    print("serving")', '    print("serving at last")')
    edit(project, "cli.py", "    keys.check(settings)\n", '    keys.check(settings)\n    print("ours")\n')
    text = (project / PACKAGE / "cli.py").read_text()
    (project / PACKAGE / "cli.py").write_text(text.replace("import argparse\n", "import argparse\nimport signal\n"))
    git("commit", "-q", "--amend", "--all", "--message=start", cwd=project)  # together with the copy


def number(project: Path) -> None:
    """A constant of a file that was split: its line is as it was, and its neighbours are others."""
    edit(project, "cli.py", "PAUSE = 5 ", "PAUSE = 9 ")


COMMAND = 'parser.add_parser("ours").set_defaults(run=ours)'
OURS = 'def ours() -> None:\n    """Ours."""\n    print(signal.SIGTERM)\n'


def commanded(project: Path) -> None:
    """A command, with what it needs, and a line of another kind."""
    edit(project, "cli.py", "    keys.check(settings)\n", f"    keys.check(settings)\n    {COMMAND}\n")
    edit(project, "cli.py", "def main()", f"{OURS}\n\ndef main()")
    edit(project, "cli.py", '    print("serving")', '    print("serving at last")')
    edit(project, "cli.py", "import argparse\n", "import argparse\nimport signal\n")


def strayed(project: Path) -> None:
    """Files that the owner moved or deleted, and files of the owner's that import what the release moved."""
    git("mv", "tests", "checks", cwd=project)
    (project / "docs/guide.md").unlink()
    own = "from . import auth\nfrom .cli import main\nfrom .settings import Settings\nimport acme_crm.keys\n"
    (project / PACKAGE / "own.py").write_text(own)
    (project / "pyproject.toml").write_text('[project]\nname = "crm"\nscripts = {crm = "acme_crm.cli:main"}\n')


@pytest.fixture
def updated(shared: Path, tmp_path: Path) -> Callable[[Callable[[Path], None]], Path]:
    """Gives a connector with these edits, after the update and before the commit; made once for all tests."""

    def get(edits: Callable[[Path], None]) -> Path:
        def make(target: Path) -> None:
            shutil.copytree(once(shared / "moving-start", lambda: start(shared / "moving-start")), target)
            edits(target)
            update(target)

        target = shared / f"moving-{edits.__name__}"
        return shutil.copytree(once(target, lambda: make(target)), tmp_path / "crm")

    return get


def check(project: Path, *options: str, by: list[Any] = TOOL) -> tuple[int, dict[str, Any]]:
    """Exit status and report."""
    command = [sys.executable, *by, "--format=json", *options, project]
    environment = {**os.environ, "PYTHONPATH": str(rendering.ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def states(found: dict[str, Any]) -> list[str]:
    return [f"{edit['state']} {edit['to'].removeprefix(PACKAGE)}:{edit['line']}" for edit in found["moved"]]


Updated = Callable[[Callable[[Path], None]], Path]
WHOLE = ["/core/auth/keys.py:4", "/core/auth/keys.py:10", "/core/auth/keys.py:16", "/core/auth/guard.py:9"]


def test_an_edit_in_a_file_that_moved_is_carried_to_where_its_lines_stand(updated: Updated) -> None:
    project = updated(whole)
    for _ in range(2):
        status, found = check(project)
        assert (status, found["left"]) == (0, [])
        assert states(found) == [f"carried {place}" for place in WHOLE]
        fresh = KEYS.replace('"""Keys."""', '"""Keys, and how they are read."""').replace(".settings", "...settings")
        for old, new in (
            ("LENGTH = 32", "LENGTH = 64"),
            ("import sys\n", "import os\nimport sys\n"),
            ("    text = path.read_text()\n", "    text = path.read_text()\n    os.stat(path)\n"),
        ):
            fresh = fresh.replace(old, new)
        assert (project / PACKAGE / "core/auth/keys.py").read_text() == fresh
        assert '"""A name."""' not in (project / PACKAGE / "core/auth/guard.py").read_text()


# What people set in git that has spoilt a patch of somebody.
GITCONFIG = """[core]
autocrlf = true
quotePath = false
[diff]
noprefix = true
mnemonicPrefix = true
external = /bin/false
algorithm = patience
renames = copies
context = 0
orderFile = /dev/null
[color]
ui = always
[apply]
whitespace = error-all
[merge]
conflictStyle = zdiff3
"""


def test_neither_line_endings_nor_settings_of_git_matter(
    updated: Updated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = updated(whole)
    for file in (project / PACKAGE).rglob("*.py"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    (tmp_path / "gitconfig").write_text(GITCONFIG)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    status, found = check(project)
    assert (status, found["left"]) == (0, [])
    assert states(found) == [f"carried {place}" for place in WHOLE]
    keys = (project / PACKAGE / "core/auth/keys.py").read_bytes()
    assert b"import os\r\n" in keys
    assert keys.count(b"\n") == keys.count(b"\r\n")


def test_an_edit_without_a_certain_place_is_shown_until_it_is_there_or_accepted(updated: Updated) -> None:
    project = updated(apart)
    status, found = check(project)
    assert status == 1
    assert [state.split()[0] for state in states(found)] == ["left", "carried", "left"]
    signal, _, ours = found["moved"]
    assert "+import signal" in signal["hunk"].splitlines()
    assert signal["to"] == " or ".join(f"{PACKAGE}/core/command/{name}.py" for name in ("cli", "serve", "dev"))
    assert (ours["to"], ours["line"]) == (f"{PACKAGE}/core/command/cli.py", 11)
    [left] = found["left"]
    assert f"these edits of yours are not carried, as shown above: {PACKAGE}/cli.py." in left
    assert check(project, f"--accept={PACKAGE}/cli.py", "--no-carry")[0] == 0

    edit(project, "core/command/cli.py", "    keys.check(settings)\n", '    keys.check(settings)\n    print("ours")\n')
    edit(project, "core/command/dev.py", "import argparse\n", "import argparse\nimport signal\n")
    status, found = check(project)
    assert (status, found["left"]) == (0, [])


def test_a_changed_constant_is_carried_whatever_stands_around_it(updated: Updated) -> None:
    project = updated(number)
    for _ in range(2):
        status, found = check(project)
        assert (status, found["left"]) == (0, [])
        assert states(found) == ["carried /core/command/serve.py:9"]
        assert "PAUSE = 9 " in (project / PACKAGE / "core/command/serve.py").read_text()


def test_a_command_belongs_to_the_function_for_it_until_it_stands_in_extend(updated: Updated) -> None:
    project = updated(commanded)
    status, found = check(project)
    assert status == 1
    assert states(found) == [
        "left /extend.py:None",
        "carried /core/command/serve.py:17",
        "left /extend.py:None",
        "left /extend.py:6",
    ]
    assert [edit["room"] for edit in found["moved"]] == ["", "", "", "add_commands"]
    assert f"your edit belongs to `add_commands` in {PACKAGE}/extend.py, line 6" in check_text(project)

    extend = (project / PACKAGE / "extend.py").read_text()
    (project / PACKAGE / "extend.py").write_text(f"import signal\n{extend}    {COMMAND}\n")
    status, found = check(project)
    assert (status, states(found)[2:]) == (1, ["left /extend.py:None", "carried /extend.py:10"])
    assert [(one["name"], one["was"]) for one in found["imports"]] == [("ours", f"{PACKAGE}/cli.py")]
    (project / PACKAGE / "extend.py").write_text(f"import signal\n\n\n{OURS}\n\n{extend}    {COMMAND}\n")
    assert check(project)[0] == 0


def test_a_check_after_the_commit_looks_at_the_update(updated: Updated) -> None:
    project = updated(number)
    commit(project, "The update")
    status, found = check(project)
    assert (status, states(found)) == (1, ["free /core/command/serve.py:9"])
    assert found["version"] == {"before": OLD, "after": NEW}
    assert found["notes"] == ["The last commit is the update, so this looks at what changed since HEAD~1."]
    assert "mcp-connector check --carry --since 'HEAD~1', and commit what it writes." in found["left"][0]
    status, found = check(project, "--since=HEAD")
    assert (status, found["moved"], found["notes"]) == (0, [], [])
    (project / "own.md").write_text("Ours.\n")
    commit(project, "Ours")
    assert check(project)[1]["version"] == {"before": NEW, "after": NEW}


def test_a_weekly_job_of_an_older_release_shows_what_can_be_carried_and_writes_nothing(updated: Updated) -> None:
    project = updated(whole)
    before = rendering.files(project / "src")
    status, found = check(project, by=DOOR)
    assert status == 1
    assert states(found) == [f"free {place}" for place in WHOLE]
    [left] = found["left"]
    assert f"Run uvx --from git+{releasing.URL}@{NEW} mcp-connector check --carry before the commit, or with" in left
    assert rendering.files(project / "src") == before


def test_after_the_commit_edits_are_carried_on_request_alone(updated: Updated) -> None:
    project = updated(whole)
    commit(project, "Update")
    before = rendering.files(project / "src")
    status, found = check(project, "--since=HEAD~1")
    assert status == 1
    assert "mcp-connector check --carry --since 'HEAD~1', and commit what it writes." in found["left"][0]
    assert rendering.files(project / "src") == before
    assert check(project, "--since=HEAD~1", "--carry")[0] == 0
    commit(project, "Ours, carried")
    assert check(project, "--since=HEAD~2")[0] == 0


def test_a_template_out_of_reach_loses_no_edit(updated: Updated, monkeypatch: pytest.MonkeyPatch) -> None:
    project = updated(whole)
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "url./nowhere/.insteadOf")
    status, found = check(project)
    assert status == 0  # the tool's own hooks/moves.yaml has these rows, and git has the files before the update
    assert sorted(states(found)) == sorted(f"carried {place}" for place in WHOLE)
    assert found["unknown"].startswith(f"{releasing.URL} cannot be cloned (")


def test_what_a_release_changed_where_the_owner_moved_or_deleted_files_is_named(updated: Updated) -> None:
    project = updated(strayed)
    status, found = check(project)
    assert status == 1
    assert found["away"] == {"tests/test_it.py": "checks/test_it.py", "docs/guide.md": None}
    assert [sentence.split(":")[0] for sentence in found["left"]] == [
        "Lines of these files name what is not there any more, as shown above",
        "The release changed files that you moved, and the changes did not reach them",
    ]
    assert [(one["file"], one["line"], one["module"], one["name"], one["now"]) for one in found["imports"]] == [
        ("pyproject.toml", 3, "acme_crm.cli", "main", ["acme_crm.core.command.cli"]),
        (f"{PACKAGE}/own.py", 1, "acme_crm.auth", "", ["acme_crm.core.auth.guard"]),
        (f"{PACKAGE}/own.py", 2, "acme_crm.cli", "main", ["acme_crm.core.command.cli"]),
        (f"{PACKAGE}/own.py", 4, "acme_crm.keys", "", ["acme_crm.core.auth.keys"]),
    ]
    text = check_text(project)
    assert "The release changed files that you deleted, and they stay deleted: docs/guide.md." in text
    assert "tests/test_it.py (now checks/test_it.py)" in text


def check_text(project: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(rendering.ROOT)}
    done = subprocess.run([sys.executable, *TOOL, project], env=environment, capture_output=True, text=True)
    return " ".join(done.stdout.split())


def test_an_import_in_a_carried_line_that_leads_nowhere_is_named(updated: Updated) -> None:
    def imported(project: Path) -> None:
        edit(project, "keys.py", "LENGTH = 32", "LENGTH = 32\nfrom .settings import Settings as Ours")

    project = updated(imported)
    status, found = check(project)
    assert status == 1
    [one] = found["imports"]
    assert (one["file"], one["line"]) == (f"{PACKAGE}/core/auth/keys.py", 10)
    assert one["now"] == ["acme_crm.settings"]
    edit(project, "core/auth/keys.py", "from .settings import", "from ...settings import")
    assert check(project) == (0, {**found, "imports": [], "left": []})


# ------------------------------------------------------------------------------------------- where a hunk has its place


def carried(base: str, mine: str, *fresh: str) -> tuple[list[str], list[str]]:
    """The state of each edit, and the new files afterwards."""
    texts = {f"new{number}.py": text.split("\n") for number, text in enumerate(fresh)}
    now = {name: [*text] for name, text in texts.items()}
    edits = carry.carried("old.py", base.split("\n"), mine.split("\n"), texts, now)
    return [edit.state for edit in edits], ["\n".join(text) for text in now.values()]


def test_two_places_are_none() -> None:
    mine = KEYS.replace("LENGTH = 32", "LENGTH = 64")
    assert carried(KEYS, mine, KEYS) == (["free"], [mine])
    assert carried(KEYS, mine, KEYS, KEYS) == (["left"], [KEYS, KEYS])


def test_the_start_and_the_end_of_a_file_are_places() -> None:
    mine = f"# Ours.\n{KEYS}\n\nOURS = 1\n"
    assert carried(KEYS, mine, KEYS) == (["free", "free"], [mine])
    further = f"import this\n{KEYS}more()\n"
    assert carried(KEYS, mine, further) == (["left", "left"], [further])


def test_the_same_line_added_twice_is_carried_twice() -> None:
    mine = KEYS.replace("    return text", "    log()\n    return text").replace(
        "    print(json", "    log()\n    print(json"
    )
    states, [once] = carried(KEYS, mine, KEYS)
    assert (states, once) == (["free", "free"], mine)
    half = KEYS.replace("    return text", "    log()\n    return text")
    now = {"new.py": half.split("\n")}
    edits = carry.carried("old.py", KEYS.split("\n"), mine.split("\n"), {"new.py": KEYS.split("\n")}, now)
    assert [edit.state for edit in edits] == ["carried", "free"]


def test_a_line_that_the_release_has_by_itself_is_not_taken_for_the_owner_s() -> None:
    mine = KEYS.replace("    return text", "    print(text)\n    return text")
    other = KEYS.replace("    return text.splitlines()", "    return []") + "\n\nprint(text)\n"
    assert carried(KEYS, mine, other) == (["left"], [other])


def test_whatever_owners_change_is_carried_whole_or_said_and_a_second_time_changes_nothing() -> None:
    chance = random.Random(15)
    seen = {"free": 0, "left": 0}
    for _ in range(400):
        mine = KEYS.split("\n")
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(mine))
            mine[at : at + chance.randrange(3)] = [
                chance.choice(["ours()", "    ours = 1", "", *mine])
            ] * chance.randrange(3)
        fresh = {"new.py": ["# New.", *KEYS.split("\n")] if chance.randrange(2) else KEYS.split("\n")}
        now = {name: [*text] for name, text in fresh.items()}
        first = carry.carried("old.py", KEYS.split("\n"), mine, fresh, now)
        assert bool(first) == (mine != KEYS.split("\n"))
        after = {name: [*text] for name, text in now.items()}
        if all(edit.state == "free" for edit in first):
            assert now["new.py"] in (mine, ["# New.", *mine])
        again = carry.carried("old.py", KEYS.split("\n"), mine, fresh, now)
        assert now == after
        for edit, other in zip(first, again, strict=True):
            assert (edit.state, other.state) in {("free", "carried"), ("left", "left"), ("carried", "carried")}
            seen[edit.state] += 1
    assert min(seen.values()) > 10


@pytest.mark.parametrize("text", ["", "# Nothing moved.\n", "{}\n"])
def test_a_release_that_moved_nothing(text: str) -> None:
    assert carry.moves(text) == {}


def test_rows_of_every_form_are_read() -> None:
    assert carry.moves(MOVES) == {
        "keys.py": ["core/auth/keys.py"],
        "auth.py": ["core/auth/guard.py"],
        "cli.py": [f"core/command/{name}.py" for name in ("cli", "serve", "dev")],
        "smoke.py": ["core/command/smoke.py"],
    }
