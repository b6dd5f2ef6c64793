"""How a call is answered: in JSON, or in a stream of events from when it has news or takes long.

Proxies cut an answer that is silent for 30 to 60 seconds, so a call that takes long is kept alive. It is also watched:
a caller that leaves ends its call.
"""

import asyncio

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

from .direct import Answer, Direct
from .media import EVENTS, JSON

PATIENCE = 1.0  # seconds until the caller is watched: one that left ends its call
QUIET = 10.0  # seconds of silence until a stream of events starts, and between two pings
STREAM = [
    (b"content-type", EVENTS),
    (b"cache-control", b"no-cache, no-transform"),
    (b"connection", b"keep-alive"),
    (b"x-accel-buffering", b"no"),
]


class Answering:
    """Answers ordinary requests directly; `others`, the SDK's manager, gets the rest."""

    def __init__(self, direct: Direct, others: ASGIApp) -> None:
        self.direct, self.others = direct, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self.direct.take(scope)
        if call is None:
            return await self.others(scope, receive, send)
        caller = Caller(receive, send)
        timer = asyncio.get_running_loop().call_later(PATIENCE, caller.watch)
        try:
            with caller.stays:
                await caller.get(await self.direct.answer(call, scope, caller.hear))
        finally:
            timer.cancel()
            if caller.watcher:
                caller.watcher.cancel()


class Caller:
    """Who waits for an answer: told the news, watched after a while, and kept alive later."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.receive, self.send = receive, send
        # As the SDK cancels: a tool that runs in a thread, which cannot be stopped, counts until it ends.
        self.stays = anyio.CancelScope()
        self.watcher: asyncio.Task[None] | None = None
        self.sending = asyncio.Lock()  # no part of a stream comes between two of another sender
        self.answered = self.streams = False

    def watch(self) -> None:
        self.watcher = asyncio.create_task(self.keep())

    async def keep(self) -> None:
        """Send pings while there is no answer. When the caller leaves, cancel its call."""
        leaving = asyncio.create_task(self.leaves())
        silence = QUIET - PATIENCE
        try:
            while not (await asyncio.wait([leaving], timeout=silence))[0]:
                silence = QUIET
                await self.stream(b": ping\r\n\r\n")
        finally:
            leaving.cancel()
        if not self.answered:
            self.stays.cancel()

    async def leaves(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def hear(self, notification: bytes) -> None:
        """Send a notification; after the answer, it is lost."""
        await self.stream(event(notification))

    async def stream(self, part: bytes) -> None:
        async with self.sending:
            if self.answered:
                return
            if not self.streams:
                await self.send({"type": "http.response.start", "status": 200, "headers": STREAM})
                self.streams = True
            await self.send({"type": "http.response.body", "body": part, "more_body": True})

    async def get(self, answer: Answer) -> None:
        """Send the answer, once a part of the stream that is being sent is complete."""
        async with self.sending:
            if self.stays.cancel_called:
                return  # the caller left while the tool's thread went on
            self.answered = True
            body = answer.body
            if self.streams:
                body = event(body)
            else:
                headers = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))]
                await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await self.send({"type": "http.response.body", "body": body, "more_body": False})


def event(message: bytes) -> bytes:
    return b"event: message\r\ndata: " + message + b"\r\n\r\n"
