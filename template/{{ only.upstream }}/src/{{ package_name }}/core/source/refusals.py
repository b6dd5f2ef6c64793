"""Errors of the upstream API in words that tell an agent what to do next, with the API's own reason."""

import base64
import email.utils
import math
import operator
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from .answer import LARGE, Unusable, decoded, json_of
from .report import Path, template

LATER = {408, 425, 429, 502, 503, 504}  # the same request may succeed if it is sent again
BUSY = {408, 423, 425, 429}  # so waiting helps, even where the API does not say how long
FINAL = {401, 404, 407, 410}  # waiting does not help, whatever the headers say
PATIENCE = 15 * 60  # seconds that a user waits; what takes longer is for later
LONGEST_WAIT = 30 * 24 * 3600.0  # seconds that an API may ask to wait
QUOTA = re.compile(r"\b(?:r|remaining)\s*=\s*0\b(?:[^\"]*?\b(?:t|reset)\s*=\s*(\d+))?")  # an empty one in `RateLimit`
DURATION = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
UNITS = (86400, 3600, 60, 1, 0.001)  # seconds

MAX_REASON = 300  # characters of the API's own words
LONGEST = 2_000  # characters of them that are looked at
# Where APIs put the reason of an error (RFC 9457 §3.1, RFC 6749 §5.2, and what is usual), and the name of a field.
REASONS = ("detail", "error_description", "message", "error_message", "msg", "error", "title", "reason")
MORE = ("errors", "details")  # of single fields, or details of the reason
FIELDS = ("field", "loc", "param", "parameter", "property", "attribute")
LINKS = re.compile(
    r"!?\[([^][]*)\]\([^()]*\)"  # Markdown's, of which the text stays
    r"|(?:\b[a-z][a-z0-9+.-]*:)?//\S+|\b(?:https?|javascript|data|mailto|file|tel):\S+|\bwww\.\S+"
    r"|\b[\w-]+(?:\.[\w-]+)+/\S*",
    re.IGNORECASE,
)
MARKUP = str.maketrans({"[": "(", "]": ")", "<": "(", ">": ")", "`": "'", '"': "'"})

DOUBT = "The change may have been made or not: read the record before you try again."
OWNER = "The owner of this connector must"
WORDS = {
    401: ("refuses the credential", "Do not try again: the maintainer must check it."),
    402: ("asks for a payment", "Do not try again: the maintainer must check the account."),
    403: ("does not allow this", "Do not try again: the maintainer must check what the credential may do."),
    407: ("is behind a proxy that refuses the credential", "Do not try again: the maintainer must check it."),
    406: ("does not answer with JSON", f"{OWNER} check UPSTREAM_URL."),
    **dict.fromkeys((409, 412), ("reports a conflict", "Read the record again before you try again.")),
    **dict.fromkeys((413, 414), ("finds the request too large", "Send less.")),
    **dict.fromkeys((405, 415, 501), ("does not take such a request", f"{OWNER} fit the tool to it.")),
}


def sentence(path: str, status: int, headers: Mapping[str, str], said: str, repeatable: bool) -> str:
    """What an error means and what to do. `said` is the API's own reason: `: "…"`, or nothing."""
    if status < 400:
        return (
            f"The upstream API redirects elsewhere ({status}). Use an id that a search returned; "
            "if it was one, the owner of this connector must check UPSTREAM_URL."
        )
    seconds = wait(status, headers)
    if seconds is None and status in BUSY:
        seconds = 60.0
    done = status >= 500 and status != 503 and not repeatable  # perhaps
    if seconds is not None and not done:
        what, remedy = "is busy", advice(seconds)
    elif status in {404, 410}:
        if isinstance(path, Path) and path.template != path:
            return f"There is no such record ({status}){said}. Search for it first."
        what, remedy = f"has no path {template(path)}", f"{OWNER} check UPSTREAM_URL and the tool's path."
    elif status >= 500 and status not in WORDS:
        what, remedy = "has a fault", DOUBT if done else "Try again in a minute, or tell its owner."
    else:
        what, remedy = WORDS.get(status, ("refuses the request", "Correct it and try again."))
    return f"The upstream API {what} ({status}){said}. {remedy}"


def wait(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds that the API asks to wait, by `Retry-After` or an empty quota.

    RFC 9110 §10.2.3, RFC 6585 §4, and what is usual for quotas: `X-RateLimit-Remaining: 0`.
    """
    if status < 400 or status in FINAL:
        return None
    asked = [seconds(value) for value in repeated(headers.get("retry-after", ""))]
    longest = max((value for value in asked if value is not None), default=None)
    if longest or (longest == 0 and (status in BUSY or status >= 500)):  # without a wait, other refusals are final
        return longest
    return max(quota_resets(headers), default=None) if status in {403, 429, 503} else None


def quota_resets(headers: Mapping[str, str]) -> Iterator[float]:
    """Seconds until each empty quota is full again: those of `X-RateLimit-Remaining: 0` and `RateLimit: …;r=0;t=30`."""
    for name, value in headers.items():
        name = name.lower()
        if "ratelimit" in name.replace("-", "") and "remaining" in name and re.match(r"0(\.0*)?\s*($|[,;])", value):
            reset = seconds(re.split("[,;]", headers.get(name.replace("remaining", "reset"), ""), maxsplit=1)[0])
            yield 60.0 if reset is None else reset
    for found in QUOTA.finditer(headers.get("ratelimit", "")):
        yield (seconds(found[1]) if found[1] else None) or 60.0


def repeated(value: str) -> list[str]:
    """The numbers of a header that came several times, which stand between commas; else the one value."""
    several = value.split(",")
    return several if all(part.strip().isdecimal() for part in several) else [value]


def seconds(value: str) -> float | None:
    """Seconds from now that a header names: as a number of them, as `6m0s`, as a Unix time, or as a date."""
    value = value.strip()
    try:
        found = DURATION.fullmatch(value)
        parts = [float(part or 0) for part in found.groups()] if found else []
        number = sum(map(operator.mul, UNITS, parts)) if parts else float(value)
    except ValueError:
        try:
            number = date(value).timestamp()
        except (ValueError, OverflowError):
            return None
    if math.isnan(number) or number < 0:
        return None
    if number > 1e14:  # no time at all
        return LONGEST_WAIT
    if number > 1e11:  # milliseconds
        number /= 1000
    if number > 1e9:  # since 1970
        number -= time.time()
    return min(max(0.0, number), LONGEST_WAIT)


def date(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = email.utils.parsedate_to_datetime(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def advice(seconds: float) -> str:
    """When to try again, in words."""
    whole = max(1, math.ceil(seconds))
    if whole <= 90:
        return f"Try again in {whole} second{'s' if whole > 1 else ''}."
    unit, length = ("days", 86400) if whole > 36 * 3600 else ("hours", 3600) if whole > 90 * 60 else ("minutes", 60)
    when = "in" if whole <= PATIENCE else "later, in about"
    return f"Try again {when} {math.ceil(whole / length)} {unit}."


def reason(headers: Mapping[str, str], content: bytes, secrets: Iterable[str] = ()) -> str:
    """The API's own words about an error, after a colon and in quotation marks; "" if it has none.

    They are data from outside: without links, markup, control characters, marks that change the direction of text, and
    the credential.
    """
    kind, start = headers.get("content-type", "").lower(), content[: 4 * LARGE]
    try:
        words = said(json_of(headers, start))
    except Unusable:
        words = decoded(headers, start)
        if words.lstrip("\ufeff \t\r\n").startswith("<") or "html" in kind or not re.match("$|text/|.*json", kind):
            words = ""
    if not words:
        told = re.findall(r'error(?:_description)?="([^"]*)"', headers.get("www-authenticate", "")[:LONGEST])
        words = told[-1] if told else ""  # RFC 6750 §3: the description follows the code
    for secret in sorted(secrets, key=len, reverse=True):
        words = re.sub(re.escape(secret), "(credential)", words, flags=re.IGNORECASE)
    words = harmless(words[:LONGEST])
    return f': "{words}"' if words else ""


def secrets(credentials: Mapping[str, str]) -> set[str]:
    """What an error must not repeat: the words of each header, and the user and password of `Basic` (RFC 7617)."""
    words = {word for value in credentials.values() for word in value.split()}
    for value in credentials.values():
        kind, _, written = value.partition(" ")
        if kind.lower() == "basic":
            with suppress(ValueError):
                words |= set(base64.b64decode(written).decode(errors="replace").split(":", 1))
    return {word for word in words if len(word) > 3}


def said(value: Any, levels: int = 4) -> str:
    """What an error in JSON says: its usual member, and then what it says of single fields."""
    if isinstance(value, list) and levels:
        return "; ".join(filter(None, (said(item, levels - 1) for item in value[:5])))
    if not isinstance(value, dict) or not levels:
        return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    usual = next(filter(None, (said(value.get(name), levels - 1) for name in REASONS)), "")
    field = next(filter(None, (place(value.get(name)) for name in FIELDS)), "")
    if words := list(filter(None, [field, usual, *(said(value.get(name), levels - 1) for name in MORE)])):
        return ": ".join(words)
    told = ((name, said(item, levels - 1)) for name, item in list(value.items())[:5])
    return ", ".join(f"{name}: {words}" for name, words in told if words)


def place(field: Any) -> str:
    """The name of a field: text, or a list of what leads to it."""
    parts = field if isinstance(field, list) else [field]
    return ".".join(str(part) for part in parts if isinstance(part, str | int) and not isinstance(part, bool))


def harmless(text: str) -> str:
    text = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    text = LINKS.sub(lambda found: f"{found[1]} (link)" if found[1] else "(link)", text)
    text = " ".join(text.translate(MARKUP).split())
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"
