"""Documents that no import should meet: each ends in one sentence, at once, with nothing written."""

import ast
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from mcp_connector.openapi import load

from ..lib import importing
from ..lib.importing import Imported, document, operation, parameter

PETS = document({"/pets": {"get": operation("listPets")}})
TEXT = {"type": "string"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return importing.project(tmp_path / "project")


def files(project: Path) -> dict[str, bytes]:
    return {path.as_posix(): path.read_bytes() for path in project.rglob("*") if path.is_file()}


def refused(project: Path, place: Path | str, *options: str) -> str:
    """The sentence of an import that ends with 2 and writes nothing."""
    before, began = files(project), time.process_time()
    done = importing.run(project, place, "--all", *options, check=False)
    assert (done.code, done.said) == (2, ""), done
    assert files(project) == before
    assert time.process_time() - began < 20
    [line] = done.errors.splitlines()
    assert line.startswith("mcp-connector import: ")
    assert line.endswith(".")
    return line.removeprefix("mcp-connector import: ")


def imported(project: Path, folder: Path, content: Any, *options: str, name: str = "pets.json") -> Imported:
    return importing.run(project, importing.written(folder, content, name), "--all", *options)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is not an object"),
        ("[]", "it is not an object"),
        ("just text", "it is not an object"),
        ("{", "is not JSON: expecting property name enclosed in double quotes, line 1 column 2"),
        ("a: [1", "is neither JSON nor YAML"),
        ("a: b: c", "line 1, column 5"),
        ("a: !!python/object/apply:os.system [id]", "is neither JSON nor YAML: could not determine a constructor"),
        ("a: 1\n---\nb: 2", "is neither JSON nor YAML"),
        ("<!doctype html>", "is a web page. Import the JSON or YAML document that it shows"),
        ("{}", "it has neither `openapi` nor `swagger`"),
        ('{"openapi": "4.0.0"}', "its version is 4.0.0"),
        ('{"swagger": "1.2"}', "its version is 1.2"),
        ('{"openapi": "3.0.0", "paths": []}', "its `paths` are not an object"),
        ('{"openapi": "3.0.0"}', "has no operations"),
        ('{"openapi": "3.0.0", "paths": {"/a": {"get": 1}}}', "has no operations"),
    ],
)
def test_what_is_not_a_document_is_refused(project: Path, tmp_path: Path, content: str, said: str) -> None:
    assert said in refused(project, importing.written(tmp_path, content, "pets.yaml"))


def test_what_is_not_text_is_refused(project: Path, tmp_path: Path) -> None:
    place = tmp_path / "pets.json"
    place.write_bytes(json.dumps(PETS).encode("utf-16"))
    assert "is not text in UTF-8" in refused(project, place)


@pytest.mark.parametrize("place", ["none.yaml", ".", "file:///etc/passwd", "ftp://example.com/a", "gopher://x", "a\0b"])
def test_what_cannot_be_read_is_refused(project: Path, place: str) -> None:
    assert "cannot be read" in (said := refused(project, place)) or "is a folder" in said or "is neither a file" in said


def test_a_document_of_more_than_50_mb_is_refused_unread(project: Path, tmp_path: Path) -> None:
    place = tmp_path / "pets.json"
    with place.open("wb") as file:
        file.truncate(load.MOST + 1)
    assert "has more than 50 MB. Cut it down" in refused(project, place)


def test_yaml_that_takes_too_long_to_read_is_refused(project: Path, tmp_path: Path) -> None:
    place = importing.written(tmp_path, "# " + "x" * load.MOST_YAML, "pets.yaml")
    assert "Convert it to JSON" in refused(project, place)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"openapi: 3.0.0\npaths: {{}}\n{BOMB}", "values once its aliases are followed"),
        ("openapi: 3.0.0\npaths: &a\n  /a: *a\n", "has an alias inside of what it stands for"),
        (f"openapi: 3.0.0\nx: {'[' * 100_000}", "has more than 200 levels"),
        (f"openapi: 3.0.0\nx:\n  {'- ' * 100_000}1", "has more than 200 levels"),
        (f"openapi: 3.0.0\nx: {'[' * 500}{']' * 500}", "has more than 200 levels"),
        (f'{{"openapi": "3.0.0", "x": {"[" * 100_000}{"]" * 100_000}}}', "has more than 200 levels"),
        (f'{{"openapi": "3.0.0", "paths": {{"/a": {"[" * 900}{"]" * 900}}}}}', "has "),
    ],
    ids=["aliases", "an alias of itself", "lists", "compact lists", "500 lists", "JSON", "900 levels of JSON"],
)
def test_a_bomb_is_refused(project: Path, tmp_path: Path, content: str, said: str) -> None:
    assert said in refused(project, importing.written(tmp_path, content, "pets.yaml"))


def test_schemas_that_grow_without_end_are_refused_one_by_one(project: Path, tmp_path: Path) -> None:
    def ref(name: str) -> dict[str, str]:
        return {"$ref": f"#/components/schemas/{name}"}

    schemas: dict[str, Any] = {f"A{n}": {"allOf": [ref(f"A{n + 1}")] * 3} for n in range(40)}
    schemas |= {f"B{n}": {"anyOf": [ref(f"B{n + 1}"), ref(f"B{n + 1}"), TEXT]} for n in range(40)}
    schemas |= {"C": {"allOf": [ref("C")]}, "D": ref("D"), "E": {"type": "array", "items": ref("E")}}
    schemas |= {"F": {"properties": {"f": ref("F")}}, "G": {"anyOf": [ref("G")]}, "A40": TEXT, "B40": TEXT}
    paths = {f"/{n}": {"post": operation(f"post{n}", body=ref(n))} for n in ("A0", "B0", "C", "D", "E", "F", "G")}
    began = time.process_time()
    done = imported(
        project, tmp_path, document({**paths, "/pets": {"get": operation("listPets")}}, components={"schemas": schemas})
    )
    assert time.process_time() - began < 10
    assert "refused  postA0: its schemas are too large" in done.said
    assert "refused  postD: #/components/schemas/D points to itself" in done.said
    assert "list_pets" in done.said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (operation("x", {"$ref": "#/nothing"}), "#/nothing points to nothing"),
        (operation("x", {"$ref": "other.yaml#/a"}), "is in another file; put it below the document's folder"),
        (
            operation("x", {"$ref": "https://example.com/a.yaml"}),
            "is in another file; allow its host with --remote-refs",
        ),
        (operation("x", {"$ref": "../../etc/passwd"}), "is in another file"),
        (operation("x", {"$ref": "file:///etc/passwd"}), "is in another file"),
        (operation("x", {"name": "a"}), "one of its parameters has no name or no place"),
        (operation("x", parameter("a", "matrix")), "its parameter a is in matrix"),
        (operation("x", parameter("a", style="strange")), "the style strange of a parameter"),
        (operation("x", parameter("a", schema=False)), "it has a schema that allows nothing"),
        (operation("x", parameter("a" * 300)), "it has a name of 300 characters"),
        (operation("x", servers=[{"url": "https://evil.example"}]), "it is on another server, https://evil.example"),
        (operation("x", requestBody={"content": {"text/plain": {}}}), "a body of text/plain"),
        (operation("x", requestBody={"content": {"multipart/form-data": {}}}), "without named fields"),
        (operation("x", requestBody={"content": {"": {}}}), "a body of no type"),
        (operation("x", servers=[{"url": ""}]), "it is on another server, /"),
        (operation("x", parameter("a", schema={"enum": [[]], "oneOf": 5})) | {"parameters": 5}, "list_pets"),
        (operation("x", parameter("a", schema={"type": "string", "maxLength": 10**400})), "list_pets"),
        (operation("x", parameter("a", schema={"type": "string", "minLength": -1})), "list_pets"),
    ],
)
def test_an_operation_that_cannot_be_a_tool_is_named_and_the_others_are_imported(
    project: Path, tmp_path: Path, found: dict[str, Any], said: str
) -> None:
    paths = {"/x": {"get": found}, "/pets": {"get": operation("listPets")}}
    done = imported(project, tmp_path, document(paths, servers=[{"url": "https://api.example.com"}]))
    assert said in " ".join(done.said.split())
    assert done.code == 0
    assert "list_pets" in importing.source(project)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("pets", "its path does not begin with one slash"),
        ("//evil.example/a", "its path does not begin with one slash"),
        ("/a/../b", "its path has a dot segment"),
        ("/a?b=c", "its path has a query"),
        ("/a/{b", "its path has a brace of no parameter"),
        ("/a/{}", "its path has a brace of no parameter"),
    ],
)
def test_a_path_that_is_none_is_refused(project: Path, tmp_path: Path, place: str, said: str) -> None:
    done = imported(project, tmp_path, document({place: {"get": operation("x")}, "/b": {"get": operation("y")}}))
    assert f"refused  x: {said}" in done.said


@pytest.mark.parametrize("part", [5, "x", [5], {"a": 5}])
@pytest.mark.parametrize("name", ["info", "servers", "components", "security", "tags", "webhooks"])
def test_a_part_of_another_type_is_left_out(project: Path, tmp_path: Path, name: str, part: Any) -> None:
    found = {"openapi": "3.0.3", "paths": {"/pets": {"get": operation("listPets")}}, name: part}
    if name == "components":
        found[name] = {"securitySchemes": part, "schemas": part}
    assert "list_pets" in imported(project, tmp_path, found).said


@pytest.mark.parametrize("part", [5, "x", [5], {"a": 5}])
@pytest.mark.parametrize("name", ["host", "basePath", "schemes", "definitions", "parameters", "securityDefinitions"])
def test_a_part_of_swagger_of_another_type_is_left_out(project: Path, tmp_path: Path, name: str, part: Any) -> None:
    found = {"swagger": "2.0", "paths": {"/pets": {"get": operation("listPets")}}, name: part}
    assert "list_pets" in imported(project, tmp_path, found).said


def test_a_server_that_is_no_address_is_not_offered(project: Path, tmp_path: Path) -> None:
    done = imported(project, tmp_path, {**PETS, "servers": [{"url": "http://[::1", "variables": [5]}]})
    assert "the document names no server" in done.said


def test_no_function_hides_what_its_module_uses(project: Path, tmp_path: Path) -> None:
    many = parameter("ids", schema={"type": "array", "items": TEXT})
    words = ("list", "dict", "str", "api", "with_config", "test", "model_fields")
    imported(project, tmp_path, document({f"/{word}": {"get": operation(word, many)} for word in words}))
    names = {node.name for node in ast.parse(importing.source(project)).body if isinstance(node, ast.AsyncFunctionDef)}
    assert names == {"list_", "dict_", "str_", "api_", "with_config_", "run_test", "model_fields"}


def test_a_number_that_no_type_checker_takes_is_no_literal(project: Path, tmp_path: Path) -> None:
    one, other = (parameter(name, schema={"enum": [value]}) for name, value in (("a", 10**30), ("b", 7)))
    imported(project, tmp_path, document({"/pets": {"get": operation("listPets", one, other)}}))
    assert "a: Any = None, b: Literal[7] | None = None" in importing.source(project)


def test_modules_are_imported_in_the_order_of_the_linter(project: Path, tmp_path: Path) -> None:
    paths = {f"/{n}": {"get": operation(f"get{n}", tag=f"v{n}")} for n in (10, 9, 2)}
    imported(project, tmp_path, document(paths))
    assert "from . import v2, v9, v10\n" in (importing.tools(project) / "__init__.py").read_text()


def test_a_form_without_fields_is_no_body_unless_it_must_be(project: Path, tmp_path: Path) -> None:
    empty = {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object", "properties": {}}}}}
    paths = {
        "/a": {"get": operation("getA", requestBody=empty)},
        "/b": {"post": operation("postB", requestBody={**empty, "required": True})},
    }
    done = imported(project, tmp_path, document(paths))
    assert 'api.request(ctx, "GET", "/a")' in importing.source(project)
    assert "refused  postB: a body of" in done.said


def test_ids_that_are_given_twice_are_told_apart(project: Path, tmp_path: Path) -> None:
    paths = {"/pets": {"get": operation("list"), "post": operation("list")}, "/cats": {"get": operation("list")}}
    done = imported(project, tmp_path, document(paths))
    assert "The id list is given twice, so POST /pets goes by its path." in done.errors
    assert "list_, post_pets, get_cats" in done.said
    assert imported(project, tmp_path, document(paths)).code == 0


NAMES = [
    "列出",
    "🐶",
    "",
    " ",
    "../../x",
    "a b",
    "import",
    "None",
    "__init__",
    "x" * 500,
    "a\n\x1b[31mb",
    "'; import os #",
    "\ud800",
]


@pytest.mark.parametrize("name", NAMES, ids=map(ascii, NAMES))
def test_a_name_is_only_a_name(project: Path, tmp_path: Path, name: str) -> None:
    found = operation(
        name,
        parameter(name or "a"),
        parameter(f"{name}-", "header"),
        tag=name,
        body={
            "type": "object",
            "properties": {name: TEXT, "b": {"type": "object", "properties": {name: TEXT, "1": TEXT}}},
        },
        summary=name,
        description=f'{name}"""\nimport os',
    )
    done = imported(project, tmp_path, document({"/pets": {"post": found}}, info={"title": name, "version": name}))
    assert done.code == 0
    assert "\x1b" not in done.said + done.errors
    modules = [path for path in importing.tools(project).glob("*.py") if path.name != "__init__.py"]
    assert len(modules) == (0 if len(name) > 200 else 1)
    for path in modules:
        assert path.stem.isidentifier()
        assert path.stem.isascii()
        assert "\nimport os" not in path.read_text()
        compile(path.read_text(), path.name, "exec")


TEXTS = [
    '"""',
    "'''",
    "\\",
    'ends with "',
    "ends with \\",
    "{braces}",
    "\u202e\u0000\u2028",
    "%s" * 50,
    '"' * 200,
    "\\N{BELL}",
]


@pytest.mark.parametrize("text", TEXTS, ids=map(ascii, TEXTS))
def test_a_text_is_only_a_text(project: Path, tmp_path: Path, text: str) -> None:
    said = {"summary": text, "description": text}
    name = {"type": "string", "description": text, "enum": [text, "b"], "default": text}
    body = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": name, text: TEXT}}}}
    found = operation("x", parameter("a", schema=name, description=text), body=body, **said)
    assert imported(project, tmp_path, document({"/pets": {"post": found}})).code == 0
    tree = ast.parse(importing.source(project))
    assert text in {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)] == ["x"]


def test_a_file_that_cannot_be_parsed_is_named_and_nothing_is_written(project: Path, tmp_path: Path) -> None:
    (importing.tools(project) / "mine.py").write_text("def (:\n")
    assert "tools/mine.py cannot be parsed (line 1)" in refused(project, importing.written(tmp_path, PETS))


def test_a_record_that_is_broken_is_named_and_nothing_is_written(project: Path, tmp_path: Path) -> None:
    (importing.tools(project) / "pets.import.json").write_text("<<<<<<< before\n")
    said = refused(project, importing.written(tmp_path, PETS))
    assert "tools/pets.import.json is not what an import wrote. Restore it" in said


def test_settings_of_the_linter_that_are_wrong_are_named(project: Path, tmp_path: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.ruff]\nline-length = 'x'\n")
    assert "ruff cannot format the tools" in refused(project, importing.written(tmp_path, PETS))


@pytest.mark.parametrize("fails", ["pets.py", "pets.import.json", "__init__.py"])
def test_after_a_failure_every_file_is_as_it_was(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    import os

    replace = os.replace

    def broken(source: str | Path, target: str | Path) -> None:
        if Path(target).name == fails and Path(source).parent.name == "new":
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", broken)
    before = files(project)
    done = importing.run(project, importing.written(tmp_path, PETS), "--all", check=False)
    assert (done.code, "No space left" in done.errors) == (2, True)
    assert files(project) == before


def test_a_folder_that_is_no_connector_is_named(tmp_path: Path) -> None:
    place = importing.written(tmp_path, PETS)
    done = importing.run(tmp_path, place, "--all", check=False)
    assert "is not the folder of a connector. Change to it, or name it with --project." in done.errors


def test_another_source_is_named_with_what_to_do(project: Path, tmp_path: Path) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("openapi", "rest-api"))
    assert "copier update -d source=openapi" in refused(project, importing.written(tmp_path, PETS))


# --- other files, and addresses


def test_files_beside_a_document_are_read(project: Path, tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    pet = {"type": "object", "properties": {"name": TEXT, "owner": {"$ref": "owner.json#/Owner"}}}
    importing.written(tmp_path / "schemas", pet, "pet.json")
    owner = {"Owner": {"type": "object", "properties": {"age": {"$ref": "#/Age"}}}, "Age": {"type": "integer"}}
    importing.written(tmp_path / "schemas", owner, "owner.json")
    found = operation("createPet", body={"$ref": "./schemas/pet.json"})
    imported(project, tmp_path, document({"/pets": {"post": found}}))
    assert "    age: int\n" in importing.source(project)


def test_files_above_a_document_are_not_read(project: Path, tmp_path: Path) -> None:
    importing.written(tmp_path, {"type": "object", "properties": {"secret": TEXT}}, "secret.json")
    (tmp_path / "below").mkdir()
    (tmp_path / "below/link.json").symlink_to(tmp_path / "secret.json")
    for ref in ("../secret.json", "link.json", str(tmp_path / "secret.json"), f"file://{tmp_path}/secret.json"):
        found = operation("createPet", body={"$ref": ref})
        place = importing.written(
            tmp_path / "below", document({"/pets": {"post": found}, "/a": {"get": operation("a")}})
        )
        done = importing.run(project, place, "--all")
        assert "is in another file" in " ".join(done.said.split())
        assert "secret:" not in importing.source(project)


@contextmanager
def server(answers: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine with these answers, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}", asked
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def test_a_document_is_read_from_an_address(project: Path) -> None:
    content = json.dumps({**PETS, "servers": [{"url": "/api/{v}", "variables": {"v": {"default": "v2"}}}]}).encode()
    with server({"/docs/openapi.json?key=secret": (200, {}, content)}) as (origin, _):
        done = importing.run(project, f"{origin}/docs/openapi.json?key=secret", "--all")
        assert f"UPSTREAM_URL={origin}/api/v2" in done.said
    assert "secret" not in (importing.tools(project) / "pets.import.json").read_text()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (302, {"Location": "http://169.254.169.254/latest"}, b""),
            "redirects to http://169.254.169.254/latest. Import",
        ),
        ((301, {"Location": "file:///etc/passwd"}, b""), "answers 301"),
        ((401, {}, b""), "answers 401. Download the document, and import the file"),
        ((200, {}, b"<html>"), "is a web page"),
    ],
)
def test_an_address_that_gives_no_document_is_refused(project: Path, answer: Any, said: str) -> None:
    with server({"/openapi.json": answer}) as (origin, asked):
        assert said in refused(project, f"{origin}/openapi.json")
        assert asked == ["/openapi.json"]


def test_an_address_that_nothing_answers_is_refused(project: Path) -> None:
    assert "cannot be reached (Connection refused)" in refused(project, "http://127.0.0.1:9/openapi.json")


def test_an_address_with_a_password_is_refused_without_repeating_it(project: Path) -> None:
    assert "secret" not in refused(project, "https://ada:secret@api.example.com/openapi.json")


def test_an_address_that_never_ends_is_cut_off(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "MOST", 1_000_000)
    with server({"/openapi.json": (200, {}, b" " * 3_000_000)}) as (origin, _):
        assert "has more than 0 MB" in refused(project, f"{origin}/openapi.json")


def test_other_addresses_are_asked_only_if_their_host_is_allowed(project: Path, tmp_path: Path) -> None:
    pet = json.dumps({"type": "object", "properties": {"name": TEXT}}).encode()
    with server({"/pet.json": (200, {}, pet)}) as (origin, asked):
        found = operation("createPet", body={"$ref": f"{origin}/pet.json"})
        content = document({"/pets": {"post": found}, "/a": {"get": operation("a")}})
        done = imported(project, tmp_path, content)
        assert ("allow its host with --remote-refs" in " ".join(done.said.split()), asked) == (True, [])
        assert "allow" in imported(project, tmp_path, content, "--remote-refs", "localhost").said
        assert asked == []
        imported(project, tmp_path, content, "--remote-refs", "127.0.0.1")
        assert asked == ["/pet.json"]
    assert "name: str | None = None" in importing.source(project)


# --- YAML as JSON has it


def test_yaml_means_what_json_means(project: Path, tmp_path: Path) -> None:
    text = """
openapi: 3.0.3
info: {title: Pets, version: 2024-01-01}
paths:
  /pets:
    get:
      operationId: listPets
      tags: [pets]
      parameters:
        - {name: country, in: query, schema: {type: string, enum: [NO, DE, on, 12:30, 012, 7, ~]}}
        - {name: day, in: query, schema: {type: string, default: 2024-01-01}}
        - {name: on, in: query, schema: &text {type: string, maxLength: 3}}
        - {name: off, in: query, schema: {<<: *text, minLength: 1}}
      responses:
        200: {description: ok}
"""
    imported(project, tmp_path, text, name="pets.yaml")
    code = importing.source(project)
    assert 'Literal["NO", "DE", "on", "12:30", "012", "7"]' in code
    assert 'description="Default: 2024-01-01."' in code
    assert 'api.form("on", on)' in code
    assert "off: Annotated[str | None, Field(min_length=1, max_length=3)]" in code
