"""What newcomers have and do, for `first_row.py`: a stopwatch, and a system of their own for each source."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from ..lib import databases
from ..lib.rendering import ROOT
from ..lib.serving import free_port, started

UV = ROOT / ".tools/bin/uv"
SECRET = "secret-of-the-connector"
FIT = {  # an owner's edits of upstream.py: the paths and shapes of Datasette
    "items: list[Record]": "rows: list[Record]",
    "next_cursor: str | None": "next: str | None",
    '{"q": query, "limit": limit, "cursor": cursor}': '{"name__contains": query, "_size": limit, "_shape": "objects"}',
    '"/records", params': '"/customers.json", params',
    "found.items, found.next_cursor": "found.rows, found.next",
}


class Failed(Exception):
    """Why it was not done, in a sentence."""


@dataclass
class Newcomer:
    """Someone with an empty folder and a stopwatch."""

    folder: Path
    env: dict[str, str]
    peers: Path  # where npx runs
    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.steps[name] = time.monotonic() - began

    def types(self, command: str, folder: Path, name: str = "", check: bool = True) -> tuple[str, str]:
        """Run a command in a shell. Returns what it writes to standard output and to standard error."""
        bash, name = ["bash", "-ec", command], name or command
        with self.step(name):
            nobody = subprocess.DEVNULL
            done = subprocess.run(bash, cwd=folder, env=self.env, stdin=nobody, capture_output=True, text=True)
        if done.returncode and check:
            raise Failed(f"{name} failed: {last(done.stderr or done.stdout)}")
        return done.stdout, done.stderr

    def writes(self, setting: str, project: Path) -> None:
        with self.step("write .env"):
            (project / ".env").write_text(f"{setting}\n")


@dataclass(frozen=True)
class System:
    """What a user has."""

    put: Callable[[str], object]  # a row with this value
    reach: Callable[[Newcomer, Path], None]  # what the user does so that the connector reaches it
    tool: str
    arguments: Mapping[str, str]  # that return the row; VALUE stands for its value


def last(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def block(file: Path, words: str, language: str = "sh") -> str:
    """The first block of a document that has these words."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", file.read_text(), flags=re.DOTALL | re.MULTILINE)
    return next(text for text in found if words in text)


@contextmanager
def nothing(_: Path) -> Iterator[System]:
    """No system: the example counts words, and returns the longest."""
    yield System(lambda _: None, lambda *_: None, "count_words", {"text": "or VALUE"})


@contextmanager
def application(folder: Path) -> Iterator[System]:
    """A FastAPI application, which serves its document."""
    shutil.copy(ROOT / "tests/openapi/servers/fastapi_app.py", folder)
    lock = (ROOT / "requirements-documents.lock").read_text()
    port, versions = free_port(), re.findall(r"^(?:fastapi|python-multipart|uvicorn)==[\w.]+", lock, re.MULTILINE)
    origin, sent = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {SECRET}"}
    command: list[str | Path] = [
        UV,
        "run",
        "-q",
        "--no-project",
        "--python",
        sys.executable,
        *(f"--with={one}" for one in versions),
    ]

    def put(value: str) -> None:
        row = {"id": "first", "note": value}
        httpx2.put(f"{origin}/things/first", json=row, headers=sent, trust_env=False).raise_for_status()

    def reach(user: Newcomer, project: Path) -> None:
        command = block(project / "docs/import.md", "mcp-connector import")
        command = command.replace("./openapi.yaml", f"{origin}/openapi.json --tag things")
        said, _ = user.types(command, project, "mcp-connector import")
        settings = re.findall(r"^  (UPSTREAM_\w+=.*)$", said.replace("YOUR_TOKEN", SECRET), re.MULTILINE)
        user.writes("\n".join(settings), project)

    command += ["uvicorn", "fastapi_app:app", f"--port={port}"]
    with started(command, os.environ, folder, origin, f"{origin}/openapi.json", {}):
        yield System(put, reach, "get_thing", {"thing_id": "first"})


def shop(folder: Path) -> tuple[Callable[[str], None], Path]:
    """A database in a file, with a table of customers, and how one is put there."""

    def run(sql: str, *values: str) -> None:
        with closing(sqlite3.connect(folder / "shop.db")) as database, database:
            database.execute(sql, values)

    run("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    return lambda value: run("INSERT INTO customers (name) VALUES (?)", value), folder / "shop.db"


@contextmanager
def sqlite(folder: Path) -> Iterator[System]:
    put, file = shop(folder)
    setting = f"DATABASE_URL=sqlite:///{file}"
    yield System(put, lambda user, at: user.writes(setting, at), "search_rows", {"table": "customers"})


@contextmanager
def postgresql(folder: Path) -> Iterator[System]:
    """A server, and a role made by the statements of the connector's document."""
    with databases.postgresql(folder / "server") as server:
        server.run("CREATE TABLE customers (id int PRIMARY KEY, name text, email text); CREATE TABLE orders (id int)")

        def reach(user: Newcomer, project: Path) -> None:
            with user.step("make the role"):
                statements = block(project / "docs/database.md", "CREATE ROLE", "sql")
                server.run(statements.replace("choose one", SECRET))
            user.writes(f"DATABASE_URL={server.url('reader', password=SECRET)}", project)

        def put(value: str) -> None:
            server.run(f"INSERT INTO customers VALUES (1, '{value}', NULL)")

        yield System(put, reach, "search_rows", {"table": "customers"})


@contextmanager
def api(folder: Path) -> Iterator[System]:
    """A table that Datasette publishes. The tool is that of README.md."""
    (put, file), port = shop(folder), free_port()
    origin = f"http://127.0.0.1:{port}"

    def reach(user: Newcomer, project: Path) -> None:
        package = project / "src/acme_crm"
        with user.step("edit upstream.py and tools/__init__.py"):
            (package / "upstream.py").write_text(fitted((package / "upstream.py").read_text()))
            (package / "tools/__init__.py").write_text(block(ROOT / "README.md", "def register", "python"))
        user.writes(f"UPSTREAM_URL={origin}/shop", project)

    serve: list[str | Path] = [Path(sys.executable).with_name("datasette"), "serve", file, f"--port={port}"]
    with started(serve, os.environ, folder, origin, f"{origin}/-/versions.json", {}):
        yield System(put, reach, "find_customers", {"name": "VALUE"})


def fitted(text: str) -> str:
    """upstream.py, as its owner fits it to Datasette."""
    for old, new in FIT.items():
        if old not in text:
            raise Failed(f"upstream.py has no `{old}` to edit")
        text = text.replace(old, new)
    return text


Has = Callable[[Path], AbstractContextManager[System]]
SYSTEMS: dict[str, tuple[str, Has]] = {
    "openapi, a FastAPI application": ("openapi", application),
    "database, SQLite": ("database", sqlite),
    "database, PostgreSQL": ("database", postgresql),
    "rest-api, Datasette": ("rest-api", api),
    "blank": ("blank", nothing),
}
