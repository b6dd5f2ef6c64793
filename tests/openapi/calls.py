"""Calls the tools of a connector, and says which requests they sent. Run by the interpreter of the connector.

    python calls.py PACKAGE < '[["get_pet", {"id": 7}], …]'

Prints the tools, and for each call its requests and its result, as JSON.
"""

import asyncio
import importlib
import json
import sys
import warnings
from contextlib import asynccontextmanager
from typing import Any

warnings.simplefilter("error")


async def main(package: str, calls: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    import httpx2
    from mcp.client import Client

    protocol, client = (importlib.import_module(f"{package}.{name}") for name in ("core.edge.protocol", "client"))
    settings = importlib.import_module(f"{package}.settings").Settings(
        public_url="http://127.0.0.1:8000", upstream_url="http://api.example/base"
    )
    seen: list[dict[str, Any]] = []

    async def answer(request: httpx2.Request) -> httpx2.Response:
        body = (await request.aread()).decode(errors="replace")
        asked = {"method": request.method, "path": request.url.raw_path.decode(), "body": body}
        seen.append({**asked, "headers": dict(request.headers)})
        return httpx2.Response(200, json={"ok": True})

    @asynccontextmanager
    async def opened(_: object) -> Any:
        async with client.Client(settings, dict, httpx2.MockTransport(answer)) as upstream:
            yield upstream

    server = protocol.Connector("test", lifespan=opened)
    importlib.import_module(f"{package}.tools").register(server)
    done = []
    async with Client(server) as caller:
        tools = [
            tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in (await caller.list_tools()).tools
        ]
        for name, arguments in calls:
            seen.clear()
            result = await caller.call_tool(name, arguments)
            texts = [getattr(block, "text", "") for block in result.content]
            done.append({"requests": list(seen), "error": bool(result.is_error), "text": "\n".join(texts)})
    return {"tools": tools, "calls": done}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], json.load(sys.stdin)))))
