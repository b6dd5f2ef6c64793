"""Tokens of the identity provider, for the codes and refresh tokens that it gave to the connector."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Annotated, Any

import httpx2
from fastmcp.server.auth.oauth_proxy.upstream import AsyncOAuth2Client, OAuthError
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from ...settings import Settings
from .issuer import IssuerClient
from .state import Store, unavailable

UNREADABLE = (httpx2.HTTPError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)


def lifetime(seconds: float) -> int:
    """Whole seconds, and no more than dates can hold."""
    return int(min(max(seconds, 0), 10**9))


Lifetime = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lifetime)]
Token = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]  # RFC 6749, appendices A.12 and A.17


class Tokens(BaseModel):
    """What is used of an answer (RFC 6749 §5.1): its scopes are not this connector's."""

    access_token: Token
    refresh_token: Token | None = None
    expires_in: Lifetime | None = None
    refresh_expires_in: Lifetime | None = None


class Once(IssuerClient):
    """Sends each request once: a provider that sees a refresh token twice may end the login.

    `down` is what it knows of hosts that do not answer; clients share it.
    """

    def __init__(self, down: dict[str, tuple[str, float]]) -> None:
        super().__init__()
        self._down = down

    async def _send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        return await httpx2.AsyncClient.send(self, request, **options)


class Grants(AsyncOAuth2Client):
    """Asks for tokens. What is not about the login itself, such as a wrong client secret, does not end it."""

    def __init__(self, settings: Settings, store: Store, down: dict[str, tuple[str, float]]) -> None:
        secret = settings.oauth_client_secret.get_secret_value()
        super().__init__(settings.oauth_client_id, secret, settings.oauth_client_auth)
        self._client = Once(down)
        self.store, self.named = store, "openid" in settings.oauth_upstream_scopes

    async def _request_token(self, url: str, data: dict[str, Any]) -> dict[str, Any]:
        """The tokens that the identity provider gives.

        Raises:
            OAuthError: The code or refresh token is not good.
            IssuerUnavailable: It does not answer now, or the store has no room.
            ValueError: The ID token that came with them is of another login.
        """
        async with self.store.room():  # what a code or a refresh token returns cannot be requested again
            try:
                answer = await super()._request_token(url, data)
            except OAuthError as error:
                if error.error == "invalid_grant":
                    raise
                raise unavailable(f"the identity provider gives this connector no tokens: {error.error}") from error
            except UNREADABLE as error:
                raise unavailable(f"the identity provider gives no tokens ({type(error).__name__})") from error
        try:
            tokens = Tokens.model_validate(answer)
        except ValidationError as error:
            [first, *_] = error.errors(include_input=False)
            raise unavailable(f"the identity provider answers with a {first['loc'][0]} that cannot be used") from error
        if self.named and "code_verifier" in data and (id_token := answer.get("id_token")):
            check_nonce(id_token, nonce(data["code_verifier"]))
        return tokens.model_dump(exclude_none=True)


def nonce(verifier: str) -> str:
    """What an ID token of this login must repeat (OpenID Connect Core §3.1.2.1).

    It is made of the PKCE verifier, which is random, kept with the login, and never leaves the connector but for the
    token endpoint: §15.5.2 suggests a hash of such a value.
    """
    return urlsafe_b64encode(sha256(f"nonce {verifier}".encode()).digest()).decode().rstrip("=")


def check_nonce(id_token: object, expected: str) -> None:
    """Refuse an ID token of another login. TLS vouches for who issued it (OpenID Connect Core §3.1.3.7, 6 and 11).

    Raises:
        ValueError: It is of another login, or cannot be read.
    """
    try:
        part = str(id_token).split(".")[1]
        found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))["nonce"]
        same = hmac.compare_digest(str(found).encode(), expected.encode())
    except (ValueError, LookupError, TypeError, RecursionError):
        same = False
    if not same:
        raise ValueError("the ID token does not repeat the nonce of this login")
