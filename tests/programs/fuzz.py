"""`make fuzz`: a hundred thousand requests that no client should send, to connectors of every auth mode.

    make fuzz COUNT=5000 SEED=7 ONLY=oauth-proxy      # fewer, the same again, one mode
    python -m tests.programs.fuzz --seed 7 --only oauth-proxy --number 1234      # one input again, and what it does

A connector fails when it answers 5xx (other than 503 with `Retry-After`), does not answer in ten seconds, writes a
traceback, a line that a caller began, a control character or more than 4,000 characters into one line of its log, or
does not take a good call afterwards. For each kind of failure the smallest input is printed.
"""

import argparse
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..lib import rendering
from ..lib.inputs import Input, Inputs
from ..lib.serving import Running, serving
from ..lib.versions import NOW, Shelf
from ..lib.wire import (
    VERSIONS,
    Answer,
    Fault,
    Tail,
    Unanswered,
    ask,
    call,
    connect,
    exchange,
    faults,
    http_request,
    memory,
)

COUNT = 100_000
WITHIN = 10  # seconds for an answer
SETTLE = 0.05  # seconds in which the log has what belongs to an answer
MB = 1024 * 1024


@dataclass
class Findings:
    """What went wrong in one mode: for each kind of failure how often, and the smallest input."""

    smallest: dict[str, tuple[Input, str]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, kind: str, input: Input, said: str) -> None:
        self.times[kind] += 1
        if self.improves(kind, input):
            self.smallest[kind] = (input, said)

    def improves(self, kind: str, input: Input) -> bool:
        return kind not in self.smallest or len(input.sent) < len(self.smallest[kind][0].sent)


class Sender:
    """Sends inputs over one connection for as long as the server keeps it, and reads what the log got meanwhile."""

    def __init__(self, connector: Running) -> None:
        self.connector = connector
        self.connection: socket.socket | None = None
        self.log = Tail(connector.log)

    def send(self, input: Input) -> Answer:
        """The answer; `Unanswered` if it does not come in time."""
        for fresh in (False, True):
            if fresh or self.connection is None:
                self.close()
                self.connection = connect(self.connector.origin, WITHIN)
            try:
                answer = exchange(self.connection, input.sent, WITHIN)
            except Unanswered:
                self.close()
                raise
            if not answer.status or answer.headers.get("connection", "").lower() == "close" or answer.size > 100_000:
                self.close()
            if answer.status or fresh:
                break
        return answer

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None


def good_call(connector: Running, version: str) -> Answer:
    """A call that a client makes, and that must be answered whatever was sent before."""
    sent = call("tools/call", version, {"name": "search_records", "arguments": {"limit": 2}})
    host = urlsplit(connector.origin).netloc
    return ask(connector.origin, http_request("POST", "/mcp", sent, host=host, extra=list(connector.headers.items())))


def fuzz(connector: Running, mode: str, seed: int, numbers: range) -> Findings:
    """Send a connector of this mode these inputs, and then good calls of both versions."""
    found, sender = Findings(), Sender(connector)
    inputs = Inputs(mode, seed, connector.headers, urlsplit(connector.origin).netloc)
    recent: list[Input] = []
    for number in numbers:
        recent = [inputs.make(number), *recent[:2]]
        try:
            answer = sender.send(recent[0])
        except Unanswered as error:
            found.add("no answer", recent[0], str(error))
            continue
        except OSError as error:
            found.add("no connection", recent[0], str(error))
            break
        found.statuses[answer.status] += 1
        if answer.broken:
            found.add(f"status {answer.status}", recent[0], repr(answer.body[:200]))
        for fault in faults(sender.log.read()):
            found.add(fault.kind, culprit(sender, fault, recent, found), fault.seen)
    time.sleep(SETTLE)
    for fault in faults(sender.log.read()):
        found.add(fault.kind, culprit(sender, fault, recent, found), fault.seen)
    sender.close()
    for version in VERSIONS:
        sane = Answer(0)
        with suppress(Unanswered):
            sane = good_call(connector, version)
        if sane.status != 200 or b'"isError":true' in sane.body.replace(b" ", b""):
            found.add(f"a good call of {version} fails afterwards", recent[0], repr(sane))
    return found


def culprit(sender: Sender, fault: Fault, recent: Sequence[Input], found: Findings) -> Input:
    """Whose fault it is: a line may be written when the next input was sent already, so they are sent again."""
    for input in recent if any(found.improves(fault.kind, input) for input in recent) else ():
        with suppress(Unanswered, OSError):
            sender.send(input)
        time.sleep(SETTLE)
        if any(again.kind == fault.kind for again in faults(sender.log.read())):
            return input
    return recent[0]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz", description="Send connectors what no client should send.")
    parser.add_argument("--count", type=int, default=COUNT, help=f"inputs over all modes ({COUNT:,} unless given)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the inputs; printed at the start")
    parser.add_argument("--only", action="append", metavar="MODE", help="an auth mode; more than once for several")
    parser.add_argument("--number", type=int, help="one input alone; its answer is printed, and what the log got")
    parser.add_argument("--release", default=NOW, metavar="VERSION", help="such as v1.0.1, instead of the working tree")
    chosen = parser.parse_args()
    modes = chosen.only or rendering.choices("auth_mode")
    each = -(-chosen.count // len(modes))
    print(f"seed {chosen.seed}, {each:,} inputs for each of {len(modes)} modes", flush=True)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder))
        for mode in modes:
            answers = {"auth_mode": mode, "hosting": "compose", "source": "rest-api", "ci": "none"}
            project, env = shelf.get(answers, chosen.release)
            with serving(project, env) as connector:
                if chosen.number is not None:
                    again(connector, mode, chosen.seed, chosen.number)
                    continue
                good_call(connector, VERSIONS[0])
                before, began = memory(connector.process.pid), time.monotonic()
                found = fuzz(connector, mode, chosen.seed, range(each))
                rate = each / (time.monotonic() - began)
                grown = (memory(connector.process.pid) - before) / MB if connector.process.poll() is None else 0
            answered = " ".join(f"{status}:{times}" for status, times in sorted(found.statuses.items()))
            print(f"{mode:20} {each:,} inputs, {rate:.0f}/s, {grown:+.1f} MB, failures: {found.times.total()}")
            print(f"    answers {answered}", flush=True)
            for kind, (input, said) in found.smallest.items():
                failed = True
                print(f"  {kind} ({found.times[kind]} times), number {input.number} ({input.kind})")
                print(f"    seen {said[-600:]}\n    sent {hidden(input.sent, connector)[:1500]!r}", flush=True)
    sys.exit(failed)


def hidden(sent: bytes, connector: Running) -> bytes:
    """A request that can be read: a token fills half a screen."""
    for value in connector.headers.values():
        sent = sent.replace(value.encode(), b"<credential>")
    return sent


def again(connector: Running, mode: str, seed: int, number: int) -> None:
    """Send one input, and print all that there is to see."""
    sender, input = (
        Sender(connector),
        Inputs(mode, seed, connector.headers, urlsplit(connector.origin).netloc).make(number),
    )
    print(f"sent {input.sent!r}")
    try:
        answer = sender.send(input)
        print(f"answer {answer.status} {dict(answer.headers)} {answer.body!r}")
    except Unanswered as error:
        print(f"no answer: {error}")
    time.sleep(SETTLE)
    print(f"log {sender.log.read().decode(errors='backslashreplace')}")


if __name__ == "__main__":
    main()
