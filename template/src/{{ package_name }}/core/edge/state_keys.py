"""What keeps a question to the user whole while the client holds its state (`requestState`, MCP 2026-07-28).

A tool that asks the user ends its request and goes on in a later one, which any replica may get. The client carries the
state in between, sealed, so every replica needs the same keys.
"""

import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import principal_components
from mcp.server.request_state import RequestStateSecurity
from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode

if TYPE_CHECKING:
    from ...settings import Settings

LEAST = 32  # bytes of text in a key

UNSET = (
    "REQUEST_STATE_KEYS is not set: when a tool asks the user a question, only this process can take the answer; "
    "another replica, or this one after a restart, refuses it. docs/deploy.md says how to set a key"
)


def state_keys(value: object) -> object:
    """Keys separated by commas; blanks around them and empty places do not count."""
    if not isinstance(value, str):
        return value
    keys = [key.strip() for key in value.split(",") if key.strip()]
    for number, key in enumerate(keys, 1):
        if not key.isascii() and key != key.encode(errors="replace").decode():
            raise ValueError("must be UTF-8 text")
        if len(key.encode()) < LEAST:
            raise ValueError(
                f"must have keys of at least {LEAST} bytes, and key {number} of {len(keys)} is shorter; "
                "make one with: openssl rand -base64 32"
            )
    if len(set(keys)) < len(keys):
        raise ValueError("must name each key once, and one is there twice")
    return tuple(keys)


def new_key() -> str:
    return secrets.token_urlsafe(LEAST)


def token_owner() -> tuple[str | None, ...] | None:
    """Whose access token this request came with; a token that names nobody stands for itself."""
    token = get_access_token()
    if token is None:
        return None
    return *principal_components(token), None if token.subject else token.token


def request_state(settings: "Settings", caller: Callable[[], object] = token_owner) -> RequestStateSecurity:
    """Seals a state for this connector and this caller; without keys in the settings, for this process alone.

    `caller` says in JSON's types who sends the request that is answered: nobody else can use the state.
    """
    keys = [key.get_secret_value() for key in settings.request_state_keys]
    return RequestStateSecurity(
        keys=keys or [new_key()],
        bind_principal=lambda _: json.dumps(caller(), sort_keys=True),
        audience=settings.public_url,
    )


StateKeys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(state_keys)]
