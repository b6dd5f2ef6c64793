"""API keys: each caller holds one that the maintainer made."""

import os
from collections.abc import Callable, Mapping, Set
from functools import partial
from typing import Any

from mcp.server import MCPServer

from ...settings import Settings
from ...tools import register
from ..edge.protocol import token_owner
from ..parts import Auth
from . import key_commands
from .guard import POLICY, Authenticate, challenge
from .keys import KeyRing, make
from .probe import challenged
from .scopes import RequireScopes, Tools, act_as_developer
from .tool_scopes import scopes_of_tools

guarded = True
caller = token_owner
act_as = act_as_developer
add_commands = key_commands.add_to


def protect(settings: Settings, server: MCPServer[Any]) -> Auth:
    keys, tools = KeyRing(settings.api_keys, settings.api_keys_file), Tools(server, POLICY)

    async def ready() -> bool:
        return keys.readable()

    return Auth(
        authenticate=partial(Authenticate, keys=keys),
        authorize=partial(RequireScopes, tools=tools, challenge=challenge),
        ready=ready,
        fault=tools.problem,
        expires=keys.expires,
    )


async def check(_: Settings) -> None:
    """The settings have read the keys already."""


def stand_in(missing: Set[str]) -> Mapping[str, str]:
    """Where no key is stored, one is made that lives as long as this process."""
    if "api_keys_file" not in missing:
        return {"Authorization": "Bearer YOUR_KEY"}
    key, stored = make("developer", ["read", "write", *scopes_of_tools(register)])
    os.environ["API_KEYS"] = stored.entry()
    return {"Authorization": f"Bearer {key}"}


def probes() -> Mapping[str, Callable[[str], object]]:
    return {"Without credentials": challenged}
