"""What every request passes, whoever sends it: whole requests, tidy headers, POST alone, and the right host."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...settings import Settings
from .limits import Refused, as_json_rpc
from .observe import note

SHOWN = 80  # characters of a header in a refusal


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
        if app is None or any(name == b"origin" for name, _ in scope["headers"]):
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


class OwnHost:
    """Refuse another `Host` than that of PUBLIC_URL, and an `Origin` whose pages may not call; the refusal names it.

    The SDK refuses both as well, and says neither to the caller nor in the log what was sent.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.public_url = app, settings.public_url
        self.hosts, self.origins = set(settings.allowed_hosts), {"", *settings.web_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin", "")
        if host not in self.hosts:
            note(error="wrong_host")
            why = f"Host is {host[:SHOWN]!r}, and PUBLIC_URL is {self.public_url}. Call the host of PUBLIC_URL."
            return await as_json_rpc(Refused(421, why))(scope, receive, send)
        if origin not in self.origins:
            note(error="wrong_origin")
            why = f"Origin is {origin[:SHOWN]!r}, and ALLOWED_ORIGINS does not name it. Add it if its pages may call."
            return await as_json_rpc(Refused(403, why))(scope, receive, send)
        await self.app(scope, receive, send)
