"""Swagger 2.0, which becomes 3.0: what is written otherwise there."""

from pathlib import Path
from typing import Any

import pytest

from mcp_connector.openapi.swagger2 import upgraded

from ..lib import importing
from ..lib.importing import document, operation

TEXT = {"type": "string"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return importing.project(tmp_path / "project")


def tool(project: Path, folder: Path, *parameters: Any, method: str = "get", **more: Any) -> str:
    """The source of the one tool with these parameters, on one line."""
    found = {**operation("it", *parameters), **more.pop("operation", {})}
    place = importing.written(folder, document({"/a/{id}": {method: found}}, "2.0", **more))
    done = importing.run(project, place, "--all")
    assert "refused" not in done.said, done.said
    return " ".join(importing.source(project).split())


def one(name: str, place: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "type": "string", **more}


@pytest.mark.parametrize(
    ("written", "call"),
    [
        (None, 'api.form("ids", ids, explode=False)'),
        ("csv", 'api.form("ids", ids, explode=False)'),
        ("multi", 'api.form("ids", ids)'),
        ("ssv", 'api.form("ids", ids, explode=False, join=" ")'),
        ("pipes", 'api.form("ids", ids, explode=False, join="|")'),
    ],
)
def test_lists_are_written_as_the_document_says(project: Path, tmp_path: Path, written: str | None, call: str) -> None:
    more = {"collectionFormat": written} if written else {}
    source = tool(project, tmp_path, one("ids", type="array", items={"type": "integer"}, **more))
    assert call in source
    assert "ids: list[int] | None = None" in source


def test_a_list_with_tabs_is_refused(project: Path, tmp_path: Path) -> None:
    found = operation("it", one("ids", type="array", items=TEXT, collectionFormat="tsv"))
    paths = {"/a": {"get": found}, "/b": {"get": operation("b")}}
    done = importing.run(project, importing.written(tmp_path, document(paths, "2.0")), "--all")
    assert "refused  it: the style tabDelimited of a parameter" in done.said


def test_a_body_has_its_media_type(project: Path, tmp_path: Path) -> None:
    pet = {"type": "object", "properties": {"name": TEXT}, "required": ["name"]}
    body = {"name": "pet", "in": "body", "schema": {"$ref": "#/definitions/Pet"}}
    more = {"definitions": {"Pet": pet}, "consumes": ["application/vnd.pet+json"]}
    source = tool(project, tmp_path, body, method="post", **more)
    assert 'body=api.given(name=name), content_type="application/vnd.pet+json"' in source
    assert " name: str" in source


def test_a_form_with_a_file_is_multipart(project: Path, tmp_path: Path) -> None:
    fields = [one("photo", "formData", type="file", required=True), one("note", "formData")]
    source = tool(project, tmp_path, *fields, method="post")
    assert 'multipart=[api.file("photo", photo), api.field("note", note)]' in source
    assert "photo: api.File," in source


def test_a_form_without_a_file_is_urlencoded(project: Path, tmp_path: Path) -> None:
    fields = [one("a", "formData"), one("b", "formData", type="array", items=TEXT, collectionFormat="multi")]
    source = tool(project, tmp_path, *fields, method="post")
    assert 'form=[api.form("a", a), api.form("b", b)]' in source


def test_shared_parameters_are_found(project: Path, tmp_path: Path) -> None:
    shared = {"Page": one("page", type="integer", minimum=0, exclusiveMinimum=True)}
    source = tool(project, tmp_path, {"$ref": "#/parameters/Page"}, parameters=shared)
    assert "page: Annotated[int | None, Field(ge=1)] = None" in source


@pytest.mark.parametrize(
    ("found", "url"),
    [
        ({"host": "api.example.com", "basePath": "/v1"}, "https://api.example.com/v1"),
        ({"host": "api.example.com", "schemes": ["http"]}, "http://api.example.com"),
        ({"host": "api.example.com", "schemes": ["http", "https"], "basePath": "/v1"}, "https://api.example.com/v1"),
        ({"basePath": "/v1"}, "/v1"),
        ({}, "/"),
    ],
)
def test_the_server_is_put_together(found: dict[str, Any], url: str) -> None:
    assert upgraded(document({}, "2.0", **found))["servers"] == [{"url": url}]


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ({"type": "basic"}, "Basic BASE64_OF_USER:PASSWORD"),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, "UPSTREAM_AUTH_HEADER=X-Key"),
        ({"type": "oauth2", "flow": "application", "tokenUrl": "https://x"}, "UPSTREAM_TOKEN_URL=https://x"),
    ],
)
def test_what_the_api_asks_of_callers_is_said(project: Path, tmp_path: Path, scheme: dict[str, str], said: str) -> None:
    paths = {"/a": {"get": operation("it")}}
    place = importing.written(tmp_path, document(paths, "2.0", securityDefinitions={"it": scheme}))
    assert said in importing.run(project, place, "--all").said
