"""Imports that a release broke, because the module moved: in files of the owner's and in lines that were carried."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

Moves = Mapping[str, Sequence[str]]  # old path below src/<package>/, and the new ones
Parts = tuple[str, ...]  # of a module's name, below the package


@dataclass(frozen=True, order=True)
class Stale:
    """An import of a module that is not there."""

    file: str
    line: int
    module: str
    now: tuple[str, ...]  # what it is called now; several where it was split, none where nothing tells


def parts(path: str) -> Parts:
    return tuple(path.removesuffix(".py").removesuffix("/__init__").split("/"))


def stale(project: Path, package: str, moves: Moves, names: Sequence[str]) -> list[Stale]:
    """Of these files, Python and others, each import of a module that moved, and what else no longer resolves."""
    home = project / "src" / package
    gone = {parts(old): places_of(home, places) for old, places in moves.items() if not exists(home, parts(old))}
    origins = {f"src/{package}/{new}": old for old, places in moves.items() for new in places}
    found = set()
    for name in names:
        try:
            text = (project / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        for line, module in named(text, package):
            for known in (module[:length] for length in range(1, len(module) + 1)):
                if known in gone:
                    found.add(stale_at(name, line, known, gone[known], package))
        if name.endswith(".py") and name.startswith(f"src/{package}/"):
            inside = name.removeprefix(f"src/{package}/")
            for line, level, module in relative(text, home, inside):
                here, before = (seen_from(path, level, module) for path in (inside, origins.get(name, inside)))
                if here in gone or before in gone:
                    moved = here if here in gone else before
                    found.add(stale_at(name, line, moved, gone[moved], package))
                elif name in origins:
                    found.add(stale_at(name, line, here, [before] if exists(home, before) else [], package))
    return sorted(found)


def places_of(home: Path, paths: Sequence[str]) -> list[Parts]:
    """New modules, those that this connector has; all of them where it has none."""
    every = [parts(path) for path in paths]
    return [module for module in every if exists(home, module)] or every


def stale_at(name: str, line: int, module: Parts, now: Sequence[Parts], package: str) -> Stale:
    return Stale(name, line, ".".join((package, *module)), tuple(".".join((package, *one)) for one in now))


def named(text: str, package: str) -> Iterator[tuple[int, Parts]]:
    """Modules by their full name, in code and in strings such as `acme.cli:main`."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in re.findall(rf"(?<![\w./-]){package}((?:\.\w+)+)", line):
            yield number, tuple(found[1:].split("."))
        if listed := re.match(rf"\s*from {package} import \(?([\w, ]+)", line):
            yield from ((number, (name.split()[0],)) for name in listed[1].split(",") if name.strip())


def relative(text: str, home: Path, inside: str) -> Iterator[tuple[int, int, Parts]]:
    """Line, dots and module of each relative import that does not resolve, in a file at `inside` in the package."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # as with markers of a conflict, which are said elsewhere
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = tuple(node.module.split(".")) if node.module else ()
            for each in [module] if module else [(alias.name,) for alias in node.names]:
                there = seen_from(inside, node.level, each)
                if not (exists(home, there) or (not module and defined(home, there))):
                    yield node.lineno, node.level, each


def seen_from(inside: str, level: int, module: Parts) -> Parts:
    """A relative import as its module's name below the package; of one that leaves the package, the module alone."""
    folder = PurePosixPath(inside).parent.parts
    up = len(folder) - level + 1
    return (*folder[:up], *module) if up >= 0 else module


def exists(home: Path, module: Parts) -> bool:
    place = home.joinpath(*module)
    return place.is_dir() or any(place.parent.glob(f"{place.name}.*"))


def defined(home: Path, name: Parts) -> bool:
    """Whether the package that should hold a name mentions it."""
    try:
        text = home.joinpath(*name[:-1], "__init__.py").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return bool(re.search(rf"\b{name[-1]}\b", text))
