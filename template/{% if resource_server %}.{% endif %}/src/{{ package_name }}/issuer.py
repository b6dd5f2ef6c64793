"""The issuer: where its endpoints are."""

import re
from typing import Annotated, Any

import httpx2
from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

LONGEST = 16 * 1024  # characters of a token


class IssuerUnavailable(Exception):
    """The issuer cannot be asked, so no token can be checked; the message says why."""


async def read(http: httpx2.AsyncClient, url: str) -> Any:
    """The JSON that the issuer has there, or None.

    Raises:
        IssuerUnavailable: It does not answer.
    """
    try:
        answer = await http.get(url)
        return answer.json() if answer.status_code == 200 else None
    except httpx2.HTTPError as error:
        raise IssuerUnavailable(f"{url} does not answer ({str(error) or type(error).__name__})") from error
    except (ValueError, RecursionError):
        return None


async def discover(http: httpx2.AsyncClient, issuer: str, *endpoints: str) -> dict[str, Any]:
    """The issuer's metadata, with a usable URL as each endpoint (OpenID Connect Discovery §4, RFC 8414 §3).

    Raises:
        IssuerUnavailable: There is no answer, or no document names exactly this issuer and the endpoints.
    """
    url = httpx2.URL(issuer)
    places = [
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        str(url.copy_with(path=f"/.well-known/oauth-authorization-server{url.path.rstrip('/')}")),
    ]
    wrong = f"it has no discovery document at {places[0]}"
    for place in places:
        document = await read(http, place)
        if not isinstance(document, dict) or not (named := document.get("issuer")):
            continue
        if named != issuer:
            wrong = f"its discovery document names the issuer {named!r}; set exactly that, slash included"
            continue
        missing = [endpoint for endpoint in endpoints if not is_endpoint(document.get(endpoint))]
        if not missing:
            return document
        wrong = f"its discovery document at {place} has no https URL as {missing[0]}"
    raise IssuerUnavailable(wrong)


def is_endpoint(value: object) -> bool:
    """Whether a document has a usable URL there; it may have a query (RFC 6749 §3.1)."""
    try:
        return bool(https_url(str(value).partition("?")[0]))
    except ValueError:
        return False


def https_url(value: str) -> str:
    try:
        url = httpx2.URL(value)
    except httpx2.InvalidURL:
        raise ValueError("must be an https URL") from None
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment or url.userinfo:
        raise ValueError("must be an https URL like https://login.example.com, without user name, query or fragment")
    if url.scheme == "http" and url.host not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError("must begin with https; http is for this machine alone")
    return value  # as it is written: issuers are compared byte by byte (RFC 8414 §3.3)


def words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def scope_tokens(value: tuple[str, ...]) -> tuple[str, ...]:
    """Check scopes (RFC 6749 §3.3): other characters would break the challenge that lists them."""
    if not all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", word) for word in value):
        raise ValueError("must be scopes, separated by spaces and without quotes or backslashes")
    if "*" in value:
        raise ValueError("must not contain *, which is not a scope; name the scopes")
    return value


def write_scope_tokens(value: tuple[str, ...]) -> tuple[str, ...]:
    """Scopes as in `scope_tokens`, or `*` alone, which lets every caller write."""
    if "*" in value and len(value) > 1:
        raise ValueError("must be either scopes or * alone; remove one of them")
    return value if value == ("*",) else scope_tokens(value)


HttpsUrl = Annotated[str, AfterValidator(https_url)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(words)]
Scopes = Annotated[Words, AfterValidator(scope_tokens)]
WriteScopes = Annotated[Words, AfterValidator(write_scope_tokens)]
