"""Input schemas as every platform reads them."""

from collections.abc import Mapping
from typing import Any

DROPPED = {"$defs", "discriminator", "$schema"}  # point into `$defs`
VALUES = {"const", "default", "enum", "examples"}  # data, not schemas


def plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without `$ref`: each definition stands where it is used, and a recursion ends as an object.

    An optional member that may be null has its other type alone; clients send null for what they leave out, and it is
    taken. Titles, which repeat the names, are left out.
    """
    found: dict[str, Any] = walked(schema, schema.get("$defs", {}), ())
    return found


def walked(node: Any, definitions: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [walked(part, definitions, inside) for part in node]
    if not isinstance(node, Mapping):
        return node
    if isinstance(ref := node.get("$ref"), str):
        name, rest = ref.rsplit("/", 1)[-1], {key: part for key, part in node.items() if key != "$ref"}
        target = {"type": "object"} if name in inside else definitions.get(name, {})
        return walked({**target, **rest}, definitions, (*inside, name))
    found: dict[str, Any] = {}
    for key, part in node.items():
        if key == "properties":
            required = node.get("required", ())
            found[key] = {
                name: walked(member if name in required else without_null(member), definitions, inside)
                for name, member in part.items()
            }
        elif key in VALUES:
            found[key] = part
        elif key not in DROPPED and not (key == "title" and isinstance(part, str)):
            found[key] = walked(part, definitions, inside)
    if found.get("default", "") is None:
        del found["default"]
    if found.get("additionalProperties") is True:  # as without it
        del found["additionalProperties"]
    return found


def without_null(member: Any) -> Any:
    choices = member.get("anyOf") if isinstance(member, Mapping) else None
    if not choices or {"type": "null"} not in choices:
        return member
    others = [choice for choice in choices if choice != {"type": "null"}]
    rest = {key: part for key, part in member.items() if key != "anyOf"}
    return {**others[0], **rest} if len(others) == 1 else {**rest, "anyOf": others}
