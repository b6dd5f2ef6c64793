"""What `dev` puts in the place of an identity provider and of a store: both on this machine."""

import functools
import os
import secrets
import socket
import sys
import threading
import time
from base64 import b64encode
from typing import TYPE_CHECKING

import uvicorn

from .state import FOLDER

if TYPE_CHECKING:
    from .dev_idp import Provider


@functools.cache
def identity_provider() -> "Provider":
    """A running development identity provider; it ends with this process."""
    try:
        from .dev_idp import Provider, create_idp
    except ModuleNotFoundError:
        sys.exit("The image has no development identity provider. Use `serve`, or run `dev` from the source.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    provider = Provider(f"http://127.0.0.1:{port}", "", ["openid", "email"])
    connector = {"client_name": "This connector", "redirect_uris": ["http://127.0.0.1/auth/callback"]}
    provider.clients["developer"] = {**connector, "client_id": "developer"}
    server = uvicorn.Server(uvicorn.Config(create_idp(provider), port=port, log_config=None))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
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
