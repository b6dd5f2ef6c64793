"""Other people's OAuth clients, and a certified identity provider, with rendered, running connectors."""

import base64
import hashlib
import json
import os
import re
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from .browser import log_in, query
from .rendering import ROOT
from .serving import CLIENT, DUVO, NODE, PEERS, Running, access_token, free_port, identity_provider, issued_by, serving
from .test_peers import LEGACY, MODERN, TOOLS, Seen, seen_by_python

Installed = Callable[[Mapping[str, str]], tuple[Path, dict[str, str]]]
Identity = dict[str, str] | None  # a client that the identity provider knows, or None: one that registers itself

ANSWERS = {"auth_mode": "oauth", "hosting": "compose", "source": "blank"}
OPAQUE = {**ANSWERS, "auth_mode": "oauth-introspection"}
WRITING = {**ANSWERS, "source": "rest-api"}
TOOL = TOOLS["blank"]
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
POST = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
AUTHLAB = Path(sys.executable).with_name("mcp-authlab")
FROZEN = pytest.mark.xfail(
    strict=True, reason="it registered for the scopes of the first challenge, and may ask for no more"
)
PAUSE = 30  # seconds that a connector leaves between two looks at an identity provider's keys


class Pair(NamedTuple):
    """A connector and the identity provider that it trusts."""

    connector: Running
    idp: Running


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=[True, False], ids=["registers itself", "registered before"])
def registration(request: pytest.FixtureRequest) -> bool:
    offered: bool = request.param
    return offered


@pytest.fixture(scope="module")
def pair(registration: bool, installed: Installed) -> Iterator[Pair]:
    with identity_provider(registration=registration) as idp, protected(installed, idp) as connector:
        yield Pair(connector, idp)


@contextmanager
def protected(
    installed: Installed, idp: Running, answers: Mapping[str, str] = ANSWERS, **settings: str
) -> Iterator[Running]:
    """A connector that takes tokens of this identity provider."""
    project, env = installed(answers)
    with serving(project, env, **(issued_by(idp) | settings)) as connector:
        yield connector


@pytest.fixture
def identity(registration: bool) -> Identity:
    return None if registration else CLIENT


# ------------------------------------------------------------------------------------------------- clients

Peer = Callable[[Running, Identity, str, Path], Seen]


@dataclass
class Person:
    """What the official Python client keeps of a person, and how it lets them log in."""

    client: OAuthClientInformationFull | None = None
    tokens: OAuthToken | None = None
    logins: list[str] = field(default_factory=list)

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    async def redirect(self, url: str) -> None:
        self.logins.append(await anyio.to_thread.run_sync(log_in, url))

    async def callback(self) -> AuthorizationCodeResult:
        answer = query(self.logins[-1])
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])

    def authenticate(self, url: str) -> OAuthClientProvider:
        metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(callback())], client_name="peer")
        return OAuthClientProvider(url, metadata, self, self.redirect, self.callback)


def person(identity: Identity) -> Person:
    if identity is None:
        return Person()
    known = {**identity, "redirect_uris": [callback()], "token_endpoint_auth_method": "client_secret_basic"}
    return Person(OAuthClientInformationFull.model_validate(known))


def python(connector: Running, identity: Identity, version: str, _: Path) -> Seen:
    async def connect() -> Seen:
        auth = person(identity).authenticate(connector.url)
        async with httpx2.AsyncClient(auth=auth, trust_env=False, timeout=30) as http:
            return await seen_by_python(streamable_http_client(connector.url, http_client=http), TOOL, version)

    return anyio.run(connect)


def typescript_v1(connector: Running, identity: Identity, version: str, home: Path) -> Seen:
    return seen_by_typescript("client-v1.mjs", connector, identity, home)


def typescript_v2(connector: Running, identity: Identity, version: str, home: Path) -> Seen:
    mode = "legacy" if version == LEGACY else {"pin": version}
    return seen_by_typescript("client-v2.mjs", connector, identity, home, mode=mode)


def seen_by_typescript(script: str, connector: Running, identity: Identity, home: Path, **options: object) -> Seen:
    call = {"name": TOOL.name, "arguments": TOOL.arguments}
    login = {"redirect_uri": callback(), "client": identity}
    task = {"url": connector.url, "headers": {}, "tool": call, "login": login, **options}
    seen = node(home, PEERS / script, json.dumps(task))
    return Seen(seen["version"], {tool["name"] for tool in seen["tools"]}, seen["result"]["structuredContent"])


def mcp_remote(connector: Running, identity: Identity, version: str, home: Path) -> Seen:
    """A stdio client, for which mcp-remote is the server; mcp-remote logs in, and remembers that in its folder."""
    bridge = PEERS / "node_modules/mcp-remote/dist/proxy.js"
    arguments = [str(bridge), connector.url, str(free_port()), "--transport", "http-only", "--host", "127.0.0.1"]
    if identity:
        arguments += ["--static-oauth-client-info", json.dumps(identity)]
    server = StdioServerParameters(command=str(NODE), args=arguments, env=environment(home))

    async def connect() -> Seen:
        with (home / "log").open("w") as log:
            return await seen_by_python(stdio_client(server, errlog=log), TOOL, version)

    return anyio.run(connect)


def callback() -> str:
    """A redirect URI of a client on this machine."""
    return f"http://127.0.0.1:{free_port()}/oauth/callback"


def inspector(connector: Running, identity: Identity, version: str, home: Path) -> Seen:
    """Logs in for the list, and remembers that in its folder for the call."""
    program = PEERS / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    era = ["--protocol-era", "legacy" if version == LEGACY else "modern"]
    target = ["--cli", connector.url, "--transport", "http", *era, "--format", "json", "--callback-url", callback()]
    if identity:
        target += ["--client-id", identity["client_id"], "--client-secret", identity["client_secret"]]
    arguments = [f"--tool-arg={name}={value}" for name, value in TOOL.arguments.items()]
    tools = node(home, program, *target, "--method", "tools/list")["result"]["tools"]
    call = ["--method", "tools/call", "--tool-name", TOOL.name, *arguments]
    result = node(home, program, *target, *call)["result"]
    answered = MODERN if "io.modelcontextprotocol/serverInfo" in result.get("_meta", {}) else LEGACY
    return Seen(answered, {tool["name"] for tool in tools}, result["structuredContent"])


def node(home: Path, *command: str | Path) -> Any:
    """The JSON that a program of the peers prints."""
    done = subprocess.run([NODE, *command], env=environment(home), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def environment(home: Path) -> dict[str, str]:
    """Nothing of this machine's settings, a place to write that ends with the test, and a browser."""
    browser = home / "bin/xdg-open"
    browser.parent.mkdir(exist_ok=True)
    run = [sys.executable, "-m", "tests.browser"]
    browser.write_text(f'#!/bin/sh\ncd {shlex.quote(str(ROOT))} && exec {shlex.join(run)} "$1"\n')
    browser.chmod(0o755)
    path = f"{browser.parent}:{os.environ['PATH']}"
    return {"HOME": str(home), "PATH": path, "BROWSER": str(browser), "MCP_AUTO_OPEN_ENABLED": "true"}


@pytest.mark.parametrize(
    ("peer", "version"),
    [
        pytest.param(python, LEGACY, id="Python, handshake"),
        pytest.param(python, MODERN, id="Python, stateless"),
        pytest.param(typescript_v1, LEGACY, id="TypeScript SDK v1"),
        pytest.param(typescript_v2, LEGACY, id="TypeScript client v2, handshake"),
        pytest.param(typescript_v2, MODERN, id="TypeScript client v2, stateless"),
        pytest.param(inspector, LEGACY, id="Inspector, handshake"),
        pytest.param(inspector, MODERN, id="Inspector, stateless"),
        pytest.param(mcp_remote, LEGACY, id="mcp-remote, handshake"),
        pytest.param(mcp_remote, MODERN, id="mcp-remote, stateless"),
    ],
)
def test_a_client_logs_in_lists_the_tools_and_calls_one(
    pair: Pair, identity: Identity, peer: Peer, version: str, tmp_path: Path
) -> None:
    seen = peer(pair.connector, identity, version, tmp_path)
    assert seen.version == version
    assert TOOL.name in seen.tools
    assert seen.result == TOOL.result


@pytest.mark.anyio
@pytest.mark.parametrize(
    "identity",
    [
        pytest.param(None, id="registers itself", marks=FROZEN),
        pytest.param(CLIENT, id="registered before"),
    ],
)
async def test_a_client_asks_for_more_when_a_tool_needs_it(installed: Installed, identity: Identity) -> None:
    with identity_provider() as idp, protected(installed, idp, WRITING) as connector:
        alice = person(identity)
        async with (
            httpx2.AsyncClient(auth=alice.authenticate(connector.url), trust_env=False, timeout=30) as http,
            Client(streamable_http_client(connector.url, http_client=http)) as client,
        ):
            await client.list_tools()
            assert granted(alice) == {"read"}
            result = await client.call_tool("update_record", {"record_id": "2", "changes": {"status": "closed"}})
    assert not result.is_error
    assert granted(alice) == {"read", "write"}
    assert len(alice.logins) == 2


@pytest.mark.anyio
async def test_a_client_goes_on_with_a_new_token_when_its_token_has_expired(installed: Installed) -> None:
    with identity_provider(lifetime=2) as idp, protected(installed, idp) as connector:
        alice = Person()
        async with (
            httpx2.AsyncClient(auth=alice.authenticate(connector.url), trust_env=False, timeout=30) as http,
            Client(streamable_http_client(connector.url, http_client=http)) as client,
        ):
            await client.list_tools()
            first = alice.tokens
            await anyio.sleep(3)
            await client.list_tools()
    assert first
    assert alice.tokens
    assert first.access_token != alice.tokens.access_token
    assert len(alice.logins) == 1


def granted(person: Person) -> set[str]:
    assert person.tokens
    return set((person.tokens.scope or "").split())


@pytest.mark.parametrize("path", ["/", "/realms/acme", "/tenant/"])
def test_an_issuer_is_known_by_exactly_its_name(installed: Installed, path: str, tmp_path: Path) -> None:
    with (
        identity_provider(path=path) as idp,
        protected(installed, idp, OAUTH_ISSUER=f"{idp.origin}{path}") as connector,
    ):
        assert python(connector, None, MODERN, tmp_path).result == TOOL.result
        assert typescript_v1(connector, None, LEGACY, tmp_path).result == TOOL.result
        assert typescript_v2(connector, None, MODERN, tmp_path).result == TOOL.result


# --------------------------------------------------------------------------------------------------- Duvo


def test_duvo_connects(pair: Pair, identity: Identity) -> None:
    methods = ["client_secret_basic", "client_secret_post"] if identity else ["client_secret_basic", "none"]
    for method in methods:
        found = discovered(pair.connector)
        assert ("registration_endpoint" in found.idp) == (identity is None)
        client = known(method) if identity else registered(found, method)
        code, verifier = authorized(found, client)
        tokens = exchanged(found, client, method, code, verifier)
        assert set(tokens["scope"].split()) == {"read"}
        answer = call(pair.connector, tokens["access_token"])
        assert answer.status_code == 200
        assert TOOL.name in answer.text


class Found(NamedTuple):
    """What someone finds who knows a connector's URL only."""

    resource: str
    scope: str
    idp: dict[str, Any]


def discovered(connector: Running) -> Found:
    challenge = httpx2.post(connector.url, json=LIST, headers=POST, trust_env=False).headers["WWW-Authenticate"]
    scheme, _, rest = challenge.partition(" ")
    parameters = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    assert scheme == "Bearer"
    resource = httpx2.get(parameters["resource_metadata"], trust_env=False).raise_for_status().json()
    assert resource["resource"] == connector.url
    issuer = resource["authorization_servers"][0]
    idp = httpx2.get(f"{issuer}/.well-known/openid-configuration", trust_env=False).raise_for_status().json()
    assert idp["issuer"] == issuer
    assert "S256" in idp["code_challenge_methods_supported"]
    return Found(resource["resource"], parameters["scope"], idp)


def known(method: str) -> dict[str, str]:
    """What the owner pastes."""
    return CLIENT if method == "client_secret_basic" else {**CLIENT, "client_id": f"{CLIENT['client_id']}-post"}


def registered(found: Found, method: str) -> dict[str, str]:
    metadata = {"client_name": "Duvo", "redirect_uris": [DUVO], "token_endpoint_auth_method": method}
    answer = httpx2.post(found.idp["registration_endpoint"], json=metadata, trust_env=False)
    assert answer.status_code == 201, answer.text
    client: dict[str, str] = answer.json()
    return client


def authorized(found: Found, client: dict[str, str], **further: str) -> tuple[str, str]:
    """A code, taken from where the browser is sent, and its verifier (RFC 7636)."""
    state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    parameters = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": DUVO,
        "scope": found.scope,
        "state": state,
        "resource": found.resource,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        **further,
    }
    reached = log_in(f"{found.idp['authorization_endpoint']}?{urlencode(parameters)}")
    answer = query(reached)
    assert reached.startswith(f"{DUVO}?")
    assert (answer["state"], answer["iss"]) == (state, found.idp["issuer"])
    return answer["code"], verifier


def exchanged(found: Found, client: dict[str, str], method: str, code: str, verifier: str) -> dict[str, str]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": DUVO,
        "code_verifier": verifier,
        "resource": found.resource,
    }
    auth = None
    if method == "client_secret_basic":
        auth = (client["client_id"], client["client_secret"])
    else:
        form["client_id"] = client["client_id"]
    if method == "client_secret_post":
        form["client_secret"] = client["client_secret"]
    answer = httpx2.post(found.idp["token_endpoint"], data=form, auth=auth, trust_env=False)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


def call(connector: Running, token: str) -> httpx2.Response:
    headers = {**POST, "Authorization": f"Bearer {token}"}
    return httpx2.post(connector.url, json=LIST, headers=headers, trust_env=False, timeout=30)


# ------------------------------------------------------------------------------------------------- tokens


def test_what_is_no_access_token_for_this_connector_is_refused(pair: Pair) -> None:
    found = discovered(pair.connector)
    asked = {"scope": "openid offline_access read write", "prompt": "consent"}
    code, verifier = authorized(found, CLIENT, **asked)
    tokens = exchanged(found, CLIENT, "client_secret_basic", code, verifier)
    other = f"{pair.connector.origin}/other"
    refused = {
        "another resource": access_token(pair.idp.origin, other),
        "a prefix of the resource": access_token(pair.idp.origin, pair.connector.origin),
        "the resource with a slash": access_token(pair.idp.origin, f"{pair.connector.url}/"),
        "ID token": tokens["id_token"],
        "refresh token": tokens["refresh_token"],
        "code": code,
    }
    answers = {name: call(pair.connector, token) for name, token in refused.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(refused, 401)
    for answer in answers.values():
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert call(pair.connector, tokens["access_token"]).status_code == 200


@pytest.mark.xfail(strict=True, reason="its ID tokens have neither nonce nor typ, and no scope is needed")
def test_an_id_token_is_refused_by_a_connector_whose_audience_is_the_client(pair: Pair, installed: Installed) -> None:
    found = discovered(pair.connector)
    code, verifier = authorized(found, CLIENT, scope="openid read")
    tokens = exchanged(found, CLIENT, "client_secret_basic", code, verifier)
    with protected(installed, pair.idp, OAUTH_AUDIENCE=CLIENT["client_id"], OAUTH_SCOPES="") as connector:
        assert call(connector, tokens["id_token"]).status_code == 401


def test_a_connector_survives_its_identity_provider(installed: Installed) -> None:
    port = free_port()
    with ExitStack() as stack:
        with identity_provider(port=port) as idp:
            connector = stack.enter_context(protected(installed, idp))
            used, unused, late = [access_token(idp.origin, connector.url) for _ in range(3)]
            assert call(connector, used).status_code == 200
        assert call(connector, used).status_code == 200
        assert call(connector, unused).status_code == 200
        with identity_provider(port=port):
            new = access_token(idp.origin, connector.url)
            until(lambda: call(connector, new).status_code == 200, PAUSE + 5)
            assert call(connector, late).status_code == 401


def test_an_outage_is_never_taken_for_a_bad_token(installed: Installed) -> None:
    """A client that is answered 401 throws its token away and begins again."""
    with ExitStack() as stack:
        with identity_provider() as idp:
            connector = stack.enter_context(protected(installed, idp))
            token = access_token(idp.origin, connector.url)
        answer = call(connector, token)
        assert answer.status_code == 200 or (answer.status_code == 503 and "Retry-After" in answer.headers)


@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_a_client_with_opaque_tokens_logs_in_and_calls_a_tool(
    installed: Installed, version: str, tmp_path: Path
) -> None:
    with identity_provider(opaque=True) as idp, protected(installed, idp, OPAQUE) as connector:
        assert python(connector, None, version, tmp_path).result == TOOL.result
        assert call(connector, access_token(idp.origin, connector.url)).status_code == 200
        assert call(connector, access_token(idp.origin, f"{connector.origin}/other")).status_code == 401


def until(met: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.5)


# --------------------------------------------------------------------------------------------- mcp-authlab


@pytest.mark.skipif(not AUTHLAB.exists(), reason="mcp-authlab is not installed")
def test_authlab_finds_nothing_wrong(
    installed: Installed, record_property: Callable[[str, object], None], tmp_path: Path
) -> None:
    with identity_provider() as idp, protected(installed, idp, WRITING) as connector:
        authlab(tmp_path, "login", connector.url, "--scope", "read")
        report = json.loads(authlab(tmp_path, "scan", connector.url, "--tool", "update_record", "--format", "json"))
    of: dict[str, list[str]] = {}
    for check in report["results"]:
        of.setdefault(check["status"], []).append(check["id"])
    assert of.keys() <= {"pass", "warn", "skip"}, report
    assert of["warn"] == ["TLS-01"]  # on loopback there is no TLS
    assert set(of["skip"]) == {"ASF-05", "SESS-01", "SESS-02"}  # no refresh tokens without offline_access; no sessions
    record_property("summary", f"mcp-authlab: {len(of['pass'])} passed, grade {report['grade']}")


def authlab(home: Path, *arguments: str) -> str:
    done = subprocess.run([AUTHLAB, *arguments], env=environment(home), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
