"""Requests that are made to cost much: what each kind of value, at each place of a message, may reach and leave behind.

    RELEASE=v1.0.1 .venv/bin/pytest tests/running/test_bombs.py      # how an earlier release fares

`make bombs` measures the same kinds at the size of megabytes; here nothing is timed.
"""

import json
import os
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from ..lib.rendering import ROOT, Answers, Installed, python, recorded
from ..lib.serving import Running, serving
from ..lib.versions import Shelf
from ..lib.wire import LINE, VERSIONS, Answer, Message, Tail, ask, faults, http_request
from ..programs.bombs import ATTACKS, FACTOR, KINDS, LEAST, OVER, PLACES, Target, crowd, strike

API_KEY = {"auth_mode": "api-key", "hosting": "compose", "source": "rest-api", "ci": "none"}
SMALL = 300  # bytes
UNDER = 95  # per cent of what is over a limit
FEW = 256  # descriptors
IN_TEXT = [kind for kind in KINDS if kind.endswith("in a text")]
READ = [  # where the protocol layer reads a text as JSON, because the schema asks for something else
    "an argument that is a list",
    "an argument that is an object",
    "an argument that is a number",
]


class Seen(NamedTuple):
    """What became of one request."""

    place: str
    version: str
    over: bool
    sent: int
    answer: Answer
    reached: dict[str, int]
    log: bytes


Results = Callable[[str], list[Seen]]  # the fixture `results`


@pytest.fixture(scope="module")
def project(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A connector that reads scopes from the body: of the working tree, or of the release in the variable RELEASE."""
    answers: Answers = dict(API_KEY)
    if release := os.environ.get("RELEASE"):
        return Shelf(tmp_path_factory.mktemp("release")).get(answers, release)
    return installed(answers)


@pytest.fixture(scope="module")
def connector(project: tuple[Path, dict[str, str]]) -> Iterator[Running]:
    """The same as a process that counts what is reached."""
    folder, env = project
    script = ROOT / "tests/lib/counting.py"
    counting: list[str | Path] = [python(folder), script, recorded(folder)["package_name"]]
    with serving(folder, env, command=counting) as connector:
        yield connector


@pytest.fixture(scope="module")
def results(connector: Running) -> Results:
    """Gives for a kind what became of it at every place, in both versions: small, just below and above the limits."""
    log = Tail(connector.log)
    look = http_request("GET", "/reached", Message(b""), host=urlsplit(connector.origin).netloc)

    @cache
    def send(kind: str) -> list[Seen]:
        seen = []
        for (place, put), version, size in product(
            PLACES.items(), VERSIONS, (SMALL, UNDER * OVER[kind] // 100, OVER[kind])
        ):
            sent = Target(connector, version).request(put(KINDS[kind](size), version))
            answer = ask(connector.origin, sent, 60)
            reached = json.loads(ask(connector.origin, look).body)
            seen.append(Seen(place, version, size == OVER[kind], len(sent), answer, reached, log.read()))
        return seen

    return send


@pytest.mark.parametrize("kind", KINDS)
def test_every_request_is_answered_in_proportion(results: Results, kind: str) -> None:
    for seen in results(kind):
        assert seen.answer.status, seen
        assert not seen.answer.broken, seen
        assert seen.answer.size <= max(LEAST, FACTOR * seen.sent), seen[:4]


@pytest.mark.parametrize("kind", KINDS)
def test_no_request_fills_the_log(results: Results, kind: str) -> None:
    for seen in results(kind):
        assert list(faults(seen.log)) == [], seen[:4]
        assert len(seen.log) <= 2 * LINE, seen[:4]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in IN_TEXT])
def test_what_is_over_a_limit_reaches_neither_a_model_nor_a_tool(results: Results, kind: str) -> None:
    for seen in results(kind):
        if seen.over:
            assert (seen.answer.status, seen.reached) in [(400, {}), (413, {})], seen


@pytest.mark.parametrize("kind", IN_TEXT)
def test_json_in_a_text_that_is_over_a_limit_reaches_no_tool(results: Results, kind: str) -> None:
    for seen in results(kind):
        if seen.over and seen.place in READ:
            assert "tools" not in seen.reached, seen


def test_what_is_within_the_limits_reaches_a_tool(results: Results) -> None:
    """Else the tests above would pass for a connector that refuses everybody."""
    small = [seen for seen in results("list of texts") if not seen.over and seen.place == "an argument that is a list"]
    assert small
    assert [(seen.answer.status, seen.reached["tools"]) for seen in small] == [(200, 1)] * len(small)


def test_nobody_waits_for_a_caller_that_never_finishes(connector: Running) -> None:
    slow = ["20 bodies, a byte a second", "20 header sections, a field a second", "20 silent connections"]
    strikes = [ATTACKS[name](Target(connector, VERSIONS[0])) for name in slow]
    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(lambda strike: strike(), strikes))
    assert [outcome.misses for outcome in outcomes] == [()] * len(slow)


def test_headers_without_end_are_cut(connector: Running) -> None:
    outcome = ATTACKS["headers without end"](Target(connector, VERSIONS[0]))()
    assert outcome.misses == ()


def test_with_more_connections_than_descriptors_health_is_answered(project: tuple[Path, dict[str, str]]) -> None:
    folder, env = project
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    limited = ["sh", "-c", f"ulimit -n {FEW}; exec {recorded(folder)['command_name']} serve"]
    with serving(folder, env, command=limited) as connector:
        target = Target(connector, VERSIONS[0])
        row = strike(lambda target: lambda: crowd(target, FEW, seconds=2), target)
        assert row.misses == ()
