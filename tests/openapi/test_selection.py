"""Which operations become tools: what is asked, what is listed, and what is said of many."""

import json
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from mcp_connector.openapi import tell

from ..lib import importing, rendering
from ..lib.importing import document, operation, parameter

PATHS = {
    f"/{tag}/{number}": {"get": operation(f"get_{tag}_{number}", parameter("q"), tag=tag)}
    for tag, count in {"pets": 3, "owners": 2, "visits": 1}.items()
    for number in range(count)
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return importing.project(tmp_path / "project")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return importing.written(tmp_path, document(PATHS))


def many(folder: Path, count: int) -> Path:
    return importing.written(
        folder, document({f"/{n}": {"get": operation(f"get_{n}")} for n in range(count)}), "many.json"
    )


def tools(project: Path) -> set[str]:
    found: set[str] = set()
    for path in importing.tools(project).glob("*.import.json"):
        found |= {known["name"] for known in json.loads(path.read_text())["tools"].values()}
    return found


def test_without_a_selection_a_pipe_gets_the_list_and_2(project: Path, place: Path) -> None:
    done = importing.run(project, place, check=False)
    assert done.code == 2
    assert [line.split()[:2] for line in done.said.splitlines()[1:4]] == [
        ["pets", "3"],
        ["owners", "2"],
        ["visits", "1"],
    ]
    assert "about" in done.said.splitlines()[-1]
    assert "tokens" in done.said.splitlines()[-1]
    assert "Choose with --tag or --operation" in done.errors
    assert tools(project) == set()


def test_tags_and_operations_choose(project: Path, place: Path) -> None:
    importing.run(project, place, "--tag", "visits", "--operation", "get_pets_1")
    assert tools(project) == {"get_visits_0", "get_pets_1"}


def test_a_selection_grows(project: Path, place: Path) -> None:
    importing.run(project, place, "--tag", "visits")
    done = importing.run(project, place, "--tag", "owners")
    assert done.code == 0  # the document did not change
    assert tools(project) == {"get_visits_0", "get_owners_0", "get_owners_1"}
    assert importing.run(project, place).code == 0


def test_new_operations_of_a_chosen_tag_come_by_themselves(project: Path, tmp_path: Path, place: Path) -> None:
    importing.run(project, place, "--tag", "visits")
    more = {"/visits/9": {"get": operation("get_visits_9", tag="visits")}, "/pets/9": {"get": operation("get_pets_9")}}
    done = importing.run(project, importing.written(tmp_path, document({**PATHS, **more})))
    assert done.code == 10
    assert tools(project) == {"get_visits_0", "get_visits_9"}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--tag", "pet"), "The document has no tag or operation pet. Did you mean pets?"),
        (("--operation", "get_owner_1"), "Did you mean get_owners_1?"),
        (
            ("--tag", "zebra"),
            "The document has no tag or operation zebra. Without a selection, you get the list of tags.",
        ),
    ],
)
def test_what_is_not_there_is_named(project: Path, place: Path, option: tuple[str, str], said: str) -> None:
    done = importing.run(project, place, *option, check=False)
    assert (done.code, said in done.errors) == (2, True)


def test_above_40_tools_there_is_a_warning(project: Path, tmp_path: Path) -> None:
    assert importing.run(project, many(tmp_path, 40), "--all").errors == ""
    done = importing.run(project, many(tmp_path, 41), "--all")
    assert done.errors == "Warning: 41 tools. Above 40, models choose the wrong one more often.\n"


def test_above_128_it_stops_unless_forced(project: Path, tmp_path: Path) -> None:
    done = importing.run(project, many(tmp_path, 129), "--all", check=False)
    assert (done.code, tools(project)) == (2, set())
    assert "These are 129 tools, and many platforms take no more than 128. Choose fewer, or add --force." in done.errors
    assert importing.run(project, many(tmp_path, 129), "--all", "--force").code == 0
    assert len(tools(project)) == 129


def test_tools_of_all_documents_count(project: Path, place: Path, tmp_path: Path) -> None:
    importing.run(project, place, "--all")
    done = importing.run(project, many(tmp_path, 125), "--all", check=False)
    assert "These are 131 tools" in done.errors


@pytest.mark.parametrize(
    ("keys", "chosen"), [(" \x1b[B\x1b[B \r", 4), ("\r", 0), ("\x03", 0)], ids=["two", "none", "Ctrl+C"]
)
def test_a_terminal_asks(project: Path, place: Path, keys: str, chosen: int) -> None:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(rendering.ROOT), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    command = ["-m", "mcp_connector", "import", str(place)]
    child = pexpect.spawn(
        sys.executable, command, cwd=str(project), env=env, dimensions=(24, 80), encoding="utf-8", timeout=20
    )
    child.expect("Which tags become tools")
    child.expect("visits")
    child.send(keys)
    child.expect(pexpect.EOF)
    child.close()
    assert "Traceback" not in child.before
    assert (child.exitstatus, len(tools(project))) == (0 if chosen else 2, chosen)


def test_everything_that_is_said_fits_80_columns(project: Path, tmp_path: Path) -> None:
    long = {f"/{'x' * 70}/{n}": {"post": operation(f"{'create' * 9}{n}", tag="t" * 100)} for n in range(9)}
    place = importing.written(tmp_path, document(long, info={"title": "T" * 200, "version": "1"}))
    for options in ((), ("--all",)):
        done = importing.run(project, place, *options, check=False)
        assert max(map(len, (done.said + done.errors).splitlines())) <= 80


@pytest.mark.parametrize(
    ("scheme", "mode", "said"),
    [
        ({"type": "http", "scheme": "bearer"}, "none", "UPSTREAM_AUTH_VALUE=Bearer YOUR_TOKEN"),
        ({"type": "http", "scheme": "basic"}, "none", "UPSTREAM_AUTH_VALUE=Basic BASE64_OF_USER:PASSWORD"),
        ({"type": "oauth2", "flows": {}}, "none", "UPSTREAM_AUTH_VALUE=Bearer YOUR_TOKEN"),
        (
            {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://login.example.com/token"}}},
            "none",
            "UPSTREAM_TOKEN_URL=https://login.example.com/token UPSTREAM_CLIENT_ID=YOUR_ID",
        ),
        ({"type": "oauth2", "flows": {"clientCredentials": []}}, "none", "UPSTREAM_AUTH_VALUE=Bearer YOUR_TOKEN"),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, "none", "UPSTREAM_AUTH_HEADER=X-Key"),
        ({"type": "apiKey", "in": "query", "name": "key"}, "none", "the connector sends headers only"),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, "headers", "# Callers send X-Key"),
        (
            {"type": "apiKey", "in": "header", "name": "X-Key"},
            "headers\nupstream_identity: connector",
            "UPSTREAM_AUTH_HEADER=X-Key",
        ),
    ],
)
def test_what_the_api_asks_of_callers_is_said(
    project: Path, tmp_path: Path, scheme: dict[str, Any], mode: str, said: str
) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("auth_mode: none", f"auth_mode: {mode}"))
    components = {"securitySchemes": {"it": scheme}}
    place = importing.written(tmp_path, document(PATHS, components=components))
    assert said in " ".join(importing.run(project, place, "--all").said.split())


@pytest.mark.parametrize(
    ("servers", "url"),
    [
        ([{"url": "https://api.example.com/v1/"}], "https://api.example.com/v1"),
        (
            [{"url": "https://{region}.example.com", "variables": {"region": {"default": "eu"}}}],
            "https://eu.example.com",
        ),
        ([{"url": "/v1"}], "https://… (the document names no server)"),
        ([{"url": "javascript:alert(1)"}], "https://… (the document names no server)"),
        ([], "https://… (the document names no server)"),
    ],
)
def test_the_server_of_the_document_is_proposed(project: Path, tmp_path: Path, servers: list[object], url: str) -> None:
    place = importing.written(tmp_path, document(PATHS, servers=servers))
    assert f"  UPSTREAM_URL={url}\n" in importing.run(project, place, "--all").said


@pytest.mark.parametrize(
    ("servers", "url"),
    [
        ([], "https://api.example.com"),
        ([{"url": "/v1"}], "https://api.example.com/v1"),
        ([{"url": "https://other.example.com"}], "https://other.example.com"),
    ],
)
def test_a_document_at_a_url_that_names_no_server_is_at_its_server(servers: list[object], url: str) -> None:
    assert tell.server({"servers": servers}, "https://api.example.com/docs/openapi.json") == url
    assert tell.server({}, "https://name:password@api.example.com/openapi.json") is None
