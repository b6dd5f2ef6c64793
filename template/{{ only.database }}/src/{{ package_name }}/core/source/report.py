"""What the operators learn of the database: its state beside readiness, and a line in the log when it changes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Self

health = logging.getLogger("connector.health")

EVERY = 30.0  # seconds
WITHIN = 20.0  # seconds for an answer
FIRST = 1.0  # seconds that a report waits for the first answer


class Watch:
    """While entered, asks every 30 seconds why the database cannot be used, if it cannot."""

    def __init__(self, why: Callable[[], Awaitable[str | None]]) -> None:
        self.why = why
        self._failing: dict[str, str] = {}  # since when, and why
        self._asked = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def report(self) -> dict[str, str]:
        """`{"status": "ok"}`, or failing, since when (RFC 3339) and why: the name of an exception, or `role`."""
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
        try:
            async with asyncio.timeout(WITHIN):
                cause = await self.why()
        except TimeoutError:
            cause = "TimeoutError"
        if cause is None and self._failing:
            health.warning("the database answers again; it was failing since %s", self._failing["since"])
            self._failing = {}
        elif cause is not None:
            if not self._failing:
                health.warning("the database cannot be used: %s", cause)
            since = self._failing.get("since") or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._failing = {"since": since, "cause": cause}
