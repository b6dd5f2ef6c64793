"""Names that a release broke, because their module moved: in files of the owner's and in lines that were carried."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from .bound import Names, names

Moves = Mapping[str, Sequence[str]]  # old path below src/<package>/, and the new ones
Parts = tuple[str, ...]  # of a module's name, below the package
Before = Callable[[str], str | None]  # the text of a file before the update


@dataclass(frozen=True, order=True)
class Stale:
    """A line that names what is not there."""

    file: str
    line: int
    module: str  # that is named; nothing where a name is used that the file does not import any more
    name: str  # in that module; nothing where the line names the module alone
    now: tuple[str, ...]  # the modules that it may be in now
    was: str = ""  # where none has it: the import of another package, or the file that defined it


def parts(path: str) -> Parts:
    return tuple(path.removesuffix(".py").removesuffix("/__init__").split("/"))


@dataclass(frozen=True)
class Package:
    """The package of a connector, after an update that moved modules."""

    project: Path
    name: str
    moves: Moves
    before: Before

    @property
    def home(self) -> Path:
        return self.project / "src" / self.name

    @cached_property
    def modules(self) -> dict[Parts, Names]:
        """What every module binds."""
        found = {}
        for path in sorted(self.home.rglob("*.py")):
            found[parts(path.relative_to(self.home).as_posix())] = names(read(path))
        return found

    @cached_property
    def gone(self) -> dict[Parts, list[Parts]]:
        """Modules that moved, each with those that have its place; all of the row where this connector has none."""
        found = {}
        for old, places in self.moves.items():
            every = [parts(path) for path in places]
            if not self.exists(parts(old)):
                found[parts(old)] = [module for module in every if self.exists(module)] or every
        return found

    @cached_property
    def origins(self) -> dict[str, list[str]]:
        """Old paths of each file that has lines of another one; extend.py may have an owner's of all of them."""
        found: dict[str, list[str]] = {}
        for old, places in self.moves.items():
            for new in (*places, "extend.py"):
                found.setdefault(new, []).append(old)
        return found

    def exists(self, module: Parts) -> bool:
        place = self.home.joinpath(*module)
        return place.is_dir() or any(place.parent.glob(f"{place.name}.*"))

    def places(self, name: str, candidates: Sequence[Parts], had: Names) -> list[Parts]:
        """The modules that define a name which `had` defines: of the candidates, or else of all the template's."""
        if not name:
            return [*candidates]
        known = [module for module in candidates if module in self.modules and name in self.modules[module].defined]
        if not known:
            every = [module for module, here in self.modules.items() if name in here.defined]
            known = [module for module in every if module[0] == "core"] or every
        text = had.defined.get(name)
        return [module for module in known if self.modules[module].defined[name] == text] or known

    def was(self, module: Parts) -> tuple[str, Names]:
        """A module before the update: its file and names."""
        for path in ("/".join(module) + ".py", "/".join((*module, "__init__.py"))):
            if (text := self.before(f"src/{self.name}/{path}")) is not None:
                return f"src/{self.name}/{path}", names(text)
        return "", Names()

    def stale(self, file: str, line: int, module: Parts, name: str, candidates: Sequence[Parts]) -> Stale:
        path, had = self.was(module)
        now = self.places(name, candidates, had)
        was = "" if now else had.imported.get(name, path if name in had.defined else "")
        return Stale(file, line, self.dotted(module), name, tuple(map(self.dotted, now)), was)

    def dotted(self, module: Parts) -> str:
        return ".".join((self.name, *module))


def read(path: Path) -> str:
    """A file's text; nothing if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def stale(project: Path, package: str, moves: Moves, files: Sequence[str], before: Before) -> list[Stale]:
    """Of these files, Python and others: each import of what moved, and each name that the file lost on the way."""
    whole = Package(project, package, moves, before)
    found: set[Stale] = set()
    for file in files:
        text = read(project / file)
        if file.endswith(".py"):
            found.update(imported(whole, file, text))
            found.update(lost(whole, file, text))
        seen = {(one.line, one.module) for one in found if one.file == file}
        for line, module in named(text, package):
            for length in range(1, len(module) + 1):
                if (known := module[:length]) in whole.gone and (line, whole.dotted(known)) not in seen:
                    name = module[length] if length < len(module) else ""
                    found.add(whole.stale(file, line, known, name, whole.gone[known]))
    return sorted(found)


def named(text: str, package: str) -> Iterator[tuple[int, Parts]]:
    """Modules by their full name, and what is named in them, as in `acme.cli:main` and `"acme.cli.load"`."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in re.findall(rf"(?<![\w./-]){package}((?:\.\w+)+(?::[A-Za-z_]\w*)?)", line):
            yield number, tuple(found[1:].replace(":", ".").split("."))


def imported(package: Package, file: str, text: str) -> Iterator[Stale]:
    """Of a Python file, each imported name whose module moved or has it no more."""
    for line, level, module, name in statements(text, package.name):
        inside = file.removeprefix(f"src/{package.name}/")
        if level and inside == file:
            continue  # of the owner's tests, say
        paths = [inside, *(package.origins.get(inside, []) if inside != "extend.py" else [])]
        here, *others = (seen_from(path, level, module) for path in paths) if level else (module,)
        if here in package.gone:
            yield package.stale(file, line, here, name, package.gone[here])
        elif package.exists(here):
            had, has = package.was(here)[1], package.modules.get(here)
            if (
                has
                and not has.has(name)
                and name in {*had.defined, *had.imported}
                and not package.exists((*here, name))
            ):
                yield package.stale(file, line, here, name, [])
        elif moved := next((one for one in others if one in package.gone), None):
            yield package.stale(file, line, moved, name, package.gone[moved])
        elif others and not (name_of(module) and defined(package, here)):
            known = [one for one in others if package.exists(one)]
            yield Stale(file, line, package.dotted(here), name, tuple(map(package.dotted, known[:1])))


def name_of(module: Parts) -> bool:
    """Whether a relative import may mean a name of the folder's own `__init__.py`."""
    return len(module) == 1


def defined(package: Package, name: Parts) -> bool:
    own = package.modules.get(name[:-1])
    return own is not None and own.has(name[-1])


def statements(text: str, package: str) -> Iterator[tuple[int, int, Parts, str]]:
    """Line, dots, module and name of each import from the package; without a name where the file names none."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # as with markers of a conflict, which are said elsewhere
        return
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else []:
            module = tuple(node.module.split(".")) if isinstance(node, ast.ImportFrom) and node.module else ()
            level = node.level if isinstance(node, ast.ImportFrom) else 0
            if isinstance(node, ast.Import):
                module = tuple(alias.name.split("."))
            if not level:
                if module[:1] != (package,):
                    continue
                module = module[1:]
            if isinstance(node, ast.ImportFrom) and module:
                yield alias.lineno, level, module, alias.name
                continue
            module = module or (alias.name,)
            for name in attributes(tree, alias.asname or alias.name) or [""]:
                yield alias.lineno, level, module, name


def attributes(tree: ast.AST, module: str) -> list[str]:
    """What a file uses of a module that it imported as a whole."""
    uses = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return sorted({node.attr for node in uses if ast.unparse(node.value) == module})


def seen_from(inside: str, level: int, module: Parts) -> Parts:
    """A relative import as its module's name below the package; of one that leaves the package, the module alone."""
    folder = PurePosixPath(inside).parent.parts
    up = len(folder) - level + 1
    return (*folder[:up], *module) if up >= 0 else module


def lost(package: Package, file: str, text: str) -> Iterator[Stale]:
    """Names that a Python file uses and does not bind, where it or the file that its lines come from did."""
    inside = file.removeprefix(f"src/{package.name}/")
    if inside == file or not (missing := names(text).missing()):
        return
    for path in (inside, *package.origins.get(inside, [])):
        source, had = package.was(parts(path))
        for name in {*missing} & ({*had.defined} | {*had.imported}):
            now = package.places(name, [], had)
            was = "" if now else had.imported.get(name, source)
            yield Stale(file, missing.pop(name), "", name, tuple(map(package.dotted, now)), was)
