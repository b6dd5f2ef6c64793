"""The shape of a package: what lies at its top, how much there is to read, and which module imports which."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ..lib import rendering, shape, updating
from ..lib.rendering import Answers, Rendered

# Each mode with each source. The target and the pipeline change no module.
PACKAGES = [
    {"auth_mode": mode, "hosting": "compose", "source": source, "ci": "none"}
    for mode in rendering.choices("auth_mode")
    for source in rendering.choices("source")
]
PACKAGES += [
    {"auth_mode": "headers", "hosting": "compose", "source": source, "ci": "none", "upstream_identity": "connector"}
    for source in ("rest-api", "openapi")
]
every_package = pytest.mark.parametrize("answers", PACKAGES, ids=map(rendering.label, PACKAGES))

# With `rest-api`: modules that hold more than a docstring, and lines. A rise needs a reason in the changelog.
MOST = {
    "none": (52, 6090),
    "headers": (54, 6160),
    "api-key": (58, 6770),
    "oauth": (65, 7310),
    "oauth-introspection": (66, 7440),
    "oauth-proxy": (70, 8370),
}
MORE = {"openapi": (3, 390), "database": (2, 630), "blank": (-9, -1220)}  # than with `rest-api`
ENTRIES = 8
PLANTED = {"auth_mode": "oauth", "hosting": "compose", "source": "rest-api", "ci": "none"}


@every_package
def test_few_entries_lie_at_the_top(rendered: Rendered, answers: Answers) -> None:
    assert too_many_entries(rendered(answers)) == []


@every_package
def test_no_two_modules_import_each_other(rendered: Rendered, answers: Answers) -> None:
    assert shape.circles(rendered(answers)) == []


@every_package
def test_a_package_is_read_in_minutes(rendered: Rendered, answers: Answers) -> None:
    modules, lines = MOST[answers["auth_mode"]]
    more_modules, more_lines = MORE.get(answers["source"], (0, 0))
    assert len(shape.modules(rendered(answers))) <= modules + more_modules
    assert shape.lines(rendered(answers)) <= lines + more_lines


@every_package
def test_a_package_inside_of_core_holds_no_code(rendered: Rendered, answers: Answers) -> None:
    """An import there would be run with every module below it, and begin a circle."""
    assert code_of_packages(rendered(answers)) == []


def too_many_entries(project: Path) -> list[str]:
    found = shape.entries(project)
    return found if len(found) > ENTRIES else []


def code_of_packages(project: Path) -> list[str]:
    return [name for name in shape.modules(project) if name.startswith("core/") and name.endswith("__init__.py")]


@pytest.mark.parametrize(
    ("find", "file", "addition"),
    [
        (too_many_entries, "more.py", "X = 1\n"),
        (shape.circles, "settings.py", "from .core.parts import Auth\n"),
        (shape.circles, "settings.py", "if TYPE_CHECKING:\n    from .app import create_app\n"),
        (shape.circles, "core/auth/__init__.py", "from .mode import protect\n"),
        (shape.circles, "core/fields.py", "def f() -> None:\n    from .. import settings\n"),
        (code_of_packages, "core/auth/__init__.py", "from .mode import protect\n"),
    ],
)
def test_a_planted_error_is_found(
    rendered: Rendered, tmp_path: Path, find: Callable[[Path], list[object]], file: str, addition: str
) -> None:
    project = shutil.copytree(rendered(PLANTED), tmp_path / "project")
    assert not find(project)
    with (shape.package(project) / file).open("a", encoding="utf-8") as module:
        module.write(addition)
    assert find(project)


def test_python_is_rendered_without_a_branch() -> None:
    """A mode or a source is a folder and a row of data; a condition inside a module is neither."""
    modules = [path for path in rendering.TEMPLATE.rglob("*.py*") if "src" in path.parts]
    assert len(modules) > 50
    assert [path.name for path in modules if re.search(r"\{%-? *(if|elif)\b", path.read_text(encoding="utf-8"))] == []


def test_each_moved_module_is_where_the_list_of_moves_says(rendered: Rendered) -> None:
    moves = yaml.safe_load((rendering.ROOT / "hooks/moves.yaml").read_text(encoding="utf-8"))
    places = {place for row in moves.values() for place in row}
    found = {name for answers in PACKAGES for name in shape.own(rendered(answers))}
    assert places - found == set()
    # In `headers` without an API, `auth.py` is still what tools import.
    assert set(moves) & found <= {"auth.py"}


# --------------------------------------------------------------------------------------- what owners' files import

FROM = re.compile(r"^from \.+(?P<module>[\w.]*) import (?P<names>.+)$", re.MULTILINE)


@pytest.mark.parametrize("version", updating.VERSIONS)
def test_what_seeds_of_earlier_releases_import_is_still_there(rendered: Rendered, version: str) -> None:
    """Updates leave these files as they are. `tools` and `upstream` are seeds themselves."""
    for source, texts in seeds(version).items():
        project = rendered({"auth_mode": "none", "hosting": "compose", "source": source, "ci": "none"})
        assert missing(texts, shape.own(project)) == set(), source


def test_an_import_that_is_gone_is_found() -> None:
    text = "from .core.source.report import Path\nfrom ..settings import Settings, gone\nfrom .text import count\n"
    assert missing([text], {"settings.py": "class Settings: ..."}) == {"core.source.report", "settings.gone"}


def seeds(version: str) -> dict[str, list[str]]:
    """The owner's modules as a release rendered them, by the source that they are for."""
    commit = updating.COMMITS[version]
    names = rendering.git("ls-tree", "-r", "--name-only", "-z", commit, "template", cwd=rendering.ROOT).split("\0")
    chosen = [name for name in names if re.search(r"/(tools/\w+|upstream|stand_in)\.py$", name)]
    assert len(chosen) >= 5
    found: dict[str, list[str]] = {}
    for name in chosen:
        folders = [source for source in rendering.choices("source") if f"only.{source.replace('-', '_')} " in name]
        text = rendering.git("show", f"{commit}:{name}", cwd=rendering.ROOT)
        found.setdefault(folders[0] if folders else "rest-api", []).append(text)
    return found


def missing(texts: list[str], modules: dict[str, str]) -> set[str]:
    """What these modules import of the template's, and it does not have."""
    gone = set()
    for found in (found for text in texts for found in FROM.finditer(text)):
        module, names = found["module"], found["names"].strip("()").split(", ")
        file = f"{module.replace('.', '/')}.py"
        if "." not in module and file not in modules and module not in TEMPLATES:
            continue  # a seed, or beside one
        if file not in modules:
            inside = {name for name in names if f"{module.replace('.', '/')}/{name}.py" in modules}
            gone |= set() if inside == set(names) else {module}
        else:
            gone |= {f"{module}.{name}" for name in names if not re.search(rf"\b{name}\b", modules[file])}
    return gone


TEMPLATES = {"settings", "client", "app", "auth"}  # names at the top that seeds may import
