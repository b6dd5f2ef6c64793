"""A file for `az containerapp`, compared with the models that Azure's own client is generated with.

The client ignores what it does not know. This does not: keys, types, required values, and the values of enumerations,
which the models name in their docstrings alone.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

from azure.mgmt.appcontainers import models

SIMPLE: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "object": (object,),
}


def faults(data: object, model: str = "ContainerApp", path: str = "") -> Iterator[str]:
    """What is wrong with a value that should be this model, a sentence each."""
    cls = getattr(models, model)
    attributes: dict[str, dict[str, str]] = cls._attribute_map
    validation: dict[str, dict[str, Any]] = getattr(cls, "_validation", {})
    if not isinstance(data, dict):
        yield f"{path or 'the file'} is not a mapping"
        return
    flat = dict(flattened(data, {entry["key"] for entry in attributes.values()}))
    for name, entry in attributes.items():
        rules, key = validation.get(name, {}), entry["key"]
        where = f"{path}.{key}".lstrip(".")
        if key in flat:
            value = flat.pop(key)
            if rules.get("readonly") and key != "type":  # the tool wants the type, which the service knows
                yield f"{where} is the service's to set"
            yield from typed(value, entry["type"], where)
            if (allowed := enumeration(cls, name)) and value not in allowed:
                yield f"{where} is {value!r}, not one of {sorted(allowed)}"
        elif rules.get("required") and not rules.get("constant"):
            yield f"{where} is missing"
    yield from (f"{path}.{key} is unknown".lstrip(".") for key in flat)


def flattened(data: dict[str, Any], keys: set[str]) -> Iterator[tuple[str, Any]]:
    """The entries, with those of a mapping that the model takes in, such as `properties`, as `properties.name`."""
    for key, value in data.items():
        if any(known.startswith(f"{key}.") for known in keys) and isinstance(value, dict):
            yield from ((f"{key}.{inner}", entry) for inner, entry in value.items())
        else:
            yield key, value


def typed(value: object, kind: str, path: str) -> Iterator[str]:
    """What is wrong with a value of a type as the models write it: `str`, `[Model]` or `{str}`."""
    if kind.startswith("["):
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from typed(item, kind[1:-1], f"{path}[{index}]")
        else:
            yield f"{path} is not a list"
    elif kind.startswith("{"):
        if isinstance(value, dict):
            for key, item in value.items():
                yield from typed(item, kind[1:-1], f"{path}[{key}]")
        else:
            yield f"{path} is not a mapping"
    elif kind in SIMPLE:
        if not isinstance(value, SIMPLE[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{path} is {value!r}, no {kind}"
    else:
        yield from faults(value, kind, path)


def enumeration(cls: type, attribute: str) -> set[str]:
    """The values that an attribute may have, or nothing if it is free."""
    declared = re.search(rf":vartype {attribute}:\s+str or\s+~[\w.]+\.(\w+)", cls.__doc__ or "")
    values = getattr(models, declared[1]) if declared else None
    return {member.value for member in values} if values and issubclass(values, Enum) else set()
