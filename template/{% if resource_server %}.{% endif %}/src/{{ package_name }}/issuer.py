"""The issuer: where its endpoints are, and how its tokens word who calls."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import httpx2
from mcp.server.auth.provider import AccessToken
from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

if TYPE_CHECKING:
    from .settings import Settings

LEEWAY = 5  # seconds of clock skew, for `exp` and `nbf`
LONGEST = 16 * 1024  # characters of a token
# ID, refresh and logout tokens are meant for others; one bound to a key is no bearer token (RFC 9449, RFC 8705).
OTHER_KINDS = {"id", "id_token", "refresh", "refresh_token", "offline", "logout", "dpop"}
OTHER_CLAIMS = {"nonce", "at_hash", "c_hash", "s_hash", "cnf"}


class IssuerUnavailable(Exception):
    """Nobody can be asked whether a token is good; the message says why."""


class IssuerMismatch(Exception):
    """The issuer is not what the settings say; the message says what is wrong."""


async def discover(http: httpx2.AsyncClient, issuer: str, endpoint: str) -> str:
    """The URL of an endpoint, by its name in the issuer's metadata (OpenID Connect Discovery §4, RFC 8414 §3).

    Raises:
        httpx2.HTTPError: There is no answer.
        IssuerMismatch: No document names exactly this issuer and a usable endpoint.
    """
    url = httpx2.URL(issuer)
    places = [
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        str(url.copy_with(path=f"/.well-known/oauth-authorization-server{url.path.rstrip('/')}")),
    ]
    wrong = f"it has no discovery document at {places[0]}"
    for place in places:
        answer = await http.get(place)
        try:
            document = answer.json() if answer.status_code == 200 else {}
            if (named := document.get("issuer")) == issuer:
                return https_url(document[endpoint])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            wrong = f"its discovery document at {place} has no https URL as {endpoint}"
            continue
        if named:
            wrong = f"its discovery document names the issuer {named!r}; set exactly that, slash included"
    raise IssuerMismatch(wrong)


def caller(token: str, claims: dict[str, Any], settings: "Settings") -> AccessToken:
    """Who calls, as tools see it: `get_access_token()` of the SDK gives it."""
    subject = claims.get("sub")
    client = claims.get("client_id") or claims.get("azp") or claims.get("cid") or subject or ""
    return AccessToken(
        token=token,
        client_id=str(client),
        subject=None if subject is None else str(subject),
        scopes=scopes(claims, settings.oauth_scope_claim),
        expires_at=int(claims["exp"]) + LEEWAY if claims.get("exp") is not None else None,
        resource=settings.audience,
        claims=claims,
    )


def is_other_kind(claims: Mapping[str, Any]) -> bool:
    """Whether claims are those of something else than a bearer access token."""
    kinds = {str(claims.get(name, "")).lower() for name in ("typ", "token_use", "token_type")}
    return bool(kinds & OTHER_KINDS or OTHER_CLAIMS & claims.keys())


def scopes(claims: Mapping[str, Any], claim: str) -> list[str]:
    """`scope` is one string in most tokens (RFC 9068 §2.2.3); Okta and Entra put a list or a string into `scp`."""
    granted = claims.get(claim) if claim else claims.get("scope", claims.get("scp"))
    if isinstance(granted, str):
        return granted.split()
    return [scope for scope in granted if isinstance(scope, str)] if isinstance(granted, list) else []


def https_url(value: str) -> str:
    try:
        url = httpx2.URL(value)
    except httpx2.InvalidURL:
        raise ValueError("must be an https URL") from None
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment or url.userinfo:
        raise ValueError("must be an https URL without user name, query or fragment")
    if url.scheme == "http" and url.host not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError("must begin with https; http is for this machine alone")
    return value  # as it is written: issuers are compared byte by byte (RFC 8414 §3.3)


def words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


HttpsUrl = Annotated[str, AfterValidator(https_url)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(words)]
