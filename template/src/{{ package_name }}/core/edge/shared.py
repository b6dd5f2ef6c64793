"""Attempts that all replicas count together, in Redis or Valkey."""

import logging
import math
import time
from importlib import import_module
from typing import Any

from ..fields import WRONG_STORE
from ..parts import NotReady

logger = logging.getLogger(__name__)

WITHIN = 0.2  # seconds for a connection to the store, and for its answer
PAUSE = 1.0  # seconds for which a store that failed is not asked again


class SharedAttempts:
    """At most `limit` attempts in `window` seconds, counted by who made them.

    While the store does not answer, nobody is refused, because a limit must not make an outage larger.

    Raises:
        NotReady: The client of the store is not installed, or the URL has an option that does not exist.
    """

    def __init__(self, url: str, limit: int, window: int) -> None:
        self.limit, self.window = limit, window
        self.connect(url)
        self.failing_until = 0.0  # monotonic seconds; 0 while the store answers
        self.uncounted = 0  # attempts while it failed

    def connect(self, url: str) -> None:
        """Choose the store; connections to it are made when they are needed."""
        try:
            # Only what uses a store needs the package, which an owner adds. It has no types then.
            self.client: Any = import_module("redis.asyncio")
            retry: Any = import_module("redis.asyncio.retry")
            backoff: Any = import_module("redis.backoff")
        except ModuleNotFoundError as error:
            raise NotReady("STATE_STORE_URL needs the package redis; run `uv add redis`, or unset it") from error
        # A connection may have been closed by the store since its last use, so each command has a second attempt.
        again = retry.Retry(backoff.NoBackoff(), 1, supported_errors=(self.client.ConnectionError,))
        try:
            self.redis = self.client.Redis.from_url(
                url, socket_timeout=WITHIN, socket_connect_timeout=WITHIN, health_check_interval=0, retry=again
            )
            pool = self.redis.connection_pool
            pool.connection_class(**pool.connection_kwargs)  # without connecting, it takes only options that exist
        except (ValueError, TypeError, AttributeError):  # the message may repeat parts of a password
            raise NotReady(f"STATE_STORE_URL {WRONG_STORE}") from None

    async def count(self, who: str) -> int:
        """Count one more. Seconds to wait, or 0 while the limit is not exceeded."""
        if time.monotonic() < self.failing_until:
            self.uncounted += 1
            return 0
        try:
            made, left = await self._count(f"connector:rate:{who}")
        except (self.client.RedisError, OSError) as error:
            if not self.failing_until:
                logger.warning("RATE_LIMIT is off: its store does not answer as it should (%s)", type(error).__name__)
            self.failing_until = time.monotonic() + PAUSE
            self.uncounted += 1
            return 0
        if self.failing_until:
            logger.warning("RATE_LIMIT is on again; %d requests were not counted", self.uncounted)
            self.failing_until, self.uncounted = 0.0, 0
        return max(1, math.ceil(left / 1000)) if made > self.limit else 0

    async def _count(self, key: str) -> tuple[int, int]:
        """Attempts in this window, and the milliseconds until it ends. The first attempt begins it."""
        async with self.redis.pipeline(transaction=True) as commands:
            commands.set(key, 0, ex=self.window, nx=True).incr(key).pttl(key)
            _, made, left = await commands.execute()
        return made, left

    async def close(self) -> None:
        await self.redis.aclose()
