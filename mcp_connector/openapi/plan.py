"""What an import does to the tools of a connector: which text is written, what is reported, and the exit status."""

import builtins
import difflib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import splice, verdict, write
from .names import function, identifier, unique
from .record import END, EXAMPLE, Known, Record, load
from .resolve import Refused, Schemas
from .select import Operation
from .splice import Module
from .types import Types
from .write import Tool

Json = Any

NOTHING, ADDITIVE, BREAKING = 0, 10, 20  # exit statuses
LEFT = "left as it is; what the document would make of it:"
RESERVED = {"api", "register", "server"}  # names of tools/__init__.py


@dataclass
class Made:
    """The tools of one tag."""

    name: str  # of the module
    tag: str
    types: Types
    tools: list[Tool] = field(default_factory=list)


@dataclass
class Plan:
    """What is written, by the path below `tools/`; None deletes a file."""

    files: dict[str, bytes | None] = field(default_factory=dict)
    said: list[tuple[str, str, list[str]]] = field(default_factory=list)  # a word, what it is about, and more lines
    code: int = NOTHING

    def say(self, word: str, about: str, *more: str, code: int = NOTHING) -> None:
        self.said.append((word, about, list(more)))
        self.code = max(self.code, code)


class Folder:
    """`tools/` of a connector."""

    def __init__(self, path: Path, config: Path) -> None:
        """`config` has the settings of the linter. Raises Problem if a module cannot be read."""
        self.path, self.config = path, config
        self.modules = {file.stem: Module(file.stem, file.read_bytes()) for file in sorted(path.glob("*.py"))}
        known = load(path / f"{EXAMPLE}{END}")
        module = self.modules.get(EXAMPLE)
        marks = {one.name: one.mark for one in known.tools.values()}
        unedited = module and marks and marks == {name: block.mark for name, block in module.blocks.items()}
        self.example = [EXAMPLE] if unedited else []

    def has(self, name: str) -> str | None:
        """The module with this function or class, or None."""
        return next((module.name for module in self.modules.values() if name in module.blocks), None)


def plan(
    schemas: Schemas,
    chosen: Collection[Operation],
    present: Collection[str],
    record: Record,
    folder: Folder,
    asked: Collection[str],
) -> Plan:
    """What an import of the chosen operations does. It changes the record, too.

    `present` are the ids of all operations of the document, `asked` those that this import is the first to choose.
    """
    if record.tools:
        folder.example = []  # of an earlier import
    modules, refused = make(schemas, chosen, record, folder)
    plan, again = Plan(), bool(record.tools)
    texts = {one.name: write.module(one.tag, one.types.classes, one.tools) for one in modules}
    fresh = {name: Module(name, text.encode()) for name, text in write.formatted(texts, folder.config).items()}
    added = []
    for one in modules:
        news = [tool for tool in one.tools if tool.operation.id not in record.tools]
        more = ADDITIVE if again and any(tool.operation.id not in asked for tool in news) else NOTHING
        if one.name in folder.modules and one.name not in folder.example:
            merge(plan, one, fresh[one.name], folder, record, more)
        elif not news:
            for tool in one.tools:
                plan.say("deleted", tool.name, "yours to leave out")
        else:
            plan.say("new", f"tools/{one.name}.py", ", ".join(tool.name for tool in news), code=more)
            if len(news) < len(one.tools):  # its owner deleted the file with the others
                sources = {name: fresh[one.name].of(name) for name in fresh[one.name].blocks}
                needed = set(splice.needed([tool.name for tool in news], sources))
                classes = {name: text for name, text in one.types.classes.items() if name in needed}
                texts = {one.name: write.module(one.tag, classes, news)}
                plan.files[f"{one.name}.py"] = write.formatted(texts, folder.config)[one.name].encode()
            else:
                plan.files[f"{one.name}.py"] = fresh[one.name].content()
            added.append(one.name)
        remember(one, fresh[one.name], record)
    for label, why in refused:
        known = record.tools.get(label)
        if record.refused.get(label) != why:
            plan.say("refused", known.name if known else label, why, code=BREAKING if known else NOTHING)
    record.refused = dict(refused)
    for label in [label for label in record.tools if label not in present]:
        if folder.has(name := record.tools[label].name):
            plan.say("removed", name, "BREAKING the document has it no more; delete the function", code=BREAKING)
        else:
            del record.tools[label]
    register(plan, folder, added)
    plan.files[record.path.name] = record.text().encode()
    return plan


def make(
    schemas: Schemas, chosen: Collection[Operation], record: Record, folder: Folder
) -> tuple[list[Made], list[tuple[str, str]]]:
    """The tools of these operations by module, and which operations have none and why."""
    own = {known.name for known in record.tools.values()}
    kept = [module for name, module in folder.modules.items() if name not in folder.example]
    names = own | {name for module in kept for name in module.blocks}
    used = {module.name for module in kept} | set(record.modules.values())
    tags = dict(record.modules)
    modules: dict[str, Made] = {}
    refused = []
    for op in chosen:
        known = record.tools.get(op.id)  # which stays in its module, whatever its tag is now
        if not known and op.tag not in tags:
            tags[op.tag] = module_name(op.tag, used)
            used.add(tags[op.tag])
        place = known.module if known else tags[op.tag]
        module = modules.setdefault(place, Made(place, op.tag, Types(schemas, record.keys.get(place, {}))))
        name = known.name if known else unique(function(op.id, op.method, op.place), names)
        before = dict(module.types.classes), dict(module.types.keys)
        try:
            module.tools.append(write.tool(schemas, module.types, op, name))
            names.add(name)
        except Refused as why:
            module.types.classes, module.types.keys = before
            refused.append((op.id, str(why)))
    found = [module for module in modules.values() if module.tools]
    record.modules = {
        tag: name for tag, name in tags.items() if name in {module.name for module in found}
    } | record.modules
    return found, refused


def module_name(tag: str, used: Collection[str]) -> str:
    """A name that stands for nothing else in `tools/__init__.py`."""
    name = identifier(tag, "tools")
    return unique(f"{name}_tools" if name in RESERVED or hasattr(builtins, name) else name, used, 40)


def sizes(schemas: Schemas, every: Collection[Operation]) -> dict[str, int]:
    """About how many bytes of `tools/list` the operations of each tag are."""
    found: dict[str, int] = {}
    types = Types(schemas, {})
    for op in every:
        types.classes.clear()
        try:
            tool = write.tool(schemas, types, op, "tool")
        except Refused:
            continue
        text = tool.source + "".join(types.classes.values())
        found[op.tag] = found.get(op.tag, 0) + len(text.encode()) * 9 // 10  # as measured with a dozen documents
    return found


def remember(one: Made, fresh: Module, record: Record) -> None:
    for tool in one.tools:
        mark = fresh.blocks[tool.name].mark
        record.tools.setdefault(tool.operation.id, Known(tool.name, one.name, mark, tool.contract, tool.words))
    if one.types.classes:
        record.keys[one.name] = {**record.keys.get(one.name, {}), **one.types.keys}
    for name in one.types.classes:
        record.classes.setdefault(one.name, {}).setdefault(name, fresh.blocks[name].mark)


def merge(plan: Plan, one: Made, fresh: Module, folder: Folder, record: Record, more: int) -> None:
    """Merge the tools of a document into a module that exists. `more` is the exit status for a new one."""
    module = folder.modules[one.name]
    before, sources = module.text, {name: fresh.of(name) for name in fresh.blocks}
    written: list[str] = []
    touched: list[str] = []  # tools that the document changed
    for tool in one.tools:
        known = record.tools.get(tool.operation.id)
        if known is None:
            module.append(sources[tool.name])
            plan.say("new", tool.name, f"in tools/{one.name}.py", code=more)
            written.append(tool.name)
            continue
        changes = verdict.compare(known.contract, tool.contract)
        if not changes and tool.words == known.words:
            if not folder.has(tool.name):
                plan.say("deleted", tool.name, "yours to leave out")
            continue
        touched.append(tool.name)
        if change(plan, tool, known, changes, module, fresh, folder):
            written.append(tool.name)
        known.contract, known.words = tool.contract, tool.words
    marks = record.classes.setdefault(one.name, {}) if one.types.classes else {}
    wanted, changed = splice.needed(written, sources), splice.needed(touched, sources)
    for name in [name for name in one.types.classes if name in {*wanted, *changed}]:
        mark = fresh.blocks[name].mark
        if name not in module.blocks:
            if name in wanted:
                module.insert(sources[name], sources)
                marks[name] = mark
        elif name in changed and mark != marks.get(name) and module.blocks[name].mark != mark:
            if module.blocks[name].mark == marks.get(name):
                module.replace(name, sources[name])
            else:
                diff = difference(module.of(name), sources[name], one.name)
                plan.say("edited", f"class {name}", LEFT, *diff)
            marks[name] = mark
    if module.text != before:
        if module.adjust_imports(fresh.text, before):
            module.text = write.with_sorted_imports(module.text, folder.config)
        plan.files[f"{one.name}.py"] = module.content()


def change(
    plan: Plan,
    tool: Tool,
    known: Known,
    changes: list[verdict.Change],
    module: Module,
    fresh: Module,
    folder: Folder,
) -> bool:
    """Write a change of the document into a function that its owner did not edit. Whether it was written."""
    lines = [str(change) for change in changes] or ["words only"]
    code = BREAKING if any(change.breaking for change in changes) else ADDITIVE
    mark, name = fresh.blocks[tool.name].mark, tool.name
    block = module.blocks.get(name)
    if block is None:
        where = folder.has(name)
        if where is None:
            plan.say("deleted", name, "yours to leave out", *lines)
        else:
            plan.say("edited", name, f"it is in tools/{where}.py now, and left as it is", *lines, code=code)
        return False
    if block.mark not in {known.mark, mark}:
        diff = difference(module.of(name), fresh.of(name), module.name)
        plan.say("edited", name, LEFT, *lines, *diff, code=code)
        return False
    plan.say("changed", name, "written again; you had not edited it", *lines, code=code)
    if block.mark != mark:
        module.replace(name, fresh.of(name))
    known.mark = mark
    return True


def difference(mine: str, fresh: str, name: str) -> list[str]:
    lines = difflib.unified_diff(
        mine.splitlines(), fresh.splitlines(), f"tools/{name}.py", "the document", n=1, lineterm=""
    )
    return list(lines)


def register(plan: Plan, folder: Folder, added: list[str]) -> None:
    """Add new modules to `tools/__init__.py`, and remove the example."""
    if not added and not folder.example:
        return
    path = folder.path / "__init__.py"
    text = path.read_bytes().decode() if path.is_file() else ""
    found = splice.registered(text.replace("\r\n", "\n"), added, folder.example)
    if found is None:
        if added:
            plan.say("to do", "tools/__init__.py", f"add to register: api.add_tools(server, {', '.join(added)})")
        return
    plan.files["__init__.py"] = found.replace("\n", "\r\n" if "\r\n" in text else "\n").encode()
    for name in folder.example:
        plan.files.setdefault(f"{name}.py", None)
        plan.files.setdefault(f"{name}{END}", None)
        plan.say("deleted", f"tools/{name}.py", "the example, which you had not edited")
