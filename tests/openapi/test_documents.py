"""OpenAPI documents of others, imported whole: counts, the checks of a connector, and calls compared with the document.

None of their text is in this repository: counts and properties only. `make documents` gets them from npm, PyPI and
Debian.
"""

import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mcp_connector.openapi.load import load
from mcp_connector.openapi.resolve import Schemas
from mcp_connector.openapi.select import Operation, operations
from mcp_connector.openapi.swagger2 import upgraded

from ..lib import importing
from ..lib.rendering import ROOT, Rendered, interpreter

pytestmark = pytest.mark.documents

FOLDER = ROOT / "tests/openapi/documents"
NPM, PYTHON = FOLDER / "node_modules", FOLDER / ".venv"
EXAMPLES = NPM / "@readme/oas-examples"


class Expected(NamedTuple):
    """A document, its operations, and how many of them have no tool and why."""

    place: str
    operations: int
    refused: int = 0
    why: str = ""


DOCUMENTS = {
    "GitHub": Expected(f"{NPM}/@octokit/openapi/generated/api.github.com.json", 1223, 2, "text/plain|another server"),
    "Airflow": Expected(f"{PYTHON}/airflow/airflow/api_fastapi/core_api/openapi/v2-rest-api-generated.yaml", 128),
    "Star Trek": Expected(f"{EXAMPLES}/3.0/json/star-trek.json", 120),
    "Docker": Expected(
        f"{PYTHON}/docker/usr/share/gocode/src/github.com/docker/docker/api/swagger.yaml", 106, 5, "a body of"
    ),
    "Figma": Expected(f"{NPM}/@figma/rest-api-spec/openapi/openapi.yaml", 54),
    "ReadMe": Expected(f"{EXAMPLES}/3.1/json/readme.json", 54),
    "Jupyter": Expected("jupyter_server/services/api/api.yaml", 32),
    "Galaxy": Expected(f"{NPM}/@scalar/galaxy/dist/3.1.json", 10),
    "Train Travel": Expected(f"{EXAMPLES}/3.1/json/train-travel.json", 7),
    "parameters-style": Expected(f"{EXAMPLES}/3.0/json/parameters-style.json", 25, 4, "the style (label|matrix)"),
    "discriminators": Expected(f"{EXAMPLES}/3.0/json/discriminators.json", 10),
    "file-uploads": Expected(f"{EXAMPLES}/3.0/json/file-uploads.json", 3, 1, "a body of image/png"),
    "circular": Expected(f"{EXAMPLES}/3.0/json/circular.json", 1),
}
CALLS = 6  # of each tool; the first one with the required arguments alone
REFUSALS = re.compile(r"must not be|must be one line|is too long|is not base64")
NASTY = [
    "..",
    ".",
    "a/b",
    "%2F",
    "%2e%2e",
    "a\nb",
    "🐶",
    "{}",
    "[1]",
    "null",
    "",
    "a b&c=d#e?f",
    "../../admin",
    "x" * 200,
    "\x00",
]


def path_of(expected: Expected) -> Path:
    found = Path(expected.place)
    if not found.is_absolute():
        [found] = PYTHON.glob(f"lib/python3*/site-packages/{expected.place}")
    if not found.exists() and "docker" in expected.place:
        pytest.skip("Debian's golang-github-docker-docker-dev could not be downloaded")
    return found


@pytest.fixture(scope="module", params=DOCUMENTS)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def imported(
    name: str, rendered: Rendered, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, importing.Imported]:
    """A connector with a tool for each operation of the document."""
    project = importing.copied(rendered(importing.ANSWERS), tmp_path_factory.mktemp("document") / "project")
    return project, importing.run(project, path_of(DOCUMENTS[name]), "--all", "--force")


@pytest.fixture(scope="module")
def project(imported: tuple[Path, importing.Imported]) -> Path:
    return imported[0]


@pytest.fixture(scope="module")
def known(project: Path) -> dict[str, Any]:
    """The tools by the ids of their operations."""
    [record] = importing.tools(project).glob("*.import.json")
    found: dict[str, Any] = json.loads(record.read_text())["tools"]
    return found


def check(project: Path, *command: str | Path) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(project / "src"), "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run([interpreter(), "-m", *command], cwd=project, env=env, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def test_as_many_tools_as_expected(name: str, imported: tuple[Path, importing.Imported], known: dict[str, Any]) -> None:
    expected, said = DOCUMENTS[name], " ".join(imported[1].said.split())
    assert f"{expected.operations} operations" in said
    assert len(known) == expected.operations - expected.refused
    refused = said.split(" refused ")[1:]
    assert len(refused) == expected.refused
    assert all(re.search(expected.why, one) for one in refused)


def test_the_code_passes_the_checks_of_the_connector(project: Path) -> None:
    check(project, "ruff", "check", "--no-cache", ".")
    check(project, "ruff", "format", "--no-cache", "--check", ".")
    check(project, "mypy", "--cache-dir", str(project.parent / "mypy"))


def test_the_connectors_own_tests_pass_with_these_tools(name: str, project: Path) -> None:
    if name == "GitHub":
        pytest.skip("10,000 calls over HTTP; the calls below take a hundredth of the time")
    about = project / "src/acme_crm-0.1.0.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-crm\nVersion: 0.1.0\n")
    check(project, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_tools.py")


def test_a_second_import_changes_nothing(name: str, project: Path) -> None:
    before = {path: path.read_bytes() for path in importing.tools(project).iterdir() if path.is_file()}
    done = importing.run(project, path_of(DOCUMENTS[name]))
    assert done.code == 0
    assert {path: path.read_bytes() for path in importing.tools(project).iterdir() if path.is_file()} == before


class Maker:
    """Makes arguments that fit an input schema; no two are alike, and each run makes the same."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def __call__(self, schema: dict[str, Any], whole: bool = True) -> Any:
        if values := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
            return self.random.choice(values)
        if choices := schema.get("anyOf"):
            return self(self.random.choice(choices))
        match schema.get("type"):
            case "string":
                text = self.random.choice(NASTY)[: schema.get("maxLength", 1_000)]
                return text.ljust(schema.get("minLength", 0), "a")
            case "integer" | "number":
                least = schema.get("minimum", min(0, schema.get("maximum", 0)))
                return self.random.randint(int(least), int(min(schema.get("maximum", least + 9), least + 9)))
            case "boolean":
                return self.random.random() < 0.5
            case "null":
                return None
            case "array":
                count = max(schema.get("minItems", 0), min(2, schema.get("maxItems", 2)))
                return [self(schema.get("items", {})) for _ in range(count)]
            case "object" if set(schema.get("properties", {})) == {"name", "base64"}:
                return {"name": "a.txt", "base64": "aGVsbG8="}
            case "object":
                members = schema.get("properties", {})
                wanted = [
                    one
                    for one in members
                    if one in schema.get("required", []) or (whole and self.random.random() < 0.6)
                ]
                if members or not whole:
                    return {one: self(members[one]) for one in wanted}
                return {"a": self(schema.get("additionalProperties") or {})}
        return self.random.choice([*NASTY, 1, [1], {"a": "b"}])


@pytest.fixture(scope="module")
def calls(name: str, project: Path) -> tuple[list[Any], dict[str, Any]]:
    """Calls of each tool, and what they did."""
    tools = importing.called(project, [])["tools"]
    make = Maker(name)
    taking = [(tool["name"], tool["inputSchema"]) for tool in tools]
    asked = [
        (name, make(schema, whole=turn > 0) if schema["properties"] else {})
        for name, schema in taking
        for turn in range(CALLS)
    ]
    return asked, importing.called(project, asked)


def test_no_tool_goes_out_in_a_form_that_platforms_drop(calls: tuple[list[Any], dict[str, Any]]) -> None:
    for tool in calls[1]["tools"]:
        assert re.fullmatch(r"[a-z_][a-z0-9_]{0,63}", tool["name"])
        assert 1 <= len(tool["description"]) <= 1_024
        assert "outputSchema" not in tool
        for schema in schemas_in(tool["inputSchema"]):
            assert "$ref" not in schema
            assert not isinstance(schema.get("type"), list)


def schemas_in(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for word in ("items", "additionalProperties"):
            yield from schemas_in(schema.get(word))
        for one in [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]:
            yield from schemas_in(one)


def test_every_call_is_the_one_of_the_document_or_refused(
    name: str,
    calls: tuple[list[Any], dict[str, Any]],
    known: dict[str, Any],
    record_property: Callable[[str, object], None],
) -> None:
    document = load(str(path_of(DOCUMENTS[name])))
    schemas = Schemas(document if "openapi" in document else upgraded(document))
    by_id = {op.id: op for op in operations(schemas)[0]}
    by_tool = {one["name"]: by_id[label] for label, one in known.items()}
    counts, wrong = Counter[str](), []
    for (tool, arguments), done in zip(calls[0], calls[1]["calls"], strict=True):
        counts["calls"] += 1
        if done["error"]:
            counts["refused" if REFUSALS.search(done["text"]) else "errors"] += 1
            if not REFUSALS.search(done["text"]):
                wrong.append((tool, arguments, done["text"][:200]))
            assert done["requests"] == []
            continue
        [request] = done["requests"]
        if fault := differs(schemas, by_tool[tool], request):
            wrong.append((tool, arguments, fault))
    record_property("summary", f"{name}: {dict(counts)}, {len(wrong)} wrong")
    assert len(wrong) <= counts["calls"] // 200, wrong[:5]
    assert not [one for one in wrong if "method or path" in one[2]], wrong[:5]


def differs(schemas: Schemas, op: Operation, request: dict[str, Any]) -> str:
    """How a request differs from the operation; "" if it does not."""
    place, _, query = request["path"].partition("?")
    template = "/base" + "".join(
        "[^/]+" if part.startswith("{") else re.escape(part)
        for part in re.split(r"({[^{}]+})", op.place.partition("#")[0])
    )
    if request["method"] != op.method or not re.fullmatch(template, place):
        return f"method or path: {request['method']} {place}"
    if any(part in {".", ".."} for part in place.split("/")):
        return f"method or path: {place}"
    parameters = [schemas.pointed(one) for one in [*op.shared, *op.found.get("parameters", [])]]
    declared = {one["name"] for one in parameters if one["in"] == "query"}
    sent = {re.sub(r"\[.*", "", part.partition("=")[0].replace("%5B", "[")) for part in query.split("&") if part}
    objects = any(one.get("schema", {}).get("type") == "object" or "content" in one for one in parameters)
    if not objects and (
        strange := {one for one in sent if one not in {re.sub(r"\[.*", "", name) for name in declared}}
    ):
        return f"not in the document: {strange}"
    missing = {one["name"] for one in parameters if one["in"] == "query" and one.get("required")} - sent
    if missing and not objects:
        return f"missing: {missing}"
    return ""


def test_a_thousand_operations_take_seconds_and_little_memory(rendered: Rendered, tmp_path: Path) -> None:
    """Processor time, because other programs run here too."""
    project = importing.copied(rendered(importing.ANSWERS), tmp_path / "project")
    program = (
        "import resource, sys\nfrom mcp_connector.command import main\nsys.argv[0] = 'x'\nmain()\n"
        "both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]\n"
        "print(sum(one.ru_utime + one.ru_stime for one in both), max(one.ru_maxrss for one in both) / 1024)"
    )
    command = [sys.executable, "-c", program, "import", str(path_of(DOCUMENTS["GitHub"])), "--all", "--force"]
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    seconds, megabytes = map(float, done.stdout.splitlines()[-1].split())
    assert seconds < 10, f"{seconds:.1f} s of the processor, {time.monotonic() - began:.1f} s in all"
    assert megabytes < 300
