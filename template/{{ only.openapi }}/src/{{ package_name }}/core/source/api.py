"""What the tools in `tools/` that `mcp-connector import` wrote stand on: `from ..core.source import api`."""

import inspect
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, TypeVar
from urllib.parse import urlencode

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from ...client import Client, usable
from .results import Content, content
from .styles import File, Pairs, Part, as_json, cookies, deep, field, file, form, given, header, path

__all__ = [
    "Call",
    "Content",
    "File",
    "add_tools",
    "as_json",
    "changes",
    "cookies",
    "deep",
    "field",
    "file",
    "form",
    "given",
    "header",
    "path",
    "reads",
    "request",
]

Call = Context[Client, Any]
Tool = TypeVar("Tool", bound=Callable[..., Awaitable[Any]])

ACCEPT = {"Accept": "application/json, */*;q=0.5"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

marked: dict[Callable[..., Any], tuple[str, ToolAnnotations]] = {}


def reads(title: str) -> Callable[[Tool], Tool]:
    """Mark a tool that changes nothing."""
    return mark(title, ToolAnnotations(read_only_hint=True, open_world_hint=True))


def changes(title: str, *, destroys: bool = True, repeatable: bool = False) -> Callable[[Tool], Tool]:
    """Mark a tool that changes something. `repeatable`: the same call once more changes nothing further."""
    hints = ToolAnnotations(
        read_only_hint=False, destructive_hint=destroys, idempotent_hint=repeatable, open_world_hint=True
    )
    return mark(title, hints)


def mark(title: str, hints: ToolAnnotations) -> Callable[[Tool], Tool]:
    def note(tool: Tool) -> Tool:
        marked[tool] = title, hints
        return tool

    return note


def add_tools(server: MCPServer[Any], *modules: ModuleType) -> None:
    """Add each marked function of these modules."""
    for module in modules:
        for tool in vars(module).values():
            if inspect.isfunction(tool) and tool in marked and tool.__module__ == module.__name__:
                title, hints = marked[tool]
                description = " ".join((tool.__doc__ or title).split())
                server.add_tool(tool, title=title, description=description, annotations=hints, structured_output=False)


async def request(
    ctx: Call,
    method: str,
    path: str,
    *,
    query: Iterable[Pairs] = (),
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    content_type: str = "application/json",
    form: Iterable[Pairs] | None = None,
    multipart: Iterable[list[Part]] | None = None,
) -> list[Content]:
    """Send a request with the connector's credential, and return the answer as a tool does.

    Raises:
        UpstreamError: There is no answer, or the API refuses the request.
    """
    client = ctx.request_context.lifespan_context
    sent = {**ACCEPT, **(headers or {})}
    payload: dict[str, Any] = {}
    if body is not None:
        sent["Content-Type"] = content_type
        try:
            payload["content"] = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        except ValueError:
            raise ToolError("The body has a number that JSON cannot have, such as NaN. Correct it.") from None
    elif form is not None:
        sent |= FORM
        payload["content"] = urlencode([pair for pairs in form for pair in pairs]).encode()
    elif multipart is not None:
        payload["files"] = [part for parts in multipart for part in parts]
    params = tuple(pair for pairs in query for pair in pairs)
    answer = await client.send(method, path, params=params, headers=sent, **payload)
    with usable(method):
        return await content(answer, client.max_result)
