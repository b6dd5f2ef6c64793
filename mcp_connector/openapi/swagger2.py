"""Swagger 2.0 as OpenAPI 3.0."""

from collections.abc import Mapping
from typing import Any

from .resolve import Refused, Schemas

Json = Any

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
MOVED = {
    "#/definitions/": "#/components/schemas/",
    "#/parameters/": "#/components/parameters/",
    "#/responses/": "#/components/responses/",
}
# How lists are written (Swagger 2.0, Parameter Object), as a style and whether each entry is a parameter of its own.
STYLES = {"multi": ("form", True), "ssv": ("spaceDelimited", False), "pipes": ("pipeDelimited", False)}
OWN = {"name", "in", "description", "required", "collectionFormat", "allowEmptyValue", "schema", "type", "format"}
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def upgraded(old: Mapping[str, Json]) -> dict[str, Json]:
    """The same API as a document of version 3.0. What is broken in an operation is left for its tool to refuse."""
    schemas = Schemas(dict(old))
    paths = {}
    for place, item in (old.get("paths") or {}).items():
        try:
            item = schemas.pointed(item)
        except Refused:
            continue
        if isinstance(item, dict):
            shared = listed(item.get("parameters"))
            paths[place] = {
                method: operation(schemas, item[method], shared)
                for method in METHODS
                if isinstance(item.get(method), dict)
            }
    return {
        "openapi": "3.0.3",
        "info": old.get("info") or {},
        "servers": servers(old),
        "paths": moved(paths),
        "security": old.get("security") or [],
        "components": {
            "schemas": moved(old.get("definitions") or {}),
            "parameters": moved(old.get("parameters") or {}),
            "securitySchemes": {name: scheme(found) for name, found in (old.get("securityDefinitions") or {}).items()},
        },
        **{key: moved(member) for key, member in old.items() if key.startswith("x-")},
    }


def listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def servers(old: Mapping[str, Json]) -> list[Json]:
    base, host = str(old.get("basePath") or ""), old.get("host")
    if not host:
        return [{"url": base or "/"}]
    scheme = "http" if listed(old.get("schemes")) == ["http"] else "https"
    return [{"url": f"{scheme}://{host}{base}"}]


def scheme(found: Json) -> Json:
    if isinstance(found, dict) and found.get("type") == "basic":
        return {"type": "http", "scheme": "basic"}
    if isinstance(found, dict) and found.get("type") == "oauth2":
        flow = {"application": "clientCredentials", "accessCode": "authorizationCode"}.get(found.get("flow", ""), "")
        return {"type": "oauth2", "flows": {flow or str(found.get("flow")): found}}
    return found


def operation(schemas: Schemas, found: dict[str, Json], shared: list[Json]) -> dict[str, Json]:
    kept = {key: member for key, member in found.items() if key not in {"parameters", "consumes", "produces"}}
    every: dict[object, Json] = {}
    for given in [*shared, *listed(found.get("parameters"))]:
        try:
            one = schemas.pointed(given)
        except Refused:
            one = None
        if not isinstance(one, dict):
            every[id(given)] = {"in": "unreadable", "name": str(given)[:80], "given": given}
            continue
        every[one.get("in"), one.get("name")] = one
    kinds = [str(kind) for kind in listed(found.get("consumes")) or listed(schemas.document.get("consumes"))]
    fields = [one for one in every.values() if one.get("in") == "formData"]
    if fields:
        kept["requestBody"] = form(fields, kinds)
    for one in every.values():
        if one.get("in") == "body":
            content = {kind: {"schema": one.get("schema", {})} for kind in kinds or ["application/json"]}
            told = one.get("description", "")
            kept["requestBody"] = {"description": told, "required": bool(one.get("required")), "content": content}
    kept["parameters"] = [
        one.get("given") or parameter(one) for one in every.values() if one.get("in") not in {"body", "formData"}
    ]
    return kept


def parameter(one: dict[str, Json]) -> dict[str, Json]:
    usual = "form" if one.get("in") == "query" else "simple"
    style, explode = STYLES.get(str(one.get("collectionFormat")), (usual, False))
    if one.get("collectionFormat") == "tsv":
        style = "tabDelimited"  # for which there is no style in 3.0: refused by its name
    kept: dict[str, Json] = {key: one[key] for key in ("name", "in", "description", "required") if key in one}
    return {**kept, "style": style, "explode": explode, "schema": schema(one)}


def schema(one: dict[str, Json]) -> dict[str, Json]:
    kept = {key: member for key, member in one.items() if key not in OWN or key in {"type", "format"}}
    return {"type": "string", "format": "binary"} if one.get("type") == "file" else kept


def form(fields: list[dict[str, Json]], kinds: list[str]) -> Json:
    files = any(one.get("type") == "file" for one in fields)
    kind = MULTIPART if files or (MULTIPART in kinds and FORM not in kinds) else FORM
    properties = {str(one.get("name")): {**schema(one), "description": one.get("description", "")} for one in fields}
    required = [str(one.get("name")) for one in fields if one.get("required")]
    lists = {
        str(one.get("name")): {"style": STYLES[str(one["collectionFormat"])][0], "explode": True}
        for one in fields
        if one.get("collectionFormat") == "multi"
    }
    encoding = {
        name: lists.get(name, {"style": "form", "explode": False})
        for name, found in properties.items()
        if found.get("type") == "array"
    }
    body = {"type": "object", "properties": properties, "required": required}
    return {"content": {kind: {"schema": body, "encoding": encoding}}}


def moved(node: Json) -> Json:
    """The same, with references to where 3.0 keeps things."""
    if isinstance(node, dict):
        return {key: pointer(member) if key == "$ref" else moved(member) for key, member in node.items()}
    return [moved(member) for member in node] if isinstance(node, list) else node


def pointer(ref: Json) -> Json:
    if isinstance(ref, str):
        for old, new in MOVED.items():
            if ref.startswith(old):
                return new + ref.removeprefix(old)
    return ref
