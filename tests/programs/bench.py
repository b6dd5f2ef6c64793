"""`make bench`: a connector beside what people would use instead, all doing the same call.

    make bench                                 # everything: about 40 minutes
    make bench ONLY='calls instructions'       # some parts
    python -m tests.programs.bench --rounds 9 --json bench.json --svg docs/bench.svg

In each round, every server answers for a moment, one after the other, so that all meet the same load of the machine.
What counts are ratios of one round: their median over the rounds, and the least and greatest beside it. Times on a
shared machine drift; instructions, counted by valgrind in process and without sockets, repeat to three digits.

The bare SDK, Starlette and FastMCP log warnings only, which makes them faster than by default. A connector writes its
line for every call.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from ..lib import rendering
from ..lib.serving import NODE, PEERS, Running, free_port, serving
from ..lib.versions import NOW, Shelf
from ..lib.wire import STATELESS, VERSIONS, Unanswered, ask, memory
from .bench_load import Unexpected, load, request
from .bench_picture import draw

APPS = Path(__file__).with_name("bench_apps.py")
MODES = ("none", "api-key", "headers", "oauth", "oauth-introspection", "oauth-proxy")
WHOLE = "api-key, all on"
QUIET = "api-key, no line or metrics"
MB = 1024 * 1024

# The tools of an owner: two of them, or as many as the environment says.
TOOLS = '''
import os

from mcp_types import ToolAnnotations


async def echo(text: str) -> str:
    """Say it again."""
    return text


def register(server):
    for number in range(int(os.environ.get("BENCH_TOOLS", "2"))):
        name = f"echo{number}" if number else "echo"
        server.add_tool(echo, name=name, annotations=ToolAnnotations(read_only_hint=True))
'''
# As the image sets it, and limits that no call here meets. A connector ignores what it has no setting for.
SET = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
EVERYTHING = {"RATE_LIMIT": "100000000/minute", "CALLS_AT_ONCE": "1000"}
SILENT = {"LOG_LEVEL": "ERROR"}


@dataclass(frozen=True)
class Goal:
    """A ratio of two measurements, and what it must be; `aim` is what it should be."""

    what: str
    over: str
    under: str
    least: float | None = None
    most: float | None = None
    aim: float | None = None

    def met(self, ratio: float) -> bool:
        return (self.least is None or ratio >= self.least) and (self.most is None or ratio <= self.most)

    def limit(self) -> str:
        sign, bound = (">=", self.least) if self.least is not None else ("<=", self.most)
        return f"{sign} {bound:g}" + (f", aim {self.aim:g}" if self.aim else "")


def rate(server: str, version: str) -> str:
    return f"calls a second, {version}: {server}"


def used(server: str, version: str) -> str:
    return f"processor, ms a call, {version}: {server}"


def spent(server: str, version: str) -> str:
    return f"instructions, {version}: {server}"


NEW, OLD = STATELESS, VERSIONS[0]
GOALS = [
    Goal("all on / bare SDK, calls a second, 2026-07-28", rate(WHOLE, NEW), rate("bare SDK", NEW), least=1.6, aim=1.8),
    Goal("all on / bare SDK, calls a second, 2025-11-25", rate(WHOLE, OLD), rate("bare SDK", OLD), least=3.5, aim=4),
    Goal("all on / TypeScript SDK, 2026-07-28", rate(WHOLE, NEW), rate("TypeScript SDK", NEW), least=1.3, aim=1.4),
    Goal("all on / TypeScript SDK, 2025-11-25", rate(WHOLE, OLD), rate("TypeScript SDK", OLD), least=1.5, aim=2),
    Goal("all on / FastMCP with JWT, 2026-07-28", rate(WHOLE, NEW), rate("FastMCP, JWT", NEW), least=4),
    Goal("all on / FastMCP with JWT, 2025-11-25", rate(WHOLE, OLD), rate("FastMCP, JWT", OLD), least=4),
    Goal("all on / raw Starlette, 2026-07-28", rate(WHOLE, NEW), rate("raw Starlette", NEW), least=0.16),
    Goal("processor, all on / no line or metrics, 2026-07-28", used(WHOLE, NEW), used(QUIET, NEW), most=1.1),
    Goal("processor, all on / no line or metrics, 2025-11-25", used(WHOLE, OLD), used(QUIET, OLD), most=1.1),
    Goal("all on, 99th / 50th percentile of times, 2026-07-28", f"tail, {NEW}: {WHOLE}", "one", most=2),
    Goal("all on, 99th / 50th percentile of times, 2025-11-25", f"tail, {OLD}: {WHOLE}", "one", most=2),
    Goal("instructions, all on / bare SDK, 2026-07-28", spent(WHOLE, NEW), spent("bare SDK", NEW), most=0.8),
    Goal("instructions, all on / bare SDK, 2025-11-25", spent(WHOLE, OLD), spent("bare SDK", OLD), most=0.25),
    Goal("instructions, api-key / none, 2026-07-28", spent("api-key", NEW), spent("none", NEW), most=1.08),
    Goal("instructions, oauth / none, 2026-07-28", spent("oauth", NEW), spent("none", NEW), most=1.08),
    Goal("instructions, all on / no line or metrics, 2026", spent(WHOLE, NEW), spent(QUIET, NEW), most=1.1),
    Goal("instructions, all on / no line or metrics, 2025", spent(WHOLE, OLD), spent(QUIET, OLD), most=1.1),
    Goal("50 tools / 2 tools, calls a second", "calls a second: 50 tools", "calls a second: 2 tools", least=0.97),
    Goal("cold start / bare SDK", f"cold start: {WHOLE}", "cold start: bare SDK", most=1.1),
    Goal("idle memory over the bare SDK, MB", f"idle MB over bare: {WHOLE}", "one", most=8),
    Goal("growth from call 1,000 to 100,000, MB", f"growth in MB: {WHOLE}", "one", most=2),
    Goal("2 replicas / 1, calls a second", "calls a second: 2 replicas", "calls a second: 1 replica", least=1.7),
    Goal("copier copy / copier --version", "copier copy", "copier --version", most=2.5),
    Goal("copier update / copier --version", "copier update", "copier --version", most=4.5),
]

Samples = defaultdict[str, list[float]]  # by the name of what was measured, a figure for each round


class Servers:
    """Starts each server that is compared."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shelf = folder, Shelf(folder)
        self.ready: set[Path] = set()

    def project(self, mode: str) -> tuple[Path, dict[str, str]]:
        """An installed connector of this mode, with the tools of the benchmark and compiled as in an image."""
        answers = {"auth_mode": mode, "hosting": "compose", "source": "blank", "ci": "none"}
        project, env = self.shelf.get(answers)
        if project not in self.ready:
            self.ready.add(project)
            site = Path(env["PYTHONPATH"])
            (site / rendering.recorded(project)["package_name"] / "tools/__init__.py").write_text(TOOLS)
            subprocess.run([rendering.python(project), "-m", "compileall", "-q", site], check=True)
        return project, env

    @contextmanager
    def start(self, name: str, **settings: str) -> Iterator[Running]:
        """One of them, running."""
        if name in COMMANDS:
            with self.other(name) as running:
                yield running
            return
        if name == WHOLE:
            settings = {**EVERYTHING, "METRICS_PORT": str(free_port()), **settings}
        if name == QUIET:
            settings = {**EVERYTHING, **SILENT, **settings}  # the same but for what its name says
        project, env = self.project(name.partition(",")[0])
        with serving(project, {**env, **SET}, **settings) as running:
            yield running

    @contextmanager
    def other(self, name: str) -> Iterator[Running]:
        port, token = free_port(), self.folder / f"token-{free_port()}"
        log = self.folder / "log"
        with log.open("wb") as output:
            command = [str(part).format(port=port, token=token) for part in COMMANDS[name]]
            process = subprocess.Popen(command, cwd=PEERS, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            origin = f"http://127.0.0.1:{port}"
            wait(origin, process, log)
            headers = {"Authorization": f"Bearer {token.read_text()}"} if token.exists() else {}
            yield Running(origin, headers, process, log)
        finally:
            process.kill()
            process.wait()


COMMANDS: dict[str, Sequence[str | Path]] = {
    "bare SDK": [rendering.interpreter("base"), APPS, "bare", "{port}"],
    "raw Starlette": [rendering.interpreter("base"), APPS, "raw", "{port}"],
    "FastMCP, JWT": [rendering.interpreter("proxy"), APPS, "fastmcp", "{port}", "{token}"],
    "TypeScript SDK": [NODE, PEERS / "bench.mjs", "{port}"],
}
COMPARED = [WHOLE, QUIET, *MODES, *COMMANDS]


def wait(origin: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until a server answers anything."""
    deadline = time.monotonic() + 30
    while True:
        try:
            if ask(origin, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 5).status:
                return
        except Unanswered:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unexpected(log.read_text(errors="replace")[-2000:])
        time.sleep(0.005)


def calls(servers: Servers, samples: Samples, rounds: int) -> None:
    """Calls a second, time on a processor for each, and the tail of the times that they take."""
    with ExitStack() as stack:
        running = {name: stack.enter_context(servers.start(name)) for name in COMPARED}
        for name, server in running.items():
            for version in VERSIONS:
                load([server.origin], server.headers, version, [], seconds=1)  # warm
            print(f"  {name} runs", flush=True)
        for _ in range(rounds):
            for version in VERSIONS:
                for name, server in running.items():
                    seen = load([server.origin], server.headers, version, [server.process.pid])
                    samples[rate(name, version)].append(seen.rate)
                    samples[used(name, version)].append(1000 * seen.cpu / seen.calls)
                    samples[f"tail, {version}: {name}"].append(seen.tail)


def instructions(servers: Servers, samples: Samples, rounds: int) -> None:
    """Millions of instructions a call, as valgrind counts them: once is enough."""
    if not which("valgrind"):
        print("  valgrind is not installed: on Debian, apt-get install valgrind", file=sys.stderr)
        return
    for name in ("raw Starlette", "bare SDK", "none", "api-key", "oauth", QUIET, WHOLE):
        with ExitStack() as stack:
            if name in COMMANDS:
                kind, origin, python = name.split()[0], "http://127.0.0.1:8000", rendering.interpreter("base")
                headers: Mapping[str, str] = {}
                env: dict[str, str] = {}
            else:
                # Its settings and credentials are those of a connector that runs meanwhile, with its identity provider.
                connector = stack.enter_context(servers.start(name))
                project, env = servers.project(name.partition(",")[0])
                env = {**env, **environment_of(connector.process.pid)}
                origin, headers, python = connector.origin, connector.headers, rendering.python(project)
                kind = rendering.recorded(project)["package_name"]
            counted = count(servers.folder, python, kind, [request(origin, headers, each) for each in VERSIONS], env)
            for version, figure in zip(VERSIONS, counted, strict=True):
                samples[spent(name, version)].append(figure)
                print(f"  {name}, {version}: {figure:.3f} million", flush=True)


def environment_of(process: int) -> dict[str, str]:
    """What a process was started with, but with another port for metrics."""
    pairs = Path(f"/proc/{process}/environ").read_text().split("\0")
    found = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    return {**found, "METRICS_PORT": str(free_port())} if "METRICS_PORT" in found else found


def profile(servers: Servers, samples: Samples, rounds: int) -> None:
    """Where the time of a call goes, with everything on: shares by module, as Python's profiler sees them."""
    with servers.start(WHOLE) as connector:
        project, env = servers.project(WHOLE.partition(",")[0])
        env = {**env, **environment_of(connector.process.pid)}
        for version in VERSIONS:
            written = write(servers.folder, [request(connector.origin, connector.headers, version)])
            kind = rendering.recorded(project)["package_name"]
            command: list[str | Path] = [rendering.python(project), APPS, "profile", kind, written]
            done = subprocess.run(
                command, check=True, cwd=servers.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            for name, share in json.loads(done.stdout.splitlines()[-1]).items():
                samples[f"share, {version}: {name}"].append(share)


def write(folder: Path, requests: list[bytes]) -> Path:
    """Write requests down for `bench_apps.py`."""
    made = []
    for sent in requests:
        head, _, body = sent.decode().partition("\r\n\r\n")
        made.append({"headers": [line.split(": ", 1) for line in head.split("\r\n")[1:]], "body": body})
    written = folder / "requests.json"
    written.write_text(json.dumps(made))
    return written


def count(folder: Path, python: Path, kind: str, requests: list[bytes], env: Mapping[str, str]) -> list[float]:
    """Millions of instructions for one call of each of these kinds."""
    written = write(folder, requests)
    out = folder / "callgrind"
    for old in folder.glob("callgrind*"):
        old.unlink()
    tool: list[str | Path] = [
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={out}",
        "--dump-before=getpriority",
        "--quiet",
    ]
    command = [*tool, python, APPS, "count", kind, written]
    with (folder / "counted").open("wb") as output:
        # A constant seed: otherwise the order of sets differs from run to run.
        subprocess.run(
            command, check=True, cwd=folder, env={**env, "PYTHONHASHSEED": "0"}, stdout=output, stderr=output
        )
    figures = []
    for number in range(len(requests)):
        [total] = [
            line for line in out.with_name(f"callgrind.{2 * number + 2}").read_text().splitlines() if "totals:" in line
        ]
        figures.append(int(total.split()[1]) / CALLS / 1e6)
    return figures


LEAST = 0.01  # of the time of a call: smaller shares are not printed
CALLS = 100  # that bench_apps.py makes between two marks


def cold(servers: Servers, samples: Samples, rounds: int) -> None:
    """Seconds from the start of a process to its first answered call."""
    for _ in range(rounds):
        for name in (WHOLE, "none", "oauth-proxy", "bare SDK", "FastMCP, JWT", "TypeScript SDK"):
            samples[f"cold start: {name}"].append(cold_start(servers, name))


def cold_start(servers: Servers, name: str) -> float:
    """A connector is started twice: first with all that it needs, then once more with the same settings."""
    if name in COMMANDS:
        began = time.perf_counter()
        with servers.other(name) as server:
            first_call(server.origin, server.headers, server.process, server.log)
            return time.perf_counter() - began
    with servers.start(name) as once:
        env = {**environment_of(once.process.pid)}
        port = free_port()
        env |= {"PORT": str(port)}
        headers = {**once.headers, "Host": once.origin.removeprefix("http://")}
        log = servers.folder / "log"
        project, _ = servers.project(name.partition(",")[0])
        with log.open("wb") as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                [rendering.recorded(project)["command_name"], "serve"],
                cwd=once.log.parent,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            first_call(f"http://127.0.0.1:{port}", headers, process, log)
            return time.perf_counter() - began
        finally:
            process.kill()
            process.wait()


def first_call(origin: str, headers: Mapping[str, str], process: subprocess.Popen[bytes], log: Path) -> None:
    host = headers.get("Host", origin.removeprefix("http://"))
    others = {name: value for name, value in headers.items() if name != "Host"}
    sent = request(f"http://{host}", others, STATELESS)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer = ask(origin, sent.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1), 5)
        except Unanswered:
            time.sleep(0.002)
            continue
        if answer.status == 200:
            return
        raise Unexpected(f"{answer.status} {answer.body!r}")
    raise Unexpected(log.read_text(errors="replace")[-2000:])


def tools(servers: Servers, samples: Samples, rounds: int) -> None:
    """Calls a second with 50 tools and with 2."""
    with servers.start("api-key", BENCH_TOOLS="50") as many, servers.start("api-key") as few:
        for each in (many, few):
            load([each.origin], each.headers, STATELESS, [], seconds=1)
        for _ in range(rounds):
            for name, each in (("50 tools", many), ("2 tools", few)):
                samples[f"calls a second: {name}"].append(load([each.origin], each.headers, STATELESS, []).rate)


def replicas(servers: Servers, samples: Samples, rounds: int) -> None:
    """Calls a second of one replica and of two, which no proxy joins: it would need a processor of its own."""
    with servers.start("none") as one, servers.start("none") as two:
        origins = [one.origin, two.origin]
        load(origins, {}, STATELESS, [], seconds=1)
        for _ in range(rounds):
            samples["calls a second: 1 replica"].append(load(origins[:1], {}, STATELESS, []).rate)
            samples["calls a second: 2 replicas"].append(load(origins, {}, STATELESS, []).rate)


def kept(servers: Servers, samples: Samples, rounds: int) -> None:
    """Memory when idle, over that of the bare SDK; and its growth from call 1,000 to 100,000."""
    with servers.start(WHOLE) as ours, servers.start("bare SDK") as bare:
        for each in (ours, bare):
            load([each.origin], each.headers, STATELESS, [], seconds=60, most=1_000)
        held = [memory(each.process.pid) for each in (ours, bare)]
        samples[f"idle MB over bare: {WHOLE}"].append((held[0] - held[1]) / MB)
        for version in VERSIONS:
            load([ours.origin], ours.headers, version, [], seconds=600, most=49_500)
        samples[f"growth in MB: {WHOLE}"].append((memory(ours.process.pid) - held[0]) / MB)


def copies(servers: Servers, samples: Samples, rounds: int) -> None:
    """Seconds for a copy and an update of the largest combination, and for starting Copier."""
    answers = {"auth_mode": "oauth-proxy", "hosting": "kubernetes", "source": "rest-api", "ci": "github"}
    template = servers.folder / "template"
    newer = servers.folder / "newer"
    if not newer.exists():
        subprocess.run(["git", "clone", "-q", template, newer], check=True)
        rendering.release(newer, "v1000.0.1")
    for number in range(rounds):
        target = servers.folder / f"copy-{number}"
        copy: list[str | Path] = [
            rendering.COPIER,
            "copy",
            "--quiet",
            "--defaults",
            "--vcs-ref",
            NOW,
            *rendering.data(answers),
        ]
        samples["copier --version"].append(timed([rendering.COPIER, "--version"], servers.folder))
        samples["copier copy"].append(timed([*copy, newer, target], servers.folder))
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
            rendering.git(*command, cwd=target)
        samples["copier update"].append(timed([rendering.COPIER, "update", "--quiet", "--defaults"], target))


def timed(command: Sequence[str | Path], folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, cwd=folder)
    return time.perf_counter() - began


PARTS: dict[str, Callable[[Servers, Samples, int], None]] = {
    "calls": calls,
    "instructions": instructions,
    "profile": profile,
    "cold": cold,
    "tools": tools,
    "replicas": replicas,
    "memory": kept,
    "copies": copies,
}


@dataclass(frozen=True)
class Row:
    """A goal, and what was seen: the median of the rounds, the least and the greatest."""

    goal: Goal
    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        verdict = "met" if self.goal.met(self.ratio) else "MISSED"
        return (
            f"{self.goal.what:56} {self.ratio:7.2f} {self.low:7.2f} - {self.high:6.2f}   "
            f"{self.goal.limit():16} {verdict}"
        )


def rows(samples: Mapping[str, Sequence[float]]) -> list[Row]:
    """What the samples say about each goal for which there are some."""
    found = []
    for goal in GOALS:
        over = samples.get(goal.over)
        under = [1.0] * len(over or ()) if goal.under == "one" else samples.get(goal.under)
        if over and under:
            ratios = [one / other for one, other in zip(over, under, strict=True)]
            found.append(Row(goal, statistics.median(ratios), min(ratios), max(ratios)))
    return found


def table(samples: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Each server in a line: median, and beside it the ratio to the bare SDK of the same rounds."""
    for version in VERSIONS:
        if rate("bare SDK", version) not in samples:
            continue
        yield f"\n{version:28} {'calls/s':>8} {'ratio':>6} {'spread':>13} {'ms CPU':>7} {'p99/p50':>8}"
        for name in COMPARED:
            rates, base = samples[rate(name, version)], samples[rate("bare SDK", version)]
            ratios = [one / other for one, other in zip(rates, base, strict=True)]
            busy = statistics.median(samples[used(name, version)])
            tail = statistics.median(samples[f"tail, {version}: {name}"])
            spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
            yield (
                f"{name:28} {statistics.median(rates):8.0f} {statistics.median(ratios):6.2f} {spread:>13} "
                f"{busy:7.3f} {tail:8.1f}"
            )
    others = [name for name in samples if name.startswith(("instructions", "cold", "copier"))]
    if others:
        yield ""
    for name in others:
        yield f"{name:60} {statistics.median(samples[name]):8.3f}"
    for version in VERSIONS:
        shares = {name: seen[0] for name, seen in samples.items() if name.startswith(f"share, {version}")}
        if shares:
            yield f"\n{f'{version}, all on: share of the time of a call':60} {'own':>8}"
        for name, share in shares.items():
            if share >= LEAST:
                yield f"{name.partition(': ')[2]:60} {share:8.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; more than once for several")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the calls a second there")
    chosen = parser.parse_args()
    samples: Samples = defaultdict(list)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(Path(folder))
        for name in chosen.only or PARTS:
            print(f"{name}: {(PARTS[name].__doc__ or '').partition(chr(10))[0]}", flush=True)
            measured: Samples = defaultdict(list)
            try:
                PARTS[name](servers, measured, chosen.rounds)
                samples |= measured
            except (OSError, subprocess.CalledProcessError, Unexpected, Unanswered) as error:
                failed = True  # the other parts are told all the same
                print(f"  {name} ended early: {error}", file=sys.stderr)
    for line in table(samples):
        print(line)
    found = rows(samples)
    print(f"\n{'goal':56} {'median':>7} {'least - greatest':>16}   {'must be':16}")
    for row in found:
        print(row)
    if chosen.json:
        seen = {row.goal.what: {"median": row.ratio, "met": row.goal.met(row.ratio)} for row in found}
        chosen.json.write_text(json.dumps({"samples": samples, "goals": seen}, indent=1) + "\n")
    if chosen.svg and rate(WHOLE, NEW) in samples:
        chosen.svg.write_text(draw(samples))
    sys.exit(failed or not all(row.goal.met(row.ratio) for row in found))


if __name__ == "__main__":
    main()
