"""Whether the upstream API answers: asked in the background, for readiness to report."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

from ..edge.observe import current

logger = logging.getLogger("connector.health")

EVERY = 30.0  # seconds
WITHIN = 20.0  # seconds for an answer
FIRST = 1.0  # seconds that a report waits for the first answer

# While the API fails, only the change is logged, and not each request of this module.
logging.getLogger("connector.upstream").addFilter(lambda _: "repeated" not in (current.get() or {}))


class Watch:
    """While entered, asks `reachable` every 30 seconds."""

    def __init__(self, reachable: Callable[[], Awaitable[bool]]) -> None:
        self.reachable = reachable
        self._failing: dict[str, str] = {}  # since when, and why
        self._asked = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def report(self) -> dict[str, str]:
        """`{"status": "ok"}`, or failing, since when (RFC 3339) and why: an HTTP status or the name of an exception."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST):
                await self._asked.wait()
        if self._failing:
            return {"status": "failing", **self._failing}
        return {"status": "ok" if self._asked.is_set() else "unknown"}

    async def _run(self) -> None:
        while True:
            await self._ask()
            self._asked.set()
            await asyncio.sleep(EVERY)

    async def _ask(self) -> None:
        noted: dict[str, Any] = {"repeated": True} if self._failing else {}
        mark = current.set(noted)
        try:
            async with asyncio.timeout(WITHIN):
                answers = await self.reachable()
        except Exception as error:
            answers, noted["upstream"] = False, type(error).__name__
        finally:
            current.reset(mark)
        cause = {"cause": str(noted["upstream"])} if "upstream" in noted else {}
        if answers and self._failing:
            logger.warning("the upstream API answers again; it was failing since %s", self._failing["since"])
            self._failing = {}
        elif not answers:
            if not self._failing:
                logger.warning("the upstream API does not answer: %s", cause.get("cause", "no cause is known"))
            since = self._failing.get("since") or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._failing = {"since": since, **cause}
