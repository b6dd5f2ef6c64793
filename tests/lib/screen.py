"""A terminal of a given size: what a program shows in it, line by line, as you see it."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte
import pytest

from . import rendering

DOWN = "\x1b[B"
CLEAR_LINE = "\x15"
CTRL_C = "\x03"
PATIENCE = 20  # seconds


class Screen(pyte.Screen):
    """A screen that tells its program where the cursor is, which prompts ask for."""

    def __init__(self, columns: int, rows: int, program: "pexpect.spawn[bytes]") -> None:
        super().__init__(columns, rows)
        self.program = program

    def write_process_input(self, data: str) -> None:
        self.program.send(data.encode())


class Terminal:
    """A program in a terminal, which passes on the keys that a user presses and replies as terminals do."""

    def __init__(
        self,
        command: Sequence[str | Path],
        columns: int,
        rows: int,
        cwd: Path | None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        sizes = {"COLUMNS", "LINES"}
        self.program = pexpect.spawn(
            str(command[0]),
            [str(argument) for argument in command[1:]],
            env={**{name: value for name, value in environment.items() if name not in sizes}, "TERM": "xterm"},
            cwd=cwd,
            dimensions=(rows, columns),
        )
        self.screen = Screen(columns, rows, self.program)
        self.stream = pyte.ByteStream(self.screen)
        self.written = ""

    def lines(self) -> list[str]:
        """What is on the screen now."""
        return [line.rstrip() for line in self.screen.display]

    def read(self) -> bool:
        """Show what the program writes; false when it has ended."""
        try:
            output = self.program.read_nonblocking(65536, timeout=0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.written += output.decode(errors="replace")
        self.stream.feed(output)
        return True

    def wait(self, *texts: str) -> list[str]:
        """The screen once all of these stand in it, wherever in a line."""
        end = time.monotonic() + PATIENCE
        while not all(any(text in line for line in self.lines()) for text in texts):
            if not self.read() or time.monotonic() > end:
                pytest.fail("\n".join([f"Not all of {texts} is here:", *self.lines()]))
        return self.lines()

    def press(self, keys: str) -> None:
        self.program.send(keys.encode())

    def ends(self) -> int:
        """The exit status."""
        while self.read():
            pass
        self.program.close()
        assert self.program.exitstatus is not None
        return int(self.program.exitstatus)


@contextmanager
def terminal(*arguments: str | Path, columns: int = 80, rows: int = 24, cwd: Path | None = None) -> Iterator[Terminal]:
    """Copier with these arguments in a terminal of this size."""
    shown = Terminal([rendering.COPIER, *arguments], columns, rows, cwd)
    try:
        yield shown
    finally:
        shown.program.close(force=True)
