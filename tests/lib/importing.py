"""`mcp-connector import` in tests: a small project to import into, documents, and the calls of what was imported."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from mcp_connector.command import main

from . import rendering

CALLS = rendering.ROOT / "tests/openapi/calls.py"
PACKAGE = "acme_crm"
ANSWERS = {"auth_mode": "none", "hosting": "compose", "source": "openapi", "ci": "none"}

Document = dict[str, Any]


@dataclass(frozen=True)
class Imported:
    """What one run of the command said."""

    code: int
    said: str
    errors: str


def project(folder: Path) -> Path:
    """Those files of a connector that an import looks at, without the example."""
    (folder / ".copier-answers.yml").write_text(
        f"_src_path: /template\nauth_mode: none\ncommand_name: connector\npackage_name: {PACKAGE}\nsource: openapi\n"
    )
    (folder / "pyproject.toml").write_text("[tool.ruff]\nline-length = 120\n")
    (tools(folder)).mkdir(parents=True)
    example = rendering.group("openapi") / "src/{{ package_name }}/tools/__init__.py"
    text = example.read_text().replace("from . import example\n", "").replace("(server, example)", "(server)")
    (tools(folder) / "__init__.py").write_text(text)
    return folder


def tools(project: Path) -> Path:
    return project / "src" / PACKAGE / "tools"


def document(paths: Mapping[str, Any], version: str = "3.1.0", **more: Any) -> Document:
    kind = "swagger" if version.startswith("2") else "openapi"
    return {kind: version, "info": {"title": "Pets", "version": "1"}, "paths": paths, **more}


def operation(id: str, *parameters: Any, body: Any = None, tag: str = "pets", **more: Any) -> Document:
    """An operation; `body` is the schema of its body in JSON."""
    found: Document = {"operationId": id, "tags": [tag], "parameters": list(parameters), "responses": {}, **more}
    if body is not None:
        found["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return found


def parameter(name: str, place: str = "query", schema: Any = None, **more: Any) -> Document:
    return {"name": name, "in": place, "schema": {"type": "string"} if schema is None else schema, **more}


def written(folder: Path, content: Any, name: str = "pets.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def run(project: Path, document: Path | str, *options: str, check: bool = True) -> Imported:
    """Import into a project, in this process, which is ten times as fast as to start one."""
    command = ["mcp-connector", "import", str(document), *options, "--project", str(project)]
    said, errors = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", command),
        mock.patch.object(sys, "stdin", io.StringIO()),
        redirect_stdout(said),
        redirect_stderr(errors),
    ):
        code = main()
    if check:
        assert code in {0, 10, 20}, errors.getvalue()
    return Imported(code, said.getvalue(), errors.getvalue())


def source(project: Path, module: str = "pets") -> str:
    return (tools(project) / f"{module}.py").read_text(encoding="utf-8")


def called(project: Path, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The tools of a rendered connector, and what each call sent and returned."""
    env = rendering.variables(project, project / "src")
    command = [str(rendering.interpreter()), str(CALLS), PACKAGE]
    asked = json.dumps(list(calls))
    done = subprocess.run(command, cwd=project, env=env, input=asked, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def copied(project: Path, target: Path) -> Path:
    """A connector to import into."""
    return shutil.copytree(project, target)
