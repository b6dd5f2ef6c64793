"""What a body says, where it may be hostile: JSON of bounded depth, and the first reply of an event stream."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

DEPTH = 500  # CPython's parser ends the process at some depth; no honest document comes near this
Object = dict[str, Any]


class Unreadable(Exception):
    """Why a body is not the JSON that was asked for, in a few words."""


def depth(body: bytes) -> int:
    """How deep brackets nest, strings left out; stops counting beyond what is allowed."""
    deepest = now = 0
    for mark in re.findall(rb"[][{}]", re.sub(rb'"(?:[^"\\]|\\.)*+"?+', b"", body)):
        now += 1 if mark in b"[{" else -1
        deepest = max(deepest, now)
        if deepest > DEPTH:
            break
    return deepest


def parsed(body: bytes) -> object:
    """The value of a JSON text; Unreadable where it is not valid, or nests too deep."""
    if depth(body) > DEPTH:
        raise Unreadable("JSON that is nested too deeply to be read")
    try:
        return json.loads(body.decode())  # bytes would be taken with a mark or as UTF-16, which clients refuse
    except (ValueError, RecursionError):
        pass
    if body.startswith(b"\xef\xbb\xbf"):
        raise Unreadable("JSON behind a byte order mark")
    if page(body):
        raise Unreadable("an HTML page")
    raise Unreadable("an empty body" if not body.strip() else "something that is not JSON")


def an_object(body: bytes) -> Object:
    """The JSON object of a body; Unreadable for anything else."""
    value = parsed(body)
    if not isinstance(value, dict):
        raise Unreadable("JSON that is not an object")
    return value


def texts(value: object) -> list[str]:
    """The texts of a list; none where it is not a list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def page(body: bytes) -> bool:
    """Whether a body is HTML."""
    start = body[:2_000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<!--")) or b"<html" in start


def events(stream: bytes) -> list[tuple[str, str]]:
    """The whole events of a stream so far: name and data (HTML, server-sent events)."""
    found = []
    text = stream.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    *whole, _ = text.split("\n\n")
    for block in whole:
        name, data = "message", []
        for line in block.split("\n"):
            field, _, value = line.partition(":")
            if field == "event":
                name = value.removeprefix(" ")
            elif field == "data":
                data.append(value.removeprefix(" "))
        if data:
            found.append((name, "\n".join(data)))
    return found


def replied(stream: bytes) -> bool:
    """Whether a stream has said what the doctor waits for: a reply, or where an older transport listens."""
    if any(name == "endpoint" for name, _ in events(stream)):
        return True
    return any("result" in said or "error" in said for said in objects(stream))


def objects(stream: bytes) -> Iterator[Object]:
    """The messages of a stream; what begins it for a later return, without data, is left out."""
    for name, data in events(stream):
        if name == "message":
            with suppress(Unreadable):
                yield an_object(data.encode())


def reply(body: bytes, content_type: str) -> Object:
    """The JSON-RPC reply in a body, as JSON or as an event; Unreadable where it has no reply."""
    if content_type.partition(";")[0].strip().lower() != "text/event-stream":
        return an_object(body)
    for said in objects(body):
        if "result" in said or "error" in said:
            return said
    raise Unreadable("a stream without a whole reply")
