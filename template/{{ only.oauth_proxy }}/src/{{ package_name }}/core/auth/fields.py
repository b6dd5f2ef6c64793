"""Types of the settings of the proxy, its identity provider and the keys of its store."""

from base64 import b64decode
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AnyUrl, Field, SecretStr

from .words import HttpsUrl, Words

# Parameters of a login that the connector sets itself (RFC 6749 §4.1.1, RFC 7636 §4.3).
OWN = {"client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "scope", "state"}
SCRIPTS = {"about", "blob", "data", "file", "javascript", "vbscript"}  # no program's: browsers act on these themselves


def redirect_uri(value: str) -> str:
    try:
        url, _ = urlsplit(value), AnyUrl(value)
    except ValueError:
        url = urlsplit("")
    loopback = url.hostname in {"localhost", "127.0.0.1", "::1"}
    placed = url.hostname or url.scheme not in {"http", "https"}
    if "*" in value or url.fragment or not (url.scheme and placed and (url.path.strip("/") or loopback)):
        raise ValueError("must be whole redirect URIs, without wildcards; one on this machine stands for any port")
    if (url.scheme == "http" and not loopback) or url.scheme in SCRIPTS:
        raise ValueError("must begin with https, http on this machine, or the scheme of a program such as cursor:")
    return value


def parameters(value: tuple[str, ...]) -> tuple[str, ...]:
    if any("=" not in word for word in value):
        raise ValueError("must be pairs such as prompt=consent, separated by spaces")
    if own := OWN & {word.partition("=")[0] for word in value}:
        raise ValueError(f"must not set {', '.join(sorted(own))}: the connector does; remove it")
    return value


def users(value: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [word for word in value if set(word) & set("\"'<>") or ("*" in word and word != "*") or word == "@"]
    if wrong or not value:
        raise ValueError("must be e-mail addresses, @domains, subjects, or * alone, separated by spaces, no quotes")
    return value


def key_bytes(value: str) -> bytes:
    """32 bytes, written in base64 of either alphabet."""
    try:
        key = b64decode(value.translate(str.maketrans("-_", "+/")), validate=True)
    except ValueError:
        key = b""
    if len(key) != 32 or len(set(key)) < 16:
        raise ValueError("must be 32 random bytes in base64; make it with: openssl rand -base64 32")
    return key


def strong(value: SecretStr) -> SecretStr:
    key_bytes(value.get_secret_value())
    return value


Endpoint = HttpsUrl | None
Users = Annotated[Words, AfterValidator(users)]
ClientSecret = Annotated[SecretStr, Field(min_length=1)]
RedirectUris = Annotated[Words, AfterValidator(lambda uris: tuple(map(redirect_uri, uris)))]
Parameters = Annotated[Words, AfterValidator(parameters)]
Key = Annotated[SecretStr, AfterValidator(strong)]
