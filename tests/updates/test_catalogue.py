"""server.json of connectors, and the one document that `fleet --format registry` makes of all."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_connector import catalogue, fleet
from mcp_connector.recorded import Problem

from ..lib import rendering
from ..lib.rendering import Rendered

HEADERS = {"api-key": ["X-API-Key"], "headers": ["X-API-Key", "X-Tenant"]}
FILLED = {"YOUR-ORGANIZATION": "acme", "YOUR-HOST": "crm.acme.test"}
LONG = "Finds and updates customers in Acme's CRM. " * 3


def fill(project: Path) -> Path:
    """Write what an owner writes there."""
    file = project / catalogue.FILE
    text = file.read_text(encoding="utf-8")
    for mark, value in FILLED.items():
        assert text.count(mark) == 1
        text = text.replace(mark, value)
    file.write_text(text, encoding="utf-8")
    return project


def change(project: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    file = project / catalogue.FILE
    server = json.loads(file.read_text(encoding="utf-8"))
    edit(server)
    file.write_text(json.dumps(server), encoding="utf-8")


def show(*options: str | Path) -> tuple[int, dict[str, Any], str]:
    """Exit status, document, and what was said."""
    command = [sys.executable, rendering.ROOT / "hooks/fleet.py", "--format=registry", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.fixture
def project(rendered: Rendered, tmp_path: Path) -> Path:
    """A connector whose owner has filled in the file."""
    answers = {"auth_mode": "api-key", "hosting": "compose", "source": "blank", "ci": "none"}
    return fill(shutil.copytree(rendered(answers), tmp_path / "fleet/crm"))


@pytest.mark.parametrize("mode", rendering.choices("auth_mode"))
def test_a_connector_can_be_listed_once_two_places_are_filled_in(rendered: Rendered, tmp_path: Path, mode: str) -> None:
    answers = {"auth_mode": mode, "hosting": "compose", "source": "blank", "ci": "none"}
    more = {"headers_names": "X-API-Key, X-Tenant"} if mode == "headers" else {}
    project = shutil.copytree(rendered({**answers, **more, "project_description": LONG.strip()}), tmp_path / "crm")
    with pytest.raises(Problem) as unfilled:
        catalogue.read(project, {"auth_mode": mode})
    assert str(unfilled.value).count("; ") == 3  # two places, each with what to do
    server = catalogue.read(fill(project), {"auth_mode": mode})
    assert (server["name"], server["title"], server["version"]) == ("io.github.acme/acme-crm", "Acme CRM", "0.1.0")
    assert LONG.startswith(server["description"].removesuffix("…"))
    [remote] = server["remotes"]
    assert (remote["type"], remote["url"]) == ("streamable-http", "https://crm.acme.test/mcp")
    required = {"isRequired": True, "isSecret": True}
    assert remote.get("headers", []) == [{"name": name, **required} for name in HEADERS.get(mode, [])]


PLANTED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a name without a namespace": (lambda s: s.update(name="acme-crm"), "name must be like io.github.acme/crm"),
    "a name with two slashes": (lambda s: s.update(name="a/b/c"), "name must be like"),
    "no name": (lambda s: s.pop("name"), "name is missing"),
    "a long name": (lambda s: s.update(name="a/" + "b" * 199), "name has 201 characters, and at most 200"),
    "a placeholder": (lambda s: s.update(name="io.github.YOUR-ORGANIZATION/a"), "name has YOUR-ORGANIZATION in it"),
    "a long description": (
        lambda s: s.update(description="x" * 101),
        "description has 101 characters, and at most 100",
    ),
    "no description": (lambda s: s.update(description=""), "description must be text"),
    "a long title": (lambda s: s.update(title="x" * 101), "title has 101 characters"),
    "the newest version": (lambda s: s.update(version="latest"), "version must be one version"),
    "a range": (lambda s: s.update(version="^1.2.3"), "version must be one version"),
    "a wildcard": (lambda s: s.update(version="1.x"), "version must be one version"),
    "another version": (lambda s: s.update(version="0.2.0"), "version is 0.2.0, and pyproject.toml has 0.1.0"),
    "a number as version": (lambda s: s.update(version=1), "version must be one version"),
    "another schema": (lambda s: s.update({"$schema": "https://example.com"}), "$schema must be https://static."),
    "a misspelt field": (lambda s: s.update(remote=[]), "remote is not in the schema"),
    "no remote": (lambda s: s.update(remotes=[]), "remotes must be a list with an entry"),
    "a remote of its own": (lambda s: s.update(remotes={}), "remotes must be a list"),
    "another transport": (lambda s: s["remotes"][0].update(type="sse"), "remotes[0].type must be streamable-http"),
    "no encryption": (lambda s: s["remotes"][0].update(url="http://crm.acme.test/mcp"), "must be the https URL"),
    "a variable in a URL": (lambda s: s["remotes"][0].update(url="https://{host}/mcp"), "must be the https URL"),
    "a broken URL": (lambda s: s["remotes"][0].update(url="https://[/mcp"), "must be the https URL"),
    "a placeholder in a URL": (lambda s: s["remotes"][0].update(url="https://YOUR-HOST/mcp"), "has YOUR-HOST in it"),
    "a password in a URL": (lambda s: s["remotes"][0].update(url="https://a:b@c.test/mcp"), "no user name, query"),
    "a key in a URL": (lambda s: s["remotes"][0].update(url="https://c.test/mcp?key=1"), "no user name, query"),
    "letters in a URL": (lambda s: s["remotes"][0].update(url="https://münchen.test/mcp"), "in ASCII"),
    "this machine": (lambda s: s["remotes"][0].update(url="https://localhost:8000/mcp"), "has this machine's address"),
    "an escape": (lambda s: s.update(title="\x1b[2Jcrm"), "title has control characters"),
    "a half of a letter": (lambda s: s.update(description="\ud800"), "description has control characters"),
    "no header": (lambda s: s["remotes"][0].pop("headers"), "has no header with isRequired and isSecret"),
    "an open header": (lambda s: s["remotes"][0]["headers"][0].pop("isSecret"), "has no header with isRequired"),
    "yes": (lambda s: s["remotes"][0]["headers"][0].update(isSecret="yes"), "isSecret must be true or false"),
    "a secret": (lambda s: s["remotes"][0]["headers"][0].update(value="k1"), "holds the value of a secret"),
    "a header with a blank": (lambda s: s["remotes"][0]["headers"][0].update(name="X Key"), "the name of a header"),
    "an icon without encryption": (
        lambda s: s.update(icons=[{"src": "http://a.test"}]),
        "icons[0].src must be an https",
    ),
    "a repository as text": (lambda s: s.update(repository="https://git.test"), "repository must be an object"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_named(project: Path, name: str) -> None:
    edit, said = PLANTED[name]
    change(project, edit)
    with pytest.raises(Problem) as found:
        catalogue.read(project, {"auth_mode": "api-key"})
    assert said in str(found.value)
    assert "k1" not in str(found.value)


def test_a_connector_that_cannot_be_listed_is_named_and_the_others_are_listed(project: Path) -> None:
    other = shutil.copytree(project, project.with_name("billing"))
    change(other, lambda server: server.update(name="billing"))
    status, document, told = show(project.parent)
    assert (status, document["metadata"]["count"]) == (1, 1)
    assert told == f"fleet: {other / catalogue.FILE}: name must be like io.github.acme/crm.\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "it cannot be read (No such file or directory)"),
        (b"\xff", "it is not UTF-8 text"),
        (b"{", "it is not JSON (Expecting property name"),
        (b'{"name": "a/b", "name": "c/d"}', "it is not JSON (a name is there twice)"),
        (b'{"version": NaN}', "it is not JSON (NaN is not a number)"),
        (b"[" * 10_000 + b"]" * 10_000, "it is nested too deeply"),
        (b" " * 70_000 + b"{}", "it has more than 64 KiB"),
        (b"[]", "it must be an object"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(project: Path, content: bytes | None, said: str) -> None:
    file = project / catalogue.FILE
    file.write_bytes(content) if content is not None else file.unlink()
    with pytest.raises(Problem) as found:
        catalogue.read(project, {"auth_mode": "api-key"})
    assert said in str(found.value)


def test_all_connectors_are_in_one_document_in_order(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, project.with_name("billing"))
    change(other, lambda server: server.update(name="io.github.acme/billing", websiteUrl="https://acme.test"))
    status, document, told = show(project.parent)
    assert (status, told) == (0, "")
    names = [entry["server"]["name"] for entry in document["servers"]]
    assert names == ["io.github.acme/acme-crm", "io.github.acme/billing"]
    assert document["metadata"] == {"count": 2}
    assert document["servers"][0]["server"] == json.loads((project / catalogue.FILE).read_text())


def test_of_two_with_the_same_name_the_second_is_named(project: Path) -> None:
    shutil.copytree(project, project.with_name("other"))
    status, document, told = show(project.parent)
    assert (status, document["metadata"]["count"]) == (1, 1)
    assert f"other/server.json: {project / catalogue.FILE} has the same name." in told


def test_an_answers_file_alone_is_named(project: Path) -> None:
    status, document, told = show(project / ".copier-answers.yml")
    assert (status, document["servers"]) == (1, [])
    assert "it needs the checkout, and an answers file was named." in told


def test_a_registry_does_not_say_who_is_behind(project: Path) -> None:
    status, _, told = show("--fail-behind", project)
    assert (status, told) == (2, "fleet: --fail-behind needs another --format than registry\n")


def test_what_an_owner_filled_in_is_no_drift(project: Path, rendered: Rendered) -> None:
    answers = {"auth_mode": "api-key", "hosting": "compose", "source": "blank", "ci": "none"}
    assert fleet.differences(rendered(answers), project / ".copier-answers.yml", []) == []
