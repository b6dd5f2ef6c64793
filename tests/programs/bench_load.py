"""Calls over a few connections, as fast as a server answers them, and what that cost.

One thread with plain sockets: it takes a tenth of the time that the fastest server here takes, so that on two
processors it slows none of them.
"""

import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..lib.wire import STATELESS, call, cpu, http_request

END = b"\r\n\r\n"
CLIENT = {"io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"}}


class Unexpected(Exception):
    """A server answered with an error, or not at all."""


@dataclass(frozen=True)
class Load:
    """What a burst of calls showed."""

    calls: int
    seconds: float
    cpu: float
    """Seconds on a processor, of the processes that answered."""
    times: Sequence[float]
    """Seconds that each call took, sorted."""

    @property
    def rate(self) -> float:
        return self.calls / self.seconds

    @property
    def tail(self) -> float:
        """How much longer one call in a hundred takes than the middle one."""
        return self.times[len(self.times) * 99 // 100] / self.times[len(self.times) // 2]


def request(origin: str, headers: Mapping[str, str], version: str) -> bytes:
    """A call of the tool `echo`, on a connection that stays open."""
    meta = {"_meta": CLIENT} if version == STATELESS else {}
    sent = call("tools/call", version, {"name": "echo", "arguments": {"text": "hello"}, **meta})
    extra = [("User-Agent", "bench/1"), *headers.items()]
    return http_request("POST", "/mcp", sent, host=urlsplit(origin).netloc, extra=extra, keep=True)


def complete(received: bytes) -> bool:
    """Whether the bytes are a whole answer.

    Raises:
        Unexpected: The answer is an error.
    """
    head, separator, body = received.partition(END)
    if not separator:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise Unexpected(received.decode(errors="replace")[:1000])
    _, found, length = head.lower().partition(b"content-length:")
    return len(body) >= int(length.partition(b"\r")[0]) if found else body.endswith(b"0\r\n\r\n")


class Connections:
    """Open connections, each with one call under way."""

    def __init__(self, requests: Sequence[bytes], origins: Sequence[str]) -> None:
        self.selector = selectors.DefaultSelector()
        self.calls = 0
        self.times: list[float] = []
        for sent, origin in zip(requests, origins, strict=True):
            address = urlsplit(origin)
            connection = socket.create_connection((address.hostname, address.port), 10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(connection, selectors.EVENT_READ, [connection, sent, b"", 0.0])

    def run(self, seconds: float, most: int | None = None) -> None:
        """Call for so long, or until so many calls were answered; then wait for those under way."""
        clock, until = time.perf_counter, time.perf_counter() + seconds
        states = [key.data for key in self.selector.get_map().values()]
        for state in states:
            state[3] = clock()
            state[0].sendall(state[1])
        waiting = len(states)
        while waiting:
            ready = self.selector.select(30)
            if not ready:
                raise Unexpected("no answer within 30 seconds")
            for key, _ in ready:
                state = key.data
                received = state[0].recv(262_144)
                if not received:
                    raise Unexpected("the server closed a connection")
                state[2] += received
                if not complete(state[2]):
                    continue
                now = clock()
                self.times.append(now - state[3])
                self.calls += 1
                state[2] = b""
                if now < until and (most is None or self.calls + waiting <= most):
                    state[3] = now
                    state[0].sendall(state[1])
                else:
                    waiting -= 1

    def close(self) -> None:
        for key in list(self.selector.get_map().values()):
            self.selector.unregister(key.fileobj)
            key.data[0].close()
        self.selector.close()


def load(
    origins: Sequence[str],
    headers: Mapping[str, str],
    version: str,
    processes: Sequence[int],
    *,
    seconds: float = 2.0,
    connections: int = 16,
    most: int | None = None,
) -> Load:
    """Call servers in turn, over so many connections; `processes` are theirs, whose time on a processor counts."""
    chosen = [origins[number % len(origins)] for number in range(connections)]
    open = Connections([request(origin, headers, version) for origin in chosen], chosen)
    try:
        before, began = sum(map(cpu, processes)), time.perf_counter()
        open.run(seconds, most)
        taken = time.perf_counter() - began
        return Load(open.calls, taken, sum(map(cpu, processes)) - before, sorted(open.times))
    finally:
        open.close()
