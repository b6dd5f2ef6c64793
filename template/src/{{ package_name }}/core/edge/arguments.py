"""Arguments of tools, read as agents send them. The input schemas that clients see stay the same."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from pydantic import ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from .limits import Refused, measure


class Arguments(FuncMetadata):
    """The SDK's reader of arguments, with three differences.

    - Text stays text. The SDK reads `null`, `[1]` or `{}` in a parameter such as `str | None` as JSON.
    - A number is taken for a string, and kept as it is written: 42 becomes "42". True and false are not.
    - Null stands for the default, where the parameter has one and does not take null.

    The last two hold inside of objects and lists too.
    """

    texts: frozenset[str]
    input_schema: dict[str, Any]

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        texts = {name: value for name, value in data.items() if name in self.texts}
        return super().pre_parse_json({name: value for name, value in data.items() if name not in texts}) | texts

    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        given = self.pre_parse_json(arguments_to_validate)
        try:
            return self.arg_model.model_validate(given).model_dump_one_level()
        except ValidationError as error:
            corrected, problems = copy.deepcopy(given), error.errors(include_url=False, include_context=False)
            if not sum(correct(corrected, problem, self.input_schema) for problem in problems):
                raise
        return self.arg_model.model_validate(corrected).model_dump_one_level()


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
        kinds = [kind for choice in choices for kind in within(choice, part)]
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


def within(kind: dict[str, Any], part: int | str) -> Iterator[dict[str, Any]]:
    """The schema of a member or of an entry, where a schema has one."""
    if isinstance(part, str):
        found = kind.get("properties", {}).get(part) or kind.get("additionalProperties")
    else:
        found = dict(enumerate(kind.get("prefixItems", ()))).get(part) or kind.get("items")
    if isinstance(found, dict):
        yield found


def lenient(reader: FuncMetadata, schema: dict[str, Any]) -> Arguments:
    """The reader of a tool's arguments, by its input schema."""
    model = reader.arg_model
    taking_numbers = type(model.__name__, (model,), {"model_config": ConfigDict(coerce_numbers_to_str=True)})
    return Arguments(
        arg_model=taking_numbers,
        output_schema=reader.output_schema,
        output_model=reader.output_model,
        wrap_output=reader.wrap_output,
        texts=frozenset(texts(schema)),
        input_schema=schema,
    )


def texts(schema: dict[str, Any]) -> set[str]:
    """The parameters that are plain text, with or without null, by the input schema of a tool."""
    return {name for name, parameter in schema.get("properties", {}).items() if is_text(parameter)}


def is_text(parameter: dict[str, Any]) -> bool:
    kinds = [kind for kind in parameter.get("anyOf", [parameter]) if kind.get("type") != "null"]
    return [kind.get("type") for kind in kinds] == ["string"] and not kinds[0].keys() & {"enum", "const", "format"}


def repeatable(text: str) -> bool:
    """Whether what the SDK reads in a string can be sent on: it also takes NaN, infinity and lone surrogates."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return True  # the SDK leaves it a string
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def bounded_texts(server: MCPServer[Any]) -> Any:
    """Server middleware: apply the limits on JSON to JSON inside strings too.

    If a parameter is not text, the SDK parses an argument such as `"[1, 2]"` as JSON. The limits on the body count
    such a string as one value.
    """
    plain: dict[str, set[str]] = {}  # for each tool, its parameters that are text

    async def check(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        arguments = (ctx.params or {}).get("arguments")
        if ctx.method == "tools/call" and isinstance(arguments, Mapping):
            if not plain:
                plain.update({tool.name: texts(tool.input_schema) for tool in await server.list_tools()})
            kept = plain.get(str((ctx.params or {}).get("name")), set())
            given = [value for name, value in arguments.items() if isinstance(value, str) and name not in kept]
            read = [text for text in given if text.lstrip()[:1] in ("[", "{")]
            try:
                measure(*(text.encode(errors="replace") for text in read))
            except Refused as refused:
                raise invalid(refused.why) from None
            if not all(map(repeatable, read)):
                raise invalid("The JSON in a string has a number or a character that JSON cannot have. Correct it.")
        return await call_next(ctx)

    return check


def invalid(why: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=why)
