"""Headers: each caller sends a credential of their own, which goes on to the upstream API."""

from collections.abc import Callable, Mapping, Set
from typing import Any

from mcp.server import MCPServer

from ...settings import Settings
from ..parts import Auth
from .headers import CALLER_HEADERS, Authenticate, caller_headers, use
from .probe import challenged

guarded = True
caller = caller_headers
act_as = use


def protect(_: Settings, __: MCPServer[Any]) -> Auth:
    return Auth(authenticate=Authenticate)


async def check(_: Settings) -> None:
    """Nothing can be wrong."""


def stand_in(_: Set[str]) -> Mapping[str, str]:
    """Any value will do."""
    return dict.fromkeys(CALLER_HEADERS, "developer")


def add_commands(_: Any) -> None:
    """This mode has no commands."""


def probes() -> Mapping[str, Callable[[str], object]]:
    return {"Without credentials": challenged}
