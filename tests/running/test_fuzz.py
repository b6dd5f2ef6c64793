"""A slice of `make fuzz`, and that its checks find what they look for."""

import json

import pytest

from ..lib.inputs import Inputs
from ..lib.rendering import Installed
from ..lib.serving import serving
from ..lib.wire import FORGED_ENTRY, FORGERY, LINE, LONGEST_ENTRY, Answer, faults
from ..programs.fuzz import fuzz

SEED, COUNT = 2026, 250
BEGINNING = "2026-11-26 10:00:00,123 INFO a.logger: "
ENTRY = {"timestamp": "", "severity": "INFO", "level": "info", "message": "x", "logger": "a.logger"}


@pytest.mark.parametrize("mode", ["none", "api-key", "oauth-proxy"])
def test_nothing_that_a_caller_sends_breaks_a_connector(installed: Installed, mode: str) -> None:
    project, env = installed({"auth_mode": mode, "hosting": "compose", "source": "rest-api", "ci": "none"})
    with serving(project, env) as connector:
        found = fuzz(connector, mode, SEED, range(COUNT))
    assert found.smallest == {}
    assert found.statuses.total() == COUNT
    assert found.statuses[200] > COUNT / 20, "most inputs are refused before they reach anything"


def test_an_input_is_made_from_the_seed_and_its_number_alone() -> None:
    made = [Inputs("oauth-proxy", 7, {}, "127.0.0.1").make(number).sent for number in (0, 1, 2)]
    assert Inputs("oauth-proxy", 7, {}, "127.0.0.1").make(2).sent == made[2]
    assert Inputs("oauth-proxy", 8, {}, "127.0.0.1").make(2).sent != made[2]


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        (f"{BEGINNING}x\nnot mine\n", "line that the server did not begin, INFO a.logger"),
        ("not mine\n", "line that the server did not begin, no logger"),
        (f"{BEGINNING}x{FORGERY}\n", "line that a caller wrote"),
        (f"{BEGINNING}a\tb\n", "control character, INFO a.logger"),
        (f"{BEGINNING}a\u2028b\n", "control character, INFO a.logger"),
        (f"{BEGINNING}a\x9b31mb\n", "control character, INFO a.logger"),
        (f"{BEGINNING}{'x' * LINE}\n", f"line over {LINE:,} characters, INFO a.logger"),
        (
            f"{BEGINNING}x\nTraceback (most recent call last):\nValueError: x\n",
            "traceback of ValueError, INFO a.logger",
        ),
        (
            f"{BEGINNING}x\\nTraceback (most recent call last):\\n  File\\nKeyError: x\n",
            "traceback of KeyError, INFO a.logger",
        ),
    ],
)
def test_a_fault_in_a_log_of_text_is_found(log: str, kind: str) -> None:
    assert [fault.kind for fault in faults(log.encode())] == [kind]


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        (json.dumps(ENTRY)[:-5], "line that the server did not begin, no logger"),
        ('{"message": "x"}', "line that the server did not begin, no logger"),
        (json.dumps(ENTRY) + FORGED_ENTRY, "line that a caller wrote"),
        (json.dumps({**ENTRY, "message": "a\u2028b"}, ensure_ascii=False), "control character, INFO a.logger"),
        (json.dumps({**ENTRY, "message": "a\x7fb"}, ensure_ascii=False), "control character, INFO a.logger"),
        (json.dumps({**ENTRY, "x": "x" * LONGEST_ENTRY}), f"line over {LONGEST_ENTRY:,} characters, INFO a.logger"),
        (
            json.dumps({**ENTRY, "exception.type": "KeyError", "exception.stacktrace": "Traceback\nKeyError: x"}),
            "traceback of KeyError, INFO a.logger",
        ),
    ],
)
def test_a_fault_in_a_log_of_json_is_found(log: str, kind: str) -> None:
    assert [fault.kind for fault in faults(f"{json.dumps(ENTRY)}\n{log}\n".encode())] == [kind]


def test_a_log_without_faults_has_none() -> None:
    assert list(faults(f"{BEGINNING}x\\ny é 😀\n{BEGINNING}{'x' * 3_000}\n{json.dumps(ENTRY)}\n".encode())) == []


@pytest.mark.parametrize(
    ("answer", "broken"),
    [
        (Answer(500), True),
        (Answer(502), True),
        (Answer(503), True),
        (Answer(503, {"retry-after": "5"}), False),
        (Answer(400), False),
    ],
)
def test_only_an_overload_that_says_when_to_come_back_may_be_a_5xx(answer: Answer, broken: bool) -> None:
    assert answer.broken is broken
