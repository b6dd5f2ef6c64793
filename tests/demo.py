"""`make demo`: render a connector, start it, and call its tools with the official client in both eras."""

import asyncio
import re
import tempfile
import time
from pathlib import Path

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from . import rendering
from .serving import free_port, started

ANSWERS = {"auth_mode": "api-key", "hosting": "compose", "source": "rest-api", "ci": "github"}
ERAS = {"legacy": "2025-11-25, with a handshake", "2026-07-28": "2026-07-28, each request on its own"}


def say(text: str) -> None:
    print(text, flush=True)


async def call(url: str, headers: dict[str, str], era: str) -> None:
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http), mode=era) as client,
    ):
        say(f"\nClient of {ERAS[era]}")
        for tool in (await client.list_tools()).tools:
            say(f"  tool    {tool.name}: {tool.title}")
        calls: list[tuple[str, dict[str, object]]] = [
            ("search_records", {"query": "a", "limit": 2}),
            ("get_record", {"record_id": "4"}),
            ("get_record", {"record_id": "../admin?x=1"}),
        ]
        for name, arguments in calls:
            result = await client.call_tool(name, arguments)
            say(f"  call    {name} {arguments}")
            say(f"  answer  {result.structured_content or ' '.join(getattr(c, 'text', '') for c in result.content)}")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="connector-") as folder:
        workspace = Path(folder)
        template = rendering.snapshot(workspace / "template", "v1000.0.0")
        project = workspace / "acme-crm"
        answers = " ".join(f"-d {name}={value}" for name, value in ANSWERS.items())
        say(f"Rendering: copier copy --defaults -d project_name='Acme CRM' {answers} … acme-crm")
        began = time.monotonic()
        rendering.render(template, project, ANSWERS)
        names = list(rendering.files(project))
        say(f"  {len(names)} files in {time.monotonic() - began:.1f} s, among them {', '.join(names[6:10])}")
        environment = rendering.environment(project, workspace / "site")
        port = free_port()
        origin = f"http://127.0.0.1:{port}"
        say(f"\nStarting: PORT={port} connector dev")
        (workspace / "run").mkdir()
        variables = {**environment, "PORT": str(port)}
        live = f"{origin}/health/live"
        with started(["connector", "dev"], variables, workspace / "run", origin, live, {}) as connector:
            [printed, *_] = re.findall(r"  URL .*  curl [^\n]*", connector.log.read_text(), re.DOTALL)
            say(f"\n{printed}")
            key = re.search(r"Authorization: (Bearer \S+?)'", printed)
            assert key
            say(f"\nWithout a key: HTTP {httpx2.post(connector.url).status_code}")
            for era in ERAS:
                asyncio.run(call(connector.url, {"Authorization": key[1]}, era))
    say("\nDone: rendered, started, called, and removed again.")


if __name__ == "__main__":
    main()
