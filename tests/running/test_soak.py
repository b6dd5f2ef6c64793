"""That the checks of `make soak` find what they look for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from ..lib.serving import free_port, until
from ..lib.unreliable import Manner, unreliable
from ..programs.soak import GROWTH, MB, MORE, Fault, Outcome, Reading, grown, result_of, succeeds, unexplained


@contextmanager
def nothing(_: object) -> Iterator[None]:
    yield


FAILING = Fault("upstream API failing", nothing, r"tool: The upstream API ")
SILENT = Fault("upstream API slow", nothing, "")
SPANS = [(FAILING, 10.0, 20.0), (SILENT, 30.0, 40.0)]
TOLD = "tool: The upstream API has a fault"


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        (Outcome(12, 13, TOLD), []),
        (Outcome(9, 11, TOLD), []),
        (Outcome(5, 9, TOLD), [f"with no fault, 1 times: {TOLD}"]),
        (Outcome(21, 22, TOLD), [f"with no fault, 1 times: {TOLD}"]),
        (Outcome(12, 13, "status 500"), ["with upstream API failing, 1 times: status 500"]),
        (Outcome(32, 33, TOLD), [f"with upstream API slow, 1 times: {TOLD}"]),
        (Outcome(5, 9, None), []),
    ],
)
def test_an_error_counts_unless_a_fault_that_brings_it_was_there(outcome: Outcome, found: list[str]) -> None:
    assert unexplained([outcome], SPANS) == found


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"bytes": GROWTH * MB + MB}, "memory"),
        ({"open": MORE + 1}, "descriptors"),
        ({"threads": 3}, "threads"),
        ({"process": 1}, "started again"),
    ],
)
def test_growth_from_the_first_quiet_time_to_the_last_is_found(more: dict[str, int], word: str) -> None:
    first = {"process": 7, "bytes": 70 * MB, "open": 17, "threads": 1}
    last = {name: value + more.get(name, 0) for name, value in first.items()}
    assert grown([Reading(**first), Reading(**first)]) == []
    assert [word in problem for problem in grown([Reading(**first), Reading(**last)])] == [True]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"result": {"content": []}}, None),
        ({"result": {"isError": True, "content": [{"type": "text", "text": "no"}]}}, "tool: no"),
        ({"error": {"code": -32603}}, "error: {'error': {'code': -32603}}"),
    ],
)
def test_an_answer_is_judged_alike_alone_and_in_a_stream(body: dict[str, Any], wrong: str | None) -> None:
    alone = httpx2.Response(200, json=body)
    event = f"event: message\ndata: {alone.text}\n\n"
    stream = httpx2.Response(200, text=f": ping\n\n{event}", headers={"Content-Type": "text/event-stream"})
    assert succeeds(alone) == succeeds(stream) == wrong
    assert result_of(httpx2.Response(200, text="no JSON")) is None


def test_an_upstream_api_behaves_as_it_is_told() -> None:
    manners: list[Manner] = ["failing", "resetting"]
    with unreliable("http://127.0.0.1:9", free_port()) as api:
        seen: list[int | str] = []
        for api.manner in manners:
            try:
                seen.append(httpx2.get(api.origin, trust_env=False).status_code)
            except httpx2.HTTPError as error:
                seen.append(type(error).__name__)
        until(lambda: api.asked == 2)
    assert seen == [500, "ReadError"]
