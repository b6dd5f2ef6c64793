"""Everyone may call: who reaches the connector is decided elsewhere."""

from collections.abc import Callable, Mapping, Set
from typing import Any

from mcp.server import MCPServer

from ...settings import Settings
from ..parts import Auth

guarded = False


def protect(_: Settings, __: MCPServer[Any]) -> Auth:
    return Auth()


def caller() -> object:
    """Nobody is known."""
    return None


def act_as(_: Mapping[str, str]) -> None:
    """Nobody is known."""


async def check(_: Settings) -> None:
    """Nothing can be wrong."""


def stand_in(_: Set[str]) -> Mapping[str, str]:
    return {}


def add_commands(_: Any) -> None:
    """This mode has no commands."""


def probes() -> Mapping[str, Callable[[str], object]]:
    return {}
