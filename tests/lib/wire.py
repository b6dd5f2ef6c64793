"""HTTP requests as bytes, whether they are well formed or not, what came back, and what a log may hold.

    answer = ask(connector.origin, http_request("POST", "/mcp", call("tools/list", VERSIONS[0])))

No HTTP client is used, because none sends half a header section, a lone surrogate or a body that never ends.
"""

import json
import os
import re
import selectors
import socket
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

STATELESS = "2026-07-28"
VERSIONS = ("2025-11-25", STATELESS)
KB = 1024
KEPT = 256 * KB  # bytes of an answer that are kept; the rest is only counted
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}  # parameters that `Mcp-Name` repeats
META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientCapabilities": {},
}
LINE = 4_000  # characters that a log line may have

Headers = Sequence[tuple[str, str]]
Json = Any  # a JSON value, in which `Raw` may stand for what JSON lacks


class Raw(str):
    """Text that stands in a body as it is, valid or not."""


class Unanswered(Exception):
    """No whole answer came in time."""


@dataclass(frozen=True)
class Answer:
    """What a server sent back."""

    status: int
    """0 where it closed the connection without an answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    """Its beginning, up to `KEPT` bytes."""
    size: int = 0
    """Bytes of everything, the status line included."""

    @property
    def broken(self) -> bool:
        """Whether the server is at fault: any 5xx but the documented 503, which names when to come back."""
        return self.status >= 500 and not (self.status == 503 and "retry-after" in self.headers)


@dataclass(frozen=True)
class Message:
    """A JSON-RPC message with the headers that its protocol version asks for."""

    body: bytes
    headers: Headers = ()


def encode(value: Json, plain: bool = False) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        members = (f"{json.dumps(str(name), ensure_ascii=not plain)}:{encode(v, plain)}" for name, v in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(encode(item, plain) for item in value) + "]"
    return json.dumps(value, ensure_ascii=not plain)


def message(envelope: Mapping[str, Any] | bytes, version: str, method: str = "", name: str | None = None) -> Message:
    """Any body, sent as a client of this version sends a request for `method`."""
    body = envelope if isinstance(envelope, bytes) else encode(envelope).encode()
    headers = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
    headers.append(("MCP-Protocol-Version", version))
    if version == STATELESS:
        headers += [("Mcp-Method", method)] if method else []
        headers += [("Mcp-Name", name)] if name is not None else []
    return Message(body, headers)


def call(
    method: str,
    version: str,
    params: Mapping[str, Json] = MappingProxyType({}),
    envelope: Mapping[str, Json] = MappingProxyType({}),
) -> Message:
    """A request as clients of this version send it; `envelope` replaces members of the JSON-RPC object.

    A name that no header can hold is left out of the headers, as one who attacks would do it.
    """
    given = {**params, "_meta": {**META, **params.get("_meta", {})}} if version == STATELESS else dict(params)
    whole = {"jsonrpc": "2.0", "id": 1, "method": method, "params": given, **envelope}
    name = params.get(NAMED.get(method, ""))
    return message(
        whole,
        version,
        method,
        name if isinstance(name, str) and len(name) <= KB and not isinstance(name, Raw) else None,
    )


def http_request(
    method: str, target: str, sent: Message, *, host: str = "", extra: Headers = (), keep: bool = False
) -> bytes:
    """The bytes of an HTTP/1.1 request with a declared length."""
    headers = [("Host", host), *sent.headers, *extra, ("Content-Length", str(len(sent.body)))]
    return head(method, target, headers if keep else [*headers, ("Connection", "close")]) + sent.body


def head(method: str, target: str, headers: Headers) -> bytes:
    """A header section as it is given: nothing is escaped, so a caller may send what no client would."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogatepass")


def chunked(body: bytes, size: int) -> bytes:
    """A body in chunks of this size (RFC 9112 §7.1)."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


def connect(origin: str, within: float = 10) -> socket.socket:
    """A connection to a server on this machine."""
    url = urlsplit(origin)
    return socket.create_connection((url.hostname or "", url.port or 80), within)


def ask(origin: str, request: bytes, within: float = 10) -> Answer:
    """The answer to a request on a connection of its own; `Unanswered` where none comes."""
    try:
        with connect(origin, within) as connection:
            return exchange(connection, request, within)
    except OSError as error:
        raise Unanswered(str(error)) from error


def exchange(connection: socket.socket, request: bytes, within: float = 10) -> Answer:
    """Send and read at once: a server may answer, and close, before it has taken the whole request."""
    deadline, left, reading = time.monotonic() + within, memoryview(request), Reading(request[:5] == b"HEAD ")
    connection.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while not reading.complete:
            if (wait := deadline - time.monotonic()) <= 0 or not (ready := selector.select(wait)):
                raise Unanswered(f"no whole answer in {within} s")
            [(_, events)] = ready
            try:
                if events & selectors.EVENT_READ:
                    reading.feed(connection.recv(KEPT))
                elif left:
                    left = left[connection.send(left[:KEPT]) :]
            except OSError:  # the server does not take the rest; what it answered may still be there to read
                if events & selectors.EVENT_READ:
                    reading.feed(b"")
                left = left[:0]
            if not left:
                selector.modify(connection, selectors.EVENT_READ)
    return reading.answer()


class Reading:
    """One answer of HTTP/1.1 as it arrives."""

    def __init__(self, headless: bool = False) -> None:
        self.kept, self.tail, self.size = b"", b"", 0
        self.start, self.status, self.headers = 0, 0, dict[str, str]()
        self.without_body, self.complete = headless, False

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        self.kept += data[: max(0, KEPT - len(self.kept))]
        self.tail = (self.tail + data)[-7:]
        while not self.headers and (end := self.kept.find(b"\r\n\r\n", self.start)) >= 0:
            first, *lines = self.kept[self.start : end].decode("latin-1").split("\r\n")
            self.status, self.start = int(first.split()[1]), end + 4
            if self.status >= 200:  # those before it say to go on
                pairs = (line.partition(":") for line in lines)
                self.headers = {name.lower(): value.strip() for name, _, value in pairs} or {"": ""}
        self.complete = not data or (bool(self.headers) and self.ended())

    def ended(self) -> bool:
        if self.without_body or self.status in (204, 304):
            return True
        if "content-length" in self.headers:
            return self.size >= self.start + int(self.headers["content-length"])
        return "chunked" in self.headers.get("transfer-encoding", "") and self.tail.endswith(b"0\r\n\r\n")

    def answer(self) -> Answer:
        body = self.kept[self.start :]
        if "chunked" in self.headers.get("transfer-encoding", ""):
            body = re.sub(rb"(?:^|\r\n)[0-9a-f]+\r\n", b"", body)
        return Answer(self.status if self.headers else 0, self.headers, body, self.size)


LOG_LINE = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S* "
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?P<logger>[\w.-]+): (?P<text>.*)",
    re.DOTALL,
)
RAISED = re.compile(r"(?:^|\\n|\n)[ |+]*((?:\w+\.)*\w+(?:Error|Exception|Group|Exit|Reject|Failed|Found))\b")
FORGED = "FORGED-LINE"
FORGERY = f"\n2026-11-26 10:00:00,000 INFO root: {FORGED}"
FORGED_ENTRY = f'\n{{"timestamp":"","severity":"ERROR","level":"error","message":"{FORGED}","logger":"root"}}'
"""What a caller sends who wants a line of its own in the log."""
LONGEST_ENTRY = 8_000
"""Characters of a line in JSON: container runtimes split lines at 16 KiB."""


class Fault(NamedTuple):
    """Something that must not be in a log."""

    kind: str
    seen: str


def faults(log: bytes) -> Iterator[Fault]:
    """What is wrong with a log.

    Each line is a JSON object, or text that begins as the server begins it, as in releases up to 2.0. It has no
    control character and at most `LINE` characters. No line is a caller's, and no record has a traceback, be it on one
    line or on many.
    """
    for record in records(log.decode("utf-8", "backslashreplace")):
        if (told := entry(record)) is not None:
            yield from faults_of(record, told)
            continue
        began = LOG_LINE.match(record)
        where = f"{began['level']} {began['logger']}" if began else "no logger"
        shown = ascii(record[:300])
        if "Traceback (most recent call last)" in record:
            raised = RAISED.findall(record)
            yield Fault(f"traceback of {raised[-1] if raised else 'something'}, {where}", ascii(record[-700:]))
        elif not began or "\n" in record:
            yield Fault(f"line that the server did not begin, {where}", shown)
        elif began["text"].startswith(FORGED):
            yield Fault("line that a caller wrote", shown)
        elif any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in record):
            yield Fault(f"control character, {where}", shown)
        if (longest := max(map(len, record.split("\n")))) > LINE:
            yield Fault(f"line over {LINE:,} characters, {where}", f"{longest:,} characters: {shown}")


ENTRY = {"timestamp", "severity", "level", "message", "logger"}


def entry(line: str) -> dict[str, Any] | None:
    """What a line of a log in JSON says."""
    try:
        told = json.loads(line) if line.startswith("{") else None
    except ValueError:
        return None
    return told if isinstance(told, dict) and told.keys() >= ENTRY else None


def entries(log: str) -> list[dict[str, Any]]:
    """What a log in JSON says, but for what a command prints before it."""
    return [told for line in log.splitlines() if (told := entry(line)) is not None]


def faults_of(line: str, told: dict[str, Any]) -> Iterator[Fault]:
    where, shown = f"{told['severity']} {told['logger']}", ascii(line[:300])
    if trace := told.get("exception.stacktrace"):
        yield Fault(f"traceback of {told['exception.type']}, {where}", ascii(trace[-700:]))
    if str(told["message"]).startswith(FORGED):
        yield Fault("line that a caller wrote", shown)
    if not (line.isascii() and line.isprintable()):
        yield Fault(f"control character, {where}", shown)
    if len(line) > LONGEST_ENTRY:
        yield Fault(f"line over {LONGEST_ENTRY:,} characters, {where}", f"{len(line):,} characters: {shown}")


def records(log: str) -> Iterator[str]:
    """The lines of a log, each with those after it that do not begin as the server begins one."""
    record: list[str] = []
    for line in log.removesuffix("\n").split("\n") if log else ():
        if record and (LOG_LINE.match(line) or entry(line) is not None):
            yield "\n".join(record)
            record = []
        record.append(line)
    if record:
        yield "\n".join(record)


class Tail:
    """What is written to a log from now on, in whole lines: a process may be in the middle of one."""

    def __init__(self, log: Path) -> None:
        self.file, self.begun = log.open("rb"), b""
        self.file.seek(0, os.SEEK_END)

    def read(self) -> bytes:
        *lines, self.begun = (self.begun + self.file.read()).split(b"\n")
        return b"".join(line + b"\n" for line in lines)


def memory(process: int, figure: str = "VmRSS") -> int:
    """Bytes of memory that a process holds now."""
    with open(f"/proc/{process}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(f"{figure}:"))


def cpu(process: int) -> float:
    """Seconds of processor time that it took so far (proc_pid_stat(5)): steadier than a clock on a busy machine."""
    with open(f"/proc/{process}/stat") as stat:
        user, system = stat.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def peak(process: int) -> int:
    """The most that it held since `reset_peak`."""
    return memory(process, "VmHWM")


def reset_peak(process: int) -> None:
    """Let the peak begin at what the process holds now (proc_pid_clear_refs(5))."""
    with open(f"/proc/{process}/clear_refs", "w") as command:
        command.write("5")


def drip(origin: str, parts: Iterable[bytes], pause: float, within: float) -> tuple[float, Answer, int]:
    """Send parts one after the other: when the server ended it, in seconds, its answer, and the bytes that it took.

    Seconds are `within` where it ended nothing.
    """
    began, sending, reading, sent = time.monotonic(), iter(parts), Reading(), 0
    with connect(origin) as connection:
        while (passed := time.monotonic() - began) < within and not reading.complete:
            try:
                part = next(sending, b"")
                connection.settimeout(within - passed)
                connection.sendall(part)
                sent += len(part)
            except OSError:
                pass  # what the server answered may still be there to read
            try:
                connection.settimeout(pause)
                reading.feed(connection.recv(KEPT))
            except TimeoutError:
                continue
            except OSError:
                reading.complete = True
    return min(time.monotonic() - began, within), reading.answer(), sent
