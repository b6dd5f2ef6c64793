"""The identity provider that `dev` and the tests use if none is set: one on this machine."""

import functools
import os
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_settings import SettingsError

from ...settings import Settings
from ...tools import register
from ..auth.scopes import EVERYONE
from ..auth.tool_scopes import scopes_of_tools
from .idp import Provider, start

AUDIENCE = "connector-on-this-machine"
SCOPES = ["read", "write"]


@functools.cache
def identity_provider() -> Provider:
    """A running development identity provider; it ends with this process."""
    return start(AUDIENCE, SCOPES)


def credentials() -> Mapping[str, str]:
    """Headers for a caller's requests, with a token of that provider, and the settings that accept it."""
    provider = identity_provider()
    os.environ |= {"OAUTH_ISSUER": provider.issuer, "OAUTH_AUDIENCE": AUDIENCE, **provider.tokens.settings}
    provider.scopes = needed_scopes()
    return {"Authorization": f"Bearer {provider.issue(scope=' '.join(provider.scopes))}"}


def needed_scopes() -> list[str]:
    """Every scope that any call requires. If OAUTH_WRITE_SCOPES is not set, this sets it to `write`."""
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    try:
        settings = Settings()
        read, write = settings.oauth_scopes, settings.oauth_write_scopes
    except ValidationError as error:
        if any(problem["type"] != "missing" for problem in error.errors()):
            return SCOPES  # load() reports what is wrong
    except SettingsError:
        return SCOPES
    if not write:
        write = ("write",)
        os.environ["OAUTH_WRITE_SCOPES"] = "write"
    needed = [*(read or ("read",)), *write, *scopes_of_tools(register)]
    return [scope for scope in dict.fromkeys(needed) if scope != EVERYONE]
