"""`make bombs`: requests that cost a server far more than they cost the caller, before and after.

    make bombs                                   # all of them: 40 minutes, most of them of the release
    make bombs ONLY='list in an argument'        # some
    python -m tests.programs.bombs --after --mode none    # the working tree alone, in one auth mode

Each attack goes to a connector of the release in `BEFORE` and to one of the working tree, as `serve` runs them, with
the default of `MAX_BODY` and with 4 MiB. All the while another caller asks for `/health/live` and for a small
`tools/call`. Seconds and megabytes are printed for people. The exit status is that of the working tree alone: it must
answer, in proportion to the request, and without a traceback or a line of log that nobody can read.
"""

import argparse
import gzip
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from urllib.parse import urlsplit

from ..lib.rendering import recorded
from ..lib.serving import Running, serving
from ..lib.versions import NOW, Shelf
from ..lib.wire import (
    VERSIONS,
    Answer,
    Fault,
    Json,
    Message,
    Raw,
    Tail,
    Unanswered,
    ask,
    call,
    chunked,
    connect,
    cpu,
    drip,
    faults,
    head,
    http_request,
    memory,
    peak,
    reset_peak,
)

BEFORE = "v1.0.1"
MODES = ("none", "api-key", "oauth")  # without scopes, with them, and with them behind an identity provider
KB, MB = 1024, 1024 * 1024
LARGE = 4 * MB  # what 1.0.1 took, and the higher setting that is tried
ROOM = 2 * KB  # of an envelope and its headers, so that a body stays just below a limit
WITHIN = 90  # seconds for one attack
PATIENCE = 30  # seconds after which a connection that is still open counts as open for ever
LEAST = 4 * KB  # bytes that every answer may have
FACTOR = 10  # times the size of a request that an answer may have
DESCRIPTORS = 1_024

Kind = Callable[[int], Json]  # a JSON value of about so many bytes


def several(item: str, size: int) -> str:
    """A list of so many items that it takes about `size` bytes."""
    return f"[{','.join(repeat(item, max(1, size // (len(item) + 1))))}]"


def members(size: int) -> str:
    """An object whose members have different names."""
    return "{{{}}}".format(",".join(f'"{number:x}":0' for number in range(max(1, size // 10))))


KINDS: dict[str, Kind] = {
    "list": lambda size: Raw(several("1", size)),
    "list of texts": lambda size: Raw(several('""', size)),
    "list of objects": lambda size: Raw(several("{}", size)),
    "object": lambda size: Raw(members(size)),
    "object of one name": lambda size: Raw("{{{}}}".format(several('"a":0', size)[1:-1])),
    "key": lambda size: {"k" * size: 1},
    "text": lambda size: "x" * size,
    "escapes": lambda size: Raw('"%s"' % (r"\n" * (size // 2))),
    "number": lambda size: Raw("1" * size),
    "depth": lambda size: Raw("[" * (size // 2) + "]" * (size // 2)),
    "objects in objects": lambda size: Raw('{"a":' * (size // 6) + "1" + "}" * (size // 6)),
    "list in a text": lambda size: several("1", size),
    "object in a text": lambda size: members(size * 5 // 6),  # its quotes take two bytes each
    "depth in a text": lambda size: "[" * (size // 2) + "]" * (size // 2),
}
VALUES = 10_000  # that one request may have, and levels of nesting
DEPTH = 64
OVER: dict[str, int] = {
    "list": 2 * VALUES + 2,
    "list of texts": 3 * VALUES + 3,
    "list of objects": 3 * VALUES + 3,
    "object": 11 * VALUES,
    "object of one name": 6 * VALUES + 6,
    "key": MB,
    "text": MB,
    "escapes": MB,
    "number": MB,
    "depth": 2 * DEPTH + 2,
    "objects in objects": 6 * DEPTH + 6,
    "list in a text": 2 * VALUES + 2,
    "object in a text": 13 * VALUES,
    "depth in a text": 2 * DEPTH + 2,
}
"""For each kind, a size that is just over the limit that it meets first."""
Place = Callable[[Json, str], Message]  # a request of a protocol version with this value in it
INITIALIZE: dict[str, Json] = {
    "protocolVersion": VERSIONS[0],
    "capabilities": {},
    "clientInfo": {"name": "bomb", "version": "1"},
}


def of_tool(tool: str, argument: str, **others: Json) -> Place:
    """In an argument of a tool."""
    return lambda value, version: call("tools/call", version, {"name": tool, "arguments": {**others, argument: value}})


def of(method: str, **params: Json) -> Place:
    """In the parameter of a method whose value is `...`, at any depth."""
    return lambda value, version: call(method, version, put(params, value))


def put(tree: Json, value: Json) -> Json:
    if isinstance(tree, dict):
        return {name: put(inner, value) for name, inner in tree.items()}
    return value if tree is ... else tree


PLACES: dict[str, Place] = {
    "an argument that is a list": of_tool("get_record", "fields", record_id="1"),
    "an argument that is an object": of_tool("update_record", "changes", record_id="none such"),
    "an argument that is a text": of_tool("get_record", "record_id"),
    "an argument that is a number": of_tool("search_records", "limit"),
    "an argument that no tool has": of_tool("get_record", "other", record_id="1"),
    "arguments": of("tools/call", name="get_record", arguments=...),
    "the name of a tool": of("tools/call", name=..., arguments={}),
    "_meta": of("tools/call", name="get_record", arguments={"record_id": "1"}, _meta={"x": ...}),
    "a progress token": of("tools/call", name="get_record", arguments={}, _meta={"progressToken": ...}),
    "icons": of("initialize", **{**INITIALIZE, "clientInfo": {"name": "bomb", "version": "1", "icons": ...}}),
    "capabilities": of("initialize", **{**INITIALIZE, "capabilities": {"experimental": ...}}),
    "a protocol version": of("initialize", **{**INITIALIZE, "protocolVersion": ...}),
    "arguments of a prompt": of("prompts/get", name="x", arguments=...),
    "the name of a prompt": of("prompts/get", name=...),
    "a completion": of(
        "completion/complete", ref={"type": "ref/prompt", "name": "x"}, argument={"name": "a", "value": ...}
    ),
    "a URI": of("resources/read", uri=...),
    "a log level": of("logging/setLevel", level=...),
    "a cursor": of("tools/list", cursor=...),
    "an unknown parameter": of("tools/list", x=...),
    "a notification": lambda value, version: call("notifications/cancelled", version, {"requestId": value}),
    "the parameters": lambda value, version: call("tools/list", version, envelope={"params": value}),
    "the method": lambda value, version: call("tools/list", version, envelope={"method": value}),
    "the id": lambda value, version: call("tools/list", version, envelope={"id": value}),
    "the version of JSON-RPC": lambda value, version: call("tools/list", version, envelope={"jsonrpc": value}),
    "the envelope": lambda value, version: call("tools/list", version, envelope={"x": value}),
    "a result": lambda value, version: call("tools/list", version, envelope={"result": value}),
}


@dataclass
class Target:
    """A connector under attack, and what its callers send."""

    connector: Running
    version: str

    @property
    def credential(self) -> list[tuple[str, str]]:
        return [("Host", urlsplit(self.connector.origin).netloc), *self.connector.headers.items()]

    def request(self, sent: Message, *extra: tuple[str, str]) -> bytes:
        host, *credential = self.credential
        return http_request("POST", "/mcp", sent, host=host[1], extra=[*credential, *extra])

    def start(self, sent: Message, *extra: tuple[str, str]) -> bytes:
        """The header section alone, with what `extra` says about the body."""
        return head("POST", "/mcp", [*self.credential, *sent.headers, *extra])


@dataclass(frozen=True)
class Outcome:
    """What the attacker saw."""

    status: str
    sent: int
    received: int
    misses: tuple[str, ...] = ()


Strike = Callable[[], Outcome]
Attack = Callable[[Target], Strike]  # what it sends is made before anything is measured


def request(make: Callable[[Target], bytes], *, answered: bool = True) -> Attack:
    """One request, and its answer; with `answered` false, the server may also close the connection without one."""

    def attack(target: Target) -> Strike:
        sent = make(target)
        return lambda: send(target, sent, answered)

    return attack


def send(target: Target, sent: bytes, answered: bool) -> Outcome:
    try:
        answer = ask(target.connector.origin, sent, WITHIN)
    except Unanswered as error:
        return Outcome("none", len(sent), 0, (f"no answer: {error}",))
    misses = []
    if answer.broken:
        misses.append(f"status {answer.status}")
    if answered and not answer.status:
        misses.append("closed without an answer")
    if answer.size > max(LEAST, FACTOR * len(sent)):
        misses.append(f"{answer.size:,} bytes in answer to {len(sent):,}")
    return Outcome(str(answer.status or "closed"), len(sent), answer.size, tuple(misses))


def body(kind: str, place: str, size: int) -> Attack:
    """A value of this kind at this place, in a request of about this size."""
    return request(lambda target: target.request(PLACES[place](KINDS[kind](size), target.version)))


def raw(content: Callable[[], bytes]) -> Attack:
    """Any body."""
    return request(lambda target: target.request(replaced(call("tools/list", target.version), content())))


def replaced(sent: Message, content: bytes) -> Message:
    return Message(content, sent.headers)


def zipped(target: Target) -> bytes:
    return target.request(
        replaced(call("tools/list", target.version), gzip.compress(b"[" + b" " * 400 * MB, 1)),
        ("Content-Encoding", "gzip"),
    )


def crumbs(target: Target) -> bytes:
    sent = call("tools/list", target.version, {"x": "x" * (MB - ROOM)})
    return target.start(sent, ("Transfer-Encoding", "chunked"), ("Connection", "close")) + chunked(sent.body, 1)


def with_header(name: str, value: str) -> Attack:
    def make(target: Target) -> bytes:
        return target.request(call("tools/list", target.version), (name, value))

    return request(make, answered=len(value) < 64 * KB)


def many_headers(target: Target) -> bytes:
    return target.request(call("tools/list", target.version), *((f"X-{number}", "x") for number in range(5_000)))


def held(size: int, times: int = 100) -> Attack:
    """Bodies of which the last bytes never come, on as many connections."""

    def attack(target: Target) -> Strike:
        sent = call("tools/list", target.version)
        start = target.start(sent, ("Content-Length", str(size + KB))) + b" " * size
        return lambda: kept(target, [start] * times)

    return attack


def kept(target: Target, starts: Sequence[bytes], more: bytes = b"", pause: float = 1) -> Outcome:
    """Begin something on each connection, then send `more` every second until the server ends it, or `PATIENCE` did."""
    seen: Counter[str] = Counter()
    received = sent = 0
    lock = threading.Lock()

    def one(start: bytes) -> None:
        nonlocal received, sent
        seconds, answer, written = float(PATIENCE), Answer(0), 0
        with suppress(OSError):
            seconds, answer, written = drip(target.connector.origin, chain([start], repeat(more)), pause, PATIENCE)
        with lock:
            seen["open" if seconds >= PATIENCE else str(answer.status or "closed")] += 1
            received, sent = received + answer.size, sent + written

    threads = [threading.Thread(target=one, args=(start,)) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    open = seen["open"]
    misses = (f"{open} of {len(starts)} connections still open after {PATIENCE} s",) if open else ()
    return Outcome(" ".join(f"{what}:{times}" for what, times in seen.items()), sent, received, misses)


def half_a_head(target: Target) -> Strike:
    return lambda: kept(target, [target.start(call("tools/list", target.version))[:-2]] * 20)


def silent(target: Target) -> Strike:
    return lambda: kept(target, [b""] * 20)


def dripping_head(target: Target) -> Strike:
    return lambda: kept(target, [target.start(call("tools/list", target.version))[:-2]] * 20, b"X-A: 1\r\n")


def dripping_body(target: Target) -> Strike:
    sent = call("tools/list", target.version)
    return lambda: kept(target, [target.start(sent, ("Content-Length", str(MB - ROOM)))] * 20, b" ")


def endless_head(target: Target) -> Outcome:
    """Header fields until the server closes the connection, or took 96 MB."""
    start, field = target.start(call("tools/list", target.version))[:-2], b"X-A: " + b"x" * 1_000 + b"\r\n"
    sent = 0
    with connect(target.connector.origin, 5) as connection:
        try:
            connection.sendall(start)
            while sent < 96 * MB:
                connection.sendall(field * 60)
                sent += len(field) * 60
        except OSError:
            return Outcome("closed", sent, 0)
    return Outcome("taken", sent, 0, (f"{sent:,} bytes of headers taken",))


def crowd(target: Target, descriptors: int = DESCRIPTORS, seconds: float = 15) -> Outcome:
    """More silent connections than the process has descriptors, for so many seconds."""
    began, opened = time.monotonic(), 0
    with ExitStack() as stack:
        for _ in range(descriptors + 100):
            with suppress(OSError):
                stack.enter_context(connect(target.connector.origin, 2))
                opened += 1
        time.sleep(max(0, seconds - (time.monotonic() - began)))
    return Outcome(f"opened:{opened}", 0, 0)


def unread(target: Target) -> Outcome:
    """Ten thousand requests on one connection whose answers nobody reads, for 5 seconds."""
    one = target.request(call("tools/list", target.version)).replace(b"Connection: close\r\n", b"")
    left = memoryview(one * 10_000)
    with connect(target.connector.origin, 5) as connection, suppress(OSError):
        deadline = time.monotonic() + 5
        connection.settimeout(1)
        while left and time.monotonic() < deadline:
            left = left[connection.send(left[: 64 * KB]) :]
    return Outcome("taken", len(one) * 10_000 - len(left), 0)


def icons_of_stateless(target: Target) -> bytes:
    """What `initialize` carries in the 2025 versions, every request carries in 2026-07-28."""
    info = {
        "io.modelcontextprotocol/clientInfo": {"name": "bomb", "version": "1", "icons": KINDS["list"](LARGE - ROOM)}
    }
    return target.request(call("tools/list", target.version, {"_meta": info}))


MESSAGES: dict[str, Attack] = {
    "list in an argument, 4 MiB": body("list", "an argument that is a list", LARGE - ROOM),
    "list in an argument, 1 MiB": body("list", "an argument that is a list", MB - ROOM),
    "list in an argument, 10,000 items": body("list", "an argument that is a list", 20_000),
    "list in a text, 1 MiB": body("list in a text", "an argument that is a list", MB - ROOM),
    "list in a text, 4 MiB": body("list in a text", "an argument that is a list", LARGE - ROOM),
    "object in a text, 1 MiB": body("object in a text", "an argument that is an object", MB - ROOM),
    "depth in a text, 1 MiB": body("depth in a text", "an argument that is a list", MB - ROOM),
    "list in _meta": body("list", "_meta", LARGE - ROOM),
    "list in clientInfo.icons": body("list", "icons", LARGE - ROOM),
    "list in clientInfo.icons of _meta": request(icons_of_stateless),
    "list in capabilities": body("list of objects", "capabilities", LARGE - ROOM),
    "list in arguments of a prompt": body("list", "arguments of a prompt", LARGE - ROOM),
    "list in a completion": body("list", "a completion", LARGE - ROOM),
    "list in a URI": body("list", "a URI", LARGE - ROOM),
    "text in a URI, 1 MiB": body("text", "a URI", MB - ROOM),
    "list in a log level": body("list", "a log level", LARGE - ROOM),
    "list in a notification": body("list", "a notification", LARGE - ROOM),
    "method of 1 MiB": body("text", "the method", MB - ROOM),
    "id of 1 MiB": body("text", "the id", MB - ROOM),
    "name of a tool of 1 MiB": body("text", "the name of a tool", MB - ROOM),
    "name of a prompt of 1 MiB": body("text", "the name of a prompt", MB - ROOM),
    "list as parameters": body("list", "the parameters", LARGE - ROOM),
    "batch of {}": raw(lambda: several("{}", LARGE - ROOM).encode()),
    "batch of 1": raw(lambda: several("1", LARGE - ROOM).encode()),
    "batch of 1,000 requests": raw(lambda: several('{"jsonrpc":"2.0","id":1,"method":"ping"}', 40_000).encode()),
    "number of 4 million digits": body("number", "an argument that is a number", LARGE - ROOM),
    "one text of 1 MiB": body("text", "an argument that is a text", MB - ROOM),
    "one text of 4 MiB": body("text", "an argument that is a text", LARGE - ROOM),
    "one text of escapes, 4 MiB": body("escapes", "an argument that is a text", LARGE - ROOM),
    "depth 900": body("depth", "an argument that is an object", 1_800),
    "depth 100,000": body("depth", "an argument that is an object", 200_000),
    "depth 100,000 in objects": body("objects in objects", "an argument that is an object", 600_000),
    "object of 400,000 names": body("object", "an argument that is an object", LARGE - ROOM),
    "object of one name, 600,000 times": body("object of one name", "an argument that is an object", LARGE - ROOM),
}
BEFORE_A_MESSAGE: dict[str, Attack] = {
    "400 MB of blanks in gzip": request(zipped),
    "chunks of one byte, 1 MiB": request(crumbs),
    "Expect: 100-continue": with_header("Expect", "100-continue"),
    "5,000 header fields": request(many_headers),
    "header of 60 KB": with_header("X-A", "x" * 60_000),
    "header of 2 MB": with_header("X-A", "x" * 2_000_000),
    "Origin of 60 KB": with_header("Origin", "x" * 60_000),
    "100 bodies of 3.9 MB held open": held(3_900_000),
    "100 bodies of 1.0 MB held open": held(1_000_000),
    "20 bodies, a byte a second": dripping_body,
    "20 halves of a header section": half_a_head,
    "20 header sections, a field a second": dripping_head,
    "20 silent connections": silent,
    "headers without end": lambda target: partial(endless_head, target),
    "more connections than descriptors": lambda target: partial(crowd, target),
    "10,000 requests, no answer read": lambda target: partial(unread, target),
}
"""Alike in every auth mode and protocol version, so that one of each is enough."""
ATTACKS = MESSAGES | BEFORE_A_MESSAGE


class Bystander(threading.Thread):
    """Another caller: asks for health and for a small call, and keeps the longest time that either took."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        sent = call("tools/call", target.version, {"name": "search_records", "arguments": {"limit": 1}})
        self.origin, self.over = target.connector.origin, threading.Event()
        self.requests = {
            "/health/live": http_request("GET", "/health/live", Message(b""), host=urlsplit(self.origin).netloc),
            "/mcp": target.request(sent),
        }
        self.slowest, self.refused = 0.0, set[str]()

    def run(self) -> None:
        while not self.over.is_set():
            for path, request in self.requests.items():
                began, status = time.monotonic(), 0
                while not status and not (self.over.is_set() and time.monotonic() - began > PATIENCE):
                    with suppress(Unanswered):
                        status = ask(self.origin, request, WITHIN).status
                    time.sleep(0.02)
                self.slowest = max(self.slowest, time.monotonic() - began - 0.02)
                if status != 200 and (path, status) != ("/mcp", 503):  # a call may be told to come back, a probe not
                    self.refused.add(f"{path} answered {status or 'nothing'} to another caller")


@dataclass(frozen=True)
class Row:
    """One attack at one stage: bytes, seconds of the processor, seconds that the other caller waited, bytes."""

    outcome: Outcome
    logged: int
    cpu: float
    slowest: float
    memory: int
    misses: tuple[str, ...]

    def __str__(self) -> str:
        seen = self.outcome
        sizes = f"{amount(seen.sent):>8} {amount(seen.received):>8} {amount(self.logged):>8}"
        return f"{seen.status[:16]:16} {sizes} {self.cpu:6.2f} s {self.slowest:6.2f} s {self.memory / MB:+8.1f} MB"


def amount(size: int) -> str:
    return f"{size / MB:.1f} MB" if size >= MB else f"{size / KB:.1f} KB" if size >= KB else f"{size} B"


def strike(attack: Attack, target: Target) -> Row:
    """Carry out an attack while somebody else calls."""
    launch = attack(target)
    process, log = target.connector.process.pid, Tail(target.connector.log)
    held = memory(process)
    reset_peak(process)
    other = Bystander(target)
    other.start()
    time.sleep(0.2)  # it is at work before the attack begins
    used = cpu(process)
    outcome = launch()
    used = cpu(process) - used
    other.over.set()
    other.join()
    logged = log.read()
    misses = [*outcome.misses, *(f"log: {fault.kind}" for fault in unique(faults(logged)))]
    misses += sorted(other.refused)
    return Row(outcome, len(logged), used, other.slowest, peak(process) - held, tuple(misses))


def unique(found: Iterator[Fault]) -> list[Fault]:
    return list({fault.kind: fault for fault in found}.values())


@dataclass
class Stage:
    """A version of the connector and its settings; started anew where an attack left it in ruins."""

    name: str
    version: str
    settings: dict[str, str]


STAGES = [
    Stage("before", BEFORE, {}),
    Stage("after", NOW, {}),
    Stage("after, 4 MiB", NOW, {"MAX_BODY": str(LARGE)}),
]


class Range:
    """The connectors under attack, one for each stage, each running until an attack left it in ruins."""

    def __init__(self, shelf: Shelf, mode: str) -> None:
        self.shelf = shelf
        self.answers = {"auth_mode": mode, "hosting": "compose", "source": "rest-api", "ci": "none"}
        self.running: dict[str, tuple[Running, ExitStack]] = {}

    def connector(self, stage: Stage) -> Running:
        if stage.name not in self.running:
            stack = ExitStack()
            project, env = self.shelf.get(self.answers, stage.version)
            limited = ["sh", "-c", f"ulimit -n {DESCRIPTORS}; exec {recorded(project)['command_name']} serve"]
            connector = stack.enter_context(serving(project, env, command=limited, **stage.settings))
            self.running[stage.name] = connector, stack
        return self.running[stage.name][0]

    def end(self, stage: Stage) -> None:
        if stage.name in self.running:
            self.running.pop(stage.name)[1].close()

    def close(self) -> None:
        for stage in STAGES:
            self.end(stage)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bombs", description="What requests cost that are made to cost much.")
    parser.add_argument("--only", action="append", metavar="TEXT", help="attacks whose names contain this")
    parser.add_argument(
        "--mode", action="append", choices=MODES, help=f"an auth mode; all of {', '.join(MODES)} unless given"
    )
    parser.add_argument("--before", action="store_true", help=f"{BEFORE} alone")
    parser.add_argument("--after", action="store_true", help="the working tree alone")
    parser.add_argument("--protocol", action="append", choices=VERSIONS, help="a protocol version; both unless given")
    chosen = parser.parse_args()
    attacks = {name: attack for name, attack in ATTACKS.items() if any(part in name for part in chosen.only or [""])}
    stages = [stage for stage in STAGES if not (chosen.before and stage.version == NOW)]
    stages = [stage for stage in stages if not (chosen.after and stage.version == BEFORE)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    missed = False
    columns = f"{'status':16} {'sent':>8} {'out':>8} {'logged':>8} {'cpu':>8} {'others':>8} {'memory':>11}"
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder))
        modes, versions = chosen.mode or MODES, chosen.protocol or VERSIONS
        for mode in modes:
            print(f"\n{mode:20} {columns}")
            field = Range(shelf, mode)
            try:
                for name, attack in attacks.items():
                    for version in versions if name in MESSAGES else versions[:1] if mode == modes[0] else ():
                        print(f"{name}, {version}")
                        for stage in stages:
                            row = strike(attack, Target(field.connector(stage), version))
                            print(f"    {stage.name:16} {row}", flush=True)
                            for miss in row.misses:
                                print(f"        {'MISSED: ' if stage.version == NOW else ''}{miss}"[:120], flush=True)
                            missed = missed or (bool(row.misses) and stage.version == NOW)
                            if row.memory > 100 * MB or row.misses:
                                field.end(stage)
            finally:
                field.close()
    sys.exit(missed)


if __name__ == "__main__":
    main()
