"""`make recording`: draw docs/recording.svg, what a terminal shows from `copier copy` to the first call of a tool.

The commands are typed into a shell and run. What differs from run to run is replaced before it is drawn: times,
numbers of processes, a key, the port and paths of this machine. CSS alone moves the drawing, as Git hosts require.
"""

import json
import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import accumulate, chain, groupby
from pathlib import Path
from typing import NamedTuple

import pexpect
from pyte.screens import Char

from ..lib import rendering
from ..lib.screen import CTRL_C, DOWN, Terminal

FILE = rendering.ROOT / "docs/recording.svg"
TITLE = "In a terminal: copier copy asks its questions, the connector starts, and a tool answers a call."

COLUMNS, ROWS = 80, 24
LINE, SIZE, MARGIN, BAR = 18, 13, 16, 34  # a line, the font, the border, the title bar
WIDTH = round(2 * MARGIN + COLUMNS * SIZE * 0.62)  # DejaVu Sans Mono is the widest font that a browser may take
HEIGHT = BAR + MARGIN + ROWS * LINE

URL = "https://YOUR-GIT-HOST/mcp-connector-template.git"
TAG = "v1000.0.0"  # above every release, so that copier takes the working tree's state
RUN = "cd my-connector && uv sync --quiet && uv run connector dev"
CALL = {"name": "get_record", "arguments": {"record_id": "4"}}
ANSWERS = {  # the keys that answer each question; the last one is Enter
    "What is the connector called?": ["Acme", " CRM"],
    "What does it do": [],
    "Who may call it?": [DOWN],
    "Where will it run?": [],
    "What does it call?": [DOWN],
    "Which CI system": [],
    "What watches it?": [],
}
KEYS, SHORT, LONG = 0.4, 2.0, 5.0  # seconds that a frame stays: while keys are pressed, for a line, for a screen

OTHERS = {"VIRTUAL_ENV", "PYTHONPATH", "PROMPT_COMMAND", "WEB_CONCURRENCY"}  # variables that would change what is shown
PORTS = range(8001, 8100)  # as long as the one that is drawn, so that lines break in the same places
PORT = 8000
KEY = "acme_crm_000000000000_" + ("EXAMPLE_" * 6)[:43]
BLANK = "\N{NO-BREAK SPACE}"  # others are drawn as one, however many follow each other
TIME = "2026-11-26 10:15:02,345"
FILES = rb"(?:\x1b\[\d+m)*(?:    create| identical)(?:\x1b\[\d+m)*  [^\r\n]+\r\n"  # in the order of the file system

STYLE = """
    .window { fill: #0d1117; stroke: #3d444d }
    .bar { fill: #21262d }
    .name { fill: #9198a1; font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif }
    .line { fill: #e6edf3; font: 13px ui-monospace, Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace }
    .bold { font-weight: 600 }
    .green { fill: #7ee787 }
    .blue { fill: #79c0ff }
    .yellow { fill: #f2cc60 }
    .red { fill: #ff7b72 }
    .cursor { fill: #6e7681 }
"""
COLOURS = {"green": "green", "blue": "blue", "cyan": "blue", "brown": "yellow", "red": "red"}


class Frame(NamedTuple):
    """What is shown for a while."""

    window: str
    lines: tuple[str, ...]  # as the content of a <text>
    cursor: tuple[int, int]  # row and column
    seconds: float


class Window(Terminal):
    """A shell in a terminal; what it writes is shown without what another run would write differently."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(["bash", "--noprofile", "--norc", "-i"], COLUMNS, ROWS, folder, environment)
        self.name, self.folder, self.waiting = name, folder, b""
        self.frames: list[Frame] = []

    def read(self) -> bool:
        """Collect what the shell writes, and show it when it pauses."""
        try:
            self.waiting += self.program.read_nonblocking(65536, timeout=0.1)
        except pexpect.TIMEOUT:
            if b"Copying from" not in self.waiting or b"\r\nNext:" in self.waiting:  # all files, to sort them
                self.written += self.waiting.decode(errors="replace")
                self.stream.feed(steady(self.waiting, self.folder))
                self.waiting = b""
        except pexpect.EOF:
            return False
        return True

    def settle(self) -> None:
        """Show all that is written until there is a pause."""
        self.read()
        while self.waiting:
            self.read()

    def keep(self, seconds: float) -> None:
        """Draw the screen as it is now."""
        self.settle()
        lines = tuple(drawn(self.screen.buffer[row]) for row in range(ROWS))
        self.frames.append(Frame(self.name, lines, (self.screen.cursor.y, self.screen.cursor.x), seconds))

    def type(self, *keys: str) -> None:
        """Press keys, and draw what each of them shows."""
        for pressed in keys:
            self.press(pressed)
            self.keep(KEYS)

    def enter(self, command: str, shown: str) -> None:
        """Run a command, and wait for what it prints."""
        self.type(*re.findall(r"\S+\s*", command) if len(command) <= COLUMNS else [command])
        self.keep(SHORT)
        self.press("\r")
        self.wait(shown)


def steady(written: bytes, folder: Path) -> bytes:
    """The same output, as every run writes it."""
    for pattern, instead in {
        rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}": TIME,
        rb"process \[\d+\]": "process [4242]",
        rb"127\.0\.0\.1:\d{4}": f"127.0.0.1:{PORT}",
        rb"acme_crm_[0-9a-f]{12}_[\w-]{43}": KEY,
        re.escape(bytes(folder)): "/home/ada",
    }.items():
        written = re.sub(pattern, instead.encode(), written)
    return re.sub(b"(?:%s)+" % FILES, lambda found: by_path(found[0]), written)


def by_path(lines: bytes) -> bytes:
    """The lines about new files, sorted by path. Those of the project's root come last, because they change least."""
    each = [(line.split()[-1], line) for line in lines.splitlines(keepends=True) if b"create" in line]
    return b"".join(line for _, line in sorted(each, key=lambda one: (-one[0].count(b"/"), *one)))


def drawn(row: Mapping[int, Char]) -> str:
    """A line of the screen, as the content of a <text>."""
    runs: list[tuple[str, str]] = []
    for column in range(COLUMNS):
        letter = row[column]
        kind = " ".join(filter(None, ["bold" if letter.bold else "", COLOURS.get(letter.fg)]))
        if runs and (runs[-1][0] == kind or letter.data.isspace()):
            runs[-1] = (runs[-1][0], runs[-1][1] + letter.data)
        else:
            runs.append((kind, letter.data))
    runs[-1] = (runs[-1][0], runs[-1][1].rstrip())
    texts = [(kind, escape(text, quote=False).replace(" ", BLANK)) for kind, text in runs]
    return "".join(f'<tspan class="{kind}">{text}</tspan>' if kind else text for kind, text in texts)


def record(folder: Path) -> list[Frame]:
    """Make a connector in this folder, start it and call a tool, as a user does it in two terminals."""
    rendering.snapshot(folder / "template", TAG)
    (home := folder / "home").mkdir()
    (programs := folder / "bin").mkdir()
    (settings := folder / "settings.yml").write_text("{}\n")
    (programs / "copier").symlink_to(rendering.COPIER)
    (programs / "uvx").write_text('#!/bin/sh\nexec "$@"\n')  # copier as it is installed here, not the newest
    (programs / "uvx").chmod(0o755)
    environment = {
        **{name: os.environ[name] for name in os.environ if name not in OTHERS and not name.startswith("GIT_")},
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PORT": str(next(filter(free, PORTS))),
        "PS1": "$ ",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{folder / 'template'}.insteadOf",
        "GIT_CONFIG_VALUE_0": URL,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "COPIER_CACHE_DIR": str(folder / "cache"),
        "COPIER_SETTINGS_PATH": str(settings),
    }
    first = Window("Terminal", home, environment)
    second = Window("A second terminal", home, environment)
    try:
        for window in (first, second):
            window.wait("$")
        ask(first)
        first.enter(RUN, "Application startup complete")
        first.keep(LONG)
        second.enter(call(first.written), '"result"')
        second.keep(2 * LONG)
        first.press(CTRL_C)
        first.wait("Finished server process")
    finally:
        for window in (first, second):
            window.program.close(force=True)
    return first.frames + second.frames


def ask(window: Window) -> None:
    """Answer every question, and wait for the connector to be there."""
    window.enter(f"uvx copier copy {URL} my-connector", next(iter(ANSWERS)))
    for question, keys in ANSWERS.items():
        window.wait(question)
        window.keep(SHORT)
        window.type(*keys)
        window.keep(SHORT)
        window.press("\r")
    window.wait("Next:", "$")
    window.keep(LONG)


def call(printed: str) -> str:
    """The line that `dev` printed for curl, with a call in place of the list of tools."""
    [line] = re.findall(r"^ *curl +(curl .*?)\r?$", printed, re.MULTILINE)
    request = json.loads(line.split("'")[1])
    return str(line).replace(json.dumps(request), json.dumps({**request, "method": "tools/call", "params": CALL}))


def free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def film(frames: Iterable[Frame]) -> str:
    """The drawing: one frame below the other, and a window that jumps from each to the next."""
    frames = [
        Frame(window, lines, cursor, sum(frame.seconds for frame in same))
        for (window, lines, cursor), same in groupby(frames, lambda frame: frame[:3])
    ]
    lines = {line: f"l{number}" for number, line in enumerate(dict.fromkeys(chain(*(f.lines for f in frames)))) if line}
    shared = [f'    <text id="{name}" x="{MARGIN}">{line}</text>' for line, name in lines.items()]
    total = sum(frame.seconds for frame in frames)
    began = accumulate((frame.seconds for frame in frames), initial=0.0)
    moves = [
        f"{100 * start / total:.2f}% {{ transform: translateY({-number * HEIGHT}px) }}"
        for number, (start, _) in enumerate(zip(began, frames, strict=False))
    ]
    drawn = [part for number, frame in enumerate(frames) for part in still(frame, number * HEIGHT, lines)]
    last = -(len(frames) - 1) * HEIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"  <title>{TITLE}</title>",
            f"  <style>{STYLE}    .film {{ transform: translateY({last}px) }}",
            "    @media (prefers-reduced-motion: no-preference) {",
            f"      .film {{ animation: film {total:g}s steps(1, end) infinite }}",
            "    }",
            f"    @keyframes film {{ {' '.join(moves)} }}",
            "  </style>",
            '  <defs class="line">',
            *shared,
            "  </defs>",
            f'  <rect class="window" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="10"/>',
            f'  <path class="bar" d="M1 {BAR} V10 a9 9 0 0 1 9 -9 H{WIDTH - 10} a9 9 0 0 1 9 9 V{BAR} z"/>',
            '  <g class="film line">',
            *drawn,
            "  </g>",
            "</svg>",
            "",
        ]
    )


def still(frame: Frame, top: int, lines: Mapping[str, str]) -> Iterator[str]:
    """One frame, its upper edge at `top`."""
    base = top + BAR + LINE
    row, column = frame.cursor
    x, y = MARGIN + column * SIZE * 0.6, base + row * LINE - SIZE
    yield f'    <rect class="cursor" x="{x:g}" y="{y:g}" width="{SIZE * 0.6:g}" height="{LINE - 1}"/>'
    yield f'    <text class="name" x="{WIDTH / 2:g}" y="{top + 22}" text-anchor="middle">{frame.window}</text>'
    for number, line in enumerate(frame.lines):
        if line:
            yield f'    <use href="#{lines[line]}" y="{base + number * LINE}"/>'


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="recording-") as temporary:
        FILE.write_text(film(record(Path(temporary).resolve())), encoding="utf-8")
