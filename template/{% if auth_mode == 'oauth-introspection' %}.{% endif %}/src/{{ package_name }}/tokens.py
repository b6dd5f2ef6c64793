"""Access tokens: whatever they look like, the issuer says what they stand for (RFC 7662)."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import httpx2
from mcp.server.auth.provider import AccessToken
from pydantic import Field, SecretStr

from .issuer import LEEWAY, LONGEST, HttpsUrl, IssuerMismatch, IssuerUnavailable, caller, discover, is_other_kind

if TYPE_CHECKING:
    from .settings import Settings

logger = logging.getLogger(__name__)

REMEMBERED = 4096  # answers, good and bad; of more, the least recently used are forgotten


class Verifier:
    """Tells which tokens are good. An answer counts for OAUTH_CACHE_SECONDS, and never past the token's `exp`."""

    def __init__(self, settings: "Settings", http: httpx2.AsyncClient) -> None:
        self.settings, self.http = settings, http
        self._endpoint = settings.oauth_introspection_url
        self._answers: OrderedDict[bytes, tuple[AccessToken | None, float]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[AccessToken | None]] = {}

    async def __call__(self, token: str) -> AccessToken | None:
        """The caller that a token stands for, or None if it is not good.

        Raises:
            IssuerUnavailable: The issuer cannot say, and has not said lately.
        """
        if len(token) > LONGEST:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        known, until = self._answers.get(digest, (None, float("-inf")))
        if time.monotonic() < until:
            self._answers.move_to_end(digest)
            return known
        if digest not in self._asking:  # however many calls bring the same token at once, the issuer is asked once
            self._asking[digest] = asyncio.create_task(self._ask(digest, token))
        return await asyncio.shield(self._asking[digest])  # one caller who leaves does not end it for the others

    async def _ask(self, digest: bytes, token: str) -> AccessToken | None:
        try:
            claims = await self.introspect(token)
        finally:
            del self._asking[digest]
        settings = self.settings
        seconds: float = settings.oauth_cache_seconds
        if wrong := refusal(claims, settings):
            logger.info("refused a token: %s", wrong)
            access = None
        else:
            access = caller(token, claims, settings)
            if access.expires_at:
                seconds = min(seconds, claims["exp"] + LEEWAY - time.time())
        self._answers.pop(digest, None)
        if seconds > 0:
            self._answers[digest] = access, time.monotonic() + seconds
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return access

    async def introspect(self, token: str) -> dict[str, Any]:
        """What the issuer says about a token (RFC 7662 §2).

        Raises:
            IssuerUnavailable: It gives no answer that says anything.
        """
        try:
            if not self._endpoint:
                self._endpoint = await discover(self.http, self.settings.oauth_issuer, "introspection_endpoint")
            asked = {"token": token, "token_type_hint": "access_token"}
            answer = await self.http.post(self._endpoint, data=asked, auth=credentials(self.settings))
        except (httpx2.HTTPError, IssuerMismatch) as error:
            raise IssuerUnavailable(str(error) or f"it does not answer ({type(error).__name__})") from error
        try:
            said = answer.json()
        except (ValueError, RecursionError):
            said = None
        refused = isinstance(said, dict) and said.get("error") == "invalid_client"
        if refused or answer.status_code in {401, 403}:
            raise IssuerUnavailable("it refuses this client; correct OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET")
        if answer.status_code != 200 or not isinstance(said, dict):
            raise IssuerUnavailable(f"{self._endpoint} answers {answer.status_code}, not what a token stands for")
        return said


def credentials(settings: "Settings") -> httpx2.BasicAuth:
    """`client_secret_basic`: both are form-encoded first, so that a colon cannot split them (RFC 6749 §2.3.1)."""
    secret = settings.oauth_client_secret.get_secret_value()
    return httpx2.BasicAuth(quote(settings.oauth_client_id, safe=""), quote(secret, safe=""))


def refusal(claims: dict[str, Any], settings: "Settings") -> str | None:
    """Why a token is not good, or None. One without `exp` is good while the issuer says so (RFC 7662 §2.2)."""
    if claims.get("active") is not True:
        return "it is not active"
    audience = claims.get("aud")
    if settings.audience not in (audience if isinstance(audience, list) else [audience]):
        return "its audience is not this connector"
    if claims.get("iss", settings.oauth_issuer) != settings.oauth_issuer:
        return "it is another issuer's"
    if not all(is_time(claims.get(name)) for name in ("exp", "nbf")):
        return "its exp or nbf is no time"
    now = time.time()
    if (claims.get("exp") or now) + LEEWAY <= now or (claims.get("nbf") or now) - LEEWAY > now:
        return "it has expired, or is not valid yet"
    return "it is no bearer access token" if is_other_kind(claims) else None


def is_time(value: object) -> bool:
    """Seconds since 1970, or nothing; milliseconds are too many."""
    return value is None or (isinstance(value, int | float) and 0 < value < 1e11)


def create_verifier(settings: "Settings", transport: httpx2.AsyncBaseTransport | None = None) -> Verifier:
    """The verifier for these settings; whoever makes it closes its `http`. `transport` replaces the network."""
    return Verifier(settings, httpx2.AsyncClient(timeout=5.0, transport=transport))


async def check(settings: "Settings") -> None:
    """Ask about a token that nobody has, as `serve` does before it starts.

    Raises:
        IssuerMismatch: There is no good answer; the message says why.
    """
    verifier = create_verifier(settings)
    async with verifier.http:
        try:
            await verifier.introspect("made-up")
        except IssuerUnavailable as error:
            raise IssuerMismatch(str(error)) from error


Endpoint = HttpsUrl | None
ClientSecret = Annotated[SecretStr, Field(min_length=1)]
