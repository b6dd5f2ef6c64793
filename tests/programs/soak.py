"""`make soak`: half an hour of calls by many clients, while all that a connector depends on fails in turn.

    make soak MINUTES=6 ONLY=api-key      # shorter, one mode

A proxy spreads calls over two replicas. Clients list, search, read and write, make mistakes, send wrong credentials,
and leave. A fault comes, stays and goes, and a quiet time follows. A run fails when a call fails while no fault was
there, when a fault causes another error than its own, when a log has a line that it must not have, or when a replica
that was never stopped has grown.
"""

import argparse
import asyncio
import json
import random
import re
import resource
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager as Context
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from ..lib.serving import (
    Running,
    StateStore,
    credentials,
    free_port,
    identity_provider,
    in_front,
    issued_by,
    proxied_token,
    serving,
    state_store,
    upstream,
)
from ..lib.unreliable import Manner, Unreliable, unreliable
from ..lib.versions import NOW, Shelf
from ..lib.wire import Tail, call, faults, memory

MINUTES = 30.0
MODES = ["api-key", "oauth-proxy"]
CLIENTS = 32
PAUSE = 0.25  # seconds between two calls of a client, on average
SETTLED = 4.0  # seconds after a fault in which its errors may still come
GROWTH = 8  # MiB that a replica may have grown from the first quiet time to the last
MORE = CLIENTS  # descriptors beyond those of the first quiet time: a pool keeps a connection for each call at once
MB = 1024 * 1024
VERSIONS = ("2025-11-25", "2026-07-28")

TOOL = r"tool: The upstream API "
LOST = r"no answer: \w+|status 502"  # of the replica that is gone, told by the proxy


@dataclass(frozen=True)
class Fault:
    """Something that breaks for a while."""

    name: str
    happening: Callable[["Deployment"], Context[Any]]
    """Breaks it when entered, and mends it when left."""
    errors: str
    """What callers may be told meanwhile, as a pattern; empty for nothing."""
    modes: tuple[str, ...] = tuple(MODES)
    mutes: bool = False
    """Whether the log cannot be written meanwhile."""


@dataclass
class Deployment:
    """Two replicas and what they depend on."""

    start: Callable[[int], Context[Running]]
    ports: tuple[int, int]
    api: Unreliable
    store: Callable[[], Context[StateStore]]
    held: dict[str, ExitStack] = field(default_factory=dict)
    running: dict[str, Any] = field(default_factory=dict)

    def up(self, name: str, made: Context[Any]) -> Any:
        self.held[name] = stack = ExitStack()
        self.running[name] = stack.enter_context(made)
        return self.running[name]

    def down(self, name: str) -> None:
        self.held.pop(name).close()

    @contextmanager
    def without(self, name: str, again: Callable[[], Context[Any]]) -> Iterator[None]:
        self.down(name)
        try:
            yield
        finally:
            self.up(name, again())

    def replicas(self) -> list[Running]:
        return [self.running["replica 1"], self.running["replica 2"]]

    def close(self) -> None:
        for name in list(self.held):
            self.down(name)


def acting(manner: Manner) -> Callable[[Deployment], Context[None]]:
    @contextmanager
    def happening(deployment: Deployment) -> Iterator[None]:
        deployment.api.manner = manner
        try:
            yield
        finally:
            deployment.api.manner = "as it is"

    return happening


@contextmanager
def silent_provider(deployment: Deployment) -> Iterator[None]:
    """The identity provider takes connections and answers nothing. Started again, it would have other keys."""
    process = deployment.running["provider"].process
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def ended(number: signal.Signals) -> Callable[[Deployment], Context[None]]:
    """The second replica gets a signal, ends, and is started again where it was."""

    @contextmanager
    def happening(deployment: Deployment) -> Iterator[None]:
        process = deployment.running["replica 2"].process
        process.send_signal(number)
        process.wait(60)
        with deployment.without("replica 2", lambda: deployment.start(deployment.ports[1])):
            yield

    return happening


@contextmanager
def limited(deployment: Deployment, what: int, most: Callable[[int], int]) -> Iterator[None]:
    """Both replicas have a lower limit, which depends on what they use now."""
    processes = [replica.process.pid for replica in deployment.replicas()]
    before = [resource.prlimit(process, what) for process in processes]
    for process, (_, hard) in zip(processes, before, strict=True):
        resource.prlimit(process, what, (most(process), hard))
    try:
        yield
    finally:
        for process, limits in zip(processes, before, strict=True):
            resource.prlimit(process, what, limits)


def full_disk(deployment: Deployment) -> Context[None]:
    """No file of a replica, such as its log, can grow: writing fails, as on a full disk."""
    return limited(deployment, resource.RLIMIT_FSIZE, lambda _: 0)


def no_descriptors(deployment: Deployment) -> Context[None]:
    return limited(deployment, resource.RLIMIT_NOFILE, lambda process: descriptors(process) + 2)


FAULTS = [
    Fault("upstream API slow", acting("slow"), ""),
    Fault("upstream API failing", acting("failing"), TOOL),
    Fault("upstream API hanging", acting("hanging"), TOOL),
    Fault("upstream API resetting", acting("resetting"), TOOL),
    Fault("store stopped", lambda d: d.without("store", d.store), r"status 503", ("oauth-proxy",)),
    Fault("identity provider silent", silent_provider, "", ("oauth-proxy",)),
    Fault("SIGTERM to a replica", ended(signal.SIGTERM), ""),
    Fault("SIGKILL to a replica", ended(signal.SIGKILL), LOST),
    Fault("disk full", full_disk, "", mutes=True),
    Fault("descriptors run out", no_descriptors, rf"{LOST}|{TOOL}|status 503"),
]


def descriptors(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


# ------------------------------------------------------------------------------------------------ what clients do


@dataclass(frozen=True)
class Outcome:
    """One call: when it was, and how it failed, if it did."""

    began: float
    ended: float
    wrong: str | None


Judge = Callable[[httpx2.Response], str | None]


def succeeds(answer: httpx2.Response) -> str | None:
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    result = result_of(answer)
    if result is None or "error" in result:
        return f"error: {str(result)[:200]}"
    if result["result"].get("isError"):
        return f"tool: {result['result']['content'][0]['text'][:200]}"
    return None


def result_of(answer: httpx2.Response) -> dict[str, Any] | None:
    """The JSON-RPC message, be it alone or the last event of a stream."""
    events = re.findall(r"^data: ?(.+)$", answer.text, re.MULTILINE)
    text = events[-1] if "text/event-stream" in answer.headers.get("content-type", "") and events else answer.text
    with suppress(ValueError):
        found: dict[str, Any] = json.loads(text)
        return found
    return None


def refused(status: int) -> Judge:
    return lambda answer: None if answer.status_code in (status, 429) else f"status {answer.status_code}"


def mistake(answer: httpx2.Response) -> str | None:
    """The caller is told what was wrong."""
    wrong = succeeds(answer)
    return None if wrong and wrong.startswith("tool: ") and "upstream" not in wrong else wrong or "no error"


KINDS: list[tuple[int, str, Mapping[str, Any], Judge]] = [
    (3, "tools/list", {}, succeeds),
    (6, "tools/call", {"name": "search_records", "arguments": {"limit": 3}}, succeeds),
    (6, "tools/call", {"name": "get_record", "arguments": {"record_id": "2"}}, succeeds),
    (
        2,
        "tools/call",
        {"name": "update_record", "arguments": {"record_id": "3", "changes": {"status": "open"}}},
        succeeds,
    ),
    (1, "tools/call", {"name": "search_records", "arguments": {"limit": "many"}}, mistake),
    (1, "tools/call", {"name": "no_such_tool", "arguments": {}}, mistake),
]
STRANGER, LEAVES = 0.04, 0.04  # of all calls: with a wrong credential; given up before its answer


async def client(url: str, headers: Mapping[str, str], stop: threading.Event, outcomes: list[Outcome]) -> None:
    """Call, and call again, as one that keeps its connection."""
    chances = [weight for weight, *_ in KINDS]
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
        while not stop.is_set():
            await asyncio.sleep(random.expovariate(1 / PAUSE))
            [(_, method, params, judge)] = random.choices(KINDS, chances)
            sent = call(method, random.choice(VERSIONS), params)
            given, within = {**dict(sent.headers), **headers}, 60.0
            if (chance := random.random()) < STRANGER:
                given["Authorization"], judge = "Bearer nobody", refused(401)
            elif chance < STRANGER + LEAVES:
                within = random.uniform(0.001, 0.01)
            began, wrong = time.monotonic(), None
            try:
                async with asyncio.timeout(within):
                    wrong = judge(await http.post(url, content=sent.body, headers=given))
            except TimeoutError:
                wrong = None if within < 60 else "no answer: in a minute"
            except httpx2.HTTPError as error:
                wrong = f"no answer: {type(error).__name__}"
            outcomes.append(Outcome(began, time.monotonic(), wrong))


# ------------------------------------------------------------------------------------------------ the run


@dataclass
class Reading:
    """What a replica holds in a quiet time."""

    process: int
    bytes: int
    open: int
    threads: int

    @classmethod
    def of(cls, replica: Running) -> "Reading":
        process = replica.process.pid
        threads = len(list(Path(f"/proc/{process}/task").iterdir()))
        return cls(process, memory(process), descriptors(process), threads)


def soak(deployment: Deployment, url: str, headers: Mapping[str, str], mode: str, minutes: float) -> list[str]:
    """Run the clients through every fault of this mode. What went wrong."""
    plan = [fault for fault in FAULTS if mode in fault.modes]
    step = minutes * 60 / (2 * len(plan) + 1)
    outcomes: list[Outcome] = []
    spans: list[tuple[Fault, float, float]] = []
    problems: list[str] = []
    readings: list[Reading] = []
    log, logged = Tail(deployment.replicas()[0].log), b""
    stop = threading.Event()

    async def clients() -> None:
        await asyncio.gather(*(client(url, headers, stop, outcomes) for _ in range(CLIENTS)))

    load = threading.Thread(target=asyncio.run, args=(clients(),))
    load.start()
    try:
        for fault in [None, *plan]:
            if fault:
                began, count = time.monotonic(), len(outcomes)
                with fault.happening(deployment):
                    time.sleep(step)
                if fault.mutes:
                    time.sleep(SETTLED)
                    log.read()  # whole lines and halves of lines
                spans.append((fault, began, time.monotonic() + SETTLED))
                told = Counter(re.sub(r"\d+", "#", o.wrong)[:90] for o in outcomes[count:] if o.wrong)
                print(f"  {fault.name:28} {len(outcomes) - count:6,} calls, errors {dict(told) or 'none'}", flush=True)
            time.sleep(step)
            readings.append(Reading.of(deployment.replicas()[0]))
            logged += log.read()
    finally:
        stop.set()
        load.join()
    problems += unexplained(outcomes, spans)
    problems += grown(readings)
    kinds = Counter(found.kind for found in faults(logged))
    problems += [f"the log has a {kind}, {times} times" for kind, times in kinds.items()]
    first, last = readings[0], readings[-1]
    print(
        f"  {len(outcomes):,} calls; memory {first.bytes / MB:.1f} → {last.bytes / MB:.1f} MB, "
        f"descriptors {first.open} → {last.open}, threads {first.threads} → {last.threads}",
        flush=True,
    )
    return problems


def unexplained(outcomes: list[Outcome], spans: list[tuple[Fault, float, float]]) -> list[str]:
    """Each kind of error that no fault explains which was there during the call, and how often it came."""
    kinds: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        if outcome.wrong is None:
            continue
        there = [fault for fault, began, end in spans if began <= outcome.ended and outcome.began <= end]
        if not any(fault.errors and re.match(fault.errors, outcome.wrong) for fault in there):
            kinds[", ".join(fault.name for fault in there) or "no fault", outcome.wrong] += 1
    return [f"with {there}, {times} times: {wrong}" for (there, wrong), times in kinds.items()]


def grown(readings: list[Reading]) -> list[str]:
    """What a replica holds more in the last quiet time than in the first."""
    first, last = readings[0], readings[-1]
    if first.process != last.process:
        return ["the first replica was started again"]
    found = []
    if (more := (last.bytes - first.bytes) / MB) > GROWTH:
        found.append(f"memory grew by {more:.1f} MB")
    if last.open > first.open + MORE:
        found.append(f"open descriptors grew from {first.open} to {last.open}")
    if last.threads > first.threads + 2:
        found.append(f"threads grew from {first.threads} to {last.threads}")
    return found


@contextmanager
def deployed(shelf: Shelf, mode: str, release: str, folder: Path) -> Iterator[tuple[Deployment, str, dict[str, str]]]:
    """The deployment, the URL of its proxy, and what a caller sends."""
    answers = {"auth_mode": mode, "hosting": "compose", "source": "rest-api", "ci": "none"}
    project, env = shelf.get(answers, release)
    ports, public = (free_port(), free_port()), f"http://127.0.0.1:{free_port()}"
    store_port, idp_port, api_port = free_port(), free_port(), free_port()
    kept = folder / "store"
    kept.mkdir()

    def store() -> Context[StateStore]:
        return state_store(port=store_port, folder=kept)

    def provider() -> Context[Running]:
        return identity_provider(port=idp_port)

    settings = {"PUBLIC_URL": public, "REQUEST_STATE_KEYS": "k" * 40}
    with ExitStack() as stack:
        stand_in = stack.enter_context(upstream(project, env))
        api = stack.enter_context(unreliable(stand_in.origin, api_port))
        settings["UPSTREAM_URL"] = api.origin
        headers: dict[str, str] = {}
        if mode == "api-key":
            settings["API_KEYS_FILE"] = str(folder / "keys.jsonl")
            headers = credentials(project, env, settings["API_KEYS_FILE"])

        def start(port: int) -> Context[Running]:
            return serving(project, env, **settings, PORT=str(port))

        deployment = Deployment(start, ports, api, store)
        stack.callback(deployment.close)
        if mode == "oauth-proxy":
            deployment.up("store", store())
            idp = deployment.up("provider", provider())
            settings |= issued_by(idp, mode) | {"STATE_STORE_URL": deployment.running["store"].url}
        for number, port in enumerate(ports, 1):
            deployment.up(f"replica {number}", start(port))
        proxy = stack.enter_context(in_front(public, *ports, folder=folder))
        if mode == "oauth-proxy":
            headers = {"Authorization": f"Bearer {proxied_token(proxy)}"}
        yield deployment, proxy.url, headers


def main() -> None:
    parser = argparse.ArgumentParser(prog="make soak", description="Call connectors while all around them fails.")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"over all modes ({MINUTES:g} unless given)")
    parser.add_argument("--only", action="append", metavar="MODE", choices=MODES, help="one of these modes")
    parser.add_argument("--release", default=NOW, metavar="VERSION", help="such as v2.0.0, instead of the working tree")
    chosen = parser.parse_args()
    modes = chosen.only or MODES
    problems = []
    with tempfile.TemporaryDirectory() as name:
        shelf = Shelf(Path(name))
        for mode in modes:
            print(f"{mode}: {CLIENTS} clients, 2 replicas, {chosen.minutes / len(modes):.0f} minutes", flush=True)
            with tempfile.TemporaryDirectory() as folder, deployed(shelf, mode, chosen.release, Path(folder)) as ready:
                problems += [f"{mode}: {problem}" for problem in soak(*ready, mode, chosen.minutes / len(modes))]
    print(*problems or ["No error that is not a fault's own, and no growth."], sep="\n")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
