"""Access tokens: whatever they look like, the issuer says what they stand for (RFC 7662)."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote

import httpx2
from mcp.server.auth.provider import AccessToken
from starlette.types import Scope

from ...settings import Settings
from ..edge.attempts import address
from ..edge.lines import LineFull, Lines
from ..edge.observe import note
from .claims import audience, caller, is_other_kind, is_subject
from .issuer import (
    LONGEST,
    TOO_LONG,
    IssuerClient,
    IssuerUnavailable,
    WrongSetting,
    discover,
    looking,
    no_answer,
    says_nothing,
)

T = TypeVar("T")

KNOWN = 3600.0  # seconds for which an accepted caller is let in while the issuer cannot be asked
REMEMBERED = 4096  # good answers, and as many bad ones; of more, the least recently used are forgotten


class Accepted(NamedTuple):
    """A good answer. Both times are monotonic seconds."""

    access: AccessToken
    fresh: float
    """Until then the issuer is not asked again."""
    kept: float
    """Until then the answer counts while the issuer cannot be asked."""


class Verifier:
    """Tells which tokens are good. An answer counts for OAUTH_CACHE_SECONDS, and no longer than the token is valid.

    While the issuer cannot be asked, a good answer counts for an hour.
    """

    def __init__(self, settings: Settings, http: IssuerClient) -> None:
        self.settings, self.http = settings, http
        self._endpoint: tuple[str, bool] | None = None
        self._answered = False  # at least once, so settings and issuer fit together
        self._good: OrderedDict[bytes, Accepted] = OrderedDict()
        # Until when, and why. Apart: made-up tokens do not push out good ones.
        self._bad: OrderedDict[bytes, tuple[float, str]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[AccessToken | str]] = {}
        self._lines = Lines()
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._running.enter_async_context(self.http)
        await self._running.enter_async_context(looking(self.prepare, lambda: self._answered))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def ready(self) -> bool:
        """Whether the issuer has been asked with success."""
        return self._answered

    async def prepare(self) -> None:
        """Ask about a token that nobody has.

        Raises:
            IssuerUnavailable: There is no answer, or it is of no use.
        """
        await self.introspect("made-up")
        self._answered = True

    async def __call__(self, token: str, scope: Scope | None = None) -> AccessToken | None:
        """The caller that a token stands for, or None if it is not good; `scope` is of the request that has it.

        Raises:
            IssuerUnavailable: The issuer cannot say or is asked too much, and has not said lately.
        """
        if len(token) > LONGEST:
            note(detail=TOO_LONG)
            return None
        if not self._answered:
            raise IssuerUnavailable("it has not answered since the start")
        digest = hashlib.sha256(token.encode()).digest()
        known = self._good.get(digest)
        if known:
            self._good.move_to_end(digest)
            if time.monotonic() < known.fresh:
                return known.access
        else:
            until, wrong = self._bad.get(digest, (float("-inf"), ""))
            if time.monotonic() < until:
                self._bad.move_to_end(digest)
                note(detail=wrong)
                return None
        if digest not in self._asking:  # however many calls send the same token at once, the issuer is asked once
            self._asking[digest] = asyncio.create_task(self._ask(digest, token, address(scope or {})))
            self._asking[digest].add_done_callback(seen)
        try:
            found = await asyncio.shield(self._asking[digest])  # one caller who leaves does not end it for the others
        except IssuerUnavailable:
            if known and time.monotonic() < known.kept:
                return known.access
            raise
        if isinstance(found, AccessToken):
            return found
        note(detail=found)
        return None

    async def _ask(self, digest: bytes, token: str, who: str) -> AccessToken | str:
        """The caller, or why the token is not good."""
        try:
            if digest in self._good:  # nobody can make such a question up, so it does not wait in line
                claims = await self.introspect(token)
            else:
                async with self._lines.place(who):
                    claims = await self.introspect(token)
        except LineFull as error:
            raise IssuerUnavailable(str(error)) from error
        finally:
            del self._asking[digest]
        settings, now = self.settings, time.monotonic()
        self._good.pop(digest, None)
        self._bad.pop(digest, None)
        if wrong := refusal(claims, settings):
            self._lines.count_bad(who)
            if settings.oauth_cache_seconds:
                remember(self._bad, digest, (now + settings.oauth_cache_seconds, wrong))
            return wrong
        access = caller(token, claims, settings)
        end = now + (claims["exp"] + settings.oauth_leeway - time.time() if access.expires_at else KNOWN)
        fresh, kept = now + settings.oauth_cache_seconds, now + KNOWN
        remember(self._good, digest, Accepted(access, min(fresh, end), min(kept, end)))
        return access

    async def introspect(self, token: str) -> dict[str, Any]:
        """What the issuer says about a token (RFC 7662 §2).

        Raises:
            IssuerUnavailable: It gives no answer that says anything.
            WrongSetting: It refuses the question, whatever the token.
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
            raise no_answer(url, error) from error
        except (ValueError, RecursionError):
            said = None
        problem = said.get("error") if isinstance(said, dict) else None
        refused = problem == "invalid_client"
        if answer.status_code == 200 and isinstance(said, dict) and not refused:
            return said
        if answer.status_code == 400 and problem == "unsupported_token_type":
            return {"active": False}  # such as an ID token, where access tokens are opaque
        self._endpoint = None  # the issuer may have moved it, so it is looked up again
        if says_nothing(answer.status_code):
            raise IssuerUnavailable(f"{url} answers {answer.status_code}")
        if refused or answer.status_code in {401, 403}:
            raise WrongSetting("it refuses this client; correct OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET")
        raise WrongSetting(f"{url} answers {answer.status_code}, not what a token stands for")

    async def _discover(self) -> tuple[str, bool]:
        """Where to ask, and whether it takes id and secret in the body alone (RFC 8414 §2)."""
        settings = self.settings
        if settings.oauth_introspection_url:
            return settings.oauth_introspection_url, False
        found = await discover(self.http, settings.oauth_issuer, "introspection_endpoint")
        kind = "{}_endpoint_auth_methods_supported"
        methods = found.get(kind.format("introspection")) or found.get(kind.format("token")) or []
        return found["introspection_endpoint"], "client_secret_post" in methods and "client_secret_basic" not in methods


def seen(task: asyncio.Task[AccessToken | str]) -> None:
    """Read how a task ended: if nobody waits for it any more, its exception would be logged with a traceback."""
    if not task.cancelled():
        task.exception()


def client(settings: Settings) -> dict[str, str]:
    """`client_secret_post` (RFC 6749 §2.3.1)."""
    return {
        "client_id": settings.oauth_client_id,
        "client_secret": settings.oauth_client_secret.get_secret_value(),
    }


def basic(settings: Settings) -> httpx2.BasicAuth:
    """`client_secret_basic`: both are form-encoded first, so that a colon cannot split them (RFC 6749 §2.3.1)."""
    secret = settings.oauth_client_secret.get_secret_value()
    return httpx2.BasicAuth(quote(settings.oauth_client_id, safe=""), quote(secret, safe=""))


def refusal(claims: dict[str, Any], settings: Settings) -> str | None:
    """Why a token is not good, or None. One without `exp` is good while the issuer says so (RFC 7662 §2.2)."""
    if claims.get("active") is not True:
        return "it is not active, or its provider does not let this client ask about it"
    named = claims.get("aud")
    if audience(settings) not in (named if isinstance(named, list) else [named]):
        return "its audience is not this connector"
    if claims.get("iss", settings.oauth_issuer) != settings.oauth_issuer:
        return "it is another issuer's"
    if not all(is_time(claims.get(name)) for name in ("exp", "nbf")):
        return "its exp or nbf is not a time"
    now = time.time()
    leeway = settings.oauth_leeway
    if (claims.get("exp") or now + 1) + leeway <= now or (claims.get("nbf") or now) - leeway > now:
        return "it has expired, or is not valid yet"
    if not is_subject(claims.get("sub")):
        return "its sub is neither text nor a whole number"
    return "it is not a bearer access token" if is_other_kind(claims) else None


def is_time(value: object) -> bool:
    """Seconds since 1970, or nothing; milliseconds are too many."""
    return value is None or (isinstance(value, int | float) and 0 < value < 1e11)


def remember(answers: OrderedDict[bytes, T], digest: bytes, answer: T) -> None:
    """Keep an answer in the place of the least recently used one."""
    answers[digest] = answer
    if len(answers) > REMEMBERED:
        answers.popitem(last=False)


def create_verifier(settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> Verifier:
    """The verifier for these settings, to be entered where it is used; `transport` replaces the network."""
    return Verifier(settings, IssuerClient(transport))


async def check(settings: Settings) -> None:
    """Ask about a token that nobody has, as `serve` does before it starts.

    Raises:
        IssuerUnavailable: There is no answer.
        WrongSetting: The answer is of no use; the message says why.
    """
    verifier = create_verifier(settings)
    verifier.http.level = logging.DEBUG  # the exception says it
    async with verifier.http:
        try:
            await verifier.introspect("made-up")
        except IssuerUnavailable as error:
            raise type(error)(f"OAUTH_ISSUER cannot be used: {error}") from error
