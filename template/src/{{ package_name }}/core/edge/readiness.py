"""What probes ask: whether this process lives, and whether it is ready for calls."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..parts import Report

logger = logging.getLogger("connector.health")

WITHIN = 2.0  # seconds for an answer about readiness
FRESH = 1.0  # seconds for which the answer counts, however many probes arrive


async def live(_: Request) -> Response:
    """200 while the process can answer."""
    return JSONResponse({"status": "ok"})


async def stopping(_: Request) -> Response:
    """503, the readiness of a connector that stops."""
    return JSONResponse({"status": "stopping"}, 503)


def readiness(
    ready: Callable[[], Awaitable[bool]], reports: Mapping[str, Report]
) -> Callable[[Request], Awaitable[Response]]:
    """200 while `ready`, else 503.

    Reports, such as that of the upstream API, stand beside it and never change the status: no other replica could help.
    """
    known, until = True, 0.0  # the last answer, and when it expires (monotonic seconds)
    asking = asyncio.Lock()

    async def answer(_: Request) -> Response:
        nonlocal known, until
        async with asking:
            if time.monotonic() >= until:
                before, known = known, False
                with suppress(TimeoutError):
                    async with asyncio.timeout(WITHIN):
                        known = await ready()
                until = time.monotonic() + FRESH
                if known != before:
                    logger.warning("ready again" if known else "not ready: calls get a 503")
        content: dict[str, object] = {"status": "ok" if known else "failing"}
        for name, report in reports.items():
            content[name] = await report()
        return JSONResponse(content, 200 if known else 503)

    return answer
