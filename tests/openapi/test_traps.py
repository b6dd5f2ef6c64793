"""Each trap of real documents, by its name: what the imported tool sends, and what its caller sees."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from ..lib import importing
from ..lib.importing import document, operation, parameter
from ..lib.rendering import Rendered

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
PET: dict[str, Any] = {"type": "object", "properties": {"name": TEXT, "age": WHOLE}, "required": ["name"]}
# Names that Python, pydantic or the connector have a use for, and what the parameters are called.
WORDS = {
    **{name: name for name in ("schema", "json", "timeout", "model_dump", "copy", "dict", "query", "headers", "body")},
    **{name: f"{name}_" for name in ("from", "self", "ctx", "api", "model_config", "l")},
    **{"1st": "n1st", "_x": "x", "page[size]": "page_size", "pageToken": "page_token", "X": "x_in_query"},
}


class Trap(NamedTuple):
    """An operation, and a call of its tool."""

    path: str
    method: str
    operation: dict[str, Any]
    tool: str
    arguments: dict[str, Any]
    item: Mapping[str, Any] = MappingProxyType({})  # what stands beside the operation


def get(name: str, path: str, *parameters: Any, call: dict[str, Any], item: Any = None, **more: Any) -> Trap:
    return Trap(path, "get", operation(name, *parameters, **more), name, call, item or {})


def post(name: str, schema: Any, call: dict[str, Any], *parameters: Any, kind: str = "application/json") -> Trap:
    found = operation(name, *parameters)
    found["requestBody"] = {"content": {kind: {"schema": schema}}}
    return Trap(f"/{name}", "post", found, name, call)


TRAPS = {
    "path-item parameters": get(
        "get_owner",
        "/owners/{ownerId}",
        call={"owner_id": 7},
        item={"parameters": [parameter("ownerId", "path", WHOLE, required=True), parameter("page", schema=WHOLE)]},
    ),
    "an operation's parameter wins over its path's": get(
        "get_visit",
        "/visits/{id}",
        parameter("id", "path", TEXT, required=True, description="Of the operation"),
        call={"id": "a"},
        item={"parameters": [parameter("id", "path", WHOLE, required=True, description="Of the path")]},
    ),
    "a path parameter that is not declared": get("get_room", "/rooms/{room}", call={"room": "a/b"}),
    ".. as a segment": get("get_file", "/files/{name}/meta", call={"name": ".."}),
    "a segment that holds a path": get("get_dir", "/dirs/{name}", call={"name": "../../admin?x=1#y"}),
    "array styles: exploded": get(
        "a1", "/a1", parameter("id", schema={"type": "array", "items": WHOLE}), call={"id": [1, 2]}
    ),
    "array styles: with commas": get(
        "a2", "/a2", parameter("id", schema={"type": "array", "items": WHOLE}, explode=False), call={"id": [1, 2]}
    ),
    "array styles: with spaces": get(
        "a3",
        "/a3",
        parameter("id", schema={"type": "array", "items": WHOLE}, style="spaceDelimited", explode=False),
        call={"id": [1, 2]},
    ),
    "array styles: with pipes": get(
        "a4",
        "/a4",
        parameter("id", schema={"type": "array", "items": WHOLE}, style="pipeDelimited", explode=False),
        call={"id": [1, 2]},
    ),
    "deepObject": get(
        "a5",
        "/a5",
        parameter("filter", style="deepObject", schema={"type": "object", "properties": {"color": TEXT, "size": PET}}),
        call={"filter": {"color": "red", "size": {"name": "x"}}},
    ),
    "JSON in a parameter": get(
        "a6",
        "/a6",
        {"name": "where", "in": "query", "content": {"application/json": {"schema": PET}}},
        call={"where": {"name": "x"}},
    ),
    "text that looks like JSON": get("a7", "/a7", parameter("filters"), call={"filters": '{"a": 1}'}),
    "null for what is optional": get(
        "a8", "/a8", parameter("q"), parameter("n", schema=WHOLE), call={"q": None, "n": None}
    ),
    "nullable oneOf": post(
        "nullable_one_of",
        {"type": "object", "properties": {"pet": {"oneOf": [{"$ref": "#/components/schemas/Pet"}, {"type": "null"}]}}},
        {"pet": {"name": "Rex"}},
    ),
    "nullable anyOf": post(
        "nullable_any_of", {"type": "object", "properties": {"n": {"anyOf": [WHOLE, {"type": "null"}]}}}, {"n": 3}
    ),
    "types as a list": post("listed", {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}, {"n": 3}),
    "null that is required": post(
        "required_null",
        {
            "type": "object",
            "properties": {"parent": {"type": ["string", "null"]}, "name": TEXT},
            "required": ["parent"],
        },
        {"parent": None},
    ),
    "the same name in query and body": post(
        "same_name", {"type": "object", "properties": {"id": TEXT}}, {"id": "q", "id_in_body": "b"}, parameter("id")
    ),
    "recursion": post(
        "recursive", {"$ref": "#/components/schemas/Node"}, {"name": "a", "children": [{"name": "b", "children": []}]}
    ),
    "multipart": post(
        "upload",
        {
            "type": "object",
            "properties": {"photo": {"type": "string", "format": "binary"}, "tags": {"type": "array", "items": TEXT}},
        },
        {"photo": {"name": "a.txt", "base64": "aGVsbG8="}, "tags": ["x", "y"]},
        kind="multipart/form-data",
    ),
    "several files": post(
        "uploads",
        {"type": "object", "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}}},
        {"files": [{"name": "a", "base64": "YQ=="}, {"name": "b", "base64": "Yg=="}]},
        kind="multipart/form-data",
    ),
    "a file that is not base64": post(
        "bad_file",
        {"type": "object", "properties": {"photo": {"type": "string", "format": "binary"}}},
        {"photo": {"name": "a", "base64": "!"}},
        kind="multipart/form-data",
    ),
    "a urlencoded form": post(
        "form",
        {"type": "object", "properties": {"a": TEXT, "b": {"type": "array", "items": TEXT}}},
        {"a": "1 2", "b": ["x", "y"]},
        kind="application/x-www-form-urlencoded",
    ),
    "readOnly and writeOnly": post(
        "read_only",
        {
            "type": "object",
            "required": ["id"],
            "properties": {"id": {**TEXT, "readOnly": True}, "password": {**TEXT, "writeOnly": True}},
        },
        {"password": "x"},
    ),
    "additionalProperties": post(
        "additional",
        {"type": "object", "properties": {"labels": {"type": "object", "additionalProperties": TEXT}, "pet": PET}},
        {"labels": {"a": "b"}, "pet": {"name": "Rex", "color": "red"}},
    ),
    "members beside those of a closed object": post(
        "closed",
        {"type": "object", "properties": {"pet": {**PET, "additionalProperties": False}}},
        {"pet": {"name": "Rex", "color": "red"}},
    ),
    "cookies": get("cookie", "/cookie", parameter("session", "cookie"), call={"session": "a; admin=1"}),
    "headers": get("header", "/header", parameter("X-Trace", "header"), call={"x_trace": "abc"}),
    "a header with a line break": get(
        "header2", "/header2", parameter("X-Trace", "header"), call={"x_trace": "a\r\nX: 1"}
    ),
    "headers that the connector sends itself": get(
        "header3",
        "/header3",
        *(parameter(name, "header") for name in ("Authorization", "Host", "Content-Type", "Cookie", "X-Key")),
        call={},
    ),
    "$ref siblings": post(
        "siblings",
        {"type": "object", "properties": {"pet": {"$ref": "#/components/schemas/Pet", "description": "The sibling"}}},
        {"pet": {"name": "Rex"}},
    ),
    "discriminators": post(
        "discriminated",
        {
            "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
            "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/components/schemas/Cat", "dog": "Dog"}},
        },
        {"body": {"kind": "cat", "lives": 9}},
    ),
    "allOf": post(
        "all_of",
        {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"properties": {"color": TEXT}}]},
        {"name": "a", "color": "b"},
    ),
    "a media type of its own": post("vendor", PET, {"name": "a"}, kind="application/vnd.pets+json; charset=utf-8"),
    "Python's own words": get(
        "words",
        "/words/{class}",
        parameter("class", "path", required=True),
        *(parameter(name) for name in WORDS),
        call={"class_": "a", **dict(zip(WORDS.values(), WORDS, strict=True))},
    ),
    "names in any script": get(
        "名前", "/scripts", parameter("größe"), parameter("名前"), call={"grosse": "1", "value": "2"}
    ),
    "a name that pytest takes for a test": get("test_connection", "/tests", call={}),
    "a name of FastAPI": get("get_thing_things__thing_id__get", "/things/{thing_id}", call={"thing_id": "1"}),
    "limits of 3.1": get(
        "limits",
        "/limits",
        parameter("n", schema={"type": "integer", "exclusiveMinimum": 0, "maximum": 10}),
        parameter("s", schema={"type": "string", "maxLength": 3, "pattern": "^(?!a)"}),
        call={"n": 0},
    ),
    "an enumeration": get(
        "enums",
        "/enums",
        parameter("kind", schema={"type": "string", "enum": ["a", "b", None, "q\"'\\"]}),
        call={"kind": "c"},
    ),
    "a number for a text": get("number", "/number/{id}", parameter("id", "path", required=True), call={"id": 42}),
    "a path with a fragment": get("fragment", "/fragment#one", call={}),
}
COMPONENTS = {
    "schemas": {
        "Pet": PET,
        "Node": {
            "type": "object",
            "properties": {"name": TEXT, "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}},
        },
        "Cat": {"type": "object", "properties": {"kind": TEXT, "lives": WHOLE}},
        "Dog": {"type": "object", "properties": {"kind": TEXT}},
    },
    "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
}
NAMES = {
    "名前": "get_scripts",
    "test_connection": "run_test_connection",
    "get_thing_things__thing_id__get": "get_thing",
}


@pytest.fixture(scope="module")
def imported(rendered: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A connector with a tool for each trap."""
    folder = tmp_path_factory.mktemp("traps")
    paths: dict[str, Any] = {}
    for trap in TRAPS.values():
        paths.setdefault(trap.path, {}).update({trap.method: trap.operation, **trap.item})
    project = importing.copied(rendered(importing.ANSWERS), folder / "project")
    done = importing.run(project, importing.written(folder, document(paths, components=COMPONENTS)), "--all")
    assert "refused" not in done.said, done.said
    return project


@pytest.fixture(scope="module")
def results(imported: Path) -> dict[str, Any]:
    calls = [(NAMES.get(trap.tool, trap.tool), trap.arguments) for trap in TRAPS.values()]
    found = importing.called(imported, calls)
    return {"tools": {tool["name"]: tool for tool in found["tools"]}, **dict(zip(TRAPS, found["calls"], strict=True))}


def sent(results: dict[str, Any], trap: str) -> dict[str, Any]:
    """The one request of a trap's call, its path without the base and its query apart."""
    assert not results[trap]["error"], results[trap]["text"]
    [request] = results[trap]["requests"]
    parts = urlsplit(request["path"])
    return {**request, "path": parts.path.removeprefix("/base"), "query": parse_qsl(parts.query)}


def body(results: dict[str, Any], trap: str) -> Any:
    return json.loads(sent(results, trap)["body"])


def schema(results: dict[str, Any], tool: str) -> dict[str, Any]:
    found: dict[str, Any] = results["tools"][tool]["inputSchema"]
    return found


@pytest.mark.parametrize(
    ("trap", "path", "query"),
    [
        ("path-item parameters", "/owners/7", []),
        ("an operation's parameter wins over its path's", "/visits/a", []),
        ("a path parameter that is not declared", "/rooms/a%2Fb", []),
        ("a segment that holds a path", "/dirs/..%2F..%2Fadmin%3Fx%3D1%23y", []),
        ("array styles: exploded", "/a1", [("id", "1"), ("id", "2")]),
        ("array styles: with commas", "/a2", [("id", "1,2")]),
        ("array styles: with spaces", "/a3", [("id", "1 2")]),
        ("array styles: with pipes", "/a4", [("id", "1|2")]),
        ("deepObject", "/a5", [("filter[color]", "red"), ("filter[size][name]", "x")]),
        ("JSON in a parameter", "/a6", [("where", '{"name":"x"}')]),
        ("text that looks like JSON", "/a7", [("filters", '{"a": 1}')]),
        ("null for what is optional", "/a8", []),
        ("a number for a text", "/number/42", []),
        ("a path with a fragment", "/fragment", []),
        ("a name of FastAPI", "/things/1", []),
        ("names in any script", "/scripts", [("größe", "1"), ("名前", "2")]),
    ],
)
def test_what_is_sent_for(results: dict[str, Any], trap: str, path: str, query: list[tuple[str, str]]) -> None:
    request = sent(results, trap)
    assert (request["method"], request["path"], request["query"], request["body"]) == ("GET", path, query, "")


@pytest.mark.parametrize(
    ("trap", "said"),
    [
        (".. as a segment", "The name must not be '..'."),
        ("a header with a line break", "The header X-Trace must be one line."),
        ("a file that is not base64", "`base64` of the file is not base64"),
        ("limits of 3.1", "n must be at least 1"),
        ("an enumeration", "kind must be 'a', 'b' or 'q\"\\'\\\\'"),
        ("members beside those of a closed object", "pet.color is unknown"),
    ],
)
def test_nothing_is_sent_and_one_sentence_says_why_for(results: dict[str, Any], trap: str, said: str) -> None:
    assert results[trap]["error"]
    assert said in results[trap]["text"]
    assert results[trap]["requests"] == []


@pytest.mark.parametrize(
    ("trap", "members"),
    [
        ("nullable oneOf", {"pet": {"name": "Rex"}}),
        ("nullable anyOf", {"n": 3}),
        ("types as a list", {"n": 3}),
        ("null that is required", {"parent": None}),
        ("recursion", {"name": "a", "children": [{"name": "b", "children": []}]}),
        ("readOnly and writeOnly", {"password": "x"}),
        ("additionalProperties", {"labels": {"a": "b"}, "pet": {"name": "Rex", "color": "red"}}),
        ("$ref siblings", {"pet": {"name": "Rex"}}),
        ("discriminators", {"kind": "cat", "lives": 9}),
        ("allOf", {"name": "a", "color": "b"}),
    ],
)
def test_the_body_that_is_sent_for(results: dict[str, Any], trap: str, members: dict[str, Any]) -> None:
    assert body(results, trap) == members


def test_the_same_name_in_query_and_body(results: dict[str, Any]) -> None:
    request = sent(results, "the same name in query and body")
    assert (request["query"], json.loads(request["body"])) == ([("id", "q")], {"id": "b"})


def test_multipart_and_file_uploads(results: dict[str, Any]) -> None:
    one, several = (sent(results, trap)["body"] for trap in ("multipart", "several files"))
    assert 'name="photo"; filename="a.txt"' in one
    assert "hello" in one
    assert one.count('name="tags"') == 2
    assert several.count('name="files"; filename=') == 2


def test_a_urlencoded_form(results: dict[str, Any]) -> None:
    assert sent(results, "a urlencoded form")["body"] == "a=1+2&b=x&b=y"


def test_cookies_and_headers(results: dict[str, Any]) -> None:
    assert sent(results, "cookies")["headers"]["cookie"] == "session=a%3B%20admin%3D1"
    assert sent(results, "headers")["headers"]["x-trace"] == "abc"
    assert sent(results, "a media type of its own")["headers"]["content-type"] == "application/vnd.pets+json"


def test_headers_that_the_connector_sends_itself_are_no_parameters(results: dict[str, Any]) -> None:
    assert schema(results, "header3").get("properties", {}) == {}


def test_names_that_python_cannot_have(results: dict[str, Any]) -> None:
    request = sent(results, "Python's own words")
    assert request["path"] == "/words/a"
    assert request["query"] == [(name, name) for name in WORDS]


def test_a_name_that_pytest_takes_for_a_test(results: dict[str, Any]) -> None:
    assert sent(results, "a name that pytest takes for a test")["path"] == "/tests"


@pytest.mark.parametrize(
    ("tool", "parameter", "expected"),
    [
        ("get_owner", "owner_id", {"type": "integer"}),
        ("get_visit", "id", {"type": "string", "description": "Of the operation"}),
        ("nullable_any_of", "n", {"type": "integer"}),
        ("limits", "n", {"type": "integer", "minimum": 1, "maximum": 10}),
        ("limits", "s", {"type": "string", "maxLength": 3}),
        ("enums", "kind", {"type": "string", "enum": ["a", "b", "q\"'\\"]}),
        ("discriminated", "body", {"type": "object", "description": "kind says which kind it is: cat, dog."}),
    ],
)
def test_what_a_client_sees_of(results: dict[str, Any], tool: str, parameter: str, expected: dict[str, Any]) -> None:
    assert schema(results, tool)["properties"][parameter] == expected


def test_a_sibling_of_a_reference_wins(results: dict[str, Any]) -> None:
    pet = schema(results, "siblings")["properties"]["pet"]
    assert (pet["description"], pet["required"]) == ("The sibling", ["name"])


def test_a_recursion_ends_as_an_object(results: dict[str, Any]) -> None:
    child = schema(results, "recursive")["properties"]["children"]["items"]
    assert child["properties"]["children"]["items"] == {"type": "object"}


def test_what_is_read_only_is_not_asked_for(results: dict[str, Any]) -> None:
    assert list(schema(results, "read_only")["properties"]) == ["password"]


def test_every_tool_has_a_name_that_platforms_take_and_hints(results: dict[str, Any]) -> None:
    for name, tool in results["tools"].items():
        assert len(name) <= 64
        assert name.isascii()
        assert name.isidentifier()
        assert tool["annotations"]["readOnlyHint"] is (tool["title"] != "" and name not in WRITES)
        assert "outputSchema" not in tool
        assert "$ref" not in json.dumps(tool)


WRITES = {trap.tool for trap in TRAPS.values() if trap.method == "post"}
