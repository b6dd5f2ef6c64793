"""docs/recording.svg is what a terminal shows today, and shows nothing of the machine on which it was drawn."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ..programs import recording
from ..programs.recording import Frame

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = recording.FILE.read_text(encoding="utf-8")
RAW = b"""\x1b[32m\x1b[1m    create\x1b[39m\x1b[0m  b.py\r
\x1b[32m\x1b[1m    create\x1b[39m\x1b[0m  a.py\r
2031-01-02 03:04:05,678 INFO Started server process [12602] on http://127.0.0.1:8071/mcp
['/tmp/somewhere/my-connector'] Bearer acme_crm_cd10b5245506_9GMjjTVKco_wkdLenx5WBOkpD9Wp_IJMHUx98XSYSqE
"""


def lines(drawing: str) -> list[str]:
    texts = ET.fromstring(drawing).find(f"{SVG}defs")
    assert texts is not None
    return ["".join(text.itertext()).replace(recording.BLANK, " ") for text in texts]


def test_the_recording_is_what_a_terminal_shows_today(tmp_path: Path) -> None:
    """After a change of what is asked or printed: make recording."""
    shown = recording.film(recording.record(tmp_path.resolve()))
    assert lines(DRAWN) == lines(shown)
    assert shown == DRAWN


def test_it_shows_the_questions_and_the_answer_to_a_call() -> None:
    shown = "\n".join(lines(DRAWN))
    assert all(question in shown for question in recording.ANSWERS)
    assert '"structuredContent"' in shown.replace("\n", "")
    assert all(len(line) <= recording.COLUMNS for line in lines(DRAWN))


def test_nothing_differs_from_one_machine_to_another() -> None:
    steady = recording.steady(RAW, Path("/tmp/somewhere")).decode()
    assert steady.index("a.py") < steady.index("b.py")
    for part in ("2031", "03:04", "12602", "8071", "/tmp", "cd10b5245506", "9GMjj"):
        assert part in RAW.decode()
        assert part not in steady
    assert len(max(steady.splitlines(), key=len)) <= len(max(RAW.decode().splitlines(), key=len))


def test_another_question_would_change_the_recording() -> None:
    frame = Frame("Terminal", ("Who may call it?", *[""] * (recording.ROWS - 1)), (0, 0), 1.0)
    other = frame._replace(lines=("Who may use it?", *frame.lines[1:]))
    assert recording.film([frame, frame]) != recording.film([frame, other])


def test_frames_that_look_the_same_are_drawn_once_for_as_long() -> None:
    frame = Frame("Terminal", ("$", *[""] * (recording.ROWS - 1)), (0, 1), 1.0)
    assert recording.film([frame, frame]) == recording.film([frame._replace(seconds=2.0)])


@pytest.mark.parametrize(
    "never", ["<script", "<animate", "javascript:", "@import", "foreignObject", "<image", "url(", '="http:', '="//']
)
def test_a_git_host_shows_it(never: str) -> None:
    assert never not in DRAWN.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert len(DRAWN.encode()) < 150_000


def test_without_movement_it_shows_the_last_screen() -> None:
    """For those who switched animations off, and where nothing plays them."""
    last = DRAWN.count('class="name"') - 1
    assert f".film {{ transform: translateY({-last * recording.HEIGHT}px) }}" in DRAWN
    assert "prefers-reduced-motion: no-preference" in DRAWN
