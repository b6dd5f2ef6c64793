"""What every request passes, whoever sends it: whole requests, tidy headers, and POST alone."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class TidyHeaders:
    """Take blanks off the ends of header values, where httptools leaves them, and read `Host` in any case.

    RFC 9110 §5.5 and §4.2.3.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (name, value.strip(b" \t").lower() if name == b"host" else value.strip(b" \t"))
            for name, value in scope["headers"]
        ]
        await self.app({**scope, "headers": headers}, receive, send)


class Shortcut:
    """Answer requests for some paths before routing and CORS. Requests with an `Origin` go the long way."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, ASGIApp]) -> None:
        self.app, self.endpoints = app, endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if app is None or b"origin" in dict(scope["headers"]):
            app = self.app
        await app(scope, receive, send)


class WholeRequest:
    """Read the whole request before the answer starts, for at most 5 seconds and up to 16 MiB.

    Some proxies lose an answer that starts while they still pass on the body: Go's HTTP/1 server then stops reading it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size, more = 0, scope["type"] == "http"

        async def receiving() -> Message:
            nonlocal size, more
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            nonlocal more
            late = message.get("status") == 408  # the rest of the body is not coming
            if more and not late:
                with suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        while more and size <= 16 * 1024 * 1024:
                            await receiving()
            more = False
            await send(message)

        await self.app(scope, receiving, sending)


class PostOnly:
    """Answer 405 to all but POST: without sessions there is no stream to GET and nothing to DELETE."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app if scope["method"] == "POST" else Response(status_code=405, headers={"Allow": "POST"})
        await app(scope, receive, send)
