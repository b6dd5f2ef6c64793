"""Media types: which requests hold JSON, and which form of an answer their caller takes.

The protocol layer takes one spelling of a content type, and answers only callers that accept both JSON and events.
Here others get what they accept: a caller that takes only JSON gets JSON, and one that takes only events gets events.
"""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .observe import note

JSON, EVENTS = b"application/json", b"text/event-stream"
STATED = {b"content-type", b"content-encoding", b"accept"}  # headers about media types
SHORT = 512  # bytes of these headers in one request, up to which what they say is remembered
OTHER_JSON = re.compile(rb"application/json-rpc|application/[\w.!#$&^-]+\+json")  # the last as in RFC 6839 §3.1
CHARSETS = {b"utf-8", b"utf8", b"us-ascii"}  # ASCII is a part of UTF-8
QUOTED = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"?', re.DOTALL)
BOUNDARY = re.compile(rb"\r\n\r\n|\n\n|\r\r")  # between two events
WRITTEN = re.compile(rb"(?:\A|(?<=^data: ))\{.*\}(?=\r?$)", re.MULTILINE)  # a body, or the data of an event
NUMBER = re.compile(rb"[0-9]{1,3}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
INVALID_REQUEST = -32600  # JSON-RPC 2.0 §5.1
STOPPED = (
    b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32603, '
    b'"message": "The connector stopped before it answered. Call again."}}'
)

Headers = tuple[tuple[bytes, bytes], ...]


class MediaTypes:
    """Refuse what is not JSON with a 415, and send each answer in a form that its caller accepts.

    Callers that accept both forms, as clients must, get what the protocol layer sends. Those that name none get JSON.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stated = tuple([header for header in scope["headers"] if header[0] in STATED])
        short = sum([len(value) for _, value in stated]) <= SHORT
        form = judged(stated) if short else judge(stated)
        if form.refusal:
            return await refuse(*form.refusal)(scope, receive, send)
        await self.app(scope, receive, form.convert(send) if form.convert else send)


class ForTheSdk:
    """Give the SDK's manager the one spelling of media types that it takes, and send its text in UTF-8."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        form = {b"content-type": JSON, b"accept": JSON + b", " + EVENTS}
        others = [(name, value) for name, value in scope["headers"] if name not in form]
        await self.app({**scope, "headers": [*others, *form.items()]}, receive, in_utf_8(send))


class Form(NamedTuple):
    """A status and a sentence for a request that is refused; or how its answer is converted, if it is."""

    refusal: tuple[int, str] | None = None
    convert: Callable[[Send], Send] | None = None


def judge(headers: Headers) -> Form:
    """What these headers of a request say about media types."""
    if why := unreadable(headers):
        return Form((415, why))
    ranges = media_ranges(b",".join(values(headers, b"accept")).strip(b", ") or b"*/*")
    if accepts(JSON, ranges):
        named = {media: quality for media, quality in ranges.items() if media != b"*/*"}  # `*/*` asks for no stream
        return Form(convert=None if accepts(EVENTS, named) else as_json)
    if accepts(EVENTS, ranges):
        return Form(convert=as_events)
    return Form((406, "The answer is JSON or an event stream. Accept application/json, text/event-stream or both."))


judged = lru_cache(maxsize=256)(judge)  # clients send the same few combinations all the time


def values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for named, value in headers if named == name]


def unreadable(headers: Headers) -> str | None:
    """Why the body of a request cannot be read, or None: it must be JSON in UTF-8 (RFC 9110 §8.3, §8.4)."""
    if any(value.lower() not in (b"", b"identity") for value in values(headers, b"content-encoding")):
        return "The body must not be compressed. Send it without Content-Encoding."
    types = [part for value in values(headers, b"content-type") for part in QUOTED.sub(rb"\1", value).split(b",")]
    for part in types or [b""]:
        media, *parameters = (word.strip().lower() for word in part.split(b";"))
        if media != JSON and not OTHER_JSON.fullmatch(media):
            return "The body must be JSON. Send it with Content-Type: application/json."
        if given(parameters).get(b"charset", b"utf-8") not in CHARSETS:
            return "The body must be in UTF-8. Send it with Content-Type: application/json, without another charset."
    return None


def given(parameters: list[bytes]) -> dict[bytes, bytes]:
    return {name.strip(): value.strip() for name, _, value in (parameter.partition(b"=") for parameter in parameters)}


def media_ranges(accept: bytes) -> dict[bytes, float]:
    """What an `Accept` header names, each with its quality (RFC 9110 §12.5.1); one that is not a number counts as 1."""
    ranges: dict[bytes, float] = {}
    for part in QUOTED.sub(b"", accept).split(b","):
        media, *parameters = (word.strip().lower() for word in part.split(b";"))
        number = NUMBER.fullmatch(given(parameters).get(b"q", b"1"))
        ranges[media] = max(ranges.get(media, 0.0), float(number[0]) if number else 1.0)
    return ranges


def accepts(media: bytes, ranges: dict[bytes, float]) -> bool:
    """Whether a caller takes a media type: the most specific range that names it counts."""
    names = (media, media.partition(b"/")[0] + b"/*", b"*/*")
    return next((ranges[named] for named in names if named in ranges), 0.0) > 0


def refuse(status: int, why: str) -> Response:
    note(detail=why)
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": {"code": INVALID_REQUEST, "message": why}}, status)


def as_json(send: Send) -> Send:
    """Send the response in a stream of events as the whole answer, in JSON.

    The events before it, such as progress, have no place in JSON. They and the keep-alives of the stream become blanks
    before the JSON text (RFC 8259 §2), so that proxies keep the connection.
    """
    start: Message | None = None  # of a stream of events, until the first byte of the answer
    events, unread, response = False, b"", b""

    async def sending(message: Message) -> None:
        nonlocal start, events, unread, response
        if message["type"] == "http.response.start" and content_type(message) == EVENTS:
            events, start = True, with_type(message, JSON)
            return
        if not events:
            return await send(message)
        *whole, unread = BOUNDARY.split(unread + message.get("body", b""))
        response = next(filter(None, map(response_in, whole)), response)
        more = message.get("more_body", False)
        if more and response:
            return  # the end of the stream is all that is missing
        if start:
            await send(start)
            start = None
        body = b"\n" if more else response or STOPPED
        await send({"type": "http.response.body", "body": body, "more_body": more})

    return sending


def as_events(send: Send) -> Send:
    """Send a JSON answer as the only event of a stream. Errors of HTTP stay JSON (RFC 9110 §15.5.7)."""
    parts: list[bytes] | None = None

    async def sending(message: Message) -> None:
        nonlocal parts
        if message["type"] == "http.response.start":
            if message["status"] == 200 and content_type(message) == JSON:
                parts, message = [], with_type(message, EVENTS)
        elif parts is not None:
            parts.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            event = b"event: message\r\ndata: " + b"".join(parts) + b"\r\n\r\n"
            message = {"type": "http.response.body", "body": event, "more_body": False}
        await send(message)

    return sending


def in_utf_8(send: Send) -> Send:
    """Send text in UTF-8. The protocol layer of 2026-07-28 writes `\\u00e9` for what is not ASCII.

    That has up to six times the bytes by which results are measured.
    """
    start: Message | None = None  # of JSON, until its length is known

    async def sending(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            if content_type(message) == JSON:
                start = with_type(message, JSON)
                return
        else:
            message = {**message, "body": WRITTEN.sub(as_text, message.get("body", b""))}
            if start:
                if not message.get("more_body", False):
                    start["headers"].append((b"content-length", b"%d" % len(message["body"])))
                await send(start)
                start = None
        await send(message)

    return sending


def as_text(written: re.Match[bytes]) -> bytes:
    """The same JSON in UTF-8, unless it holds what UTF-8 cannot, such as lone surrogates.

    To read it again takes less time than to look for the escapes alone.
    """
    if b"\\u" not in written[0]:
        return written[0]
    try:
        return json.dumps(json.loads(written[0]), ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return written[0]


def content_type(start: Message) -> bytes:
    found = next((value for name, value in start.get("headers", ()) if name.lower() == b"content-type"), b"")
    return bytes(found).partition(b";")[0].strip().lower()


def with_type(start: Message, media: bytes) -> Message:
    """The start of an answer with another media type, and without a length."""
    kept = [(n, v) for n, v in start.get("headers", ()) if n.lower() not in (b"content-type", b"content-length")]
    return {**start, "headers": [*kept, (b"content-type", media)]}


def response_in(event: bytes) -> bytes:
    """The data of an event if it is a JSON-RPC response, else nothing; notifications and requests name a method."""
    lines = (line.partition(b":") for line in event.splitlines())
    data = b"\n".join(value.removeprefix(b" ") for name, _, value in lines if name == b"data")
    return data if data and "method" not in json.loads(data) else b""
