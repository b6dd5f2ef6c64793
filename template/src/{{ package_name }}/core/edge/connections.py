"""Where the connector listens, and limits on connections and header sections, for which uvicorn has no settings."""

import asyncio
import errno
import logging
import os
import socket
from contextlib import ExitStack
from functools import cache
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

logger = logging.getLogger(__name__)

WITHIN = 10.0  # seconds for a header section to arrive, and for the rest of a request that is already answered
HEADER_BYTES = 64 * 1024  # of one header section; also the base limit of trailers and chunk framing
HEADER_FIELDS = 100
FRAMING = 8  # bytes of framing allowed for each byte of a body; chunks of one byte each need five
CONNECTIONS = 2_000  # open at once; fewer if the process may open fewer files
SPARE_FILES = 100  # file descriptors reserved for everything that is not a connection
# Connections that asyncio accepts in one iteration of its loop. Those over the limit are closed up to four iterations
# later; with a small number, they fit into the spare descriptors until then.
BACKLOG = 16
QUEUE = 2_048  # connections that the kernel queues until they are accepted
PIPELINED = 16  # requests that may wait on one connection while an earlier one is answered
UNREAD = 60.0  # seconds for a caller to read more of its answer
SCARCE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
TOLD = 10.0  # seconds between two lines which say that connections cannot be accepted
HEALTH = b"/health/"
# Each has a socket of its own: on one for both, the address of an IPv4 caller would look like ::ffff:10.0.0.1.
EVERYWHERE = ["::", "0.0.0.0"]  # noqa: S104
Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
REASONS = {
    errno.EADDRINUSE: "{of}PORT is {port}, which another process uses; stop that process or choose another port",
    errno.EACCES: "{of}PORT is {port}, for which this user lacks the right; choose a port over 1023",
    errno.EADDRNOTAVAIL: "{of}HOST is {name}, not an address of this machine; use 127.0.0.1, or :: for all addresses",
    errno.EAFNOSUPPORT: "{of}HOST is {name}, and this machine has no IPv6; use 0.0.0.0",
}
OTHER = "{of}HOST is {name} and {of}PORT is {port}, where it cannot listen ({error}); choose others"


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, with limits on the number of connections and on the size and time of their headers.

    Over the limit of connections, the connection that has waited longest for its caller is closed. If none waits for
    a caller, the new one gets a 503. Health probes always get an answer: otherwise a platform would restart a connector
    that is only busy.
    """

    waiting_since: float | None = None  # loop time; None while the caller waits for the connector
    in_headers = True
    fields = header_bytes = 0
    overhead = body_bytes = 0  # bytes received that are not part of the body, and those that are
    watcher: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waiting_since = self.loop.time()
        self.watch()
        if len(self.connections) > most_connections():
            waiting = {c: c.waiting_since for c in self.connections if isinstance(c, Connection) and c is not self}
            since = {c: moment for c, moment in waiting.items() if moment is not None}
            if since:
                longest = min(since, key=since.__getitem__)
                longest.waiting_since = None  # it leaves `connections` later; the next caller must not choose it again
                longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.watcher:
            self.watcher.cancel()
        super().connection_lost(exc)

    def watch(self) -> None:
        """Close the connection when its caller is late. One timer per connection costs less than one per request."""
        waits = 0.0 if self.waiting_since is None else self.loop.time() - self.waiting_since
        answered = self.cycle is not None and self.cycle.response_complete and self.cycle.more_body
        if (waits >= WITHIN and (self.in_headers or answered)) or (waits >= UNREAD and self.flow.write_paused):
            self.transport.abort()
        else:
            self.watcher = self.loop.call_later(WITHIN / 2, self.watch)

    def data_received(self, data: bytes) -> None:
        if self.timeout_keep_alive_task is not None:  # idle: whatever comes is the start of headers, even blank lines
            self.waiting_since, self.in_headers = self.loop.time(), True
        self.overhead += len(data)
        super().data_received(data)
        if self.overhead > 2 * HEADER_BYTES + FRAMING * self.body_bytes:
            logger.warning("closed a connection: its headers, trailers or chunk framing are too large")
            self.transport.abort()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= PIPELINED:
            raise ValueError("too many requests at once")  # uvicorn then answers 400 and closes the connection
        super().on_message_begin()
        self.waiting_since, self.in_headers = self.loop.time(), True
        self.fields = self.header_bytes = self.overhead = self.body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self.header_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_headers:
            return  # trailers must not count as headers (RFC 9110 §6.5.1)
        self.fields += 1
        self.header_bytes += len(name) + len(value) + 4
        if self.fields <= HEADER_FIELDS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.in_headers = False
        app = self.app
        if self.fields > HEADER_FIELDS or self.header_bytes > HEADER_BYTES:
            self.url = b"/"  # uvicorn would parse the URL, which may be what is too long
            self.app = refusal(431, f"The headers have over {HEADER_FIELDS} fields or {HEADER_BYTES} bytes. Send less.")
        elif len(self.connections) > most_connections() and not self.url.startswith(HEALTH):
            self.app = refusal(503, "Too many connections are open. Try again in a few seconds.", "5")
        super().on_headers_complete()
        self.app = app

    def on_body(self, body: bytes) -> None:
        self.overhead -= len(body)
        self.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.waiting_since = self.loop.time() if self.cycle.response_complete else None

    def on_response_complete(self) -> None:
        self.waiting_since = None if self.pipeline else self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.waiting_since = self.loop.time()  # the caller does not read the answer

    def resume_writing(self) -> None:
        super().resume_writing()
        self.waiting_since = self.loop.time() if self.cycle.response_complete else None


def refusal(status: int, why: str, retry_after: str | None = None) -> ASGIApp:
    """An application that refuses a request and closes the connection; the log says so."""
    logger.warning("answered %d: %s", status, why)
    headers = {"Connection": "close"} | ({"Retry-After": retry_after} if retry_after else {})
    return PlainTextResponse(why, status, headers)


@cache
def most_connections() -> int:
    """How many connections may be open at once, given the limit of open files."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return CONNECTIONS
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return CONNECTIONS
    return max(1, min(CONNECTIONS, files - SPARE_FILES))


def tell_once(loop: asyncio.AbstractEventLoop) -> None:
    """Let one line in ten seconds say that connections cannot be accepted.

    asyncio would write a traceback for each, many times a second.
    """
    told = -TOLD

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in SCARCE):
            loop.default_exception_handler(context)
        elif loop.time() - told >= TOLD:
            told = loop.time()
            logger.error("cannot accept connections: %s; it tries again every second", error.strerror)

    loop.set_exception_handler(handle)


class CannotListen(Exception):
    """The setting that is wrong, and what to do."""


def bound(name: str, port: int, of: str = "") -> list[socket.socket]:
    """Sockets at all addresses of a host, to be listened on; for `::`, at all of IPv6 and of IPv4.

    Where this machine lacks one of both, the other is enough. The settings are HOST and PORT, with `of` before both.

    Raises:
        CannotListen: An address cannot be used, or the host has no address.
    """
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    with ExitStack() as unless_all:
        for family, address in dict.fromkeys(addresses(name, port, of)):
            try:
                sockets.append(unless_all.enter_context(bind(family, address)))
            except OSError as error:
                if error.errno not in ABSENT:
                    raise CannotListen(reason(name, port, error, of)) from error
                absent = error
        if absent and not sockets:
            raise CannotListen(reason(name, port, absent, of)) from absent
        unless_all.pop_all()
    return sockets


def bind(family: socket.AddressFamily, address: Address) -> socket.socket:
    # With the protocol named, asyncio sets TCP_NODELAY; without that, an answer on a kept connection waits for 40 ms.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere this would let two processes share a port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def addresses(name: str, port: int, of: str) -> list[tuple[socket.AddressFamily, Address]]:
    try:
        found = [
            place
            for host in (EVERYWHERE if name == "::" else [name])
            for place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        ]
    except OSError as error:
        why = f"{of}HOST is {name}, which cannot be resolved ({error.strerror}); use an IP address"
        raise CannotListen(why) from error
    return [(family, address) for family, _, _, _, address in found]


def reason(name: str, port: int, error: OSError, of: str) -> str:
    return REASONS.get(error.errno or 0, OTHER).format(name=name, port=port, error=error.strerror, of=of)
