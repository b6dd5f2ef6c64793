"""What a change of a document means to those who call a tool: nothing, more than before, or less."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

Json = Any

LIMITS = {"ge": "at least {}", "le": "at most {}", "min_length": "at least {} long", "max_length": "at most {} long"}
LOWER = {"ge", "min_length"}  # allow less the larger they are


class Change(NamedTuple):
    breaking: bool
    text: str

    def __str__(self) -> str:
        return f"{'BREAKING' if self.breaking else 'ADDITIVE'} {self.text}"


def compare(old: Json, new: Json) -> list[Change]:
    """What differs between two contracts of a tool."""
    found = []
    for word in ("method", "path"):
        if old[word] != new[word]:
            found.append(Change(True, f"the {word} is {new[word]}, not {old[word]}"))
    found += list(members("", old["parameters"], new["parameters"]))
    return found


def members(where: str, old: Json, new: Json) -> Iterator[Change]:
    for name in [*old, *(name for name in new if name not in old)]:
        place = f"{where}.{name}" if where else name
        if name not in new:
            yield Change(True, f"{place} is gone")
        elif name not in old:
            required = new[name].get("required")
            yield Change(bool(required), f"{place} is new{' and required' if required else ''}")
        else:
            if bool(old[name].get("required")) != bool(new[name].get("required")):
                required = bool(new[name].get("required"))
                yield Change(required, f"{place} is {'required' if required else 'optional'} now")
            yield from values(place, old[name], new[name])


def values(where: str, old: Json, new: Json) -> Iterator[Change]:
    """What differs between two shapes of a value."""
    kinds = old["type"], new["type"]
    if kinds == ("literal", "literal"):
        if gone := [value for value in old["values"] if value not in new["values"]]:
            yield Change(True, f"{where} is no longer {listed(gone)}")
        if more := [value for value in new["values"] if value not in old["values"]]:
            yield Change(False, f"{where} may be {listed(more)}")
    elif kinds[0] == kinds[1] and kinds[0] in {"list", "dict"}:
        yield from limits(where, old, new)
        yield from values(f"{where}[]", old["of"], new["of"])
    elif kinds == ("object", "object") and "members" in old and "members" in new:
        yield from members(where, old["members"], new["members"])
        if old["open"] and not new["open"]:
            yield Change(True, f"{where} takes no other members now")
        elif new["open"] and not old["open"]:
            yield Change(False, f"{where} takes other members, too")
    elif kinds[0] == kinds[1] and kinds[0] != "one of":
        if kinds[0] == "object" and ("members" in old) != ("members" in new):
            yield Change("members" in new, f"{where} is {word(new)}, not {word(old)}")
        yield from limits(where, old, new)
    elif bare(old) != bare(new):
        yield Change(not takes(new, old), f"{where} is {word(new)}, not {word(old)}")


def limits(where: str, old: Json, new: Json) -> Iterator[Change]:
    for name, words in LIMITS.items():
        before, after = old.get(name), new.get(name)
        if before != after:
            narrower = after is not None and (before is None or (after > before) == (name in LOWER))
            now = "without this limit" if after is None else words.format(after)
            was = "without a limit" if before is None else words.format(before)
            yield Change(narrower, f"{where} is {now}, before {was}")


def bare(shape: Json) -> Json:
    return {key: value for key, value in shape.items() if key != "required"}


def takes(new: Json, old: Json) -> bool:
    """Whether all that was allowed still is."""
    if new["type"] == "any":
        return True
    if old["type"] == "one of":
        return all(takes(new, one) for one in old["of"])
    if new["type"] == "one of":
        return any(takes(one, old) for one in new["of"])
    if old["type"] == "literal" and new["type"] in {"str", "int", "float"}:
        fits = {"str": str, "int": int, "float": int | float}[new["type"]]
        return all(isinstance(value, fits) for value in old["values"]) and not limits_of(new)
    if (old["type"], new["type"]) == ("int", "float"):
        return not any(change.breaking for change in limits("", old, new))
    if old["type"] in {"object", "dict"} and new["type"] in {"object", "dict"}:
        return new == {**new, "type": "object"} and "members" not in new
    return old["type"] == new["type"] and not any(change.breaking for change in values("", old, new))


def limits_of(shape: Json) -> bool:
    return bool(LIMITS.keys() & shape.keys())


def word(shape: Json) -> str:
    match shape["type"]:
        case "literal":
            return listed(shape["values"])
        case "one of":
            return " or ".join(word(one) for one in shape["of"])
        case "list":
            return f"a list of {word(shape['of'])}"
        case "any":
            return "anything"
        case kind:
            known = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
            known |= {"file": "a file", "null": "null"}
            return known.get(kind, "an object")


def listed(values: list[Json]) -> str:
    """Values as JSON has them, on one line."""
    written = [json.dumps(value, ensure_ascii=False)[:40] for value in values[:5]]
    return ", ".join(written) + (f" and {len(values) - 5} more" if len(values) > 5 else "")
