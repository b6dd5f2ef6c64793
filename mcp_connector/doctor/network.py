"""All requests of one run: what may be called, how often, and for how long."""

import asyncio
import os
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from . import addresses
from .exchange import Answer, Request, Trouble, exchange, trusting
from .target import Url, parse

REQUESTS = 80
SECONDS = 50.0
AT_ONCE = 10
FIRST, PATIENCE = 30.0, 8.0

INTERNAL = {addresses.LOOPBACK: "this machine", addresses.PRIVATE: "a private network"}

Resolve = Callable[[str], list[str]]
Dial = Callable[[str, int], tuple[str, int]]


def resolve(host: str) -> list[str]:
    """Every address of a name, IPv4 first; OSError where it has none."""
    found = sorted(
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM), key=lambda entry: entry[0] != socket.AF_INET
    )
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Network:
    """The way out. A name is looked up once, and connections go to the address that was found then."""

    def __init__(
        self,
        resolve: Resolve = resolve,
        dial: Dial = lambda host, port: (host, port),
        seconds: float = SECONDS,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.resolve, self.dial = resolve, dial
        self.ends = time.monotonic() + seconds
        self.left, self.turns = REQUESTS, asyncio.Semaphore(AT_ONCE)
        self.id = f"doctor-{secrets.token_hex(4)}"
        """`X-Request-Id` of the requests to the target, to be found in its log."""
        self.known: dict[str, asyncio.Future[list[str]]] = {}
        self.target: Url | None = None
        # Made once: a second costs as much time as a request.
        self.trust = trust or trusting(os.environ.get("SSL_CERT_FILE"))

    @contextmanager
    def waiting(self, most: float) -> Iterator[None]:
        """Time of the user, which does not count: at most so many seconds."""
        began = time.monotonic()
        self.ends += most
        try:
            yield
        finally:
            self.ends += min(time.monotonic() - began, most) - most

    def remaining(self) -> float:
        return max(self.ends - time.monotonic(), 0.0)

    async def addresses(self, host: str) -> list[str]:
        """The addresses of a name, looked up once; none where it has none or nobody answers."""
        if host not in self.known:
            loop = asyncio.get_running_loop()
            self.known[host] = found = loop.create_future()

            def look_up() -> None:
                try:
                    result = self.resolve(host)
                except (OSError, UnicodeError):
                    result = []
                with suppress(RuntimeError):  # the run is over
                    loop.call_soon_threadsafe(found.set_result, result)

            # A thread that nobody waits for: the system's resolver takes as long as it likes.
            threading.Thread(target=look_up, daemon=True).start()
        try:
            async with asyncio.timeout(min(PATIENCE, self.remaining())):
                return await asyncio.shield(self.known[host])
        except TimeoutError:
            return []

    async def forbidden(self, text: object) -> str:
        """Why a URL that the other side gave is not called; empty where it is.

        It must be https and public, or on the network of the target: then whoever calls that server may call it.
        """
        try:
            url = parse(text) if isinstance(text, str) and len(text) < 2_000 else None
        except ValueError as error:
            return str(error) if str(error).startswith("it") else "it is not a URL"
        if url is None:
            return "it is not a URL"
        if self.target and (url.origin == self.target.origin):
            return ""
        if url.user_info:
            return "it has a user name in it"
        if addresses.odd(url.host):
            return "its host is a number that is not written as an address"
        found = await self.addresses(url.host)
        if not found:
            return ""  # asking will say so
        near = await self.addresses(self.target.host) if self.target else []
        if near and all(any(addresses.beside(address, there) for there in near) for address in found):
            return ""
        kind = addresses.together(found)
        if kind != addresses.GLOBAL:
            return f"it leads to {INTERNAL.get(kind, 'an address that is not public')}"
        return "" if url.scheme == "https" else "it is not https"

    async def ask(self, request: Request, patience: float = PATIENCE) -> Answer:
        """The answer of a host that may be called."""
        async with self.turns:
            patience = min(patience, self.remaining())
            if self.left <= 0 or patience <= 0.1:
                return Answer(request, trouble=Trouble.SPENT)
            self.left -= 1
            if self.target and request.url.origin == self.target.origin:
                request = replace(request, headers={"X-Request-Id": self.id, **request.headers})
            found = await self.addresses(request.url.host)
            if not found:
                return Answer(request, trouble=Trouble.NAME)
            until, answer = time.monotonic() + patience, Answer(request, trouble=Trouble.SILENT)
            for address in found[:3]:
                if (rest := until - time.monotonic()) <= 0.1:
                    break
                answer = await exchange(request, self.dial(address, request.url.port), self.trust, rest)
                if answer.trouble not in (Trouble.REFUSED, Trouble.SILENT):
                    break
            return answer

    async def follow(
        self, text: object, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """The answer at a URL that the other side gave, unless it must not be called."""
        if why := await self.forbidden(text):
            assert self.target
            nothing = Request(method, self.target)
            return Answer(nothing, trouble=Trouble.FORBIDDEN, detail=why)
        return await self.ask(Request(method, parse(str(text)), headers or {}, body))
