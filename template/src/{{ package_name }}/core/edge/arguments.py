"""Arguments of tools, read as agents send them. The input schemas that clients see stay the same."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from pydantic import ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from .limits import Refused, measure

# What clients add to the arguments: n8n all of these or the first alone, Cursor one where a tool has none.
N8N = ("toolCallId", "sessionId", "action", "chatInput", "tool")
CURSOR = "random_string"


class Arguments(FuncMetadata):
    """The SDK's reader of arguments, with five differences.

    - Text stays text. The SDK reads `null`, `[1]` or `{}` in a parameter such as `str | None` as JSON.
    - JSON inside of other strings has the limits of a body, which counts a string as one value.
    - A number is taken for a string, and kept as it is written: 42 becomes "42". True and false are not.
    - Null stands for the default, where the parameter has one and does not take null.
    - An argument that the tool does not have is an error: it may be misspelt. What clients add is left out.

    The third and the fourth hold inside of objects and lists too.
    """

    input_schema: dict[str, Any]
    texts: frozenset[str]  # names of those that are plain text

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        others = {name: value for name, value in data.items() if name not in self.texts}
        if not others:
            return data
        limit([value for value in others.values() if isinstance(value, str) and value.lstrip()[:1] in ("[", "{")])
        return super().pre_parse_json(others) | {name: data[name] for name in data.keys() & self.texts}

    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        added = of_clients(arguments_to_validate, self.input_schema)
        own = {name: value for name, value in arguments_to_validate.items() if name not in added}
        given = self.pre_parse_json(own)
        try:
            return self.arg_model.model_validate(given).model_dump_one_level()
        except ValidationError as error:
            corrected, problems = copy.deepcopy(given), error.errors(include_url=False, include_context=False)
            if not sum(correct(corrected, problem, self.input_schema) for problem in problems):
                raise
        return self.arg_model.model_validate(corrected).model_dump_one_level()


def lenient(reader: FuncMetadata, schema: dict[str, Any]) -> Arguments:
    """The reader of a tool's arguments, by its input schema."""
    model, config = reader.arg_model, ConfigDict(coerce_numbers_to_str=True)
    if "extra" not in model.model_config and not (schema.get("additionalProperties") or "patternProperties" in schema):
        config["extra"] = "forbid"
    strict = type(model.__name__, (model,), {"model_config": config})
    texts = frozenset(name for name, parameter in schema.get("properties", {}).items() if is_text(parameter))
    return Arguments(**{**dict(reader), "arg_model": strict}, input_schema=schema, texts=texts)


def of_clients(arguments: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    """Names of arguments that a client added for itself. A tool's own names cannot begin with an underscore."""
    strange: set[str] = arguments.keys() - schema.get("properties", {}).keys()
    added = {name for name in strange if name.startswith("_")} | strange & {CURSOR}
    return added | strange & set(N8N) if strange & set(N8N[:2]) else added


def is_text(parameter: dict[str, Any]) -> bool:
    """Whether a parameter is plain text, with or without null."""
    kinds = [kind for kind in parameter.get("anyOf", [parameter]) if kind.get("type") != "null"]
    return [kind.get("type") for kind in kinds] == ["string"] and not kinds[0].keys() & {"enum", "const", "format"}


def limit(texts: list[str]) -> None:
    """Refuse JSON in strings that is over the limits, or that cannot be sent on.

    The SDK also reads NaN, infinity and lone surrogates there. What is not JSON, it leaves a string.
    """
    try:
        measure(*(text.encode(errors="replace") for text in texts))
    except Refused as refused:
        raise invalid(refused.why) from None
    for text in texts:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except ValueError:
            why = "The JSON in a string has a number or a character that JSON cannot have. Correct it."
            raise invalid(why) from None


def invalid(why: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=why)


def correct(arguments: dict[str, Any], problem: ErrorDetails, schema: dict[str, Any]) -> bool:
    """Take away a null that stands for a default, or make a number text. Whether the problem was one of these."""
    owner: Any = None
    place: Any = arguments
    name: int | str = ""
    kinds, has_default = [schema], False
    for part in problem["loc"]:
        if not (part in place if isinstance(place, dict) else isinstance(place, list) and part in range(len(place))):
            continue  # it names a choice of a union
        choices = [choice for kind in kinds for choice in expanded(kind, schema)]
        members = {name for kind in choices for name in kind.get("properties", {})}
        has_default = part in members and not any(part in kind.get("required", ()) for kind in choices)
        kinds = [kind for choice in choices if isinstance(kind := within(choice, part), dict)]
        owner, name, place = place, part, place[part]
    if place is None and (has_default or owner is arguments):  # without a default, it is missing
        del owner[name]
        return True
    if problem["type"] == "string_type" and isinstance(place, int | float) and not isinstance(place, bool):
        owner[name] = str(place)
        return True
    return False


def expanded(kind: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A part of an input schema, or each of its choices."""
    kind = schema.get("$defs", {}).get(kind.get("$ref", "").removeprefix("#/$defs/"), kind)
    choices = kind.get("anyOf") or kind.get("oneOf") or kind.get("allOf")
    if not choices:
        yield kind
    for choice in choices or ():
        yield from expanded(choice, schema)


def within(kind: dict[str, Any], part: int | str) -> Any:
    """The schema of a member or of an entry; it may be true, false or missing."""
    if isinstance(part, str):
        return kind.get("properties", {}).get(part) or kind.get("additionalProperties")
    return dict(enumerate(kind.get("prefixItems", ()))).get(part) or kind.get("items")
