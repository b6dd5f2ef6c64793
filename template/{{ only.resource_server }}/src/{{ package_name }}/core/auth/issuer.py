"""The issuer: where its endpoints are, and how the connector asks while it is down."""

import asyncio
import logging
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2

from .words import https_url

logger = logging.getLogger(__name__)

LONGEST = 16 * 1024  # characters of a token
TOO_LONG = f"it has over {LONGEST:,} characters"
WITHIN = 10.0  # seconds for a whole answer; each part of it, such as the connection, has 5
PAUSE = 5.0  # seconds for which a host that did not answer is not asked again
LOOK = 6.0  # seconds between two attempts to start; longer than PAUSE
LATER = {408, 425, 429}  # with those from 500 on: statuses that say nothing about the question


class IssuerUnavailable(Exception):
    """The issuer cannot be asked, so no token can be checked; the message says why."""


class WrongSetting(IssuerUnavailable):
    """A setting is wrong, as far as the issuer's answer tells, so waiting does not help; the message says which."""


class IssuerClient(httpx2.AsyncClient):
    """An HTTP client that waits once for a host that does not answer, and not again for each request.

    After a failure, requests to that host fail at once for 5 seconds. Then one request tries again, and the others
    fail at once until it succeeds.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        super().__init__(timeout=5.0, transport=transport)
        self.level = logging.WARNING  # of the line which says that a host does not answer
        self._down: dict[str, tuple[str, float]] = {}  # for each host, why, and until when (monotonic seconds)
        self._outage: float | None = 0.0  # since when it does not answer (Unix time)

    def answered(self) -> float:
        """Until when the issuer answered, as Unix time: now, while no request has failed since it did."""
        return time.time() if self._outage is None else self._outage

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """The answer, as a whole.

        Raises:
            httpx2.TransportError: The issuer does not answer, or did not a moment ago.
        """
        host = request.url.netloc.decode()
        why, until = self._down.get(host, ("", 0.0))
        if time.monotonic() < until:
            raise httpx2.ConnectError(f"{why} a moment ago", request=request)
        if why:
            self._down[host] = why, time.monotonic() + WITHIN + PAUSE
        try:
            async with asyncio.timeout(WITHIN):
                answer = await self._send(request, **options)
        except httpx2.TransportError as error:
            self._failed(host, type(error).__name__)
            raise
        except TimeoutError as error:
            self._failed(host, "TimeoutError")
            raise httpx2.ReadTimeout(f"no whole answer in {WITHIN:.0f} seconds", request=request) from error
        except BaseException:  # such as a caller who left
            if why:
                self._down[host] = why, 0.0
            raise
        if answer.status_code == 429:
            self._failed(host, "429")
        elif self._down.pop(host, None):
            logger.info("the identity provider at %s answers again", host)
        self._outage = self.answered() if says_nothing(answer.status_code) else None
        return answer

    async def _send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            return await super().send(request, **options)
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
            # The issuer may have closed an idle connection.
            return await super().send(request, **options)

    def _failed(self, host: str, why: str) -> None:
        if host not in self._down:
            logger.log(self.level, "the identity provider at %s does not answer: %s", host, why)
        self._down[host] = why, time.monotonic() + PAUSE
        self._outage = self.answered()


@asynccontextmanager
async def looking(prepare: Callable[[], Awaitable[None]], ready: Callable[[], bool]) -> AsyncIterator[None]:
    """Prepare now, and again in the background whenever it is not ready: the issuer may be down for a while.

    The first attempt is awaited for at most 2 seconds.
    """
    first = asyncio.Event()

    async def look() -> None:
        said = ""
        while True:
            if not ready():
                try:
                    await prepare()
                    if said:
                        logger.info("tokens can be checked now")
                    said = ""
                except IssuerUnavailable as error:
                    if said != str(error):
                        level = logging.WARNING if isinstance(error, WrongSetting) else logging.INFO
                        logger.log(level, "tokens cannot be checked yet: %s", error)
                    said = str(error)
                first.set()
            await asyncio.sleep(LOOK * random.uniform(1.0, 1.2))

    task = asyncio.create_task(look())
    try:
        if not ready():
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await first.wait()
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, and those that led to it."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        yield error
        seen.append(error)
        error = error.__cause__ or error.__context__


def no_answer(url: str, error: Exception) -> IssuerUnavailable:
    """The exception for a request that failed: an outage, unless the URL or the certificates of this machine are wrong.

    A name that does not exist is almost always misspelt. During an outage, name servers rather give no answer.
    """
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return WrongSetting(f"the certificate of {url} cannot be used: {cause.verify_message}")
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
            return WrongSetting(f"the host of {url} does not exist")
    return IssuerUnavailable(f"{url} does not answer ({str(error) or type(error).__name__})")


def says_nothing(status: int) -> bool:
    """Whether an HTTP status says that the same question can be asked later."""
    return status >= 500 or status in LATER


async def read(http: httpx2.AsyncClient, url: str) -> Any:
    """The JSON that the issuer has there, or None.

    Raises:
        IssuerUnavailable: It does not answer.
        WrongSetting: It cannot be there.
    """
    try:
        answer = await http.get(url)
        found = answer.json() if answer.status_code == 200 else None
    except httpx2.HTTPError as error:
        raise no_answer(url, error) from error
    except (ValueError, RecursionError):
        return None
    if says_nothing(answer.status_code):
        raise IssuerUnavailable(f"{url} answers {answer.status_code}")
    return found


async def discover(http: httpx2.AsyncClient, issuer: str, *endpoints: str) -> dict[str, Any]:
    """The issuer's metadata, with a usable URL as each endpoint (OpenID Connect Discovery §4, RFC 8414 §3).

    Raises:
        IssuerUnavailable: It does not answer.
        WrongSetting: No document names exactly this issuer and the endpoints.
    """
    url = httpx2.URL(issuer)
    places = [
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        str(url.copy_with(path=f"/.well-known/oauth-authorization-server{url.path.rstrip('/')}")),
    ]
    wrong, outage = "", None
    for place in places:
        try:
            document = await read(http, place)
        except WrongSetting:
            raise
        except IssuerUnavailable as error:
            outage = outage or error
            continue
        if not isinstance(document, dict) or not (named := document.get("issuer")):
            continue
        if named != issuer:
            wrong = f"its discovery document names the issuer {named!r}; set exactly that, slash included"
            continue
        missing = [endpoint for endpoint in endpoints if not is_endpoint(document.get(endpoint))]
        if not missing:
            return document
        wrong = f"its discovery document at {place} has no https URL as {missing[0]}"
    if outage and not wrong:
        raise outage
    raise WrongSetting(wrong or f"it has no discovery document at {places[0]}")


def is_endpoint(value: object) -> bool:
    """Whether a document has a usable URL there; it may have a query (RFC 6749 §3.1)."""
    try:
        return bool(https_url(str(value).partition("?")[0]))
    except ValueError:
        return False
