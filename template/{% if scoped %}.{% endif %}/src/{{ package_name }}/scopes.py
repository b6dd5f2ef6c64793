"""Scopes: what a caller who is known may do (RFC 6750 §3.1)."""

import json
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

from mcp.server import MCPServer
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE, RequestBodyLimitMiddleware
from mcp_types import Tool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
        self.limited = RequestBodyLimitMiddleware(self._check, DEFAULT_MAX_REQUEST_BODY_SIZE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.limited(scope, receive, send)

    async def needs(self) -> dict[str, frozenset[str]]:
        """What each tool needs, by its name. Read once: tools never change while the connector runs."""
        self.known = self.known or {tool.name: self.policy.needed(tool) for tool in await self.server.list_tools()}
        return self.known

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()  # the whole body: the limit has collected it
        if message["type"] != "http.request" or message.get("more_body"):
            return  # the client left before it had sent all
        try:
            requests = parse(message["body"])
        except (ValueError, RecursionError):
            # What cannot be read here must not be read differently behind.
            error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}}
            return await JSONResponse(error, 400)(scope, receive, send)
        called = [str(params.get("name")) for method, params in requests if method == "tools/call"]
        needed = self.policy.always
        if any(method in READS for method, _ in requests):
            needed = needed | self.policy.read
        if called:
            known = await self.needs()
            needed = needed.union(*(known.get(name, self.policy.write) for name in called))
        if not needed <= set(scope["auth"].scopes):
            headers = {"WWW-Authenticate": self.challenge("insufficient_scope", needed), "Cache-Control": "no-store"}
            return await JSONResponse({"error": "insufficient_scope"}, 403, headers)(scope, receive, send)
        await self.app(scope, replay(message, receive), send)


def parse(body: bytes) -> list[tuple[object, dict[str, Any]]]:
    """Method and parameters of each request; not from `Mcp-Method`, which a 2025-era request may lack or forge."""
    parsed = json.loads(body) if body.strip() else []
    requests = [request for request in (parsed if isinstance(parsed, list) else [parsed]) if isinstance(request, dict)]
    return [(r.get("method"), params if isinstance(params := r.get("params"), dict) else {}) for r in requests]


def replay(first: Message, receive: Receive) -> Receive:
    """The message that was taken, then the rest."""
    messages = iter([first])

    async def again() -> Message:
        return next(messages, None) or await receive()

    return again
