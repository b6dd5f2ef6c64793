"""What agent platforms do to tools that the protocol allows, as their documents said in November 2026.

`tests/test_platforms.py` fails for a rule that `breaks`; the command `tools` prints all findings. Later releases of the
template add no rule that breaks: tools that worked must not fail a test after an update.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mcp_types import Tool

Schema = Mapping[str, Any]
CHOICES = {"anyOf", "oneOf", "allOf"}


class Rule(NamedTuple):
    name: str  # as `ACCEPTED` in extend.py has it
    applies: Callable[[Any], object]
    what: str  # what there is, what a platform does with it, and what to do
    breaks: bool = False  # a platform leaves the tool out, or cannot call it


class Finding(NamedTuple):
    tool: str
    rule: Rule
    where: str = ""

    @property
    def line(self) -> str:
        """What accepts it in `ACCEPTED`."""
        return f"{self.tool}: {self.rule.name}"

    def __str__(self) -> str:
        return f"{self.tool}{f', {self.where}' if self.where else ''}: {self.rule.what}"


# Of all tools.
ALL = "all tools"
CATALOGUE = [
    Rule(
        "too-many",
        lambda tools: len(tools) > 128,
        "OpenAI takes at most 128 tools in one request; register fewer",
        True,
    ),
    Rule("many", lambda tools: 128 >= len(tools) > 40, "agents choose worse among more than 40 tools; register fewer"),
    Rule("size", lambda tools: size(*tools) > 100_000, "over 100,000 bytes, about 25,000 tokens of each conversation"),
]
# Of one tool.
TOOL = [
    Rule(
        "name",
        lambda tool: not re.fullmatch("[A-Za-z0-9_-]{1,64}", tool.name),
        "Claude and OpenAI take names of 1 to 64 letters, digits, _ and -; choose another one",
        True,
    ),
    Rule(
        "description",
        lambda tool: len(tool.description or "") >= 1_024,
        "Microsoft 365 Copilot takes descriptions of less than 1,024 characters; shorten it",
        True,
    ),
    Rule(
        "root",
        lambda tool: tool.input_schema.get("type") != "object" or tool.input_schema.keys() & CHOICES,
        "OpenAI and Gemini take only an object with properties as input schema; no choice between several",
        True,
    ),
]
# Of each part of an input schema, and the first one of an output schema, too.
PART = [
    Rule(
        "reference",
        lambda part: "$ref" in part,
        "Copilot Studio leaves out a tool with $ref in a schema; write the definition where it is used",
        True,
    ),
    Rule(
        "type-list",
        lambda part: isinstance(part.get("type"), list),
        "Copilot Studio cuts a schema off at a list of types; name one type",
        True,
    ),
    Rule(
        "exclusive-bound",
        lambda part: {type(part.get(bound)) for bound in ("exclusiveMinimum", "exclusiveMaximum")} & {int, float},
        "Copilot Studio fails at an exclusive bound; use ge and le instead of gt and lt",
        True,
    ),
    Rule(
        "items",
        lambda part: part.get("type") == "array" and not part.keys() & {"items", "prefixItems"},
        "OpenAI and Gemini refuse a list that does not say of what; add the type of its entries",
        True,
    ),
    Rule(
        "choice",
        lambda part: part.keys() & CHOICES,
        "OpenAI's strict mode and Gemini read some choices of types, and not others",
    ),
    Rule(
        "open-object",
        lambda part: part.get("additionalProperties") or (part.get("type") == "object" and "properties" not in part),
        "OpenAI's strict mode and Gemini may leave out an object whose members have no names",
    ),
    Rule("values", lambda part: "enum" in part, "Copilot Studio reads a choice of values as any text"),
]
REFERENCE = PART[:1]


def findings(tools: Sequence[Tool]) -> list[Finding]:
    """What platforms would leave out or change, for each tool in order, and last for all together."""
    found = []
    for tool in tools:
        found += [Finding(tool.name, rule) for rule in TOOL if rule.applies(tool)]
        found += of_parts(tool.name, PART, tool.input_schema)
        found += of_parts(tool.name, REFERENCE, tool.output_schema or {})
    return found + [Finding(ALL, rule) for rule in CATALOGUE if rule.applies(tools)]


def of_parts(tool: str, rules: Sequence[Rule], schema: Schema) -> Iterator[Finding]:
    """One finding for each rule, at the first part where it applies."""
    below = [(where, part) for where, part in parts(schema) if rules is REFERENCE or where]
    for rule in rules:
        at = [where for where, part in below if rule.applies(part)]
        if at:
            yield Finding(tool, rule, at[0])


def parts(schema: Schema, where: str = "") -> Iterator[tuple[str, Schema]]:
    """Each schema inside of a schema, itself first, with the way to it."""
    yield where, schema
    for key, value in schema.items():
        if key in {"properties", "$defs", "patternProperties"}:
            below = value.items()
        elif key in {*CHOICES, "prefixItems"}:
            below = [(f"{key}[{number}]", choice) for number, choice in enumerate(value)]
        elif key in {"items", "additionalProperties", "not"}:
            below = [(key, value)]
        else:
            continue
        for name, part in below:
            if isinstance(part, Mapping):
                yield from parts(part, f"{where}.{name}".removeprefix("."))


def size(*tools: Tool) -> int:
    """Bytes of tools as a list of tools has them."""
    sent = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    return sum(len(json.dumps(tool, ensure_ascii=False, separators=(",", ":")).encode()) for tool in sent)
