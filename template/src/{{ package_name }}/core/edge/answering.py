"""How a call is answered: in JSON while it is quick, and as an event where it takes long.

A proxy cuts an answer that is silent for 30 to 60 seconds. And whoever writes JSON at the end does not see that the
caller left. So here a call that takes long is watched, and kept alive.
"""

import asyncio

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
            await caller.get(await self.direct.answer(call, scope))
        except asyncio.CancelledError:
            if not caller.left or caller.task.uncancel():
                raise
        finally:
            timer.cancel()
            if caller.watcher:
                caller.watcher.cancel()


class Caller:
    """Who waits for an answer: watched after a while, and kept alive later."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.receive, self.send = receive, send
        self.task: asyncio.Task[object] = asyncio.current_task()  # type: ignore[assignment]
        self.watcher: asyncio.Task[None] | None = None
        self.answered = self.as_events = self.left = False

    def watch(self) -> None:
        self.sending = asyncio.Lock()  # held while a ping is sent, which must not come between two parts of an answer
        self.watcher = asyncio.create_task(self.keep())

    async def keep(self) -> None:
        """Send pings while there is no answer. When the caller leaves, cancel its call."""
        leaving = asyncio.create_task(self.leaves())
        silence = QUIET - PATIENCE
        try:
            while not (await asyncio.wait([leaving], timeout=silence))[0]:
                silence = QUIET
                async with self.sending:
                    await self.ping()
        finally:
            leaving.cancel()
        if not self.answered:
            self.left = True
            self.task.cancel()

    async def leaves(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def ping(self) -> None:
        if not self.answered and not self.as_events:
            await self.send({"type": "http.response.start", "status": 200, "headers": STREAM})
            self.as_events = True
        if not self.answered:
            await self.send({"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True})

    async def get(self, answer: Answer) -> None:
        self.answered = True
        if self.watcher:
            async with self.sending:  # until a ping has been sent
                pass
        body = answer.body
        if self.as_events:
            body = b"event: message\r\ndata: " + body + b"\r\n\r\n"
        else:
            headers = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))]
            await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})
