"""Access tokens: JWTs that the issuer signed for this very connector, and nothing else (RFC 9068, RFC 8725)."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Any

import httpx2
import jwt
from mcp.server.auth.provider import AccessToken
from pydantic import AfterValidator, Field

from .issuer import LEEWAY, LONGEST, IssuerMismatch, IssuerUnavailable, Words, caller, discover, is_other_kind

if TYPE_CHECKING:
    from .settings import Settings

logger = logging.getLogger(__name__)

REMEMBERED, REMEMBERED_FOR = 4096, 60.0  # verified tokens, and seconds for which one is not verified again
KEYS_FRESH_FOR = 3600.0  # seconds after which the keys are fetched again
KEYS_PAUSE = 30.0  # least seconds between two fetches, whatever key ids callers make up
KINDS = {"jwt", "at+jwt", "application/at+jwt"}  # header `typ`; some issuers write none


class Keys:
    """The issuer's signing keys: fetched when needed, kept through an outage."""

    def __init__(self, issuer: str, http: httpx2.AsyncClient) -> None:
        self.issuer, self._http = issuer, http
        self._keys: dict[str | None, list[jwt.PyJWK]] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def matching(self, kid: str | None, algorithm: str) -> list[jwt.PyJWK]:
        """Keys that may have signed a token with this header.

        Raises:
            IssuerUnavailable: No keys were ever loaded.
        """
        if time.monotonic() - self._fetched > KEYS_FRESH_FOR or kid not in self._keys:
            await self._refresh(kid)
        known = self._keys.get(kid, []) if kid else [key for keys in self._keys.values() for key in keys]
        return [key for key in known if key.algorithm_name == algorithm]

    async def _refresh(self, kid: str | None) -> None:
        async with self._fetching:
            fresh = time.monotonic() - self._fetched <= KEYS_FRESH_FOR
            if not (fresh and kid in self._keys) and time.monotonic() - self._tried > KEYS_PAUSE:
                self._tried = time.monotonic()
                try:
                    await self.load()
                except (httpx2.HTTPError, IssuerMismatch) as error:
                    logger.warning("the keys of %s cannot be fetched: %s", self.issuer, error)
        if self._fetched == float("-inf"):
            raise IssuerUnavailable(f"the keys of {self.issuer} were never loaded")

    async def load(self) -> None:
        """Fetch discovery document and keys.

        Raises:
            httpx2.HTTPError: There is no answer, or an error.
            IssuerMismatch: A document is missing, malformed or another issuer's.
        """
        place = await discover(self._http, self.issuer, "jwks_uri")
        answer = (await self._http.get(place)).raise_for_status()
        try:
            listed = answer.json()["keys"]
            usable = [key for key in listed if key.get("use", "sig") == "sig" and key.get("kty") != "oct"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise IssuerMismatch(f"{place} holds no key set") from None
        keys: dict[str | None, list[jwt.PyJWK]] = {}
        for key in usable:
            try:
                keys.setdefault(key.get("kid"), []).append(jwt.PyJWK(key))
            except jwt.PyJWTError:
                logger.debug("a key of %s is of a kind that is not known here", self.issuer)
        if not keys:
            raise IssuerMismatch(f"{place} holds no key that can verify a token")
        self._keys, self._fetched = keys, time.monotonic()


class Verifier:
    """Tells which tokens are good. A verified one is remembered for a minute, and never past its `exp`."""

    def __init__(self, settings: "Settings", http: httpx2.AsyncClient) -> None:
        self.settings, self.http, self.keys = settings, http, Keys(settings.oauth_issuer, http)
        self._verified: OrderedDict[bytes, tuple[AccessToken, float]] = OrderedDict()

    async def __call__(self, token: str) -> AccessToken | None:
        """The caller that a token stands for, or None if it is not good.

        Raises:
            IssuerUnavailable: Nothing can be verified now.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known, until = self._verified.get(digest, (None, 0.0))
        if known and time.time() < until:
            self._verified.move_to_end(digest)
            return known
        claims = await self._verify(token)
        if claims is None:
            return None
        access = caller(token, claims, self.settings)
        self._verified[digest] = access, min(time.time() + REMEMBERED_FOR, int(claims["exp"]) + LEEWAY)
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)
        return access

    async def _verify(self, token: str) -> dict[str, Any] | None:
        if len(token) > LONGEST:
            return None
        settings = self.settings
        try:
            header = jwt.get_unverified_header(token)
            algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
            if algorithm not in settings.oauth_algorithms or "crit" in header or str(kind).lower() not in KINDS:
                raise jwt.InvalidTokenError("its header names an algorithm, type or extension that is not accepted")
            if not (kid is None or isinstance(kid, str)):
                raise jwt.InvalidTokenError("its key id is no text")
            for key in await self.keys.matching(kid, algorithm):
                try:
                    claims = jwt.decode(
                        token,
                        key,
                        [algorithm],
                        audience=settings.audience,
                        issuer=settings.oauth_issuer,
                        leeway=LEEWAY,
                        options={"require": ["exp", "iss", "aud"], "verify_iat": False},
                    )
                except jwt.InvalidSignatureError:
                    continue
                if is_other_kind(claims):
                    raise jwt.InvalidTokenError("it is no bearer access token")
                return claims
            raise jwt.InvalidSignatureError("no key of the issuer has signed it")
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            logger.info("refused a token: %s", error)
        return None


def create_verifier(settings: "Settings", transport: httpx2.AsyncBaseTransport | None = None) -> Verifier:
    """The verifier for these settings; whoever makes it closes its `http`. `transport` replaces the network."""
    return Verifier(settings, httpx2.AsyncClient(timeout=5.0, transport=transport))


async def check(settings: "Settings") -> None:
    """Load the issuer's documents once, as `serve` does before it starts.

    Raises:
        IssuerMismatch: They cannot be used; the message says why.
    """
    verifier = create_verifier(settings)
    async with verifier.http:
        try:
            await verifier.keys.load()
        except httpx2.HTTPError as error:
            raise IssuerMismatch(f"it does not answer ({type(error).__name__})") from error


def algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    usable = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
    if unusable := set(value) - usable:
        raise ValueError(f"must name signature algorithms with public keys; {', '.join(sorted(unusable))} is none")
    return value


Algorithms = Annotated[Words, AfterValidator(algorithms), Field(min_length=1)]
