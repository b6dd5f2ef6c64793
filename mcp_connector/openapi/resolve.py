"""References inside of a document, and schemas that are put together of several."""

from typing import Any
from urllib.parse import unquote

from .load import is_url

Json = Any

MOST = 20_000  # schemas that one operation may look at: references can make a small document huge


class Refused(Exception):
    """Why an operation has no tool, to follow its name and a colon."""


class Schemas:
    """The document, and what its references point to."""

    def __init__(self, document: dict[str, Json]) -> None:
        self.document = document
        self._targets: dict[str, Json] = {}
        self._looked = 0

    def begin(self) -> None:
        """Count anew, for another operation."""
        self._looked = 0

    def count(self) -> None:
        self._looked += 1
        if self._looked > MOST:
            raise Refused("its schemas are too large")

    def pointed(self, node: Json) -> Json:
        """The node, or what its `$ref` points to, with the members beside the `$ref` (OpenAPI 3.1 §4.8.23).

        Raises:
            Refused: It points to nothing, to itself or to another file.
        """
        seen: set[str] = set()
        while isinstance(node, dict) and isinstance(ref := node.get("$ref"), str):
            self.count()
            if ref in seen:
                raise Refused(f"{ref[:80]} points to itself")
            seen.add(ref)
            found = self.target(ref)
            beside = {key: member for key, member in node.items() if key not in {"$ref", "summary"}}
            node = {**found, **beside} if isinstance(found, dict) else found
        return node

    def target(self, ref: str) -> Json:
        if ref not in self._targets:
            self._targets[ref] = self._find(ref)
        return self._targets[ref]

    def _find(self, ref: str) -> Json:
        if not ref.startswith("#"):
            how = "allow its host with --remote-refs" if is_url(ref) else "put it below the document's folder"
            raise Refused(f"{ref[:80]} is in another file; {how}")
        found: Json = self.document
        for part in ref[1:].split("/")[1:]:
            for name in (part, unquoted(part)):
                if isinstance(found, dict) and name in found:
                    found = found[name]
                    break
                if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                    found = found[int(name)]
                    break
            else:
                raise Refused(f"{ref[:80]} points to nothing")
        return found

    def schema(self, node: Json) -> dict[str, Json]:
        """A schema as an object: `true` and anything else allow all values.

        Raises:
            Refused: It is `false`, and allows nothing.
        """
        found = self.pointed(node)
        if found is False:
            raise Refused("it has a schema that allows nothing")
        return found if isinstance(found, dict) else {}

    def merged(self, node: Json, seen: frozenset[str] = frozenset()) -> dict[str, Json]:
        """A schema with the members of all that its `allOf` names."""
        self.count()
        schema = self.schema(node)
        parts = schema.get("allOf")
        if not isinstance(parts, list):
            return schema
        whole = {key: member for key, member in schema.items() if key != "allOf"}
        properties: dict[str, Json] = {}
        required: list[str] = []
        for part in parts:
            ref = part.get("$ref") if isinstance(part, dict) else None
            if isinstance(ref, str) and ref in seen:
                continue
            inner = self.merged(part, seen | {ref} if isinstance(ref, str) else seen)
            properties |= members(inner)
            required += names(inner)
            for key, member in inner.items():
                whole.setdefault(key, member)
        properties |= members(schema)
        required += names(schema)
        if properties:
            whole["properties"] = properties
        if required:
            whole["required"] = list(dict.fromkeys(required))
        return whole


def unquoted(part: str) -> str:
    return unquote(part).replace("~1", "/").replace("~0", "~")


def members(schema: Json) -> dict[str, Json]:
    """The properties of a schema; what is not an object counts as none."""
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def names(schema: Json) -> list[str]:
    """The required properties; a list of them alone counts, because 2.0's `required: true` stands there too."""
    found = schema.get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
