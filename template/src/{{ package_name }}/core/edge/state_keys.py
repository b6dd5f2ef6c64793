"""Keys that protect the state of a question to the user (`requestState`, MCP 2026-07-28).

When a tool asks the user a question, its request ends, and a later request continues the call. The client keeps the
sealed state in between. Any replica may get the later request, so all replicas need the same keys.
"""

import json
import secrets
from collections.abc import Callable

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import principal_components
from mcp.server.request_state import RequestStateSecurity

from ...settings import Settings
from ..fields import LEAST

UNSET = (
    "REQUEST_STATE_KEYS is not set: if a tool asks the user a question, only this process accepts the answer; "
    "other replicas, and this one after a restart, refuse it. docs/deploy.md says how to set a key"
)


def new_key() -> str:
    return secrets.token_urlsafe(LEAST)


def token_owner() -> tuple[str | None, ...] | None:
    """The user and client of this request's access token; a token without a subject counts as its own user."""
    token = get_access_token()
    if token is None:
        return None
    return *principal_components(token), None if token.subject else token.token


def request_state(settings: Settings, caller: Callable[[], object] = token_owner) -> RequestStateSecurity:
    """How to seal states: for this connector and one caller. Without keys in the settings, for this process only.

    `caller` returns the identity of the current caller, in JSON types. Only that caller can use the state.
    """
    keys = [key.get_secret_value() for key in settings.request_state_keys]
    return RequestStateSecurity(
        keys=keys or [new_key()],
        bind_principal=lambda _: json.dumps(caller(), sort_keys=True),
        audience=settings.public_url,
    )
