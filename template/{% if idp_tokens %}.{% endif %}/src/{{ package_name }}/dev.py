"""What `dev` puts in the place of an identity provider: one on this machine."""

import functools
import os
import sys
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import SettingsError

from .settings import Settings

if TYPE_CHECKING:
    from .dev_idp import Provider

AUDIENCE = "connector-on-this-machine"
SCOPES = ["read", "write"]


@functools.cache
def identity_provider() -> "Provider":
    """A running development identity provider; it ends with this process."""
    try:
        from .dev_idp import start
    except ModuleNotFoundError:
        sys.exit("The image has no development identity provider. Use `serve`, or run `dev` from the source.")
    return start(AUDIENCE, SCOPES)


def credentials(missing: set[str]) -> dict[str, str]:
    """Headers for a caller's requests. Where no issuer is set, one is started, and a token of its taken."""
    if "oauth_issuer" not in missing:
        return {"Authorization": "Bearer YOUR_TOKEN"}
    provider = identity_provider()
    os.environ |= {"OAUTH_ISSUER": provider.issuer, "OAUTH_AUDIENCE": AUDIENCE, **provider.tokens.settings}
    provider.scopes = needed_scopes() or SCOPES
    return {"Authorization": f"Bearer {provider.issue(scope=' '.join(provider.scopes))}"}


def needed_scopes() -> list[str]:
    """Those that are set for this connector, if any are."""
    try:
        settings = Settings()
    except (ValidationError, SettingsError):
        return []  # the command says what is wrong
    return [*settings.oauth_scopes, *settings.oauth_write_scopes]
