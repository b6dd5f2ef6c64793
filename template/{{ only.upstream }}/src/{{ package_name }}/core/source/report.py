"""What the operators learn of a failing upstream API: a log line, and its state beside readiness."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

import httpx2

from ..edge.logs import current
from ..edge.observe import note

logger = logging.getLogger("connector.upstream")
health = logging.getLogger("connector.health")

EVERY = 30.0  # seconds
WITHIN = 20.0  # seconds for an answer
FIRST = 1.0  # seconds that a report waits for the first answer
DIGITS = re.compile(r"[^/]*\d[^/]*")

# While the API fails, only the change is logged, and not each request of `Watch`.
logger.addFilter(lambda _: "repeated" not in (current.get() or {}))


class Path(str):
    """The path of a request to the upstream API, which keeps its template: `/records/{id}`."""

    template: str

    def __new__(cls, template: str, values: Mapping[str, str]) -> Self:
        path = super().__new__(cls, template.format_map(values))
        path.template = template
        return path


def template(path: str) -> str:
    """The path without values: as its template, or else with `*` for segments with a digit, and without a query."""
    return path.template if isinstance(path, Path) else DIGITS.sub("*", path.partition("?")[0])


def attempted(method: str, host: str, path: str, cause: int | BaseException, seconds: float, attempt: int = 1) -> None:
    """Count one attempt for the request's line and for the metrics, by the API's status or the exception.

    A failure is one warning. If the caller left, nothing is logged.
    """
    if record := current.get():
        record.setdefault("attempts", []).append((method, result(cause), seconds))
    if isinstance(cause, asyncio.CancelledError):
        return
    if not isinstance(cause, int) or cause >= 300:
        upstream_failed(method, host, path, cause, seconds, attempt)
        return
    if record:
        record.pop("upstream", None)  # the failure of an earlier attempt is over
    if logger.isEnabledFor(logging.DEBUG):
        told(logging.DEBUG, method, host, path, seconds, attempt, status=cause)


def upstream_failed(
    method: str, host: str, path: str, cause: int | BaseException, seconds: float, attempt: int = 1
) -> None:
    """Log one warning for a failed request to the upstream API, with the status or the exception as its cause.

    The path is written as its template. The cause is also noted as `upstream`.
    """
    note(upstream=cause if isinstance(cause, int) else type(cause).__name__)
    if isinstance(cause, int):
        told(logging.WARNING, method, host, path, seconds, attempt, status=cause)
    else:
        told(logging.WARNING, method, host, path, seconds, attempt, error=type(cause).__name__, detail=reason(cause))


def told(level: int, method: str, host: str, path: str, seconds: float, attempt: int, **fields: Any) -> None:
    known = {"verb": method, "host": host, "template": template(path), "ms": round(seconds * 1000, 1)}
    again = {"resent": attempt - 1} if attempt > 1 else {}
    what = fields.get("status") or fields.get("detail")
    words = "%s %s%s %s %s ms" + (", attempt %s" if again else "")
    values = (method, host, known["template"], what, known["ms"], *([attempt] if again else []))
    logger.log(level, words, *values, extra={"fields": {**known, **again, **fields}})


def result(cause: int | BaseException) -> str:
    """The kind of an attempt's end, for metrics: one of nine."""
    if isinstance(cause, int):
        return str(cause) if cause == 401 else f"{cause // 100}xx"
    if isinstance(cause, asyncio.CancelledError):
        return "cancelled"
    return "timeout" if isinstance(cause, TimeoutError | httpx2.TimeoutException) else "failed"


def trace_headers() -> dict[str, str]:
    """What a request to the upstream API carries, so that its log can be joined with that of the connector."""
    record = current.get() or {}
    headers = {"X-Request-ID": record["id"]} if "id" in record else {}
    if "trace" in record:
        headers["traceparent"] = f"00-{record['trace']}-{record['span']}-{record['flags']}"
    return headers


def upstream_unusable(why: str) -> None:
    """One warning for an answer that cannot be used: which field has which fault, without its value."""
    note(upstream="unusable_answer")
    logger.warning("the answer cannot be used: %s", why)


def upstream_crowded(seconds: float) -> None:
    """One warning for a request that was never sent."""
    note(upstream="crowded")
    logger.warning("a request waited %s seconds and was not sent: as many as UPSTREAM_AT_ONCE are answered", seconds)


def reason(error: BaseException) -> str:
    """The exception and the operating system's error: `ConnectError (Name or service not known)`."""
    name, inner = type(error).__name__, error.__cause__ or error.__context__
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return f"{name} ({inner.strerror})"
        inner = inner.__cause__ or inner.__context__
    return name


def failure(cause: int | str) -> str:
    """What the API does, by its status or the exception."""
    if cause in (401, 403):
        return f"refuses the credential ({cause})"
    if cause == "no_token":
        return "was not asked, because there is no token for it"
    return f"answers with {cause}" if isinstance(cause, int) else f"does not answer: {cause}"


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
            health.info("the upstream API answers again; it was failing since %s", self._failing["since"])
            self._failing = {}
        elif not answers:
            if not self._failing:
                health.warning("the upstream API %s", failure(noted.get("upstream", "no cause is known")))
            since = self._failing.get("since") or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._failing = {"since": since, **cause}
