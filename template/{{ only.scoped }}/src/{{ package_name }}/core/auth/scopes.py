"""Scopes: what an authenticated caller may do (RFC 6750 §3.1)."""

import logging
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp_types import Tool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..edge.limits import REASON, REQUEST
from ..edge.observe import note

logger = logging.getLogger(__name__)

EVERYONE = "*"  # instead of scopes: every caller may call
READS = {"resources/read", "prompts/get"}  # methods that require the same scopes as tools that only read
Challenge = Callable[[str, Set[str]], str]  # the `WWW-Authenticate` value for an error and the required scopes


@dataclass(frozen=True)
class Policy:
    """Which scopes are required: for every request, for tools that only read, and for all other tools."""

    always: frozenset[str]
    read: frozenset[str]
    write: frozenset[str]
    common: frozenset[str] = frozenset()  # scopes that any token may have, so they never suffice to write
    setting: str = ""  # the environment variable that sets `write`

    def needed(self, tool: Tool) -> frozenset[str]:
        """The scopes that a tool requires beyond `always`: its own, or else `read` or `write`. `*` means none.

        Raises:
            TypeError: Its own scopes are not a list of strings.
        """
        return self.stated(tool) - {EVERYONE}

    def stated(self, tool: Tool) -> frozenset[str]:
        own = own_scopes(tool)
        return own if own is not None else self.read if only_reads(tool) else self.write

    def is_closed(self, tool: Tool) -> bool:
        """Whether nobody may call a tool, because neither the settings nor the tool restrict who may write."""
        try:
            return self.stated(tool) <= self.common and not only_reads(tool)
        except TypeError:
            return True

    def is_open(self, tool: Tool) -> bool:
        """Whether `*` lets every caller call a tool that writes."""
        return not only_reads(tool) and EVERYONE in self.stated(tool) and self.needed(tool) <= self.common


def only_reads(tool: Tool) -> bool:
    """Whether a tool is marked as read-only; without the mark, it counts as a tool that writes."""
    return bool(tool.annotations and tool.annotations.read_only_hint)


def own_scopes(tool: Tool) -> frozenset[str] | None:
    """The scopes that a tool has from `meta={"scopes": ["orders:refund"]}` at its registration, or None.

    Raises:
        TypeError: They are not a list of strings.
    """
    if not tool.meta or "scopes" not in tool.meta:
        return None
    scopes = tool.meta["scopes"]
    if not isinstance(scopes, list | tuple | Set) or not all(isinstance(scope, str) for scope in scopes):
        raise TypeError(f"the scopes in the meta of {tool.name} are not a list of strings")
    return frozenset(scopes)


class Tools:
    """The tools of a server, and the scopes that each requires under a policy."""

    def __init__(self, server: MCPServer[Any], policy: Policy) -> None:
        self.server, self.policy = server, policy
        self.known: dict[str, frozenset[str]] = {}
        self.closed: set[str] = set()  # names of tools that nobody may call

    async def needs(self) -> dict[str, frozenset[str]]:
        """The scopes that each tool requires, by its name. Cached: tools rarely change while the connector runs."""
        return self.known or await self.look()

    async def look(self) -> dict[str, frozenset[str]]:
        tools = await self.server.list_tools()
        self.closed = {tool.name for tool in tools if self.policy.is_closed(tool)}
        self.known = {tool.name: self.policy.needed(tool) for tool in tools if tool.name not in self.closed}
        return self.known

    async def problem(self) -> str | None:
        """Why the connector must not start, or None: the scopes of a tool that writes restrict nobody.

        If `*` lets every caller write, this is logged.
        """
        tools = await self.server.list_tools()
        closed = [tool for tool in tools if self.policy.is_closed(tool)]
        if by_setting := [tool.name for tool in closed if "scopes" not in (tool.meta or {})]:
            common = " ".join(sorted(self.policy.write))
            fault = f"names only scopes that every login has ({common})" if common else "is empty"
            return (
                f"{self.policy.setting} {fault}, "
                f"and these tools write: {', '.join(by_setting)}; "
                "set it to the scopes that a caller needs to write, or to * to let every caller write"
            )
        if closed:
            return (
                f"the scopes in the meta of {', '.join(tool.name for tool in closed)} "
                'are not a list, or restrict nobody; set a list such as ["orders:refund"], '
                'or ["*"] to let every caller call them'
            )
        if everyone := [tool.name for tool in tools if self.policy.is_open(tool)]:
            logger.warning("every caller may write, because * is set for these tools: %s", ", ".join(everyone))
        return None


class RequireScopes:
    """Refuse calls of tools for which the caller lacks scopes, before they reach the protocol layer."""

    def __init__(self, app: ASGIApp, tools: Tools, challenge: Challenge) -> None:
        self.app, self.tools, self.challenge = app, tools, challenge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Not from the header `Mcp-Method`: with the 2025 protocol versions, it may be missing or forged.
        request = scope[REQUEST]
        method, params = request.get("method"), request.get("params") or {}
        policy = self.tools.policy
        needed = policy.always
        if method in READS:
            needed = needed | policy.read
        if method == "tools/call":
            name, known = str(params.get("name")), await self.tools.needs()
            if name not in known:
                known = await self.tools.look()  # the tool may have been added since
            if name in self.tools.closed:
                logger.error("nobody may call %s: %s", name, await self.tools.problem())
                note(detail="nobody may call this tool")
                return await self._refuse(needed)(scope, receive, send)
            needed = needed | known.get(name, policy.write)
        if missing := needed - set(scope["auth"].scopes):
            note(detail=f"scopes are missing: {' '.join(sorted(missing))}"[:REASON])
            return await self._refuse(needed)(scope, receive, send)
        await self.app(scope, receive, send)

    def _refuse(self, needed: Set[str]) -> JSONResponse:
        headers = {"WWW-Authenticate": self.challenge("insufficient_scope", needed), "Cache-Control": "no-store"}
        return JSONResponse({"error": "insufficient_scope"}, 403, headers)


def act_as_developer(_: Mapping[str, str]) -> None:
    """From now on in this context, the caller is a developer, whom nothing checked."""
    access = AccessToken(token="", client_id="developer", subject="developer", scopes=[])
    auth_context_var.set(AuthenticatedUser(access))
