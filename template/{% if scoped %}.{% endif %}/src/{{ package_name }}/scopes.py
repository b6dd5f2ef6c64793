"""Scopes: what a caller who is known may do (RFC 6750 §3.1)."""

import asyncio
import logging
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mcp.server import MCPServer
from mcp_types import Tool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .core.edge.limits import REQUEST

logger = logging.getLogger(__name__)

EVERYONE = "*"  # in place of scopes: every caller may
READS = {"resources/read", "prompts/get"}  # methods that need what a tool which only reads does
Challenge = Callable[[str, Set[str]], str]  # the `WWW-Authenticate` value for an error and the scopes that are needed


@dataclass(frozen=True)
class Policy:
    """Which scopes are needed: for every request, for tools that only read, and for the rest."""

    always: frozenset[str]
    read: frozenset[str]
    write: frozenset[str]
    common: frozenset[str] = frozenset()  # scopes that any token may hold, so they keep nobody from writing
    setting: str = ""  # the environment variable that `write` comes from

    def needed(self, tool: Tool) -> frozenset[str]:
        """What a tool needs beyond `always`: scopes of its own, or else by what it does. `*` stands for none.

        Raises:
            TypeError: Its own scopes are not a list of texts.
        """
        return self.stated(tool) - {EVERYONE}

    def stated(self, tool: Tool) -> frozenset[str]:
        own = own_scopes(tool)
        return own if own is not None else self.read if only_reads(tool) else self.write

    def is_closed(self, tool: Tool) -> bool:
        """Whether nobody may call a tool, since what is set does not say who may."""
        try:
            return self.stated(tool) <= self.common and not only_reads(tool)
        except TypeError:
            return True

    def is_open(self, tool: Tool) -> bool:
        """Whether `*` lets every caller call a tool that writes."""
        return not only_reads(tool) and EVERYONE in self.stated(tool) and self.needed(tool) <= self.common


def only_reads(tool: Tool) -> bool:
    """Whether a tool is marked so; one without the mark may write."""
    return bool(tool.annotations and tool.annotations.read_only_hint)


def own_scopes(tool: Tool) -> frozenset[str] | None:
    """Those that a tool names with `meta={"scopes": ["orders:refund"]}` where it is registered, if it does.

    Raises:
        TypeError: They are not a list of texts.
    """
    if not tool.meta or "scopes" not in tool.meta:
        return None
    scopes = tool.meta["scopes"]
    if not isinstance(scopes, list | tuple | Set) or not all(isinstance(scope, str) for scope in scopes):
        raise TypeError(f"the scopes in the meta of {tool.name} are not a list of texts")
    return frozenset(scopes)


def scopes_of_tools(register: Callable[[MCPServer[Any]], None]) -> list[str]:
    """All scopes that tools name themselves, in order, before the connector runs."""
    handlers = logging.getLogger().handlers[:]
    server = MCPServer[Any]("tools")
    logging.getLogger().handlers[:] = handlers  # the SDK's would write log lines in a form of its own
    register(server)
    own: set[str] = set()
    for tool in asyncio.run(server.list_tools()):
        with suppress(TypeError):
            own |= own_scopes(tool) or set()
    return sorted(own - {EVERYONE})


class RequireScopes:
    """Refuse calls of tools whose scopes the caller lacks, before the protocol layer sees them."""

    def __init__(self, app: ASGIApp, server: MCPServer[Any], policy: Policy, challenge: Challenge) -> None:
        self.app, self.server, self.policy, self.challenge = app, server, policy, challenge
        self.known: dict[str, frozenset[str]] = {}
        self.closed: set[str] = set()  # names of tools that nobody may call

    async def needs(self) -> dict[str, frozenset[str]]:
        """What each tool needs, by its name. Read once: tools rarely change while the connector runs."""
        return self.known or await self._look()

    async def _look(self) -> dict[str, frozenset[str]]:
        tools = await self.server.list_tools()
        self.closed = {tool.name for tool in tools if self.policy.is_closed(tool)}
        self.known = {tool.name: self.policy.needed(tool) for tool in tools if tool.name not in self.closed}
        return self.known

    async def problem(self) -> str | None:
        """Why the connector must not start, or None: tools that write, and scopes that do not say who may call them.

        Where `*` lets every caller write, the log says so.
        """
        tools = await self.server.list_tools()
        closed = [tool for tool in tools if self.policy.is_closed(tool)]
        if by_setting := [tool.name for tool in closed if "scopes" not in (tool.meta or {})]:
            common = " ".join(sorted(self.policy.write))
            return (
                f"{self.policy.setting} {f'names only what every login has ({common})' if common else 'is empty'}, "
                f"and these tools write: {', '.join(by_setting)}; "
                "set it to the scopes that a caller needs to write, or to * to let every caller write"
            )
        if closed:
            return (
                f"the scopes in the meta of {', '.join(tool.name for tool in closed)} keep nobody out; "
                'name some as a list, such as ["orders:refund"], or ["*"] to let every caller write'
            )
        if everyone := [tool.name for tool in tools if self.policy.is_open(tool)]:
            logger.warning("every caller may write, because * is set for these tools: %s", ", ".join(everyone))
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Not from `Mcp-Method`, which a request of the 2025 protocol versions may lack or forge.
        request = scope[REQUEST]
        method, params = request.get("method"), request.get("params") or {}
        needed = self.policy.always
        if method in READS:
            needed = needed | self.policy.read
        if method == "tools/call":
            name, known = str(params.get("name")), await self.needs()
            if name not in known:
                known = await self._look()  # a tool may have come since
            if name in self.closed:
                logger.error("nobody may call %s: %s", name, await self.problem())
                return await self._refuse(needed)(scope, receive, send)
            needed = needed | known.get(name, self.policy.write)
        if not needed <= set(scope["auth"].scopes):
            return await self._refuse(needed)(scope, receive, send)
        await self.app(scope, receive, send)

    def _refuse(self, needed: Set[str]) -> JSONResponse:
        headers = {"WWW-Authenticate": self.challenge("insufficient_scope", needed), "Cache-Control": "no-store"}
        return JSONResponse({"error": "insufficient_scope"}, 403, headers)
