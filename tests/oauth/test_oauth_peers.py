"""Other people's OAuth clients, and a certified identity provider, with rendered, running connectors."""

import base64
import json
import os
import re
import secrets
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
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

from ..lib.browser import challenge, log_in, query
from ..lib.oauth import MODES, Pair, both, protected
from ..lib.rendering import ROOT, Installed
from ..lib.serving import CLIENT, DUVO, NODE, PEERS, Running, access_token, free_port, identity_provider, started, until
from ..running.test_peers import LEGACY, MODERN, TOOLS, Seen, Tool, every_client, node, seen_by_python

pytestmark = pytest.mark.peers

Identity = dict[str, str] | None  # a client that is known already, or None: one that registers itself

TOOL = TOOLS["rest-api"]
CHANGE = Tool(
    "update_record",
    {"record_id": "3", "changes": {"status": "closed"}},  # a record that TOOL does not find
    {"id": "3", "name": "Edsger Dijkstra", "status": "closed"},
)
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
POST = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
CADDY = Path(sys.executable).with_name("caddy")
AUTHORITY = "caddy/pki/authorities/local/root.crt"  # of the certificates that Caddy makes, below XDG_DATA_HOME
PAUSE = 10  # seconds that a connector leaves between two looks at an identity provider's keys
REGISTERS, REGISTERED = (pytest.param(True, id="registers itself"), pytest.param(False, id="registered before"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=[REGISTERS, REGISTERED])
def registration(request: pytest.FixtureRequest) -> bool:
    offered: bool = request.param
    return offered


@pytest.fixture(scope="module")
def pair(mode: str, registration: bool, installed: Installed) -> Iterator[Pair]:
    """Shared by all tests of a mode and a way to be registered, as most of their time is its start."""
    with both(installed, mode, registration=registration) as pair:
        yield pair


@pytest.fixture
def identity(registration: bool) -> Identity:
    return None if registration else CLIENT


# ------------------------------------------------------------------------------------------------- clients

Peer = Callable[..., Seen]  # of a connector, an identity, a version, a home and, unless it is the usual one, a tool


@dataclass
class Person:
    """What the official Python client keeps of a user, and how it lets them log in.

    `first` are the scopes that they allow at their first login, if not all that are asked for.
    `log_in` is their browser, and what they do there.
    """

    first: str = ""
    log_in: Callable[[str], str] = log_in
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
        if self.first and not self.logins:
            url = re.sub(r"\bscope=[^&]*", f"scope={self.first}", url)
        self.logins.append(await anyio.to_thread.run_sync(self.log_in, url))

    async def callback(self) -> AuthorizationCodeResult:
        answer = query(self.logins[-1])
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))

    def authenticate(self, url: str) -> OAuthClientProvider:
        metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(callback())], client_name="peer")
        return OAuthClientProvider(url, metadata, self, self.redirect, self.callback)


def person(identity: Identity) -> Person:
    if identity is None:
        return Person()
    known = {**identity, "redirect_uris": [callback()], "token_endpoint_auth_method": "client_secret_basic"}
    return Person(client=OAuthClientInformationFull.model_validate(known))


def python(connector: Running, identity: Identity, version: str, _: Path, tool: Tool = TOOL) -> Seen:
    return seen_with(person(identity).authenticate(connector.url), connector, version, tool)


def seen_with(auth: OAuthClientProvider, connector: Running, version: str, tool: Tool = TOOL) -> Seen:
    async def connect() -> Seen:
        async with httpx2.AsyncClient(auth=auth, trust_env=False, timeout=30) as http:
            return await seen_by_python(streamable_http_client(connector.url, http_client=http), tool, version)

    return anyio.run(connect)


def typescript_v1(connector: Running, identity: Identity, version: str, home: Path, tool: Tool = TOOL) -> Seen:
    return seen_by_typescript("client-v1.mjs", connector, identity, home, tool)


def typescript_v2(connector: Running, identity: Identity, version: str, home: Path, tool: Tool = TOOL) -> Seen:
    mode = "legacy" if version == LEGACY else {"pin": version}
    return seen_by_typescript("client-v2.mjs", connector, identity, home, tool, mode=mode)


def seen_by_typescript(
    script: str, connector: Running, identity: Identity, home: Path, tool: Tool, **options: object
) -> Seen:
    call = {"name": tool.name, "arguments": tool.arguments}
    login = {"redirect_uri": callback(), "client": identity}
    task = {"url": connector.url, "headers": {}, "tool": call, "login": login, **options}
    seen = node(environment(home), PEERS / script, json.dumps(task))
    return Seen(seen["version"], {tool["name"] for tool in seen["tools"]}, seen["result"]["structuredContent"])


def mcp_remote(connector: Running, identity: Identity, version: str, home: Path, tool: Tool = TOOL) -> Seen:
    """A stdio client, for which mcp-remote is the server; mcp-remote logs in, and remembers that in its folder."""
    bridge = PEERS / "node_modules/mcp-remote/dist/proxy.js"
    arguments = [str(bridge), connector.url, str(free_port()), "--transport", "http-only", "--host", "127.0.0.1"]
    if identity:
        arguments += ["--static-oauth-client-info", json.dumps(identity)]
    server = StdioServerParameters(command=str(NODE), args=arguments, env=environment(home))

    async def connect() -> Seen:
        with (home / "log").open("w") as log:
            return await seen_by_python(stdio_client(server, errlog=log), tool, version)

    return anyio.run(connect)


def callback() -> str:
    """A redirect URI of a client on this machine."""
    return f"http://127.0.0.1:{free_port()}/oauth/callback"


def inspector(connector: Running, identity: Identity, version: str, home: Path, tool: Tool = TOOL) -> Seen:
    """Logs in for the list, and remembers that in its folder for the call."""
    program = PEERS / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    era = ["--protocol-era", "legacy" if version == LEGACY else "modern"]
    target = ["--cli", connector.url, "--transport", "http", *era, "--format", "json", "--callback-url", callback()]
    if identity:
        target += ["--client-id", identity["client_id"], "--client-secret", identity["client_secret"]]
    arguments = [f"--tool-arg={name}={json.dumps(value)}" for name, value in tool.arguments.items()]
    tools = node(environment(home), program, *target, "--method", "tools/list")["result"]["tools"]
    call = ["--method", "tools/call", "--tool-name", tool.name, *arguments]
    result = node(environment(home), program, *target, *call)["result"]
    answered = MODERN if "io.modelcontextprotocol/serverInfo" in result.get("_meta", {}) else LEGACY
    return Seen(answered, {tool["name"] for tool in tools}, result["structuredContent"])


def environment(home: Path) -> dict[str, str]:
    """Nothing of this machine's settings, a place to write that ends with the test, and a browser."""
    browser = home / "bin/xdg-open"
    browser.parent.mkdir(exist_ok=True)
    run = [sys.executable, "-m", "tests.lib.browser"]
    browser.write_text(f'#!/bin/sh\ncd {shlex.quote(str(ROOT))} && exec {shlex.join(run)} "$@"\n')
    browser.chmod(0o755)
    path = f"{browser.parent}:{os.environ['PATH']}"
    return {"HOME": str(home), "PATH": path, "BROWSER": str(browser), "MCP_AUTO_OPEN_ENABLED": "true"}


@pytest.fixture
def tool(registration: bool) -> Tool:
    """One that changes things for a client that registers itself: it might be let ask for less than it needs."""
    return CHANGE if registration else TOOL


@every_client(python, typescript_v1, typescript_v2, inspector, mcp_remote)
def test_a_client_logs_in_lists_the_tools_and_calls_one(
    pair: Pair, identity: Identity, peer: Peer, version: str, tmp_path: Path, tool: Tool
) -> None:
    seen = peer(pair.connector, identity, version, tmp_path, tool)
    assert seen.version == version
    assert {TOOL.name, CHANGE.name} <= seen.tools
    assert seen.result == tool.result


@pytest.mark.anyio
@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_a_client_asks_for_more_when_a_tool_needs_it(pair: Pair, identity: Identity, version: str) -> None:
    alice = person(identity)
    alice.first = "read"
    async with connected(alice, pair.connector, version) as client:
        await client.list_tools()
        assert granted(alice) == {"read"}
        result = await client.call_tool(CHANGE.name, CHANGE.arguments)
    assert not result.is_error
    assert granted(alice) - {"offline_access"} == {"read", "write"}
    assert len(alice.logins) == 2


@pytest.mark.anyio
async def test_a_client_goes_on_with_a_new_token_when_its_token_has_expired(installed: Installed, mode: str) -> None:
    alice = Person()
    # An identity provider may give refresh tokens only to those who are asked whether they agree.
    settings = {"OAUTH_AUTHORIZE_PARAMS": "prompt=consent"} if mode == "oauth-proxy" else {}
    with both(installed, mode, lifetime=2, settings=settings) as pair:
        async with connected(alice, pair.connector, MODERN) as client:
            await client.list_tools()
            first = alice.tokens
            await anyio.sleep(3)
            await client.list_tools()
    assert first
    assert alice.tokens
    assert first.access_token != alice.tokens.access_token
    assert len(alice.logins) == 1


@asynccontextmanager
async def connected(alice: Person, connector: Running, version: str) -> AsyncIterator[Client]:
    auth = alice.authenticate(connector.url)
    async with (
        httpx2.AsyncClient(auth=auth, trust_env=False, timeout=30) as http,
        Client(
            streamable_http_client(connector.url, http_client=http),
            mode="legacy" if version == LEGACY else "2026-07-28",
        ) as client,
    ):
        yield client


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


# ------------------------------------------------------------------------- client ID metadata documents


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the origin that serves it over HTTPS; its authority is `tmp_path / AUTHORITY`."""
    port, probe = free_port(), f"http://127.0.0.1:{free_port()}"
    folder = tmp_path / "documents"
    folder.mkdir()
    settings = tmp_path / "Caddyfile"
    settings.write_text(f"""
{{
    admin off
    auto_https disable_redirects
    default_bind 127.0.0.1
    local_certs
    skip_install_trust
}}
https://localhost:{port} {{
    root * {folder}
    file_server
}}
{probe} {{
    respond 200
}}
""")
    command: list[str | Path] = [CADDY, "run", "--config", settings, "--adapter", "caddyfile"]
    env = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    with started(command, env, tmp_path, f"https://localhost:{port}", probe, {}) as caddy:
        yield folder, caddy.origin


def test_a_client_is_known_by_the_url_of_its_metadata(
    installed: Installed, documents: tuple[Path, str], tmp_path: Path
) -> None:
    folder, origin = documents
    client = OAuthClientMetadata(redirect_uris=[AnyUrl(callback())], token_endpoint_auth_method="none")
    described = {**client.model_dump(mode="json", exclude_none=True), "client_id": f"{origin}/client.json"}
    (folder / "client.json").write_text(json.dumps({**described, "application_type": "native"}))
    alice = Person()
    with (
        identity_provider(registration=False, authority=tmp_path / AUTHORITY) as idp,
        protected(installed, idp) as connector,
    ):
        auth = OAuthClientProvider(
            connector.url, client, alice, alice.redirect, alice.callback, f"{origin}/client.json"
        )
        seen = seen_with(auth, connector, MODERN)
        claims = payload(alice)
    assert seen.result == TOOL.result
    assert claims["client_id"] == f"{origin}/client.json"


def payload(person: Person) -> Any:
    """What a token says, whoever signed it."""
    assert person.tokens
    part = person.tokens.access_token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


# --------------------------------------------------------------------------------------------------- Duvo


class Found(NamedTuple):
    """What someone finds who knows a connector's URL only."""

    resource: str
    scope: str
    idp: dict[str, Any]


@pytest.mark.parametrize("registration", [REGISTERS], indirect=True)
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_duvo_registers_itself_and_connects(pair: Pair, mode: str, method: str) -> None:
    """With the method that the answer names: a proxied connector gives no secrets, as it needs none."""
    found = discovered(pair.connector)
    client = registered(found, method)
    given = client["token_endpoint_auth_method"]
    assert given == ("none" if mode == "oauth-proxy" else method)
    connects(pair, found, client, given)


@pytest.mark.parametrize("registration", [REGISTERED], indirect=True)
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_duvo_connects_with_the_id_and_secret_that_its_owner_pastes(pair: Pair, mode: str, method: str) -> None:
    found = discovered(pair.connector)
    assert ("registration_endpoint" in found.idp) == (mode == "oauth-proxy")
    connects(pair, found, CLIENT if mode == "oauth-proxy" else known(method), method)


@pytest.mark.parametrize(("mode", "registration"), [("oauth-proxy", False)], indirect=True)
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_of_a_proxied_client_that_is_known_any_secret_is_ignored(pair: Pair, method: str) -> None:
    """The secret is between the connector and the identity provider; PKCE protects the client."""
    connects(pair, discovered(pair.connector), {**CLIENT, "client_secret": "anything"}, method)


@pytest.mark.parametrize(("mode", "registration"), [("oauth-proxy", False)], indirect=True)
def test_a_proxied_connector_sends_people_back_to_exactly_duvos_uri(pair: Pair) -> None:
    found = discovered(pair.connector)
    for uri in (f"{DUVO}/", f"{DUVO}?next=1", f"{DUVO}x", DUVO.replace("https", "http"), DUVO.rpartition("/")[0]):
        metadata = {"client_name": "Duvo", "redirect_uris": [uri]}
        answer = httpx2.post(found.idp["registration_endpoint"], json=metadata, trust_env=False)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri"), uri
        asked = {**request(found, CLIENT, "state", "verifier"), "redirect_uri": uri}
        answer = httpx2.get(f"{found.idp['authorization_endpoint']}?{urlencode(asked)}", trust_env=False)
        assert (answer.status_code, "location" in answer.headers) == (400, False), uri


@pytest.mark.parametrize(("mode", "registration"), [("oauth-proxy", False)], indirect=True)
def test_a_proxied_connectors_code_is_good_for_the_uri_that_it_was_sent_to_alone(pair: Pair) -> None:
    found = discovered(pair.connector)
    code, verifier = authorized(found, CLIENT)
    form = {"grant_type": "authorization_code", "client_id": CLIENT["client_id"], "code": code}
    form |= {"code_verifier": verifier, "redirect_uri": f"{DUVO}/"}
    answer = httpx2.post(found.idp["token_endpoint"], data=form, trust_env=False)
    assert (answer.status_code, "access_token" in answer.json()) == (400, False)


def connects(pair: Pair, found: Found, client: dict[str, str], method: str) -> None:
    code, verifier = authorized(found, client)
    tokens = exchanged(found, client, method, code, verifier)
    assert set(tokens["scope"].split()) == {"read", "write"}
    answer = call(pair.connector, tokens["access_token"])
    assert answer.status_code == 200
    assert TOOL.name in answer.text


def discovered(connector: Running) -> Found:
    challenge = httpx2.post(connector.url, json=LIST, headers=POST, trust_env=False).headers["WWW-Authenticate"]
    scheme, _, rest = challenge.partition(" ")
    parameters = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    assert scheme == "Bearer"
    resource = httpx2.get(parameters["resource_metadata"], trust_env=False).raise_for_status().json()
    assert resource["resource"] == connector.url
    issuer = resource["authorization_servers"][0]
    idp = metadata(issuer)
    assert idp["issuer"] == issuer
    assert "S256" in idp["code_challenge_methods_supported"]
    return Found(resource["resource"], parameters["scope"], idp)


def metadata(issuer: str) -> Any:
    """What an issuer says of itself, looked for as clients do: by RFC 8414, and then by OpenID Connect Discovery."""
    for name in ("oauth-authorization-server", "openid-configuration"):
        answer = httpx2.get(f"{issuer}/.well-known/{name}", trust_env=False)
        if answer.status_code == 200:
            return answer.json()
    raise AssertionError(f"{issuer} has no metadata")


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
    parameters = {**request(found, client, state, verifier), **further}
    reached = log_in(f"{found.idp['authorization_endpoint']}?{urlencode(parameters)}")
    answer = query(reached)
    assert reached.startswith(f"{DUVO}?")
    assert (answer["state"], answer["iss"]) == (state, found.idp["issuer"])
    return answer["code"], verifier


def request(found: Found, client: dict[str, str], state: str, verifier: str) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": DUVO,
        "scope": found.scope,
        "state": state,
        "resource": found.resource,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }


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


@pytest.mark.parametrize(("mode", "registration"), [("oauth", False), ("oauth-introspection", False)], indirect=True)
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
    are_refused(pair.connector, refused)
    assert call(pair.connector, tokens["access_token"]).status_code == 200


@pytest.mark.parametrize(("mode", "registration"), [("oauth-proxy", False)], indirect=True)
def test_tokens_of_the_identity_provider_are_refused_by_a_proxied_connector(pair: Pair) -> None:
    """They are the connector's own: whoever has one of another client must not get in with it."""
    idp = Found("", "openid", metadata(pair.idp.origin))  # as the connector itself asks: for no resource
    tokens = exchanged(idp, CLIENT, "client_secret_basic", *authorized(idp, CLIENT))
    service = access_token(pair.idp.origin, pair.connector.url)
    refused = {"access token": tokens["access_token"], "ID token": tokens["id_token"], "client credentials": service}
    are_refused(pair.connector, refused)


def are_refused(connector: Running, tokens: Mapping[str, str]) -> None:
    answers = {name: call(connector, token) for name, token in tokens.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(tokens, 401)
    for answer in answers.values():
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("mode", "registration"), [("oauth", False)], indirect=True)
def test_an_id_token_is_refused_by_a_connector_whose_audience_is_the_client(pair: Pair, installed: Installed) -> None:
    found = discovered(pair.connector)
    code, verifier = authorized(found, CLIENT, scope="openid read")
    tokens = exchanged(found, CLIENT, "client_secret_basic", code, verifier)
    with protected(installed, pair.idp, OAUTH_AUDIENCE=CLIENT["client_id"], OAUTH_SCOPES="") as connector:
        assert call(connector, tokens["id_token"]).status_code == 401
        assert "OAUTH_SCOPES is empty" in connector.log.read_text()
    assert "OAUTH_SCOPES is empty" not in pair.connector.log.read_text()


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
