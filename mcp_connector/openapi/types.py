"""Python types of the schemas of a document, and what they are for the contract with callers."""

import itertools
from collections.abc import Callable, Mapping
from keyword import iskeyword
from typing import Any, NamedTuple

from .names import class_name, clean, literal, prose, quoted
from .resolve import Schemas, members, names

Json = Any
Shape = dict[str, Json]  # of a value, for contracts: {"type": "list", "of": {…}}

DEPTH = 2  # classes inside of classes; deeper objects are dict[str, Any]
MAX_VALUES = 60  # of an enumeration; a longer one is text
MAX_TOLD = 100  # characters of the description of a member
MAX_UNION = 4  # types that a value may have
EXACT = 2**53  # whole numbers below it are the same in every JSON parser: RFC 8259, section 6
FORMATS = {"date", "date-time", "email", "uri", "uuid", "ipv4", "ipv6", "duration", "time", "hostname", "byte"}
LIMITS = {
    "str": {"minLength": "min_length", "maxLength": "max_length"},
    "int": {"minimum": "ge", "maximum": "le"},
    "float": {"minimum": "ge", "maximum": "le"},
    "list": {"minItems": "min_length", "maxItems": "max_length"},
}
ANY: Shape = {"type": "any"}
OBJECT: Shape = {"type": "object"}
RESERVED = {"Annotated", "Any", "Field", "Literal", "Required", "TypedDict", "None", "True", "False"}


class Typed(NamedTuple):
    """A type as text, the arguments of `Field`, and the shape."""

    text: str
    says: list[str]
    shape: Shape
    note: str = ""  # for the description


class Types:
    """The types of one module, and the classes that they need."""

    def __init__(self, schemas: Schemas, known: Mapping[str, str]) -> None:
        """`known`: names that earlier imports gave, by what they name."""
        self.schemas = schemas
        self.classes: dict[str, str] = {}  # source by name, each after those that it needs
        self.keys: dict[str, str] = {}  # name by what it names
        self.words: list[str] = []  # what the document says of what was looked at
        self.files = False  # whether binary text is a file, as in a multipart body
        self._known = known
        self._taken = set(known.values()) | RESERVED

    def of(self, node: Json, name: str, depth: int = 0, seen: frozenset[str] = frozenset()) -> Typed:
        """The type of a schema; `name` is for a class that it needs, `seen` has the references around it.

        Raises:
            Refused: No value fits the schema, or it goes beyond a limit.
        """
        self.schemas.count()
        ref = node.get("$ref") if isinstance(node, dict) else None
        key = f"{name}@{depth}"
        if isinstance(ref, str):
            if ref in seen:
                return Typed("dict[str, Any]", [], OBJECT)
            seen, name, key = seen | {ref}, ref.rsplit("/", 1)[-1], f"{ref}@{depth}"
        schema = self.schemas.merged(node, seen)
        if "const" in schema:
            return literals([schema["const"]])
        values = schema.get("enum")
        if isinstance(values, list) and (values := [value for value in values if value is not None]):
            texts = kinds_of(schema) == ["string"]  # YAML has numbers without quotes
            return literals([str(value) if texts and not isinstance(value, bool) else value for value in values])
        for word in ("oneOf", "anyOf"):
            if isinstance(schema.get(word), list) and schema[word]:
                return self.union(schema, word, name, depth, seen)
        kinds = kinds_of(schema)
        if len(kinds) > 1:
            return self.several([({**schema, "type": kind}, f"{name}_{kind}") for kind in kinds], depth, seen)
        return self.single(schema, kinds[0] if kinds else "", name, key, depth, seen)

    def single(self, schema: Json, kind: str, name: str, key: str, depth: int, seen: frozenset[str]) -> Typed:
        match kind:
            case "string" if self.files and (schema.get("format") == "binary" or schema.get("contentMediaType")):
                return Typed("api.File", [], {"type": "file"})
            case "string":
                form = schema.get("format")
                note = f"Format: {form}." if isinstance(form, str) and form in FORMATS else ""
                return limited("str", schema, note)
            case "integer":
                return limited("int", schema)
            case "number":
                return limited("float", schema)
            case "boolean":
                return Typed("bool", [], {"type": "bool"})
            case "array":
                inner = self.of(schema.get("items", {}), f"{name}_item", depth, seen)
                found = limited("list", schema)
                return Typed(f"list[{annotated(inner)}]", found.says, {**found.shape, "of": inner.shape}, inner.note)
            case "object":
                return self.object(schema, name, key, depth, seen)
        return Typed("Any", [], ANY)

    def union(self, schema: Json, word: str, name: str, depth: int, seen: frozenset[str]) -> Typed:
        branches = [branch for branch in schema[word] if not self.is_null(branch)]
        if not branches:
            return Typed("None", [], {"type": "null"})
        if len(branches) == 1:
            beside = {key: member for key, member in schema.items() if key not in {word, "description"}}
            if not beside.keys() - {"nullable", "title", "default", "example", "type"}:
                return self.of(branches[0], name, depth, seen)
            return self.of({**beside, "allOf": [branches[0]]}, name, depth, seen)
        found = self.several([(branch, f"{name}_{turn}") for turn, branch in enumerate(branches, 1)], depth, seen)
        return found._replace(note=self.discriminated(schema) or found.note)

    def discriminated(self, schema: Json) -> str:
        """What to put into the member that says which of several objects it is (OpenAPI 3.1 §4.8.25)."""
        found = schema.get("discriminator")
        if not isinstance(found, dict) or not isinstance(found.get("propertyName"), str):
            return ""
        mapping = found.get("mapping")
        refs = [
            one.get("$ref", "") for word in ("oneOf", "anyOf") for one in schema.get(word, []) if isinstance(one, dict)
        ]
        kinds = list(mapping) if isinstance(mapping, dict) else [str(ref).rsplit("/", 1)[-1] for ref in refs if ref]
        said = ", ".join(clean(kind) for kind in kinds[:10])
        return f"{clean(found['propertyName'])} says which kind it is: {said}." if said else ""

    def several(self, branches: list[tuple[Json, str]], depth: int, seen: frozenset[str]) -> Typed:
        """A union. Objects in it are dict[str, Any]: a class for each would say more than a model reads."""
        found = [self.of(branch, name, depth + DEPTH, seen) for branch, name in branches]
        texts = list(dict.fromkeys(annotated(one) for one in found))
        shapes = [
            shape
            for turn, one in enumerate(found)
            if (shape := one.shape) not in [other.shape for other in found[:turn]]
        ]
        if "Any" in texts or len(texts) > MAX_UNION or any(one.text == "api.File" for one in found):
            return Typed("Any", [], ANY)
        if len(texts) == 1:
            return found[0]
        return Typed(" | ".join(texts), [], {"type": "one of", "of": shapes})

    def is_null(self, node: Json) -> bool:
        schema = self.schemas.pointed(node)
        return isinstance(schema, dict) and schema.get("type") in ("null", ["null"])

    def nullable(self, node: Json) -> bool:
        schema = self.schemas.schema(node)
        kinds = schema.get("type")
        if schema.get("nullable") is True or (isinstance(kinds, list) and "null" in kinds):
            return True
        if isinstance(values := schema.get("enum"), list) and None in values:
            return True
        return any(
            self.is_null(branch) for word in ("oneOf", "anyOf") for branch in schema.get(word) or () if schema.get(word)
        )

    def object(self, schema: Json, name: str, key: str, depth: int, seen: frozenset[str]) -> Typed:
        properties = members(schema)
        extra = schema.get("additionalProperties")
        if not properties:
            if isinstance(extra, dict) and extra and depth < DEPTH:
                inner = self.of(extra, f"{name}_value", depth + 1, seen)
                return Typed(f"dict[str, {annotated(inner)}]", [], {"type": "dict", "of": inner.shape})
            return Typed("dict[str, Any]", [], OBJECT)
        if depth >= DEPTH:
            return Typed("dict[str, Any]", [], OBJECT)
        rows: dict[str, str] = {}
        shapes: dict[str, Json] = {}
        required = set(names(schema))
        for member, node in properties.items():
            found = self.schemas.pointed(node)
            if found is False or (isinstance(found, dict) and found.get("readOnly") is True):
                continue
            one = self.of(node, f"{name}_{member}", depth + 1, seen)
            rows[member] = self.row(one, found, member in required, self.nullable(node))
            shapes[member] = {**one.shape, "required": member in required}
        if not rows:
            return Typed("dict[str, Any]", [], OBJECT)
        label = self.label(key, name, lambda label: source(label, rows, extra is not False))
        return Typed(label, [], {"type": "object", "members": shapes, "open": extra is not False})

    def row(self, one: Typed, schema: Json, required: bool, nullable: bool) -> str:
        text, says = one.text, list(one.says)
        if nullable and text not in {"Any", "None"}:
            text += " | None"
        self.words.append(str(schema.get("description")) if isinstance(schema, dict) else "")
        if told := told_of(schema, one.note, MAX_TOLD):
            says.append(f"description={quoted(told)}")
        text = f"Annotated[{text}, Field({', '.join(says)})]" if says else text
        return f"Required[{text}]" if required else text

    def label(self, key: str, name: str, made: Callable[[str], str]) -> str:
        """The name of a class: the one that earlier imports gave it, or one that stands for the same or is free."""
        wanted, before = class_name(name), self._known.get(key)
        for number in itertools.count(0 if before else 1):
            found = before if before and not number else wanted if number == 1 else f"{wanted}{number}"
            free = found == before or found not in self._taken
            if self.classes.get(found, made(found) if free else None) == made(found):
                break
        self.classes.setdefault(found, made(found))
        self._taken.add(found)
        self.keys[key] = found
        return found


def source(label: str, rows: Mapping[str, str], opened: bool) -> str:
    """A TypedDict; if it is open, members that it does not name are sent, too."""
    if all(member.isidentifier() and not member.startswith("__") and not iskeyword(member) for member in rows):
        body = "".join(f"    {member}: {text}\n" for member, text in rows.items())
        extra = "allow" if opened else "forbid"
        return f'@with_config(extra="{extra}")\nclass {label}(TypedDict, total=False):\n{body}'
    entries = ", ".join(f"{quoted(member)}: {text}" for member, text in rows.items())
    return f"{label} = TypedDict({literal(label)}, {{{entries}}}, total=False)\n"


def told_of(schema: Json, note: str, most: int) -> str:
    told = prose(schema.get("description"), most) if isinstance(schema, dict) else ""
    return " ".join(filter(None, [told, note]))


def annotated(one: Typed) -> str:
    return f"Annotated[{one.text}, Field({', '.join(one.says)})]" if one.says else one.text


def kinds_of(schema: Json) -> list[str]:
    """The types that a schema names or that its members show, without null."""
    found = schema.get("type")
    kinds = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    kinds = [kind for kind in kinds if isinstance(kind, str) and kind != "null"]
    if kinds:
        return list(dict.fromkeys(kinds))
    if "properties" in schema or "additionalProperties" in schema:
        return ["object"]
    return ["array"] if "items" in schema else []


def literals(values: list[Json]) -> Typed:
    """An enumeration; of numbers with a fraction and of more than a model reads, only the type."""
    values = (
        [value for turn, value in enumerate(values) if value not in values[:turn]] if len(values) < 1000 else values
    )
    if all(isinstance(value, str) for value in values):
        if len(values) > MAX_VALUES:
            return Typed("str", [], {"type": "str"}, f"One of {len(values)} values, such as {clean(values[0])[:40]}.")
        written = [literal(value) for value in values]
    elif len(values) <= MAX_VALUES and all(isinstance(one, str) or is_short(one) for one in values):
        written = [literal(value) if isinstance(value, str) else repr(value) for value in values]
    else:
        return Typed("Any", [], ANY)
    return Typed(f"Literal[{', '.join(written)}]", [], {"type": "literal", "values": values})


def limited(kind: str, schema: Json, note: str = "") -> Typed:
    """A type with the limits of its schema, in which an exclusive limit of whole numbers is the next number."""
    found: dict[str, int | float] = {}
    whole = kind != "float"
    for word, name in LIMITS[kind].items():
        value = number(schema.get(word), whole)
        if value is not None and value < 0 and name.endswith("length"):
            continue
        exclusive = schema.get(f"exclusive{word[0].upper()}{word[1:]}")
        step = 1 if name == "ge" else -1
        if value is not None and exclusive is True and whole:  # 3.0
            value += step
        bound = number(exclusive, whole)
        if bound is not None and kind == "int":  # 3.1
            value = bound + step if value is None else (max if name == "ge" else min)(value, bound + step)
        if value is not None:
            found[name] = value
    return Typed(kind, [f"{name}={value!r}" for name, value in found.items()], {"type": kind, **found}, note)


def is_short(value: Json) -> bool:
    """Whether it is a whole number that type checkers and JSON keep as it is, or true or false."""
    return isinstance(value, int) and abs(value) < EXACT


def number(value: Json, whole: bool) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < EXACT:  # nor no number
        return None
    if whole and value != int(value):
        return None
    return int(value) if value == int(value) else value
