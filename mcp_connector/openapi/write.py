"""The text of a tool and of a module of tools, as you would write it by hand."""

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from keyword import iskeyword
from pathlib import Path
from typing import Any

from ..recorded import Problem, shown
from . import names
from .names import literal, prose, quoted, sentence
from .resolve import Refused, Schemas, members
from .resolve import names as required_of
from .select import Operation
from .swagger2 import FORM, MULTIPART, listed
from .types import Shape, Typed, Types, told_of

Json = Any

FLAT = 25  # members of a body that become parameters of their own
MAX_PARAMETER = 200  # characters of a description
MAX_TOOL = 400
MAX_WIRE = 200  # characters of a name that the API gives
SAFE = {"GET", "HEAD", "OPTIONS"}
REPEATABLE = {"PUT", "DELETE"}
# The last ones mean something else to pydantic.
TAKEN = {"ctx", "api", "self", "cls", "model_config", "model_fields", "model_computed_fields"}
TAKEN |= {"model_extra", "model_fields_set"}
# Set by the connector itself, or by what carries the request.
UNSENT = {
    *("accept", "content-type", "content-length", "authorization", "proxy-authorization", "cookie", "host"),
    *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
}
JOINED = {"form": ",", "spaceDelimited": " ", "pipeDelimited": "|"}


@dataclass
class Row:
    """A parameter of a tool."""

    label: str
    typed: Typed
    required: bool
    nullable: bool
    told: str


@dataclass
class Tool:
    """A tool that is made of an operation."""

    operation: Operation
    name: str
    source: str
    contract: dict[str, Json]  # what callers rely on
    words: str  # a hash of what is said about it


@dataclass
class Call:
    """What an operation is made of, as its tool is written."""

    rows: list[Row] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)  # label by the name in the path
    query: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    cookies: list[tuple[str, str]] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    taken: set[str] = field(default_factory=lambda: set(TAKEN))


def tool(schemas: Schemas, types: Types, op: Operation, name: str) -> Tool:
    """The tool of an operation.

    Raises:
        Refused: It cannot be one.
    """
    try:
        return made(schemas, types, op, name)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise Refused("a part of it is of a type that it must not be") from None


def made(schemas: Schemas, types: Types, op: Operation, name: str) -> Tool:
    schemas.begin()
    types.words = [str(op.found.get(word)) for word in ("summary", "description", "deprecated")]
    check_place(op)
    check_server(schemas, op)
    writer = Writer(schemas, types, name, Call())
    writer.parameters(op)
    writer.body(op)
    call = writer.call
    call.rows.sort(key=lambda row: not row.required)
    title = prose(op.found.get("summary"), 80).rstrip(".") or name.replace("_", " ").capitalize()
    told = sentence(prose(op.found.get("description"), MAX_TOOL) or title)
    if op.found.get("deprecated") is True:
        told = f"Deprecated. {told}"
    parameters = ["ctx: api.Call", *map(parameter, call.rows)]
    source = f"@{mark(op, title)}\nasync def {name}({', '.join(parameters)}) -> list[api.Content]:\n"
    source += f'    """{names.documented(told)}"""\n'
    source += f"    return await api.request({', '.join(arguments(op, call))})\n"
    contract = {"method": op.method, "path": op.place, "parameters": call.shapes}
    return Tool(op, name, source, contract, sha256("\n".join(types.words).encode()).hexdigest()[:16])


def check_place(op: Operation) -> None:
    rest = re.sub(r"{[^{}]+}", "", op.place)
    if not op.place.startswith("/") or op.place.startswith("//"):
        raise Refused("its path does not begin with one slash")
    if "{" in rest or "}" in rest:
        raise Refused("its path has a brace of no parameter")
    if "?" in op.place:
        raise Refused("its path has a query")
    if any(part in {".", ".."} for part in op.place.split("/")):
        raise Refused("its path has a dot segment")


def check_server(schemas: Schemas, op: Operation) -> None:
    def urls(servers: Json) -> set[str]:
        return {str(one.get("url", "")).rstrip("/") for one in servers or () if isinstance(one, dict)}

    own, usual = urls(op.servers), urls(schemas.document.get("servers"))
    if own and usual and not own & usual:
        raise Refused(f"it is on another server, {names.clean(min(own))[:80] or '/'}")


class Writer:
    """Collects what the tool of one operation needs."""

    def __init__(self, schemas: Schemas, types: Types, name: str, call: Call) -> None:
        self.schemas, self.types, self.name, self.call = schemas, types, name, call

    def row(self, wire: str, node: Json, required: bool, told: Json, place: str) -> str:
        """Add a parameter of the tool, and return its name."""
        if len(wire) > MAX_WIRE:
            raise Refused(f"it has a name of {len(wire):,} characters")
        label = names.identifier(wire, "value")
        label = f"{label}_" if label == "l" else label  # easily read as 1, says the linter
        if label in self.call.taken:
            label = names.unique(f"{label}_in_{place}" if label not in TAKEN else f"{label}_", self.call.taken)
        label = names.unique(label, self.call.taken)
        self.call.taken.add(label)
        found = self.schemas.schema(node)
        typed = self.types.of(node, f"{self.name}_{wire}")
        said = prose(told, MAX_PARAMETER) or told_of(found, "", MAX_PARAMETER)
        default = found.get("default")
        self.types.words += [str(told or found.get("description")), str(default)]
        if isinstance(default, str | int | float) and not required and len(str(default)) <= MAX_PARAMETER:
            written = str(default).lower() if isinstance(default, bool) else names.clean(default) or '""'
            said = f"{sentence(said)} Default: {written}." if said else f"Default: {written}."
        said = " ".join(filter(None, [sentence(said) if typed.note and said else said, typed.note]))
        self.call.rows.append(Row(label, typed, required, self.types.nullable(node), said))
        self.call.shapes[f"{place}.{wire}" if wire else place] = {**typed.shape, "required": required}
        return label

    def parameters(self, op: Operation) -> None:
        every: dict[tuple[str, str], Json] = {}
        for given in [*op.shared, *listed(op.found.get("parameters"))]:
            one = self.schemas.pointed(given)
            if not isinstance(one, dict) or not isinstance(one.get("name"), str) or not isinstance(one.get("in"), str):
                raise Refused("one of its parameters has no name or no place")
            every[one["in"], one["name"]] = one
        placed = re.findall(r"{([^{}]+)}", op.place)
        for part in placed:
            every.setdefault(("path", part), {"name": part, "in": "path", "schema": {"type": "string"}})
        hidden = credentials(self.schemas, op)
        for (place, wire), one in every.items():
            if (place, wire.lower()) in hidden or (place == "header" and wire.lower() in UNSENT):
                continue
            if place == "path" and wire not in placed:
                continue
            if place not in {"path", "query", "header", "cookie"}:
                raise Refused(f"its parameter {names.clean(wire)[:40]} is in {names.clean(place)[:40]}")
            self.parameter(place, wire, one)

    def parameter(self, place: str, wire: str, one: Json) -> None:
        content = one.get("content")
        media = next(iter(content.values()), None) if isinstance(content, dict) else None
        node = one.get("schema", {}) if media is None else (media or {}).get("schema", {})
        required = one.get("required") is True or place == "path"
        style = str(one.get("style") or ("form" if place in {"query", "cookie"} else "simple"))
        explode = one.get("explode", style == "form") is True
        label = self.row(wire, node, required, one.get("description"), place)
        key = quoted(wire)
        if place == "path":
            if style != "simple":
                raise Refused(f"the style {names.clean(style)} of its path")
            self.call.places[wire] = label
        elif place == "header":
            self.call.headers.append(f"api.header({key}, {label})")
        elif place == "cookie":
            self.call.cookies.append((wire, label))
        elif media is not None:
            self.call.query.append(f"api.as_json({key}, {label})")
        else:
            self.call.query.append(self.styled(key, label, style, explode))

    def styled(self, key: str, label: str, style: str, explode: bool) -> str:
        if style == "deepObject":
            return f"api.deep({key}, {label})"
        if style not in JOINED:
            raise Refused(f"the style {names.clean(style)[:40]} of a parameter")
        if explode:
            return f"api.form({key}, {label})"
        join = "" if style == "form" else f", join={literal(JOINED[style])}"
        return f"api.form({key}, {label}, explode=False{join})"

    def body(self, op: Operation) -> None:
        found = self.schemas.pointed(op.found.get("requestBody") or {})
        content = found.get("content") if isinstance(found, dict) else None
        if not isinstance(content, dict) or not content:
            return
        kind = preferred(content)
        if kind is None:
            raise Refused(f"a body of {', '.join(names.clean(one) or 'no type' for one in content)[:80]}")
        media = content[kind] if isinstance(content[kind], dict) else {}
        plain = kind.partition(";")[0].strip().lower()
        if plain in {FORM, MULTIPART}:
            self.fields(plain, media, found.get("required") is True)
        else:
            self.json(plain, media.get("schema", {}), found)

    def json(self, kind: str, node: Json, found: Json) -> None:
        whole = self.schemas.merged(node)
        properties = {key: one for key, one in members(whole).items() if not self.read_only(one)}
        typed = [] if kind in {"application/json", "*/*"} else [f"content_type={quoted(kind)}"]
        if properties and len(properties) <= FLAT and not {"oneOf", "anyOf"} & whole.keys():
            required = {key for key in required_of(whole) if key in properties}
            labels = [(key, self.row(key, one, key in required, None, "body")) for key, one in properties.items()]
            null = {key for key in required if self.types.nullable(properties[key])}  # sent, for nobody left it out
            sent = f"api.given({pairs([pair for pair in labels if pair[0] not in null])})"
            if null:
                sent = f"{{**{sent}, {', '.join(f'{quoted(key)}: {label}' for key, label in labels if key in null)}}}"
            empty = "" if required or found.get("required") is True else " or None"
            self.call.body = [f"body={sent}{empty}", *typed]
            return
        label = self.row("body", node, found.get("required") is True, found.get("description"), "body")
        self.call.body = [f"body={label}", *typed]

    def fields(self, kind: str, media: Json, must: bool) -> None:
        """The fields of a form, which there `must` be; some documents have empty ones for what takes none."""
        whole = self.schemas.merged(media.get("schema", {}))
        encoding = media.get("encoding")
        properties = {key: one for key, one in members(whole).items() if not self.read_only(one)}
        nothing = isinstance(whole.get("properties"), dict) and not {"oneOf", "anyOf"} & whole.keys()
        if not properties and nothing and not must:
            return
        if not properties:
            raise Refused(f"a body of {kind} without named fields")
        required = set(required_of(whole))
        written = []
        self.types.files = kind == MULTIPART
        try:
            for key, one in properties.items():
                how = encoding.get(key) if isinstance(encoding, dict) else None
                how = how if isinstance(how, dict) else {}
                if kind == MULTIPART and re.match("image/|application/octet-stream", str(how.get("contentType", ""))):
                    one = {**self.schemas.schema(one), "type": "string", "format": "binary"}
                label = self.row(key, one, key in required, None, "body")
                written.append(self.field(kind, quoted(key), label, self.call.rows[-1].typed, how))
        finally:
            self.types.files = False
        self.call.body = [f"{'multipart' if kind == MULTIPART else 'form'}=[{', '.join(written)}]"]

    def field(self, kind: str, key: str, label: str, typed: Typed, how: Json) -> str:
        if kind == MULTIPART:
            return f"api.{'file' if 'api.File' in typed.text else 'field'}({key}, {label})"
        if how.get("style") == "deepObject":
            return f"api.deep({key}, {label})"
        if typed.shape["type"] in {"object", "dict", "any"}:
            return f"api.as_json({key}, {label})"
        style = str(how.get("style") or "form")
        return self.styled(key, label, style, how.get("explode", style == "form") is True)

    def read_only(self, node: Json) -> bool:
        found = self.schemas.pointed(node)
        return found is False or (isinstance(found, dict) and found.get("readOnly") is True)


def preferred(content: Iterable[str]) -> str | None:
    """The media type of a body that tools can send best."""
    plain = {kind: kind.partition(";")[0].strip().lower() for kind in content}
    for order in ("application/json", "json", MULTIPART, FORM):
        for kind, short in plain.items():
            other = order == "json" and (short.endswith(("/json", "+json")) or short == "*/*")
            if other or short == order:
                return kind
    return None


def credentials(schemas: Schemas, op: Operation) -> set[tuple[str, str]]:
    """Parameters that carry a credential, which the connector sends: place and name in lower case."""
    schemes = (schemas.document.get("components") or {}).get("securitySchemes") or {}
    found = [one for one in schemes.values() if isinstance(one, dict) and one.get("type") == "apiKey"]
    return {(str(one.get("in")), str(one.get("name")).lower()) for one in found}


def parameter(row: Row) -> str:
    text = row.typed.text
    if text not in {"Any", "None"} and (row.nullable or not row.required):
        text += " | None"
    says = list(row.typed.says)
    if row.told:
        says.append(f"description={quoted(row.told)}")
    if says:
        text = f"Annotated[{text}, Field({', '.join(says)})]"
    return f"{row.label}: {text}" + ("" if row.required else " = None")


def pairs(found: list[tuple[str, str]]) -> str:
    """Keyword arguments; in a dict if one of their names is not Python's."""
    if all(key.isidentifier() and key.isascii() and not iskeyword(key) for key, _ in found):
        return ", ".join(f"{key}={label}" for key, label in found)
    return "**{" + ", ".join(f"{quoted(key)}: {label}" for key, label in found) + "}"


def mark(op: Operation, title: str) -> str:
    if op.method in SAFE:
        return f"api.reads({quoted(title)})"
    return f"api.changes({quoted(title)}{', repeatable=True' if op.method in REPEATABLE else ''})"


def arguments(op: Operation, call: Call) -> list[str]:
    place = op.place.partition("#")[0]  # a fragment only makes paths different, and is never sent
    place = re.sub(r"{([^{}]+)}", lambda found: f"{{{call.places[found[1]]}}}", place)
    labels = list(call.places.values())
    where = quoted(place)
    if labels:
        where = f"api.path({where}, {', '.join(f'{label}={label}' for label in labels)})"
    found = ["ctx", literal(op.method), where]
    if call.query:
        found.append(f"query=[{', '.join(call.query)}]")
    headers = [*call.headers, *([f"api.cookies({pairs(call.cookies)})"] if call.cookies else [])]
    if headers:
        several = "{" + ", ".join(f"**{header}" for header in headers) + "}"
        found.append(f"headers={headers[0] if len(headers) == 1 else several}")
    return [*found, *call.body]


IMPORTS = """
from typing import Annotated, Any, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from ..core.source import api


"""


def module(title: str, classes: Mapping[str, str], tools: Iterable[Tool]) -> str:
    """A module, not formatted yet, with imports that it may not need."""
    about = prose(title, 60).rstrip(".") or "Tools"
    about = about[:1].upper() + about[1:]
    start = f'"""{about}. Yours: an import never overwrites a function that you edited."""\n{IMPORTS}'
    return start + "\n\n".join([*classes.values(), *(tool.source for tool in tools)])


def formatted(texts: Mapping[str, str], config: Path) -> dict[str, str]:
    """Modules as the project's own linter lays them out.

    Raises:
        Problem: It cannot, for example because its settings are wrong.
    """
    with tempfile.TemporaryDirectory(prefix="import.") as folder:
        for name, text in texts.items():
            Path(folder, f"{name}.py").write_text(text, encoding="utf-8")
        options = ["--quiet", "--no-cache", "--config", str(config)]
        # The last one is for lines that nothing can break, such as a long name that the API gives.
        for command in (["check", "--fix", "--select=I,F401"], ["format"], ["check", "--add-noqa", "--select=E501"]):
            run = [ruff(), *command, *options, folder]
            done = subprocess.run(run, capture_output=True, text=True, encoding="utf-8", stdin=subprocess.DEVNULL)
            if done.returncode:
                said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
                raise Problem(f"ruff cannot format the tools ({shown(said[0], 160)}).")
        return {name: Path(folder, f"{name}.py").read_text(encoding="utf-8") for name in texts}


def with_sorted_imports(text: str, config: Path) -> str:
    """A module of the owner's, of which nothing but the imports is laid out anew."""
    command = [ruff(), "check", "--fix", "--select", "I", "--quiet", "--no-cache", "--config", str(config), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8")
    return done.stdout if done.returncode == 0 else text


def ruff() -> str:
    try:
        from ruff import find_ruff_bin
    except ImportError:
        raise Problem("Formatting needs ruff. Install it.") from None
    return str(find_ruff_bin())
