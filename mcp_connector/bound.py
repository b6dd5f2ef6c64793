"""Which names a Python file binds and uses, read from its text: nothing of a connector is run."""

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field

BUILT_IN = {*dir(builtins)}
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True)
class Names:
    """Of one file."""

    defined: dict[str, str] = field(default_factory=dict)  # at the top: functions, classes and constants, as they stand
    imported: dict[str, str] = field(default_factory=dict)  # at the top: the statement of each
    within: set[str] = field(default_factory=set)  # in any function, class or comprehension
    used: dict[str, int] = field(default_factory=dict)  # with the first line
    whole: bool = False  # whether that is all; not with `import *`, `__getattr__`, or a syntax error

    def has(self, name: str) -> bool:
        """Whether another file can import it from this one."""
        return not self.whole or name in self.defined or name in self.imported or name.startswith("__")

    def missing(self) -> dict[str, int]:
        """What this file uses without binding it."""
        known = BUILT_IN | self.within | {*self.defined} | {*self.imported}
        return {n: line for n, line in self.used.items() if self.whole and n not in known and not n.startswith("__")}


def names(text: str) -> Names:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # as with markers of a conflict, which are said elsewhere
        return Names()
    defined: dict[str, str] = {}
    imported: dict[str, str] = {}
    within: set[str] = set()
    used: dict[str, int] = {}
    for node, top, whole in walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used[node.id] = min(node.lineno, used.get(node.id, node.lineno))
            continue
        if isinstance(node, ast.Import | ast.ImportFrom) and top:
            for alias in node.names:
                imported[alias.asname or alias.name.split(".")[0]] = statement(node, alias)
            continue
        for name in binds(node):
            if top:
                defined.setdefault(name, ast.unparse(whole))
            else:
                within.add(name)
    return Names(defined, imported, within, used, "*" not in imported and "__getattr__" not in defined)


def statement(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """The import of one name alone."""
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(names=[alias]))
    return ast.unparse(ast.ImportFrom(module=node.module, names=[alias], level=node.level))


def walk(tree: ast.Module) -> Iterator[tuple[ast.AST, bool, ast.stmt]]:
    """Every node, whether what it binds is bound in the module, and the statement of the module that it is in."""

    def below(node: ast.AST, top: bool) -> Iterator[tuple[ast.AST, bool]]:
        yield node, top
        for child in ast.iter_child_nodes(node):
            yield from below(child, top and not isinstance(node, (*SCOPES, ast.comprehension)))

    for whole in tree.body:
        for node, top in below(whole, True):
            yield node, top, whole


def binds(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Name(id=name) | ast.arg(arg=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.split(".")[0] for alias in names)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case _ if type(node).__name__ in {"TypeVar", "ParamSpec", "TypeVarTuple"}:  # since Python 3.12
            yield str(getattr(node, "name", ""))
