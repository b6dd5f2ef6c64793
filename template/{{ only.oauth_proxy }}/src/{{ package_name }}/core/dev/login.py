"""What `dev` and the tests use in the place of an identity provider and of a store: both on this machine."""

import functools
import os
import secrets
from base64 import b64encode
from collections.abc import Set

from ..auth.state import FOLDER
from .idp import Provider, start


@functools.cache
def identity_provider() -> Provider:
    """A running development identity provider; it ends with this process."""
    provider = start("", ["openid", "email"])
    connector = {"client_name": "This connector", "redirect_uris": ["http://127.0.0.1/auth/callback"]}
    provider.clients["developer"] = {**connector, "client_id": "developer"}
    return provider


def replace(missing: Set[str]) -> None:
    """Set what is missing: the client at that provider, who may call, and keys."""
    if "oauth_client_id" in missing:
        provider = identity_provider()
        os.environ |= {"OAUTH_ISSUER": provider.issuer, **provider.tokens.settings}
    if "oauth_allowed_users" in missing:
        os.environ["OAUTH_ALLOWED_USERS"] = "*"
    for name in {"state_key", "signing_key"} & missing:
        os.environ[name.upper()] = remembered_key(name)


def remembered_key(name: str) -> str:
    """A key that was made at the first start, so that logins outlive a restart."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    file = FOLDER / name
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(b64encode(secrets.token_bytes(32)).decode(), encoding="utf-8")
    return file.read_text(encoding="utf-8")
