"""Identity providers that others wrote, with connectors that are set up as a guide says: for any, or their own."""

import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from ..lib.browser import query
from ..lib.providers import GLEWLWYD, Provider, better_auth, glewlwyd
from ..lib.rendering import Answers, Installed
from ..lib.serving import DUVO, Running, free_port, serving, state_store, until
from ..render.test_identity import variables
from ..running.test_peers import LEGACY, MODERN
from .test_oauth_peers import (
    CHANGE,
    PAUSE,
    TOOL,
    Found,
    Person,
    are_refused,
    call,
    exchanged,
    metadata,
    request,
    seen_with,
)

pytestmark = pytest.mark.peers

Guide = dict[str, str]  # the variables that a guide says to set, with the values that it gives

MODES = ("oauth", "oauth-introspection", "oauth-proxy")


def behind(*pairs: tuple[str, str]) -> pytest.MarkDecorator:
    """Runs a test with connectors of these modes, each with the identity provider that is named first."""
    return pytest.mark.parametrize(("provider", "mode"), pairs, indirect=True, ids=map(" ".join, pairs))


def answers(mode: str, name: str = "generic") -> Answers:
    return {"auth_mode": mode, "hosting": "compose", "source": "rest-api", "identity_provider": name}


def guide_of(provider: Provider) -> str:
    """The choice whose guide is followed."""
    return "better-auth" if provider.issuer.endswith("/api/auth") else "generic"


@pytest.fixture(scope="module")
def guides(installed: Installed) -> Callable[..., Guide]:
    def guide(mode: str, name: str = "generic") -> Guide:
        project, _ = installed(answers(mode, name))
        return variables((project / "docs/identity-provider.md").read_text(encoding="utf-8"))

    return guide


@pytest.fixture(scope="module")
def origins() -> dict[str, str]:
    """Where the connector of each mode is, and another one."""
    return {name: f"http://127.0.0.1:{free_port()}" for name in (*MODES, "another")}


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def provider(
    request: pytest.FixtureRequest, guides: Callable[..., Guide], origins: dict[str, str], key: RSAPrivateKey
) -> Iterator[Provider]:
    """Knows the connectors and their scopes: the first two steps of the guide."""
    guide, resources = guides("oauth"), [f"{origin}/mcp" for origin in origins.values()]
    scopes = [*guide["OAUTH_SCOPES"].split(), *guide["OAUTH_WRITE_SCOPES"].split()]
    if request.param == "Glewlwyd" and not GLEWLWYD.exists():
        pytest.skip(f"{GLEWLWYD} is missing: on Debian, apt-get install glewlwyd")
    started = glewlwyd(scopes, resources, key) if request.param == "Glewlwyd" else better_auth(scopes, resources)
    with started as provider:
        yield provider


@pytest.fixture(scope="module")
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def connector(
    installed: Installed, guides: Callable[..., Guide], origins: dict[str, str], provider: Provider, mode: str
) -> Iterator[Running]:
    """Has what its guide says, and only where the guide leaves it open, what the identity provider gave."""
    guide = guides(mode, guide_of(provider))
    origin, settings = origins[mode], guide | {"OAUTH_ISSUER": provider.issuer}
    with ExitStack() as stack:
        if "OAUTH_CLIENT_ID" in settings:
            grants = provider.asking if mode == "oauth-introspection" else ["authorization_code", "refresh_token"]
            own = application(provider, f"{origin}/auth/callback", grants)
            settings |= {"OAUTH_CLIENT_ID": own["client_id"], "OAUTH_CLIENT_SECRET": own["client_secret"]}
        if "STATE_KEY" in settings:
            made = {name: b64encode(secrets.token_bytes(32)).decode() for name in ("STATE_KEY", "SIGNING_KEY")}
            settings |= {"STATE_STORE_URL": stack.enter_context(state_store()).url, **made}
        if mode == "oauth-introspection":
            settings["OAUTH_CACHE_SECONDS"] = "0"
        settings |= {"PORT": origin.rpartition(":")[2], "PUBLIC_URL": origin}
        project, env = installed(answers(mode, guide_of(provider)))
        yield stack.enter_context(serving(project, env, **settings))


def application(
    provider: Provider, redirect_uri: str = DUVO, grants: Sequence[str] = ("authorization_code",)
) -> dict[str, str]:
    """A client with a secret, which registers itself (RFC 7591)."""
    wanted = {
        "client_name": "A client of the test",
        "application_type": "web" if redirect_uri.startswith("https:") else "native",
        "redirect_uris": [redirect_uri],
        "grant_types": [*grants],
        "token_endpoint_auth_method": "client_secret_basic",
    }
    answer = httpx2.post(metadata(provider.issuer)["registration_endpoint"], json=wanted, trust_env=False)
    assert answer.is_success, answer.text
    client: dict[str, str] = answer.json()
    return client


def token(provider: Provider, resource: str) -> str:
    """What a client of alice's gets that names this resource, with every scope."""
    client, verifier = application(provider), secrets.token_urlsafe(48)
    found = Found(resource, " ".join(provider.scopes), metadata(provider.issuer))
    asked = urlencode(request(found, client, "state", verifier))
    code = query(provider.log_in(f"{found.idp['authorization_endpoint']}?{asked}"))["code"]
    return exchanged(found, client, "client_secret_basic", code, verifier)["access_token"]


every_working_pair = behind(
    ("Glewlwyd", "oauth"),
    ("Better Auth", "oauth"),
    ("Better Auth", "oauth-introspection"),
    ("Better Auth", "oauth-proxy"),
)


@every_working_pair
@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_a_client_registers_itself_logs_in_lists_the_tools_and_calls_two(
    provider: Provider, connector: Running, version: str
) -> None:
    alice = Person(log_in=provider.log_in)
    seen = seen_with(alice.authenticate(connector.url), connector, version)
    assert seen.version == version
    assert {TOOL.name, CHANGE.name} <= seen.tools
    assert seen.result == TOOL.result
    assert seen_with(alice.authenticate(connector.url), connector, version, CHANGE).result == CHANGE.result
    assert len(alice.logins) == 1


@behind(("Glewlwyd", "oauth"), ("Better Auth", "oauth"), ("Better Auth", "oauth-introspection"))
def test_a_token_for_another_connector_is_refused(
    provider: Provider, connector: Running, origins: dict[str, str]
) -> None:
    own, foreign = (token(provider, f"{origin}/mcp") for origin in (connector.origin, origins["another"]))
    assert call(connector, own).status_code == 200
    are_refused(connector, {"another connector's": foreign})


@behind(("Glewlwyd", "oauth"))
def test_a_token_that_has_expired_is_refused(provider: Provider, connector: Running, key: RSAPrivateKey) -> None:
    given = token(provider, connector.url)
    claims: dict[str, Any] = jwt.decode(given, options={"verify_signature": False})

    def issued(**times: int) -> str:
        return jwt.encode({**claims, **times}, key, "RS256", jwt.get_unverified_header(given))

    hour = 3600
    assert claims["exp"] - claims["iat"] == hour
    old = {name: claims[name] - 2 * hour for name in ("iat", "nbf", "exp")}
    assert call(connector, issued(iat=claims["iat"] - 1)).status_code == 200
    are_refused(connector, {"an old one": issued(**old)})


@behind(("Glewlwyd", "oauth-introspection"))
def test_the_log_says_that_a_provider_may_not_let_the_connector_ask_about_a_token(
    provider: Provider, connector: Running
) -> None:
    """Of the tokens of other clients, Glewlwyd says what it says of made-up ones."""
    one, other = (application(provider, grants=provider.asking) for _ in range(2))
    of_one = issued_to(provider, one, connector.url)
    assert (is_active(provider, of_one, one), is_active(provider, of_one, other)) == (True, False)
    are_refused(connector, {"of alice's client": token(provider, connector.url)})
    words = "it is not active, or its provider does not let this client ask about it"
    until(lambda: words in connector.log.read_text())  # the line comes after the answer


def issued_to(provider: Provider, client: dict[str, str], resource: str) -> str:
    """A token for this resource that stands for a client itself (RFC 6749 §4.4)."""
    asked = {"grant_type": "client_credentials", "resource": resource, "scope": " ".join(provider.scopes)}
    answer = httpx2.post(metadata(provider.issuer)["token_endpoint"], data=asked, auth=known(client), trust_env=False)
    assert answer.status_code == 200, answer.text
    given: str = answer.json()["access_token"]
    return given


def is_active(provider: Provider, given: str, client: dict[str, str]) -> bool:
    """What a provider says of a token to this client (RFC 7662)."""
    asked = metadata(provider.issuer)["introspection_endpoint"]
    answer = httpx2.post(asked, data={"token": given}, auth=known(client), trust_env=False)
    active: bool = answer.raise_for_status().json()["active"]
    return active


def known(client: dict[str, str]) -> tuple[str, str]:
    return client["client_id"], client["client_secret"]


@behind(("Better Auth", "oauth-introspection"))
def test_who_is_logged_out_at_the_provider_is_refused_at_once(provider: Provider, connector: Running) -> None:
    given = token(provider, connector.url)
    assert call(connector, given).status_code == 200
    provider.change("DELETE FROM session")
    are_refused(connector, {"of an ended login": given})


@behind(("Better Auth", "oauth"))
def test_other_keys_of_another_kind_need_no_restart(provider: Provider, connector: Running) -> None:
    before = token(provider, connector.url)
    assert jwt.get_unverified_header(before)["alg"] == "EdDSA"
    assert call(connector, before).status_code == 200
    provider.change("UPDATE oauthResource SET signingAlgorithm = 'RS256' WHERE identifier = ?", connector.url)
    after = token(provider, connector.url)
    assert jwt.get_unverified_header(after)["alg"] == "RS256"
    until(lambda: call(connector, after).status_code == 200, PAUSE + 5)
    assert call(connector, before).status_code == 200
