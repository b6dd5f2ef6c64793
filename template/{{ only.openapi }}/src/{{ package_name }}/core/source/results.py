"""What a tool returns of an answer of the upstream API: compact text, an image or a file, within a limit of bytes."""

import asyncio
import base64
import keyword
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pydantic_core
from mcp_types import BlobResourceContents, EmbeddedResource, ImageContent, TextContent

from ...client import Answer, read
from .answer import LARGE, compact, decoded
from .paging import next_link

MAX_FILE = 256 * 1024  # bytes of a file that is handed over whole
MAX_TEXT = 2_000  # characters of a text in a result that is cut
MAX_KIND = 200  # characters of a media type
CUT = "This is not all of the answer, which is too long. Ask for less, or for a part of it."
NOTE = 100  # bytes of a note about what is left out, at most
TEXTS = re.compile(r"text/.*|.*[/+](xml|yaml|javascript|x-www-form-urlencoded|x-ndjson)")
IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp"}  # that models see

Content = TextContent | ImageContent | EmbeddedResource


async def content(answer: Answer, most: int) -> list[Content]:
    """The answer in at most about so many bytes of text, and how to get the next page if there is one."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()[:MAX_KIND]
    if not answer.content.strip():
        return [TextContent(text=f"Done ({answer.status}).")]
    if not kind or kind.endswith(("/json", "+json")):
        value = await read(answer.headers, answer.content)
    elif TEXTS.fullmatch(kind):
        value = decoded(answer.headers, answer.content)
    else:
        return [binary(kind, answer.content)]
    large = len(answer.content) > LARGE
    shown, note = await asyncio.to_thread(told, value, most) if large else told(value, most)
    following = next_page(answer.headers.get("link", ""))
    more = f"There is more: call again with {following}." if following else ""
    return [TextContent(text=text) for text in (shown, note, more) if text]


def binary(kind: str, content: bytes) -> Content:
    if len(content) > MAX_FILE:
        return TextContent(text=f"A file of {len(content):,} bytes ({kind}), too large to hand over.")
    data = base64.b64encode(content).decode()
    if kind in IMAGES:
        return ImageContent(data=data, mime_type=kind)
    return EmbeddedResource(resource=BlobResourceContents(uri="file:///answer", mime_type=kind, blob=data))


def next_page(link: str) -> str:
    """The arguments of `rel="next"` in a Link header (RFC 8288), by the names that imported tools give parameters."""
    pairs = dict(parse_qsl(urlsplit(next_link(link) or "").query))
    return ", ".join(f"{label(name)}={value}" for name, value in list(pairs.items())[:20])[:MAX_TEXT]


def label(name: str) -> str:
    """The name of a parameter as Python writes it: `perPage` is `per_page`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^0-9A-Za-z]+", "_", name).strip("_").lower()
    return f"{words}_" if keyword.iskeyword(words) else words


def told(value: Any, most: int) -> tuple[str, str]:
    """The value within so many bytes, and a sentence if that is not all of it."""
    shown = fit(value, most)
    return shown, CUT if "…" in shown and size(value) > most else ""


def fit(value: Any, most: int) -> str:
    """JSON, or text as it is, in at most so many bytes as it is sent.

    Of a larger value, long texts are cut, and entries and members at the end are left out; a note says how many.
    """
    written = value if isinstance(value, str) else compact(value)
    if size(written) <= most:
        return written
    if isinstance(value, str):
        return beginning(value, most - NOTE)
    shown, _ = cut(value, most - 2 * NOTE)
    return compact(shown)


def size(value: object) -> int:
    """Bytes of a text in a result, or of a value's JSON as a text in a result."""
    written = value if isinstance(value, str) else compact(value)
    return len(pydantic_core.to_json(written)) - len('""')


def beginning(text: str, room: int) -> str:
    """As much of a text as fits into so many bytes, and how long it is."""
    most = max(0, room)
    while most and size(text[:most]) > room:
        most = most * 3 // 4
    return f"{text[:most]}… ({len(text):,} characters)"


def cut(value: Any, room: int) -> tuple[Any, int]:
    """What fits into so many bytes, and how many it takes. Each part of the value is looked at once."""
    if isinstance(value, str):
        used = size(compact(value))
        if used > room or len(value) > MAX_TEXT:
            value = beginning(value, min(MAX_TEXT, room - NOTE))
            used = size(compact(value))
        return value, used
    if isinstance(value, list):
        return cut_list(value, room)
    if isinstance(value, dict):
        return cut_members(value, room)
    return value, size(value)


def cut_list(value: list[Any], room: int) -> tuple[list[Any], int]:
    """The first entries. The first one alone is made to fit; the others come whole, or not at all."""
    kept: list[Any] = []
    left = most = room - NOTE
    for entry in value:
        shown, used = cut(entry, most)
        if used >= left:
            break
        kept.append(shown)
        left -= used + 1
    if len(kept) == len(value):
        return kept, most - left + 2
    return [*kept, f"… {len(value) - len(kept):,} more"], room - left


def cut_members(value: dict[str, Any], room: int) -> tuple[dict[str, Any], int]:
    """Short members first, so that a long list does not push out the cursor behind it."""
    left = most = room - NOTE
    shown: dict[str, Any] = {}
    nested = [name for name, member in value.items() if isinstance(member, dict | list)]
    short = [name for name, member in value.items() if not isinstance(member, dict | list)]
    shares = [1] * len(short) + list(range(len(nested), 0, -1))
    for name, share in zip(short + nested, shares, strict=True):
        left -= size(compact(name)) + 2
        member, used = cut(value[name], left // share)
        if left - used < 0:
            break
        shown[name] = member
        left -= used
    ordered = {name: shown[name] for name in value if name in shown}
    if len(shown) == len(value):
        return ordered, most - left + 2
    return {**ordered, "…": f"({len(value) - len(shown):,} more fields)"}, room - left
