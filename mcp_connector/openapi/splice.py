"""Edits of a module that its owner has edited, too: one function or class at a time, by the lines where it stands."""

import ast
import inspect
import io
import json
import re
import tokenize
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from ..recorded import Problem

IGNORED = {"ctx", "kind", "type_comment", "type_params", "lineno", "col_offset", "end_lineno", "end_col_offset"}
WIDTH = 88  # characters of a line that lists modules


class Block(NamedTuple):
    """A function, a class, or an assignment to a name at the top of a module."""

    first: int  # lines, counted from 1
    last: int
    mark: str  # the same whatever a formatter did; another one after an edit, even of a comment


class Module:
    """The text of a module, with the line ends that it has."""

    def __init__(self, name: str, content: bytes) -> None:
        """Raises Problem if it is not a module that can be read."""
        self.name = name
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            raise Problem(f"tools/{name}.py is not text in UTF-8. Correct it first.") from None
        self._start = "\ufeff" if text.startswith("\ufeff") else ""
        self._end = "\r\n" if "\r\n" in text else "\n"
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.blocks = blocks(self.text, name)

    def content(self) -> bytes:
        return (self._start + self.text.replace("\n", self._end)).encode()

    def of(self, name: str) -> str:
        block = self.blocks[name]
        return "".join(self.text.splitlines(keepends=True)[block.first - 1 : block.last])

    def replace(self, name: str, text: str) -> None:
        block, lines = self.blocks[name], self.text.splitlines(keepends=True)
        self._set("".join([*lines[: block.first - 1], text, *lines[block.last :]]))

    def append(self, text: str) -> None:
        self._set(self.text.rstrip("\n") + "\n\n\n" + text)

    def insert(self, text: str, before: Collection[str]) -> None:
        """Put a block above the first of others, comments above it included."""
        lines = self.text.splitlines(keepends=True)
        starts = [block.first for name, block in self.blocks.items() if name in before]
        if not starts:
            return self.append(text)
        at = min(starts) - 1
        while at and lines[at - 1].lstrip().startswith("#"):
            at -= 1
        return self._set("".join([*lines[:at], text.rstrip("\n") + "\n\n\n", *lines[at:]]))

    def adjust_imports(self, fresh: str, before: str) -> bool:
        """Import what the new text needs, and drop what only the old text needed. Whether anything changed."""
        used, was, wanted = words(self.text), words(before), imports(fresh)
        bound = {name for names in imports(self.text).values() for name in names}
        missing = {place: (names & used) - bound for place, names in wanted.items()}
        lines, changed, end = self.text.splitlines(keepends=True), False, 0
        for node in reversed(ast.parse(self.text).body):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            end = end or node.end_lineno or 0
            if isinstance(node, ast.Import) or origin(node) not in wanted or any(alias.asname for alias in node.names):
                continue
            names = {alias.name for alias in node.names}
            kept = (names | missing.pop(origin(node), set())) - {name for name in names if name in was - used}
            if kept != names:
                line = f"from {origin(node)} import {', '.join(sorted(kept))}\n"
                lines[node.lineno - 1 : node.end_lineno] = [line] if kept else []
                end += bool(kept) - ((node.end_lineno or node.lineno) - node.lineno + 1)
                changed = True
        added = [f"from {place} import {', '.join(sorted(names))}\n" for place, names in missing.items() if names]
        if changed or added:
            self._set("".join([*lines[:end], *added, *lines[end:]]))
        return bool(changed or added)

    def _set(self, text: str) -> None:
        self.text = text
        self.blocks = blocks(text, self.name)


def blocks(text: str, name: str) -> dict[str, Block]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise Problem(f"tools/{name}.py cannot be parsed (line {error.lineno}). Correct it first.") from None
    except (ValueError, RecursionError):
        raise Problem(f"tools/{name}.py cannot be parsed. Correct it first.") from None
    lines = text.splitlines(keepends=True)
    found = {}
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                first, label = min([node.lineno, *(one.lineno for one in node.decorator_list)]), node.name
            case ast.Assign(targets=[ast.Name(id=label)]):
                first = node.lineno
            case _:
                continue
        last = node.end_lineno or first
        found[label] = Block(first, last, fingerprint(node, "".join(lines[first - 1 : last])))
    return found


def fingerprint(node: ast.AST, text: str) -> str:
    """Of what the code says and its comments, the same on each version of Python."""
    comments = comments_of(text) if "#" in text else []
    return sha256(json.dumps([canonical(node), comments]).encode()).hexdigest()[:16]


def comments_of(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def canonical(node: Any, docstring: bool = False) -> Any:
    if isinstance(node, ast.AST):
        inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        found: dict[str, Any] = {}
        for name, value in ast.iter_fields(node):
            if name in IGNORED or value is None or value == []:
                continue
            if inner and name == "body":
                found[name] = [canonical(one, docstring=not turn) for turn, one in enumerate(value)]
            else:
                found[name] = canonical(value, docstring)
        return [type(node).__name__, found]
    if isinstance(node, list):
        return [canonical(one) for one in node]
    return inspect.cleandoc(node) if docstring and isinstance(node, str) else repr(node)


def words(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def origin(node: ast.ImportFrom) -> str:
    return "." * node.level + (node.module or "")


def imports(text: str) -> dict[str, set[str]]:
    """Names by the module that they are imported from."""
    found: dict[str, set[str]] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom):
            found.setdefault(origin(node), set()).update(alias.asname or alias.name for alias in node.names)
    return found


def needed(names: Iterable[str], sources: Mapping[str, str]) -> list[str]:
    """The classes that these blocks need, directly or through others, in the order in which they stand."""
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        for name in words(sources[waiting.pop()]) & sources.keys() - reached:
            reached.add(name)
            waiting.append(name)
    return [name for name in sources if name in reached]


def registered(text: str, added: Iterable[str], removed: Collection[str]) -> str | None:
    """`tools/__init__.py`, in which `api.add_tools` gets these modules; None where its owner wrote something else."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "api.add_tools"
    ]
    own = [node for node in tree.body if isinstance(node, ast.ImportFrom) and origin(node) == "."]
    if len(calls) != 1 or not calls[0].args or not all(isinstance(one, ast.Name) for one in calls[0].args):
        return None
    if len(own) > 1 or any(alias.asname for node in own for alias in node.names):
        return None
    call = calls[0]
    lines = text.splitlines(keepends=True)
    comments = any("#" in (ast.get_source_segment(text, node) or "") for node in [call, *own])
    if comments or lines[call.lineno - 1][: call.col_offset].strip():
        return None
    server, *modules = [ast.unparse(one) for one in call.args]
    modules = [name for name in modules if name not in removed]
    modules += [name for name in sorted(added) if name not in modules]
    imported = {alias.name for node in own for alias in node.names} - set(removed) | set(added)
    indent = " " * (call.col_offset)
    shown = laid_out(f"{indent}api.add_tools(", [server, *modules], ")", indent)
    first, last = call.lineno - 1, call.end_lineno or call.lineno
    rest = lines[last - 1].encode()[call.end_col_offset :].decode()
    lines[first:last] = [shown + rest]
    line = laid_out("from . import ", sorted(imported, key=natural), "", "") + "\n" if imported else ""
    if own:
        lines[own[0].lineno - 1 : own[0].end_lineno] = [line] if line else []
    elif line:
        at = max(
            (node.end_lineno or 0 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)), default=0
        )
        lines.insert(at, line)
    return "".join(lines)


def natural(name: str) -> list[tuple[str, int]]:
    """Names in the order of the linter, which has t9 before t10."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name)]


def laid_out(start: str, names: list[str], end: str, indent: str) -> str:
    """Names on one line, or on one each."""
    whole = f"{start}{', '.join(names)}{end}"
    if len(whole) <= WIDTH:
        return whole
    start, end = (start, end) if end else (f"{start}(", ")")
    return start + "\n" + "".join(f"{indent}    {name},\n" for name in names) + indent + end
