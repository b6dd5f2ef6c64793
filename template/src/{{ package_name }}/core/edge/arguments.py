"""Arguments of tools, read as agents send them. The input schemas that clients see stay the same."""

from typing import Any

from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from pydantic import ConfigDict, ValidationError


class Arguments(FuncMetadata):
    """The SDK's reader of arguments, with three differences.

    - Text stays text. The SDK reads `null`, `[1]` or `{}` in a parameter such as `str | None` as JSON.
    - A number is taken for a string, and kept as it is written: 42 becomes "42". True and false are not.
    - Null stands for the default, where the parameter has one and does not take null.
    """

    texts: frozenset[str]

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        texts = {name: value for name, value in data.items() if name in self.texts}
        return super().pre_parse_json({name: value for name, value in data.items() if name not in texts}) | texts

    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        given = self.pre_parse_json(arguments_to_validate)
        try:
            return self.arg_model.model_validate(given).model_dump_one_level()
        except ValidationError as error:
            wrong = {found["loc"][:1] for found in error.errors(include_url=False, include_context=False)}
            nulls = {name for name, value in given.items() if value is None and (name,) in wrong}
            if not nulls:
                raise
        given = {name: value for name, value in given.items() if name not in nulls}
        return self.arg_model.model_validate(given).model_dump_one_level()


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
    )


def texts(schema: dict[str, Any]) -> set[str]:
    """The parameters that are plain text, with or without null, by the input schema of a tool."""
    return {name for name, parameter in schema.get("properties", {}).items() if is_text(parameter)}


def is_text(parameter: dict[str, Any]) -> bool:
    kinds = [kind for kind in parameter.get("anyOf", [parameter]) if kind.get("type") != "null"]
    return [kind.get("type") for kind in kinds] == ["string"] and not kinds[0].keys() & {"enum", "const", "format"}
