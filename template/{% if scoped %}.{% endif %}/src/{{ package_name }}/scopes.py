"""Scopes: what a caller who is known may do (RFC 6750 §3.1)."""

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

from mcp.server import MCPServer
from mcp_types import Tool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .core.edge.limits import REQUEST

READS = {"resources/read", "prompts/get"}  # methods that need what a tool which only reads does
Challenge = Callable[[str, Set[str]], str]  # the `WWW-Authenticate` value for an error and the scopes that are needed


@dataclass(frozen=True)
class Policy:
    """Which scopes are needed: for every request, for tools that only read, and for the rest."""

    always: frozenset[str]
    read: frozenset[str]
    write: frozenset[str]

    def needed(self, tool: Tool) -> frozenset[str]:
        """What a tool needs beyond `always`.

        A tool names scopes of its own with `meta={"scopes": ["orders:refund"]}` where it is registered.
        """
        if tool.meta and "scopes" in tool.meta:
            return frozenset(tool.meta["scopes"])
        return self.read if tool.annotations and tool.annotations.read_only_hint else self.write


class RequireScopes:
    """Refuse calls of tools whose scopes the caller lacks, before the protocol layer sees them."""

    def __init__(self, app: ASGIApp, server: MCPServer[Any], policy: Policy, challenge: Challenge) -> None:
        self.app, self.server, self.policy, self.challenge = app, server, policy, challenge
        self.known: dict[str, frozenset[str]] = {}

    async def needs(self) -> dict[str, frozenset[str]]:
        """What each tool needs, by its name. Read once: tools never change while the connector runs."""
        self.known = self.known or {tool.name: self.policy.needed(tool) for tool in await self.server.list_tools()}
        return self.known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Not from `Mcp-Method`, which a request of the 2025 protocol versions may lack or forge.
        request = scope[REQUEST]
        method, params = request.get("method"), request.get("params") or {}
        needed = self.policy.always
        if method in READS:
            needed = needed | self.policy.read
        if method == "tools/call":
            known = await self.needs()
            needed = needed | known.get(str(params.get("name")), self.policy.write)
        if not needed <= set(scope["auth"].scopes):
            headers = {"WWW-Authenticate": self.challenge("insufficient_scope", needed), "Cache-Control": "no-store"}
            return await JSONResponse({"error": "insufficient_scope"}, 403, headers)(scope, receive, send)
        await self.app(scope, receive, send)
