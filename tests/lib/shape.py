"""The shape of a rendered package: what lies at its top, its modules and lines, and circles of imports."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

# The owner's, which a reader of the template's code need not take in.
SEEDS = re.compile(r"^(tools/|upstream\.py$|stand_in\.py$)")


def package(project: Path) -> Path:
    [folder] = (path for path in (project / "src").iterdir() if path.is_dir())
    return folder


def entries(project: Path) -> list[str]:
    """Names at the top of the package, except `__init__.py` and `__main__.py`."""
    return sorted(path.name for path in package(project).iterdir() if not path.name.startswith("__"))


def own(project: Path) -> dict[str, str]:
    """The text of each module but the owner's seeds, by its path below the package."""
    root = package(project)
    files = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in root.rglob("*.py")}
    return {name: text for name, text in files.items() if not SEEDS.search(name)}


def modules(project: Path) -> list[str]:
    """Modules that hold more than a docstring."""
    return [name for name, text in own(project).items() if any(map(is_code, ast.parse(text).body))]


def is_code(statement: ast.stmt) -> bool:
    return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


def lines(project: Path) -> int:
    return sum(text.count("\n") for text in own(project).values())


def circles(project: Path) -> list[list[str]]:
    """Modules that import each other, directly or through others.

    Imports for typing and in functions count. Whoever imports a module runs the packages above it, too.
    """
    root = package(project)
    paths = {dotted(path.relative_to(root)): path for path in root.rglob("*.py")}
    graph = {name: set(imported(name, path, paths)) for name, path in paths.items()}
    return [sorted(group) for group in connected(graph) if len(group) > 1]


def dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(name: str, path: Path, paths: dict[str, Path]) -> Iterator[str]:
    parts = name.split(".")
    folder = parts if path.name == "__init__.py" else parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = folder[: len(folder) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                named = [*base, alias.name]
                target = named if ".".join(named) in paths else base
                above = (".".join(target[:end]) for end in range(1, len(target) + 1))
                yield from (place for place in above if place in paths)


def connected(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups in which each node reaches each other one."""
    reached = {node: reachable(graph, node) for node in graph}
    groups: list[set[str]] = []
    for node in graph:
        if not any(node in group for group in groups):
            groups.append({node, *(other for other in reached[node] if node in reached[other])})
    return groups


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for node in graph[waiting.pop()] - found:
            found.add(node)
            waiting.append(node)
    return found


def conditionals(template: Path) -> tuple[int, int]:
    """How many `{% if %}` the template's files have, and how many of its names."""
    files = [path for path in template.rglob("*") if path.is_file()]
    texts = [path.read_text(encoding="utf-8") for path in files]
    names = {part for path in template.rglob("*") for part in path.relative_to(template).parts if "{% if" in part}
    return sum(len(re.findall(r"\{%-? (?:el)?if ", text)) for text in texts), len(names)
