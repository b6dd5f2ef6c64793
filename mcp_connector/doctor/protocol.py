"""Requests of the Model Context Protocol as its clients send them, of the 2025 versions and of 2026-07-28."""

import json
from collections.abc import Mapping
from typing import Any

from .exchange import Request
from .target import Url

STATEFUL, STATELESS = "2025-11-25", "2026-07-28"
EVERY = ("2024-11-05", "2025-03-26", "2025-06-18", STATEFUL)
NAME = "mcp-connector-doctor"
GARBAGE = "mcp-connector-doctor-not-a-token"
INITIALIZED = "notifications/initialized"
METHOD_NOT_FOUND = -32601
BOTH = "application/json, text/event-stream"

AGENTS = {"Claude-User": "Claude-User", "openai-mcp": "openai-mcp/1.0.0"}
"""User agents of platforms, which rules against bots are known to drop. They go to the user's own server only."""


def call(
    url: Url,
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    id: int | None = 1,
    headers: Mapping[str, str] | None = None,
    accept: str = BOTH,
) -> Request:
    """A request of the 2025 versions; a notification where `id` is None."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if id is not None:
        body["id"] = id
    if params is not None:
        body["params"] = params
    sent = {"User-Agent": NAME, "Content-Type": "application/json", "Accept": accept, **(headers or {})}
    return Request("POST", url, sent, json.dumps(body).encode())


def initialize(url: Url, headers: Mapping[str, str] | None = None, accept: str = BOTH) -> Request:
    params = {"protocolVersion": STATEFUL, "capabilities": {}, "clientInfo": {"name": NAME, "version": "1"}}
    return call(url, "initialize", params, headers=headers, accept=accept)


def stateless(url: Url, method: str, headers: Mapping[str, str] | None = None, **params: Any) -> Request:
    """A request of 2026-07-28: complete in itself, with its method in a header."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": NAME, "version": "1"},
    }
    sent = {"MCP-Protocol-Version": STATELESS, "Mcp-Method": method, **(headers or {})}
    if "name" in params:
        sent["Mcp-Name"] = params["name"]
    return call(url, method, {**params, "_meta": meta}, headers=sent)


def get(url: Url, accept: str = "application/json", headers: Mapping[str, str] | None = None) -> Request:
    return Request("GET", url, {"User-Agent": NAME, "Accept": accept, **(headers or {})})
