"""What the operators learn of the database: log lines, metrics, and its state beside readiness."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy.exc import SQLAlchemyError

from ..edge.logs import current
from ..edge.observe import note
from .refusals import cause, code, kind, reason

logger = logging.getLogger("connector.database")
health = logging.getLogger("connector.health")

EVERY = 30.0  # seconds
WITHIN = 20.0  # seconds for an answer
FIRST = 1.0  # seconds that a report or the end waits for the first answer
WORDS = {
    "failed": "the database does not answer: %s",
    "timeout": "the database took too long: %s",
    "refused": "the database refuses a statement: %s",
}

# While the database fails, only the change is logged, and not each request of `Watch`.
logger.addFilter(lambda _: "repeated" not in (current.get() or {}))


def attempted(host: str | None, error: BaseException | None, seconds: float) -> None:
    """Count one transaction for the request's line and for the metrics, by the error that ended it.

    An error is one warning. If the caller left, nothing is logged.
    """
    result = "ok" if error is None else "cancelled" if isinstance(error, asyncio.CancelledError) else kind(error)
    if record := current.get():
        record.setdefault("attempts", []).append(("SELECT", result, seconds))
        if result == "ok":
            record.pop("upstream", None)  # the failure of an earlier attempt is over
    if isinstance(error, SQLAlchemyError | OSError):
        failed(host, error, seconds)


def failed(host: str | None, error: SQLAlchemyError | OSError, seconds: float) -> None:
    """Log one warning for a transaction that failed, and note its cause as `upstream`.

    The database's words are left out where they may repeat a statement of an agent.
    """
    result, name = kind(error), cause(error)
    note(upstream=name)
    fields: dict[str, Any] = {"error": name, "ms": round(seconds * 1000, 1), **({"host": host} if host else {})}
    more = f" ({reason(error)})" if result == "failed" else f" ({found})" if (found := code(error)) else ""
    logger.warning(WORDS[result], f"{name}{more}, {fields['ms']} ms", extra={"fields": fields})


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
        await self._first()  # aiosqlite, cancelled while it connects, leaves a thread that needs the event loop
        self._task.cancel()
        await asyncio.wait([self._task])

    async def report(self) -> dict[str, str]:
        """`{"status": "ok"}`, or failing, since when (RFC 3339) and why: the name of an exception, or `role`."""
        await self._first()
        if self._failing:
            return {"status": "failing", **self._failing}
        return {"status": "ok" if self._asked.is_set() else "unknown"}

    async def _first(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST):
                await self._asked.wait()

    async def _run(self) -> None:
        while True:
            await self._ask()
            self._asked.set()
            await asyncio.sleep(EVERY)

    async def _ask(self) -> None:
        mark = current.set({"repeated": True} if self._failing else {})
        try:
            async with asyncio.timeout(WITHIN):
                cause = await self.why()
        except TimeoutError:
            cause = "TimeoutError"
        finally:
            current.reset(mark)
        if cause is None and self._failing:
            health.warning("the database answers again; it was failing since %s", self._failing["since"])
            self._failing = {}
        elif cause is not None:
            if not self._failing:
                health.warning("the database cannot be used: %s", cause)
            since = self._failing.get("since") or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._failing = {"since": since, "cause": cause}
