"""What `dev` puts in the place of an identity provider and of a store: both on this machine."""

import functools
import os
import secrets
import sys
from base64 import b64encode
from typing import TYPE_CHECKING

from .state import FOLDER

if TYPE_CHECKING:
    from .dev_idp import Provider


@functools.cache
def identity_provider() -> "Provider":
    """A running development identity provider; it ends with this process."""
    try:
        from .dev_idp import start
    except ModuleNotFoundError:
        sys.exit("The image has no development identity provider. Use `serve`, or run `dev` from the source.")
    provider = start("", ["openid", "email"])
    connector = {"client_name": "This connector", "redirect_uris": ["http://127.0.0.1/auth/callback"]}
    provider.clients["developer"] = {**connector, "client_id": "developer"}
    return provider


def credentials(missing: set[str]) -> dict[str, str]:
    """No headers: a caller logs in, as the proxy alone issues tokens. What is not set is chosen here."""
    if "oauth_client_id" in missing:
        provider = identity_provider()
        os.environ |= {"OAUTH_ISSUER": provider.issuer, **provider.tokens.settings}
    if "oauth_allowed_users" in missing:
        os.environ["OAUTH_ALLOWED_USERS"] = "*"
    for name in {"state_key", "signing_key"} & missing:
        os.environ[name.upper()] = remembered_key(name)
    return {}


def remembered_key(name: str) -> str:
    """A key that was made at the first start, so that logins outlive a restart."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    file = FOLDER / name
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(b64encode(secrets.token_bytes(32)).decode(), encoding="utf-8")
    return file.read_text(encoding="utf-8")
