"""The SDK's answer to one ordinary request, without the streams and tasks of its manager.

Ordinary is a request that the manager would serve, except for one that opens a subscription. The manager answers all
else: notifications, responses, and what it refuses, such as wrong headers and unknown versions.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import anyio
import pydantic_core
from mcp.server.connection import Connection
from mcp.server.runner import modern_error_data, serve_one
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundLadderRejection,
    classify_inbound_request,
    x_mcp_header_map,
)
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data, progress_token_from_params
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import DEFAULT_NEGOTIATED_VERSION, ErrorData, JSONRPCError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.types import Scope

from .limits import REQUEST

logger = logging.getLogger(__name__)

MEMBERS = {"jsonrpc", "id", "method", "params"}  # of a request, and no others
STREAMS = {"subscriptions/listen"}  # methods whose answer is a stream
# Headers that decide; one that is sent twice is for the manager to judge.
DECISIVE = {
    name.encode(): name for name in ("host", "origin", MCP_PROTOCOL_VERSION_HEADER, MCP_METHOD_HEADER, MCP_NAME_HEADER)
}
Tell = Callable[[bytes], Awaitable[None]]  # sends a notification to the caller


class Answer(NamedTuple):
    """A JSON-RPC response in UTF-8, with its HTTP status."""

    status: int
    body: bytes


@dataclass
class Exchange:
    """What the SDK's server knows of a request: its caller can be told something, but not asked."""

    transport: TransportContext
    request_id: str | int
    message_metadata: ServerMessageMetadata
    progress_token: str | int | None
    tell: Tell
    can_send_request: bool = False

    @cached_property
    def cancel_requested(self) -> anyio.Event:
        return anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        given = {} if params is None else {"params": dict(params)}
        await self.tell(encoded({"jsonrpc": "2.0", "method": method, **given}))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        if self.progress_token is not None:
            news = {"progressToken": self.progress_token, "progress": progress, "total": total, "message": message}
            known = {name: value for name, value in news.items() if value is not None}
            await self.notify("notifications/progress", known)


@dataclass(frozen=True)
class Call:
    """An ordinary request that is taken."""

    request: dict[str, Any]
    connection: Connection
    stateless: bool  # 2026-07-28 or later: errors have a status, and handlers see headers


class Direct:
    """Serves ordinary requests with the server of a manager; `state` gives what the server's lifespan yields."""

    def __init__(self, manager: StreamableHTTPSessionManager, state: Callable[[], Any]) -> None:
        self.server, self.state = manager.app, state
        security = manager.security_settings or TransportSecuritySettings()
        self.hosts, self.origins = set(security.allowed_hosts), {None, *security.allowed_origins}
        self.unmarked: dict[str, object] = {}  # input schemas of tools that mirror no argument in a header
        self.no_channel = Connection.from_envelope(DEFAULT_NEGOTIATED_VERSION, None, None).outbound

    def take(self, scope: Scope) -> Call | None:
        """The request in the scope if it is ordinary, else None."""
        request: dict[str, Any] = scope[REQUEST]
        params = request.get("params") or {}
        if (
            request.get("id") is None
            or not request.keys() <= MEMBERS
            or "method" not in request
            or request["method"] in STREAMS
        ):
            return None
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            if name in DECISIVE:
                if DECISIVE[name] in headers:
                    return None
                headers[DECISIVE[name]] = value.decode("latin-1")
        if headers.get("host") not in self.hosts or headers.get("origin") not in self.origins:
            return None
        version = headers.get(MCP_PROTOCOL_VERSION_HEADER, DEFAULT_NEGOTIATED_VERSION)
        if version in HANDSHAKE_PROTOCOL_VERSIONS:
            connection = Connection(self.no_channel, protocol_version=version)
            connection.initialized.set()
            return Call(request, connection, stateless=False)
        route = classify_inbound_request(request, headers=headers)
        if isinstance(route, InboundLadderRejection) or self.mirrors(request["method"], params):
            return None
        connection = Connection.from_envelope(route.protocol_version, route.client_info, route.client_capabilities)
        return Call(request, connection, stateless=True)

    def mirrors(self, method: str, params: dict[str, Any]) -> bool:
        """Whether headers of the request must repeat arguments of the tool that it calls."""
        name, schema_of = params.get("name"), self.server.get_tool_input_schema
        if method != "tools/call" or not isinstance(name, str):
            return False
        schema = schema_of(name) if schema_of else None
        if schema is None or self.unmarked.get(name) is schema:
            return schema_of is None
        if x_mcp_header_map(schema):
            return True
        self.unmarked[name] = schema
        return False

    async def answer(self, call: Call, scope: Scope, tell: Tell) -> Answer:
        """What the manager would answer in JSON; `tell` gets the notifications before it."""
        request = Request(scope)
        id, params = call.request["id"], call.request.get("params")
        transport = TransportContext(
            kind="streamable-http", can_send_request=False, headers=request.headers if call.stateless else None
        )
        metadata = ServerMessageMetadata(request_context=request)
        exchange = Exchange(transport, id, metadata, progress_token_from_params(params), tell)
        try:
            result = await serve_one(
                self.server,
                exchange,
                call.request["method"],
                params,
                connection=call.connection,
                lifespan_state=self.state(),
            )
        except Exception as error:
            return failed(call, error)
        return Answer(200, encoded({"jsonrpc": "2.0", "id": id, "result": result}))


def encoded(message: dict[str, Any]) -> bytes:
    try:
        return pydantic_core.to_json(message)
    except ValueError:  # UTF-8 cannot hold it, such as lone surrogates
        return json.dumps(message, separators=(",", ":")).encode()


def failed(call: Call, error: Exception) -> Answer:
    """The error that a handler raised, as the caller gets it. In the 2025 versions, its status is 200."""
    if call.stateless:
        told = modern_error_data(error)
        response = JSONRPCError(jsonrpc="2.0", id=call.request["id"], error=told)
        body = response.model_dump_json(by_alias=True, exclude_none=True)
        return Answer(ERROR_CODE_HTTP_STATUS.get(told.code, 200), body.encode())
    known = handler_exception_to_error_data(error)
    if known is None:
        logger.exception("handler for %r raised", call.request["method"])
        known = ErrorData(code=0, message=str(error))
    response = JSONRPCError(jsonrpc="2.0", id=call.request["id"], error=known)
    return Answer(200, response.model_dump_json(by_alias=True, exclude_unset=True).encode())
