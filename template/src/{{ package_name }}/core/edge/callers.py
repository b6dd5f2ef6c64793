"""What one caller may ask, so that nobody starves the others.

Those who hold a credential are counted by it, never by address: all users of an agent platform share a few addresses.
"""

import hmac
import json
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from anyio import to_thread
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ...settings import Settings
from ..fields import amount_and_unit
from .attempts import Attempts, address
from .limits import Refused, as_json_rpc
from .observe import note
from .shared import SharedAttempts

logger = logging.getLogger(__name__)

THREADS = 256  # for tools that are plain functions: more than one caller gets, and anyio has 40 by default
SECONDS = {"second": 1, "minute": 60, "hour": 3600}


class Callers:
    """Limits for each caller: requests in a time (RATE_LIMIT), and requests at once (CALLS_AT_ONCE).

    `caller` returns the identity of the current caller, in JSON types. None is somebody unknown, counted by address.

    Raises:
        NotReady: STATE_STORE_URL cannot be used.
    """

    def __init__(self, settings: Settings, caller: Callable[[], object]) -> None:
        self.caller = caller
        self.most = settings.calls_at_once
        self.answered: dict[str, int] = {}  # requests of each caller that are being answered now
        self.rate = settings.rate_limit
        self.store: SharedAttempts | None = None
        self.count: Callable[[str], Awaitable[int]] = unlimited
        # The store learns nothing about a credential, and several connectors may share it.
        keys = [key.get_secret_value() for key in settings.request_state_keys] or [secrets.token_hex()]
        self.key = hmac.digest(keys[0].encode(), f"callers of {settings.public_url}".encode(), "sha256")
        if self.rate:
            self._start_counting(settings)

    def _start_counting(self, settings: Settings) -> None:
        amount, unit = amount_and_unit(self.rate)
        if settings.state_store_url is None:
            self.count = in_memory(amount, SECONDS[unit])
            logger.info("RATE_LIMIT is %s for each replica: with three replicas, up to three times as many", self.rate)
            return
        self.store = SharedAttempts(settings.state_store_url.get_secret_value(), amount, SECONDS[unit])
        self.count = self.store.count
        if settings.request_state_keys:
            logger.info("RATE_LIMIT is %s for all replicas together", self.rate)
        else:
            logger.warning("REQUEST_STATE_KEYS is not set, so each replica counts RATE_LIMIT for itself")

    def limited(self, app: ASGIApp) -> ASGIApp:
        """Wrap an endpoint whose callers are known: it gets only requests within the limits."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            known = self.caller()
            who = address(scope) if known is None else json.dumps(known)
            if self.rate and (wait := await self.count(self.hashed(who))):
                amount, unit = amount_and_unit(self.rate)
                why = f"Over {amount:,} requests in one {unit}. Call again in {wait} second{'s' * (wait > 1)}."
                return await refuse("rate_limit", why, wait)(scope, receive, send)
            now = self.answered.get(who, 0)
            if self.most and now >= self.most:
                why = f"{now:,} requests of yours are being answered. Wait until one of them ends, and call again."
                return await refuse("calls_at_once", why, 1)(scope, receive, send)
            self.answered[who] = now + 1
            try:
                await app(scope, receive, send)
            finally:
                self.answered[who] -= 1
                if not self.answered[who]:
                    del self.answered[who]

        return answer

    def hashed(self, who: str) -> str:
        return hmac.digest(self.key, who.encode(errors="surrogatepass"), "sha256").hex()

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[None]:
        """Enter it before the first request, and leave it after the last."""
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        try:
            yield
        finally:
            if self.store:
                await self.store.close()


async def unlimited(_: str) -> int:
    return 0


def in_memory(amount: int, seconds: int) -> Callable[[str], Awaitable[int]]:
    """Counts for this process alone."""
    attempts = Attempts(amount, seconds)

    async def count(who: str) -> int:
        return attempts.count(who)

    return count


def refuse(limit: str, why: str, wait: int) -> Response:
    """A 429 with the seconds after which another request can succeed (RFC 6585 §4); the log names the limit."""
    note(error=limit)
    answer = as_json_rpc(Refused(429, why))
    answer.headers["Retry-After"] = str(wait)
    return answer
