"""The scopes that tools name, which callers may have beside those of the connector."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mcp.server import MCPServer

from .scopes import EVERYONE, own_scopes


def scopes_of_tools(register: Callable[[MCPServer[Any]], None]) -> list[str]:
    """All scopes in the meta of tools, sorted. It needs no running connector."""
    handlers = logging.getLogger().handlers[:]
    server = MCPServer[Any]("tools")
    logging.getLogger().handlers[:] = handlers  # the SDK adds a handler with another format
    register(server)
    own: set[str] = set()
    for tool in asyncio.run(server.list_tools()):
        with suppress(TypeError):
            own |= own_scopes(tool) or set()
    return sorted(own - {EVERYONE})
