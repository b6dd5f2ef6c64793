"""Tools that tests put into a rendered connector, to see through them what lies between it and the caller."""

import asyncio
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

seen = asyncio.Semaphore(0)


async def wait(seconds: int) -> int:
    """Say nothing for so long."""
    await asyncio.sleep(seconds)
    return seconds


async def steps(ctx: Context[Any]) -> bool:
    """Report three steps, and go on with each when the caller has seen it."""
    for step in range(3):
        await ctx.report_progress(step)
        async with asyncio.timeout(10):
            await seen.acquire()
    return True


async def proceed() -> bool:
    """The caller has seen a step."""
    seen.release()
    return True


async def received(ctx: Context[Any]) -> dict[str, str]:
    """What the proxy says about the caller, and what the connector makes of it."""
    request = ctx.request_context.request
    assert request is not None
    named = {name: value for name, value in request.headers.items() if name.startswith("x-forwarded-")}
    return {**named, "client": request.client.host, "scheme": request.url.scheme}


def add_to(server: MCPServer[Any]) -> None:
    for tool in (wait, steps, proceed, received):
        server.add_tool(tool)
