"""Questions about unknown tokens wait in line, so that made-up tokens keep no good one from an answer.

Each address has a line of its own, and a share of the places where questions are asked. An address that sent many bad
tokens keeps a smaller share, and shares its places only with others of that kind. It is not locked out: all users of an
agent platform come from the same few addresses.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from .attempts import Attempts

BAD_TOKENS = 20  # a minute, from one address
PLACES, SHARE = 24, 8  # questions at once: of all addresses, and of one
FEW_PLACES, FEW = 8, 4  # the same, of addresses that sent more than BAD_TOKENS
LONGEST = 256  # questions of one address that wait or are asked
WAIT = 20.0  # seconds in line


class LineFull(Exception):
    """A question found no place: too many of its address wait, or it waited too long."""


class Line:
    """The questions of one address."""

    def __init__(self) -> None:
        self.length = 0
        self.share, self.few = asyncio.Semaphore(SHARE), asyncio.Semaphore(FEW)


class Lines:
    """The lines of all addresses."""

    def __init__(self) -> None:
        self._bad = Attempts(BAD_TOKENS)
        self._places, self._few_places = asyncio.Semaphore(PLACES), asyncio.Semaphore(FEW_PLACES)
        self._lines: dict[str, Line] = {}

    def count_bad(self, who: str) -> None:
        """Count a bad token of this address."""
        self._bad.count(who)

    @asynccontextmanager
    async def place(self, who: str) -> AsyncIterator[None]:
        """A place for a question of this address, as soon as it is its turn.

        Raises:
            LineFull: The line is full.
        """
        line = self._lines.setdefault(who, Line())
        if line.length >= LONGEST:
            raise LineFull(f"{LONGEST} tokens from {who} wait already")
        share, places = (line.few, self._few_places) if self._bad.wait(who) else (line.share, self._places)
        line.length += 1
        try:
            async with AsyncExitStack() as held:
                try:
                    async with asyncio.timeout(WAIT):
                        await held.enter_async_context(share)
                        await held.enter_async_context(places)
                except TimeoutError:
                    raise LineFull(f"a token from {who} waited for {WAIT:.0f} seconds") from None
                yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[who]
