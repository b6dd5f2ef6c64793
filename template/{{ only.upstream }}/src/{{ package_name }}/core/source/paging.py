"""All pages of a list of the upstream API, for methods of `upstream.py`: by links, by page numbers or by cursors.

However the API answers, `gathered` ends: within `max_result` bytes, after `pages` requests, or when a page comes again.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx2

from ...client import Answer, Client, read, usable
from .answer import Unusable, weight
from .report import Path, template

MAX_PAGES = 20
NOTE = 400  # bytes of a result beside the entries: the names around them, and a note
OWNER = "The owner of this connector must fit upstream.py to it."
# RFC 8288 §3: a target, and its parameters up to the next one; a comma in quotation marks does not end them.
LINK = re.compile(r'<([^<>]*)>((?:[^",<]|"[^"]*")*)')
PARAMETER = re.compile(r';\s*([^\s=;,"]+)\s*(?:=\s*(?:"([^"]*)"|([^\s;,"]+)))?')


class Page(NamedTuple):
    """One page, as the API answered."""

    params: Mapping[str, Any]  # that were sent
    answer: Answer
    value: Any  # the JSON


class Gathered(NamedTuple):
    """Entries of all pages that were read, and whether there may be more."""

    items: list[Any]
    more: bool


# The URL of the next page, its parameters, or None after the last page.
Following = Callable[[Page], str | Mapping[str, Any] | None]


def by_link(member: str = "") -> Following:
    """The next page is named by `Link: <…>; rel="next"`, or by the URL in a member of the answer, such as `next`."""

    def following(page: Page) -> str | None:
        return text(page.value, member) if member else next_link(page.answer.headers.get("link", ""))

    return following


def by_page(name: str = "page", first: int = 1) -> Following:
    """The parameter counts pages, until one is empty."""
    return lambda page: {**page.params, name: int(page.params.get(name) or first) + 1}


def by_cursor(member: str = "next_cursor", name: str = "cursor") -> Following:
    """The next page gets a member of the answer as a parameter. `meta.next` is the member `next` of `meta`."""

    def following(page: Page) -> Mapping[str, Any] | None:
        cursor = text(page.value, member)
        return {**page.params, name: cursor} if cursor else None

    return following


async def gathered(
    client: Client,
    path: str,
    params: Mapping[str, Any] | None = None,
    *,
    following: Following,
    items: str = "",
    pages: int = MAX_PAGES,
) -> Gathered:
    """The entries of all pages, asked for one after the other; `items` is the member that holds them, if there is one.

    Raises:
        UpstreamError: A page has no usable answer, or the next one is at another server.
    """
    kept: list[Any] = []
    room, sent, at = client.max_result - NOTE, dict(params or {}), path
    asked: set[str] = set()
    before: bytes | None = None
    for _ in range(pages):
        given = {name: value for name, value in sent.items() if value not in (None, "")}
        answer = await client.send("GET", at, params=given)
        if answer.url in asked or answer.content == before:
            return Gathered(kept, more=False)
        asked.add(answer.url)
        before = answer.content
        with usable("GET"):
            page = Page(sent, answer, await read(answer.headers, answer.content))
            found = entries(page.value, items)
            for entry in found:
                room -= weight(entry)
                if room < 0 and kept:
                    return Gathered(kept, more=True)
                kept.append(entry)
            then = following(page)
            if then is None or not found:
                return Gathered(kept, more=False)
            at, sent = (elsewhere(answer.url, then, path), {}) if isinstance(then, str) else (at, dict(then))
    return Gathered(kept, more=True)


def next_link(header: str) -> str | None:
    """The target of `rel="next"` in a Link header."""
    for target, parameters in LINK.findall(header):
        relations = [quoted or bare for name, quoted, bare in PARAMETER.findall(parameters) if name.lower() == "rel"]
        if relations and "next" in relations[0].lower().split():  # others do not count
            return str(target)
    return None


def elsewhere(here: str, target: str, path: str) -> Path:
    """The URL of another page of the same server. The credential goes there, so it goes to no other."""
    try:
        url, known = httpx2.URL(here).join(target), httpx2.URL(here)
    except httpx2.InvalidURL:
        raise Unusable("its next page is not a URL", OWNER) from None
    if (url.scheme, url.host, url.port, url.userinfo) != (known.scheme, known.host, known.port, b""):
        raise Unusable("its next page is at another server", "The owner of this connector must check UPSTREAM_URL.")
    following = Path("{url}", {"url": str(url)})
    following.template = template(path)
    return following


def member_of(value: Any, name: str) -> Any:
    """A member of nested objects: `meta.next`."""
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def text(value: Any, name: str) -> str | None:
    found = member_of(value, name)
    return str(found) if found and isinstance(found, str | int) and not isinstance(found, bool) else None


def entries(value: Any, name: str) -> list[Any]:
    found = member_of(value, name) if name else value
    if not isinstance(found, list):
        raise Unusable(f"it has no list {name}" if name else "it is not a list", OWNER)
    return found
