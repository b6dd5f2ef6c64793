"""Identity providers that others wrote, each a process on a free port of this machine that ends with its block.

    with glewlwyd(scopes, resources) as provider:
        reached = provider.log_in(authorization_url)

`scopes` are those that clients may ask for, and `resources` the URLs that tokens may be for (RFC 8707).
"""

import gzip
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

from . import browser
from .serving import NODE, PEERS, free_port, started

GLEWLWYD = Path("/usr/bin/glewlwyd")  # Debian's package; its service is not needed
SCHEMA = Path("/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz")  # with a user `admin` and their password
MODULES = Path("/usr/lib/glewlwyd")


@dataclass(frozen=True)
class Provider:
    """An identity provider."""

    issuer: str
    scopes: Sequence[str]
    """Those that clients may ask for."""
    database: Path
    """Where it keeps everything, in SQLite. What is changed there counts at once."""
    log_in: Callable[[str], str] = browser.log_in
    """Like `browser.log_in`."""
    asking: Sequence[str] = ("authorization_code",)
    """Grants of a client that may ask about tokens (RFC 7662)."""

    def change(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database)) as database, database:
            assert database.execute(statement, values).rowcount, f"nothing to change: {statement}"


@contextmanager
def glewlwyd(scopes: Sequence[str], resources: Sequence[str], key: RSAPrivateKey) -> Iterator[Provider]:
    """Glewlwyd, set up by its HTTP API, which signs with this key. Clients register themselves; alice may log in."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log_in = partial(log_in_to_glewlwyd, origin)
        provider = Provider(f"{origin}/api/oidc", scopes, folder / "database", log_in, ("client_credentials",))
        with closing(sqlite3.connect(provider.database)) as database:
            database.executescript(gzip.decompress(SCHEMA.read_bytes()).decode())
        settings = {
            "port": port,
            "bind_address": "127.0.0.1",
            "external_url": origin,
            "login_url": "login.html",
            "api_prefix": "api",
            "log_mode": "console",
            "log_level": "INFO",
            "cookie_secure": 0,
            "admin_scope": "g_admin",
            "profile_scope": "g_profile",
            "hash_algorithm": "SHA512",
            "user_module_path": f"{MODULES}/user",
            "client_module_path": f"{MODULES}/client",
            "user_auth_scheme_module_path": f"{MODULES}/scheme",
            "plugin_module_path": f"{MODULES}/plugin",
        }
        written = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        written.append(f'database = {{ type = "sqlite3", path = "{provider.database}" }}')
        (folder / "settings").write_text("\n".join(written))
        command: list[str | Path] = [GLEWLWYD, "--config-file", folder / "settings"]
        with started(command, {}, folder, origin, f"{origin}/config", {}):
            set_up_glewlwyd(origin, scopes, resources, key)
            yield provider


def set_up_glewlwyd(origin: str, scopes: Sequence[str], resources: Sequence[str], key: RSAPrivateKey) -> None:
    signing = RSAAlgorithm.to_jwk(key, as_dict=True) | {"kid": "first", "alg": "RS256", "use": "sig"}
    plugin = {
        "iss": f"{origin}/api/oidc",
        "jwks-private": json.dumps({"keys": [signing]}),
        "jwks-show": True,
        "allowed-scope": ["openid", *scopes],
        "access-token-duration": 3600,  # seconds; without it, each token is active for none
        "allow-non-oidc": True,  # logins without the scope openid
        "auth-type-code-enabled": True,
        "auth-type-client-enabled": True,
        "auth-type-refresh-enabled": True,
        "pkce-allowed": True,
        "register-client-allowed": True,
        "register-client-auth-scope": [],  # no token is needed for it
        "register-client-credentials-scope": [*scopes],
        "introspection-revocation-allowed": True,
        "introspection-revocation-allow-target-client": True,
        "resource-allowed": True,
        "resource-scope": {scope: [*resources] for scope in scopes},
    }
    alice = {"username": "alice", "password": "a password of alice", "scope": ["g_profile", "openid", *scopes]}
    with httpx2.Client(base_url=f"{origin}/api", trust_env=False) as administrator:

        def send(path: str, content: dict[str, Any]) -> None:
            answer = administrator.post(path, json=content)
            assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"

        send("/auth/", {"username": "admin", "password": "password"})
        for scope in scopes:
            send("/scope/", {"name": scope, "display_name": scope, "password_required": False, "scheme": {}})
        send("/user/", alice)
        send("/mod/plugin/", {"module": "oidc", "name": "oidc", "display_name": "", "parameters": plugin})


def log_in_to_glewlwyd(origin: str, url: str) -> str:
    """Where alice is sent back to, who does by the HTTP API what Glewlwyd's pages, which are scripts, do with it."""
    with httpx2.Client(base_url=f"{origin}/api", trust_env=False) as http:
        asked = browser.query(url)
        login = http.get(url).headers["location"]
        assert "/login.html?" in login, login
        assert http.post("/auth/", json={"username": "alice", "password": "a password of alice"}).status_code == 200
        agreed = http.put(f"/auth/grant/{asked['client_id']}", json={"scope": asked["scope"]})
        assert agreed.status_code == 200, agreed.text
        return urljoin(url, http.get(f"{url}&g_continue").headers["location"])


@contextmanager
def better_auth(scopes: Sequence[str], resources: Sequence[str]) -> Iterator[Provider]:
    """Better Auth with its plugin @better-auth/oauth-provider. Clients register themselves; anyone may log in."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        provider = Provider(f"{origin}/api/auth", scopes, folder / "database")
        task = {"port": port, "database": str(provider.database), "scopes": [*scopes], "resources": [*resources]}
        command: list[str | Path] = [NODE, PEERS / "better-auth.mjs", json.dumps(task)]
        with started(command, {}, folder, origin, f"{origin}/api/auth/ok", {}):
            yield provider
