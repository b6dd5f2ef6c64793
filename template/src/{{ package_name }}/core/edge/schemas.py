"""Schemas of tools as every platform reads them."""

from collections.abc import Mapping
from typing import Any

from mcp_types import Tool

DROPPED = {"$defs", "discriminator", "$schema"}  # point into `$defs`
INSTEAD = {"exclusiveMinimum": ("minimum", 1), "exclusiveMaximum": ("maximum", -1)}  # which some platforms do not read
VALUES = {"const", "default", "enum", "examples"}  # data, not schemas


def readable(tool: Tool) -> Tool:
    """The tool with schemas that every platform reads."""
    schemas: dict[str, Any] = {"input_schema": plain(tool.input_schema)}
    if tool.output_schema:
        schemas["output_schema"] = plain(tool.output_schema, of_result=True)
    return tool.model_copy(update=schemas)


def plain(schema: Mapping[str, Any], *, of_result: bool = False) -> dict[str, Any]:
    """The schema without `$ref`: each definition stands where it is used, and a recursion ends as an object.

    An optional argument that may be null has its other type alone; clients send null for what they leave out, and it
    is taken. A result may be checked by its schema, so that one keeps null. Titles, which repeat the names, are left
    out.
    """
    found: dict[str, Any] = walked(schema, schema.get("$defs", {}), (), of_result)
    if schema.get("additionalProperties") is True:  # inside of a schema, that is as without it
        found["additionalProperties"] = True  # but of arguments, others are taken then
    return found


def walked(node: Any, definitions: Mapping[str, Any], inside: tuple[str, ...], of_result: bool) -> Any:
    if isinstance(node, list):
        return [walked(part, definitions, inside, of_result) for part in node]
    if not isinstance(node, Mapping):
        return node
    if isinstance(ref := node.get("$ref"), str):
        name, rest = ref.rsplit("/", 1)[-1], {key: part for key, part in node.items() if key != "$ref"}
        target = {"type": "object"} if name in inside else definitions.get(name, {})
        return walked({**target, **rest}, definitions, (*inside, name), of_result)
    found: dict[str, Any] = {}
    for key, part in node.items():
        if key == "properties":
            kept = part if of_result else node.get("required", ())
            found[key] = {
                name: walked(member if name in kept else without_null(member), definitions, inside, of_result)
                for name, member in part.items()
            }
        elif key in VALUES:
            found[key] = part
        elif key not in DROPPED and not (key == "title" and isinstance(part, str)):
            found[key] = walked(part, definitions, inside, of_result)
    if found.get("default", "") is None:
        del found["default"]
    for bound, (name, step) in INSTEAD.items():
        if found.get("type") == "integer" and isinstance(found.get(bound), int) and name not in found:
            found[name] = found.pop(bound) + step
    if found.get("additionalProperties") is True:
        del found["additionalProperties"]
    return found


def without_null(member: Any) -> Any:
    choices = member.get("anyOf") if isinstance(member, Mapping) else None
    if not choices or {"type": "null"} not in choices:
        return member
    others = [choice for choice in choices if choice != {"type": "null"}]
    rest = {key: part for key, part in member.items() if key != "anyOf"}
    return {**others[0], **rest} if len(others) == 1 else {**rest, "anyOf": others}
