"""Limits on the body of a request.

They apply after authentication, so that unauthenticated callers occupy no memory, and before anything parses the body.
"""

import asyncio
import math
import re
from collections.abc import Callable
from typing import Any

import pydantic_core
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .logs import LONGEST
from .media import MediaTypes
from .observe import note

MAX_VALUES = 10_000  # JSON values in a request; a string counts once, whatever its length
MAX_DEPTH = 64
MAX_METHOD = 128  # characters
MAX_ID = 256  # characters, or bits
MAX_DIGITS = 400  # in a row, in a number
WITHIN = 10.0  # seconds for a body to arrive
SMALL = 64 * 1024  # bytes; bodies up to this size do not count towards SHARED
SHARED = 16 * 1024 * 1024  # bytes that all larger bodies together may occupy while they arrive
REASON = 300  # characters of a reason in the log
REQUEST = "mcp.request"  # key of the parsed request in the ASGI scope

STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
NINES = bytes.maketrans(b"012345678E", b"9" * 9 + b"e")  # each digit is a 9, and each sign of an exponent an e
TOO_LONG = b"9" * MAX_DIGITS
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

INVALID_REQUEST, PARSE_ERROR = -32600, -32700  # JSON-RPC 2.0 §5.1


class Refused(Exception):
    """A request is refused: an HTTP status, one sentence for the caller, and the code of a JSON-RPC error."""

    def __init__(self, status: int, why: str, code: int = INVALID_REQUEST) -> None:
        super().__init__(why)
        self.status, self.why, self.code = status, why, code


def as_json_rpc(refused: Refused) -> Response:
    """The answer; the request's line has the reason, too."""
    note(detail=refused.why[:REASON])
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": refused.code, "message": refused.why}}
    headers = {408: {"Connection": "close"}, 503: {"Retry-After": "5"}}.get(refused.status)
    return JSONResponse(error, refused.status, headers)


def limited(app: ASGIApp, most: int) -> ASGIApp:
    """Wrap an MCP endpoint: it gets only JSON within the limits, parsed as `scope["mcp.request"]`."""
    return MediaTypes(WholeBody(OneRequest(app), most))


class WholeBody:
    """Collect the whole body of a request, then pass it on in one message.

    A body over `most` bytes gets a 413, and a body that takes over 10 seconds a 408. A body over 64 KiB gets a 503
    while the memory that large bodies share is full.
    """

    def __init__(self, app: ASGIApp, most: int, refuse: Callable[[Refused], Response] = as_json_rpc) -> None:
        self.app, self.most, self.refuse = app, most, refuse
        self.shared = max(SHARED, 4 * most)
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            for declared in [value for name, value in scope["headers"] if name == b"content-length"]:
                if declared.isdigit() and int(declared[:20]) > self.most:
                    raise self.too_large()
            body = await self.collect(receive)
        except Refused as refused:
            return await self.refuse(refused)(scope, receive, send)
        if body is not None:
            await self.app(scope, replay({"type": "http.request", "body": body, "more_body": False}, receive), send)

    def too_large(self) -> Refused:
        return Refused(413, f"The body is over {self.most:,} bytes. Send less.")

    async def collect(self, receive: Receive) -> bytes | None:
        """The body, or None if the caller left before its end."""
        parts: list[bytes] = []
        size = held = 0
        try:
            async with asyncio.timeout(WITHIN):
                more = True
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        return None
                    parts.append(message.get("body", b""))
                    more = message.get("more_body", False)
                    size += len(parts[-1])
                    if size > self.most:
                        raise self.too_large()
                    if size > SMALL and more:
                        self.held, held = self.held + size - held, size
                        if self.held > self.shared:
                            raise Refused(503, "Too many large requests arrive at once. Try again in a few seconds.")
        except TimeoutError:
            raise Refused(408, f"The body did not arrive within {WITHIN:.0f} seconds. Send it again.") from None
        finally:
            self.held -= held
        return b"".join(parts)


class OneRequest:
    """Parse one JSON-RPC message within the limits, and pass it on with the result as `scope["mcp.request"]`.

    Anything else is refused here, so that neither the protocol layer nor a tool spends time on it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        try:
            request = parse(message["body"])
        except Refused as refused:
            return await as_json_rpc(refused)(scope, receive, send)
        params = request.get("params")
        name = params.get("name") if isinstance(params, dict) else None
        note(method=request.get("method"), tool=name[:LONGEST] if isinstance(name, str) else None)
        await self.app({**scope, REQUEST: request}, replay(message, receive), send)


def parse(body: bytes) -> dict[str, Any]:
    """One JSON-RPC message.

    Raises:
        Refused: It is too complex, is not JSON, or is not one request, notification or response.
    """
    measure(body)
    try:
        # Stricter than `json`: only UTF-8, no NaN and no lone surrogates, because an answer could not contain them.
        request = pydantic_core.from_json(body, allow_inf_nan=False)
        if could_be_infinite(body) and not finite(request):
            raise ValueError("a number is too large")
    except ValueError:
        raise Refused(400, "The body is not valid JSON in UTF-8, with finite numbers.", PARSE_ERROR) from None
    if isinstance(request, list):
        raise Refused(400, "Batches are not supported. Send one request at a time.")
    if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
        raise Refused(400, 'The body must be one JSON-RPC 2.0 object, with "jsonrpc": "2.0".')
    if not valid_id(request.get("id")):
        raise Refused(400, f'"id" must be a whole number or a string of at most {MAX_ID} characters.')
    if "method" not in request:
        if not is_response(request):
            raise Refused(400, '"method" is missing. Name the method to call, such as "tools/list".')
    elif not isinstance(request["method"], str) or len(request["method"]) > MAX_METHOD:
        raise Refused(400, f'"method" must be a string of at most {MAX_METHOD} characters.')
    elif not isinstance(request.get("params"), dict | None):
        raise Refused(400, '"params" must be an object.')
    elif request.get("id") is None and not request["method"].startswith("notifications/"):
        raise Refused(400, '"id" is missing. Add one: only notifications have none.')
    return request


def could_be_infinite(body: bytes) -> bool:
    """Whether JSON may hold a number that is too large: one with an exponent, or with over 308 digits in a row."""
    digits = body.translate(NINES)
    return b"9e" in digits or b"9" * 309 in digits


def finite(value: object) -> bool:
    """Whether each number is finite: `1e999` is JSON, and is read as infinity."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def valid_id(id: object) -> bool:
    if isinstance(id, str):
        return len(id) <= MAX_ID
    return id is None or (type(id) is int and id.bit_length() <= MAX_ID)


def is_response(message: dict[str, Any]) -> bool:
    """Whether the message is a response (JSON-RPC 2.0 §5)."""
    error = message.get("error")
    failed = isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str)
    return "id" in message and (isinstance(message.get("result"), dict) or failed)


def measure(*texts: bytes) -> None:
    """Refuse JSON that would be expensive to parse, to validate or to report errors in, without parsing it.

    Raises:
        Refused: The texts together have too many values, or one of them is nested too deeply.
    """
    opened = commas = 0
    long = False
    for text in texts:
        opened += text.count(b"[") + text.count(b"{")
        commas += text.count(b",")
        long = long or (len(text) >= MAX_DIGITS and TOO_LONG in text.translate(NINES))
    if opened + commas <= MAX_VALUES and not long and opened <= MAX_DEPTH:
        return  # almost always: signs inside of strings are counted too, but they are few
    # Without strings. Where there are more, there are too many values: each value may have a key.
    bare = [STRINGS.sub(b"", text, count=2 * MAX_VALUES + 1) for text in texts]
    if sum(text.count(sign) for text in bare for sign in (b",", b"[", b"{")) > MAX_VALUES:
        raise Refused(400, f"The request has more than {MAX_VALUES:,} JSON values. Split it into several.")
    for text in bare:
        if TOO_LONG in text.translate(NINES):
            raise Refused(400, f"A number has {MAX_DIGITS} digits or more. Send it as text.")
        depth = 0
        for bracket in text.translate(None, NOT_BRACKETS):
            depth += 1 if bracket in b"[{" else -1
            if depth > MAX_DEPTH:
                raise Refused(400, f"The JSON is nested deeper than {MAX_DEPTH} levels. Send a flatter request.")
            if depth < 0:
                break  # not valid JSON: no parser reads on from here


def replay(first: Message, receive: Receive) -> Receive:
    """A `receive` that gives the message already taken, then the rest."""
    messages = iter([first])

    async def again() -> Message:
        return next(messages, None) or await receive()

    return again
