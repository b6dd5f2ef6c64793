"""Types of the settings of a resource server: the URL of an issuer, words, and scopes."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from ..fields import LOOPBACK, url_host


def https_url(value: str) -> str:
    try:
        url = urlsplit(value)
        usable = value.isprintable() and " " not in value and url_host(url).encode("idna") and url.port != 0
    except ValueError:
        usable = False
    if not usable or url.scheme not in {"http", "https"} or url.query or url.fragment or "@" in url.netloc:
        raise ValueError("must be an https URL like https://login.example.com, without user name, query or fragment")
    if url.scheme == "http" and url.hostname not in LOOPBACK:
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
