"""Access tokens: JWTs that the issuer signed for this very connector, and nothing else (RFC 9068, RFC 8725)."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

import httpx2
import jwt
from mcp.server.auth.provider import AccessToken
from starlette.types import Scope

from ...settings import Settings
from ..edge.limits import REASON
from ..edge.observe import note
from .claims import audience, caller, is_other_kind, is_subject
from .issuer import LONGEST, TOO_LONG, IssuerClient, IssuerUnavailable, WrongSetting, discover, looking, read

logger = logging.getLogger(__name__)

REMEMBERED, REMEMBERED_FOR = 4096, 60.0  # verified tokens, and seconds for which one is not verified again
KEYS_FRESH_FOR = 3600.0  # seconds after which the keys are fetched again
KEYS_LAST = 24 * 3600.0  # seconds for which keys are used while the issuer does not answer
KEYS_PAUSE = 10.0  # least seconds between two fetches, whatever key ids callers make up
ACCESS_TOKEN = {"at+jwt", "application/at+jwt"}  # header `typ` (RFC 9068 §2.1); most issuers write JWT or none
ACCESS_CLAIMS = {"scope", "scp", "client_id", "cid"}  # ID tokens have none of these; `azp` is in both kinds


class Keys:
    """The issuer's signing keys: fetched when needed, and kept through an outage of at most a day."""

    def __init__(self, issuer: str, http: httpx2.AsyncClient) -> None:
        self.issuer, self._http = issuer, http
        self._keys: dict[str | None, list[jwt.PyJWK]] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()
        self._outage: IssuerUnavailable | None = None  # why the last attempt failed

    async def matching(self, kid: str | None, algorithm: str) -> list[jwt.PyJWK]:
        """Keys that may have signed a token with this header.

        Raises:
            IssuerUnavailable: No keys are loaded, or one that is not among them may be new.
        """
        # While one caller waits for fresh keys, the old ones serve the others.
        if kid not in self._keys or (self._stale() and not self._fetching.locked()):
            await self._refresh(kid)
        if kid and kid not in self._keys:
            self.check_complete()
        known = self._keys.get(kid, []) if kid else [key for keys in self._keys.values() for key in keys]
        return [key for key in known if key.algorithm_name == algorithm]

    @property
    def usable(self) -> bool:
        return bool(self._keys) and time.monotonic() - self._fetched < KEYS_LAST

    def check_complete(self) -> None:
        """Whether these are all keys of the issuer, as far as is known.

        Raises:
            IssuerUnavailable: They could not be fetched again.
        """
        if self._outage:
            raise IssuerUnavailable(f"it may have a new key: {self._outage}")

    def _stale(self) -> bool:
        return time.monotonic() - self._fetched > KEYS_FRESH_FOR

    async def _refresh(self, kid: str | None) -> None:
        async with self._fetching:
            if (self._stale() or kid not in self._keys) and time.monotonic() - self._tried > KEYS_PAUSE:
                self._tried = time.monotonic()
                before = self._outage
                with suppress(IssuerUnavailable):
                    await self.load()
                if self._outage and not before:
                    logger.warning("the keys of %s cannot be fetched: %s", self.issuer, self._outage)

    async def load(self) -> None:
        """Fetch discovery document and keys.

        Raises:
            IssuerUnavailable: There is no answer.
            WrongSetting: A document is missing, malformed or another issuer's.
        """
        try:
            await self._load()
            self._outage = None
        except IssuerUnavailable as error:
            self._outage = error
            raise

    async def _load(self) -> None:
        place = (await discover(self._http, self.issuer, "jwks_uri"))["jwks_uri"]
        keys: dict[str | None, list[jwt.PyJWK]] = {}
        listed = await read(self._http, place)
        with suppress(jwt.PyJWTError, AttributeError, TypeError, ValueError):  # it is not a key set
            for key in jwt.PyJWKSet.from_dict(listed).keys:
                if key.public_key_use in {None, "sig"} and key.key_type != "oct":
                    keys.setdefault(key.key_id, []).append(key)
        if not keys:
            raise WrongSetting(f"{place} holds no key that can verify a token")
        self._keys, self._fetched = keys, time.monotonic()


class Verifier:
    """Tells which tokens are good. A verified one is remembered for a minute, and never past its `exp`."""

    def __init__(self, settings: Settings, http: IssuerClient) -> None:
        self.settings, self.http, self.keys = settings, http, Keys(settings.oauth_issuer, http)
        self._verified: OrderedDict[bytes, tuple[AccessToken, float]] = OrderedDict()
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._running.enter_async_context(self.http)
        await self._running.enter_async_context(looking(self.keys.load, lambda: self.keys.usable))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def ready(self) -> bool:
        """Whether tokens can be checked."""
        return self.keys.usable

    async def __call__(self, token: str, _: Scope | None = None) -> AccessToken | None:
        """The caller that a token stands for, or None if it is not good.

        Raises:
            IssuerUnavailable: Nothing can be verified now.
        """
        if not self.keys.usable:
            raise IssuerUnavailable("no keys are loaded")
        digest = hashlib.sha256(token.encode()).digest()
        known, until = self._verified.get(digest, (None, 0.0))
        if known and time.time() < until:
            self._verified.move_to_end(digest)
            return known
        claims = await self._verify(token)
        if claims is None:
            return None
        access = caller(token, claims, self.settings)
        self._verified[digest] = access, min(time.time() + REMEMBERED_FOR, access.expires_at or 0)
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)
        return access

    async def _verify(self, token: str) -> dict[str, Any] | None:
        if len(token) > LONGEST:
            note(detail=TOO_LONG)
            return None
        settings = self.settings
        try:
            header = jwt.get_unverified_header(token)
            algorithm, kid, kind = header.get("alg"), header.get("kid"), str(header.get("typ", "JWT")).lower()
            if algorithm not in settings.oauth_algorithms or "crit" in header or kind not in {"jwt", *ACCESS_TOKEN}:
                raise jwt.InvalidTokenError("its header names an algorithm, type or extension that is not accepted")
            if not (kid is None or isinstance(kid, str)):
                raise jwt.InvalidTokenError("its key id is not text")
            for key in await self.keys.matching(kid, algorithm):
                try:
                    claims = jwt.decode(
                        token,
                        key,
                        [algorithm],
                        audience=audience(settings),
                        issuer=settings.oauth_issuer,
                        leeway=settings.oauth_leeway,
                        options={
                            "require": ["exp", "iss", "aud"],
                            "verify_iat": False,
                            "verify_jti": False,
                            "verify_sub": False,  # PyJWT refuses numbers
                        },
                    )
                except jwt.InvalidSignatureError:
                    continue
                shown = kind in ACCESS_TOKEN or claims.keys() & {*ACCESS_CLAIMS, settings.oauth_scope_claim}
                if is_other_kind(claims) or not shown:
                    raise jwt.InvalidTokenError("it is not a bearer access token")
                if not is_subject(claims.get("sub")):
                    raise jwt.InvalidTokenError("its sub is neither text nor a whole number")
                return claims
            if kid is None:
                self.keys.check_complete()
            raise jwt.InvalidSignatureError("no key of the issuer has signed it")
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            note(detail=str(error)[:REASON])
        return None


def create_verifier(settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> Verifier:
    """The verifier for these settings, to be entered where it is used; `transport` replaces the network."""
    return Verifier(settings, IssuerClient(transport))


async def check(settings: Settings) -> None:
    """Load the issuer's documents once, as `serve` does before it starts.

    Raises:
        IssuerUnavailable: There is no answer.
        WrongSetting: They cannot be used; the message says why.
    """
    verifier = create_verifier(settings)
    verifier.http.level = logging.DEBUG  # the exception says it
    async with verifier.http:
        try:
            await verifier.keys.load()
        except IssuerUnavailable as error:
            raise type(error)(f"OAUTH_ISSUER cannot be used: {error}") from error
