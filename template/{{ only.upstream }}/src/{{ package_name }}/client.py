"""The HTTP client of the upstream API: credentials, limits and retries. The API's paths are in `upstream.py`."""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote

import httpx2
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import TypeAdapter, ValidationError

from .core.edge.protocol import problem
from .core.source.answer import LARGE, Unusable, json_of
from .core.source.refusals import DOUBT, LATER, reason, secrets, sentence, wait
from .core.source.report import Path, attempted, trace_headers, upstream_crowded, upstream_failed, upstream_unusable
from .settings import Settings

TIMEOUT = httpx2.Timeout(15.0, connect=5.0)  # seconds without a byte
DEADLINE = 15.0  # seconds for each attempt, so that an answer that trickles ends too
RETRIED = 8.0  # seconds in which another attempt may begin: with a last wait and attempt, a call ends within 28
KEPT = 20  # connections that stay open while nothing is asked
SPARE = 4  # connections beside UPSTREAM_AT_ONCE: for the health check, and for what renews a credential
TURN = 15.0  # seconds that a request waits while UPSTREAM_AT_ONCE others are answered
UNPROXIED = ("all://*localhost", "all://127.0.0.0/8", "all://[::1]")  # this machine, whatever HTTP_PROXY says
ATTEMPTS = 3
LONGEST_WAIT = 5.0  # seconds between two attempts; an API that asks for more is not asked again
MAX_URL = 8_000  # bytes of a path and its parameters; servers take no more
MAX_ANSWER = 8 * 1024 * 1024  # bytes
IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}  # RFC 9110 §9.2.2: only these are sent again
UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)  # the API saw nothing: always safe to repeat

T = TypeVar("T")
Record = dict[str, Any]
Params = Mapping[str, Any] | tuple[tuple[str, str], ...]


class UpstreamError(ToolError):
    """What went wrong, in words that tell the agent what to do next."""


class Answer(NamedTuple):
    """A success of the upstream API."""

    status: int
    headers: httpx2.Headers
    content: bytes
    url: str = ""  # that was asked


Post = Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[tuple[httpx2.Response, bytes]]]


class Renewed(ABC):
    """A credential that ends, such as a token. It is for the client of this module alone, which renews it."""

    def __call__(self) -> Mapping[str, str]:
        raise UpstreamError("The owner of this connector must derive Upstream from Client, which renews credentials.")

    @abstractmethod
    async def current(self, post: Post) -> Mapping[str, str]:
        """The headers to send. `post(url, headers, form)` sends a form elsewhere, within the limits of this module.

        Raises:
            UpstreamError: It cannot be had now.
        """

    @abstractmethod
    def refused(self, headers: Mapping[str, str]) -> bool:
        """The API answered these with a 401. Whether others can be had now."""


class Client:
    """The upstream API, called with `credentials`: the caller's own or the connector's, never both.

    Where they are the caller's, `credentials()` raises a LookupError while nobody calls. `transport` replaces the
    network. Without it, HTTPS_PROXY, HTTP_PROXY and NO_PROXY apply, but never to this machine.
    """

    def __init__(
        self,
        settings: Settings,
        credentials: Callable[[], Mapping[str, str]],
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.max_result = settings.max_result  # bytes of a result that is made of answers
        self._credentials, self._health_path = credentials, settings.upstream_health_path
        self._turns = asyncio.Semaphore(settings.upstream_at_once)
        self._http = httpx2.AsyncClient(
            base_url=settings.upstream_url,
            headers={"Accept": "application/json"},
            timeout=TIMEOUT,
            limits=httpx2.Limits(max_connections=settings.upstream_at_once + SPARE, max_keepalive_connections=KEPT),
            transport=transport,
            mounts=dict.fromkeys(UNPROXIED),
            follow_redirects=False,  # a redirect would carry credentials elsewhere
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # one person's cookies are not another's
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self._http.aclose()

    async def reachable(self) -> bool:
        """Whether the API answers without a fault, and takes the connector's own credential if there is one."""
        began = time.monotonic()
        cause: int | Exception
        try:
            credentials = await self._current()
        except LookupError:
            credentials = {}
        except UpstreamError:  # which is told
            return False
        refused = {401, 403} if credentials else set()
        try:
            async with (
                asyncio.timeout(DEADLINE),
                self._http.stream("GET", self._health_path, headers=as_given(credentials)) as answer,
            ):
                cause = answer.status_code
        except (httpx2.HTTPError, TimeoutError) as error:
            cause = error
        if isinstance(cause, int) and cause < 500 and cause not in refused:
            return True
        upstream_failed("GET", self._http.base_url.host, self._health_path, cause, time.monotonic() - began)
        return cause == 401 and self._renews(credentials) and await self.reachable()

    async def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: object = None
    ) -> Any:
        """The JSON of the answer, or None if it is empty; parameters that are None or "" are left out.

        Raises:
            UpstreamError: There is no usable answer.
        """
        given = {name: value for name, value in (params or {}).items() if value not in (None, "")}
        answer = await self.send(method, path, params=given, json=body)
        with usable(method):
            return await read(answer.headers, answer.content)

    async def send(
        self, method: str, path: str, *, params: Params, headers: Mapping[str, str] | None = None, **body: Any
    ) -> Answer:
        """The answer of any media type; `body` is `json`, `content` or `files`, as httpx2 takes it.

        Raises:
            UpstreamError: There is no answer, or the API refuses the request.
        """
        repeatable = method in IDEMPOTENT
        for last in (False, True):
            credentials = await self._current()
            sent = httpx2.Headers(headers, encoding="utf-8")
            sent.update(as_given({**trace_headers(), **credentials}))
            try:
                request = self._http.build_request(method, path, params=params or None, headers=sent, **body)
            except httpx2.InvalidURL:
                request = None
            if request is None or len(request.url.raw_path) > MAX_URL:
                raise UpstreamError("This is too long to ask for. Use a shorter id or query.")
            async with self._turn():
                with usable(method):
                    answer, content = await self._attempts(request, path, repeatable)
            if answer.status_code < 300:
                return Answer(answer.status_code, answer.headers, content, str(request.url))
            if last or answer.status_code != 401 or not self._renews(credentials):
                break
        said = reason(answer.headers, content, secrets(credentials))
        raise UpstreamError(sentence(path, answer.status_code, answer.headers, said, repeatable))

    async def _current(self) -> Mapping[str, str]:
        given = self._credentials
        return await given.current(self._post) if isinstance(given, Renewed) else given()

    def _renews(self, refused: Mapping[str, str]) -> bool:
        return isinstance(self._credentials, Renewed) and self._credentials.refused(refused)

    async def _post(
        self, url: str, headers: Mapping[str, str], form: Mapping[str, str]
    ) -> tuple[httpx2.Response, bytes]:
        request = self._http.build_request("POST", url, headers=headers, data=form)
        return await self._attempts(request, request.url.path, repeatable=True)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the UPSTREAM_AT_ONCE requests that the API may answer at the same time."""
        try:
            async with asyncio.timeout(TURN):
                await self._turns.acquire()
        except TimeoutError:
            upstream_crowded(TURN)
            raise UpstreamError("Too many other requests wait for the upstream API. Try again in a minute.") from None
        try:
            yield
        finally:
            self._turns.release()

    async def _attempts(self, request: httpx2.Request, path: str, repeatable: bool) -> tuple[httpx2.Response, bytes]:
        """The last answer of up to ATTEMPTS, in RETRIED seconds."""
        began, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            delay = pause(attempt)
            try:
                answer, content = await self._attempt(request, path, attempt)
            except (httpx2.HTTPError, TimeoutError) as error:
                if is_last(attempt, began) or not (repeatable or isinstance(error, UNSENT)):
                    raise UpstreamError(unanswered(error, repeatable)) from error
            else:
                asked = wait(answer.status_code, answer.headers)
                delay = max(delay, asked or 0)
                passing = answer.status_code in LATER or asked is not None
                if is_last(attempt, began) or not passing or not repeatable or delay > LONGEST_WAIT:
                    return answer, content
            await asyncio.sleep(delay)

    async def _attempt(self, request: httpx2.Request, path: str, attempt: int) -> tuple[httpx2.Response, bytes]:
        """Send a request once, and report how it went."""
        began, content = time.monotonic(), bytearray()
        cause: int | BaseException = 0
        try:
            async with (
                asyncio.timeout(DEADLINE),
                aclosing(await self._http.send(request, stream=True)) as answer,
            ):
                cause = answer.status_code
                async for chunk in answer.aiter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER:
                        raise Unusable("it is too large", "Ask for less.")
        except (httpx2.HTTPError, TimeoutError, asyncio.CancelledError) as error:
            cause = error
            raise
        finally:
            attempted(request.method, request.url.host, path, cause, time.monotonic() - began, attempt)
        return answer, bytes(content)


@contextmanager
def usable(method: str) -> Iterator[None]:
    """Say what to do about an answer that cannot be used."""
    try:
        yield
    except Unusable as error:
        upstream_unusable(error.why)
        remedy = error.remedy if method in IDEMPOTENT else DOUBT  # after a write, asking once more does not help
        raise UpstreamError(f"The answer of the upstream API cannot be used: {error.why}. {remedy}") from error


def as_given(credentials: Mapping[str, str]) -> httpx2.Headers:
    """Headers that are sent byte for byte as they came."""
    return httpx2.Headers(credentials, encoding="latin-1")


def path(template: str, **values: str) -> Path:
    """A path in which each value stays in its own segment (RFC 3986 §3.3), and out of the log.

    Raises:
        UpstreamError: A value is empty or a dot segment, which would name another path.
    """
    for name, value in values.items():
        if len(value) > MAX_URL:
            raise UpstreamError(f"The {name} is too long. Use one that a search returned.")
        if value in {"", ".", ".."}:
            raise UpstreamError(f"The {name} must not be {value!r}. Use one that a search returned.")
    return Path(template, {name: quote(value, safe="") for name, value in values.items()})


async def read(headers: httpx2.Headers, content: bytes) -> Any:
    """The JSON of a success, or None if it is empty; a large one is read while others are answered."""
    if not content.strip():
        return None
    return json_of(headers, content) if len(content) <= LARGE else await asyncio.to_thread(json_of, headers, content)


def unanswered(error: Exception, repeatable: bool) -> str:
    """What a request without an answer means, and what to do."""
    if isinstance(error, UNSENT):
        return "The upstream API cannot be reached. Try again in a minute."
    if not repeatable:
        return f"The upstream API broke off before it answered. {DOUBT}"
    late = isinstance(error, TimeoutError | httpx2.TimeoutException)
    what = "did not answer in time" if late else "gave no answer that can be read"
    return f"The upstream API {what}. Try again in a minute."


def shaped(expected: type[T], answer: object) -> T:
    """The answer as what is expected.

    Raises:
        UpstreamError: It is something else.
    """
    try:
        return TypeAdapter(expected).validate_python(answer)
    except ValidationError as error:
        [first, *_] = error.errors(include_input=False)
        why = problem(first, "the whole")
        upstream_unusable(why)
        raise UpstreamError(
            f"The upstream API answers in another form than expected ({why}). "
            "The owner of this connector must fit upstream.py to it."
        ) from error


def is_last(attempt: int, began: float) -> bool:
    return attempt == ATTEMPTS or time.monotonic() - began > RETRIED


def pause(attempt: int) -> float:
    """Seconds before the next attempt: longer each time, and never the same for two callers."""
    return random.uniform(0.2, 0.6) * attempt
