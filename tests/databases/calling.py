"""Calls of tools, as a client without a session sends them."""

import json
from functools import cache
from typing import Any

import httpx2

from ..lib.serving import Running


@cache
def http() -> httpx2.Client:
    """One client for all calls, as a new one reads the certificates of this machine first."""
    return httpx2.Client(trust_env=False, timeout=60)


def call(connector: Running, tool: str, **arguments: Any) -> tuple[bool, str]:
    """Whether a tool refuses, and what it returns."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {"Accept": "application/json", **connector.headers}
    answer = http().post(connector.url, json=body, headers=headers)
    answer.raise_for_status()
    result = answer.json()["result"]
    return bool(result.get("isError")), str(result["content"][0]["text"])


def got(connector: Running, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool returns that does not refuse."""
    refused, text = call(connector, tool, **arguments)
    assert not refused, text
    result: dict[str, Any] = json.loads(text)
    return result
