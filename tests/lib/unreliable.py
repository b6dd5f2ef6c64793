"""An upstream API that can be made slow, failing, silent or abrupt while a connector calls it."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit

Manner = Literal["as it is", "slow", "failing", "hanging", "resetting"]

SLOW = 3.0  # seconds before each answer
AT_ONCE = struct.pack("ii", 1, 0)  # closing then sends RST (socket(7))
FAILED = b'{"error":"out of order"}'
ANSWER = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


class Unreliable:
    """Passes requests on to an API, in the manner that is set; a change counts from the next request."""

    def __init__(self, behind: str) -> None:
        self.behind, self.origin = urlsplit(behind), ""
        self.manner: Manner = "as it is"
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, one after the other."""
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            while True:
                request = await message(reader)
                self.asked += 1
                manner = self.manner
                if manner == "resetting":
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                    return writer.transport.abort()
                if manner == "hanging":
                    await reader.read()  # until the caller gives up
                    return
                if manner == "slow":
                    await asyncio.sleep(SLOW)
                answer = ANSWER % (len(FAILED), FAILED) if manner == "failing" else await self.passed_on(request)
                writer.write(answer)
                await writer.drain()

    async def passed_on(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self.behind.hostname, self.behind.port)
        with closing(writer):
            writer.write(request)
            return await message(reader)


async def message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer with a declared length, or with none and no body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length or 0))


@contextmanager
def unreliable(behind: str, port: int) -> Iterator[Unreliable]:
    """An API in front of the one at `behind`, at a port of this machine until the block ends."""
    api, loop, listening = Unreliable(behind), asyncio.new_event_loop(), threading.Event()

    async def run() -> None:
        server = await asyncio.start_server(api.serve, "127.0.0.1", port)
        listening.set()
        await ended.wait()
        server.close()
        calls = asyncio.all_tasks() - {asyncio.current_task()}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    ended = asyncio.Event()
    api.origin = f"http://127.0.0.1:{port}"
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert listening.wait(10)
        yield api
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
