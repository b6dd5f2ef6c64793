"""Access tokens: whatever they look like, the issuer says what they stand for (RFC 7662)."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import quote

import httpx2
from mcp.server.auth.provider import AccessToken
from pydantic import Field, SecretStr

from .claims import LEEWAY, caller, is_other_kind
from .issuer import LONGEST, HttpsUrl, IssuerUnavailable, discover

if TYPE_CHECKING:
    from .settings import Settings

logger = logging.getLogger(__name__)

REMEMBERED = 4096  # answers, good and bad; of more, the least recently used are forgotten
QUESTIONS = 32  # that wait for an answer at once: made-up tokens do not make the connector a burden to the issuer


class Verifier:
    """Tells which tokens are good. An answer counts for OAUTH_CACHE_SECONDS, and never past the token's `exp`."""

    def __init__(self, settings: "Settings", http: httpx2.AsyncClient) -> None:
        self.settings, self.http = settings, http
        self._endpoint: tuple[str, bool] | None = None
        self._answers: OrderedDict[bytes, tuple[AccessToken | None, float]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[AccessToken | None]] = {}

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        try:
            self._endpoint = await self._discover()
        except IssuerUnavailable as error:
            logger.warning("%s cannot be asked about tokens yet: %s", self.settings.oauth_issuer, error)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def __call__(self, token: str) -> AccessToken | None:
        """The caller that a token stands for, or None if it is not good.

        Raises:
            IssuerUnavailable: The issuer cannot say or is asked too much, and has not said lately.
        """
        if len(token) > LONGEST:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        known, until = self._answers.get(digest, (None, float("-inf")))
        if time.monotonic() < until:
            self._answers.move_to_end(digest)
            return known
        if digest not in self._asking:  # however many calls bring the same token at once, the issuer is asked once
            if len(self._asking) >= QUESTIONS:
                raise IssuerUnavailable(f"{QUESTIONS} questions about tokens wait for its answer already")
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
        self._endpoint = self._endpoint or await self._discover()
        url, in_body = self._endpoint
        question = {"token": token, "token_type_hint": "access_token"}
        try:
            if in_body:
                answer = await self.http.post(url, data=question | client(self.settings))
            else:
                answer = await self.http.post(url, data=question, auth=basic(self.settings))
            said = answer.json()
        except httpx2.HTTPError as error:
            self._endpoint = None
            raise IssuerUnavailable(f"it does not answer ({type(error).__name__})") from error
        except (ValueError, RecursionError):
            said = None
        problem = said.get("error") if isinstance(said, dict) else None
        refused = problem == "invalid_client"
        if answer.status_code == 200 and isinstance(said, dict) and not refused:
            return said
        if answer.status_code == 400 and problem == "unsupported_token_type":
            return {"active": False}  # such as an ID token, where access tokens are opaque
        self._endpoint = None  # the issuer may have moved it, so it is looked up again
        if refused or answer.status_code in {401, 403}:
            raise IssuerUnavailable("it refuses this client; correct OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET")
        raise IssuerUnavailable(f"{url} answers {answer.status_code}, not what a token stands for")

    async def _discover(self) -> tuple[str, bool]:
        """Where to ask, and whether it takes id and secret in the body alone (RFC 8414 §2)."""
        settings = self.settings
        if settings.oauth_introspection_url:
            return settings.oauth_introspection_url, False
        found = await discover(self.http, settings.oauth_issuer, "introspection_endpoint")
        kind = "{}_endpoint_auth_methods_supported"
        methods = found.get(kind.format("introspection")) or found.get(kind.format("token")) or []
        return found["introspection_endpoint"], "client_secret_post" in methods and "client_secret_basic" not in methods


def client(settings: "Settings") -> dict[str, str]:
    """`client_secret_post` (RFC 6749 §2.3.1)."""
    return {
        "client_id": settings.oauth_client_id,
        "client_secret": settings.oauth_client_secret.get_secret_value(),
    }


def basic(settings: "Settings") -> httpx2.BasicAuth:
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
    """The verifier for these settings, to be entered where it is used; `transport` replaces the network."""
    return Verifier(settings, httpx2.AsyncClient(timeout=5.0, transport=transport))


async def check(settings: "Settings") -> None:
    """Ask about a token that nobody has, as `serve` does before it starts.

    Raises:
        IssuerUnavailable: There is no good answer; the message says why.
    """
    verifier = create_verifier(settings)
    async with verifier.http:
        try:
            await verifier.introspect("made-up")
        except IssuerUnavailable as error:
            raise IssuerUnavailable(f"OAUTH_ISSUER cannot be used: {error}") from error


Endpoint = HttpsUrl | None
ClientSecret = Annotated[SecretStr, Field(min_length=1)]
