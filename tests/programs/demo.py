"""`make demo`: make a connector, start it, and call its tools as clients of both kinds of protocol version do.

It needs Copier and the MCP client of requirements-demo.lock and no other part of the tests, so that it starts quickly.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from ..lib import pins

ROOT = Path(__file__).parents[2]
WIDTH = 100  # columns of what is printed
LOGGED = 8  # lines of the log that are printed
START = 30  # seconds that the connector may take until it answers
ANSWERS = {
    "project_name": "Acme CRM",
    "auth_mode": "api-key",
    "hosting": "compose",
    "source": "rest-api",
    "ci": "github",
}
VERSIONS = {"legacy": "2025-11-25 (with a handshake)", "2026-07-28": "2026-07-28 (without)"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("search_records", {"query": "a", "limit": 2}),
    ("update_record", {"record_id": "4", "changes": {"status": "closed"}}),
    ("get_record", {"record_id": "4", "fields": ["name", "status"]}),
    ("get_record", {"record_id": "../admin?x=1"}),
]


def say(text: str, label: str = "") -> None:
    """Print a text, wrapped, beside its label."""
    lines = textwrap.wrap(text, WIDTH - 12, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        print(f"{'' if number else label:<12}{line}".rstrip(), flush=True)


def step(title: str) -> None:
    print(f"\n{title}", flush=True)


def run(*command: str | Path, cwd: Path, show: bool = False) -> float:
    """Run a command to its end, and return the seconds that it took."""
    if show:
        say(shlex.join(map(str, command)), "$")
    began = time.monotonic()
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        told = done.stderr.strip().splitlines() or ["it said nothing"]
        sys.exit(f"make demo: {Path(command[0]).name} failed: {told[-1]}")
    return time.monotonic() - began


def program(name: str) -> str:
    """The program of this interpreter's environment, of .tools, or of PATH."""
    places = [str(Path(sys.executable).parent), str(ROOT / ".tools/bin"), os.environ["PATH"]]
    found = shutil.which(name, path=os.pathsep.join(places))
    if not found:
        sys.exit(f"make demo: {name} is missing: start the demo with `make demo`.")
    return found


def render(folder: Path) -> Path:
    """A connector from the template as it stands here."""
    project = folder / "acme-crm"
    data = [f"--data={name}={value}" for name, value in ANSWERS.items()]
    options = ["--quiet", "--defaults", "--vcs-ref=HEAD"]
    taken = run(program("copier"), "copy", *options, *data, ROOT, project, cwd=folder)
    count = sum(path.is_file() for path in project.rglob("*"))
    shown = [f"-d {name}={shlex.quote(value)}" for name, value in ANSWERS.items()]
    say(" ".join(["copier copy --defaults", *shown, ". acme-crm"]), "$")
    say(f"{count} files in {taken:.1f} s. Those that you write: src/acme_crm/tools/, src/acme_crm/upstream.py,")
    say("src/acme_crm/stand_in.py and tests/test_tools.py.")
    return project


def install(project: Path) -> None:
    """As its owner does, without what checks it, and with the versions that the tests pin."""
    uv, here = program("uv"), ["--quiet", "--python", sys.executable]
    taken = run(uv, "sync", *here, "--no-dev", *pins.within("base"), cwd=project)
    say("uv sync", "$")
    say(f"Made uv.lock and installed what it names, each with its hash, in {taken:.1f} s.")


@contextmanager
def started(project: Path, log: Path) -> Iterator[str]:
    """`connector dev`, from when it answers until the block ends; its origin."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PORT"] = str(port)
    with log.open("wb") as output:
        command: list[str | Path] = [project / ".venv/bin/connector", "dev"]
        process = subprocess.Popen(
            command, cwd=project, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + START
        while not answers(f"{origin}/health/ready"):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"make demo: the connector does not answer:\n{log.read_text()}")
            time.sleep(0.1)
        yield origin
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False, timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


def refuse(url: str) -> None:
    """What a caller without a key is told."""
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    answer = httpx2.post(url, json=listing, trust_env=False)
    say(f"HTTP {answer.status_code}, WWW-Authenticate: {answer.headers['www-authenticate']}", "tools/list")


async def call(url: str, headers: Mapping[str, str], version: str) -> tuple[list[str], list[str]]:
    """The tools that are listed to a client of a protocol version, and the answer to each call."""
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=version) as client,
    ):
        tools = [f"{tool.name}: {tool.title}" for tool in (await client.list_tools()).tools]
        results = []
        for name, arguments in CALLS:
            result = await client.call_tool(name, arguments)
            told = " ".join(getattr(part, "text", "") for part in result.content)
            results.append(f"error: {told}" if result.is_error else json.dumps(result.structured_content))
        return tools, results


def call_all(url: str, headers: Mapping[str, str]) -> None:
    """Both protocol versions must list and answer the same; what they say is printed once."""
    (first, second) = (asyncio.run(call(url, headers, version)) for version in VERSIONS)
    tools, results = first
    say("; ".join(tools), "tools")
    for (name, arguments), result in zip(CALLS, results, strict=True):
        say(f"{name} {json.dumps(arguments)}", "call")
        say(textwrap.shorten(result, 3 * (WIDTH - 12), placeholder=" …"), "  answer")
    if first != second:
        sys.exit(f"make demo: the protocol versions differ: {first} and {second}")
    say(f"{' and '.join(VERSIONS.values())}: the same tools and answers.", "versions")


def main() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="connector-") as temporary:
        folder = Path(temporary)
        step("1. Make a connector: keys, Docker Compose, a REST API, GitHub Actions")
        project = render(folder)
        install(project)
        step("2. Start it, with nothing configured")
        log = folder / "log"
        with started(project, log) as origin:
            url = f"{origin}/mcp"
            say("connector dev", "$")
            printed = log.read_text()
            say(url, "URL")
            say(", ".join(stand_ins(printed)) + ": replaced in development, as they are not set", "stand-ins")
            [key, *_] = re.findall(r"Authorization: (Bearer \S+?)'", printed)
            seen = len(log.read_text().splitlines())
            step("3. Call it without a key")
            refuse(url)
            step("4. Call its tools with a key, as a client of each kind")
            call_all(url, {"Authorization": key})
            step("5. Read its log")
            lines = log.read_text().splitlines()[seen:]
            for line in lines[:LOGGED]:
                say(line)
            if len(lines) > LOGGED:
                say(f"… and {len(lines) - LOGGED} more lines")
    step(f"Done in {time.monotonic() - began:.0f} s. The connector is stopped and removed. To make one that stays:")
    say(f"uvx copier copy --vcs-ref=HEAD {shlex.quote(str(ROOT))} my-connector", "$")
    say("It needs uv, asks the questions, and says how to start what it made. The rest is in README.md.")


def stand_ins(printed: str) -> list[str]:
    """The settings that `dev` replaced, of what it printed."""
    [listed] = re.findall(r"^  Replaced +(.*)$", printed, flags=re.MULTILINE)
    return str(listed).split(", ")


if __name__ == "__main__":
    main()
