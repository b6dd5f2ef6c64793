"""Errors of the upstream API in words that tell an agent what to do next."""

import email.utils
import math
import operator
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from .report import Path, template

LATER = {408, 425, 429, 502, 503, 504}  # the same request may succeed if it is sent again
BUSY = {408, 423, 425, 429}  # so waiting helps, even where the API does not say how long
FINAL = {401, 404, 407, 410}  # waiting does not help, whatever the headers say
PATIENCE = 15 * 60  # seconds that a person waits; what takes longer is for later
LONGEST = 30 * 24 * 3600.0  # seconds that an API may ask to wait
QUOTA = re.compile(r"\b(?:r|remaining)\s*=\s*0\b(?:[^\"]*?\b(?:t|reset)\s*=\s*(\d+))?")  # an empty one in `RateLimit`
DURATION = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
UNITS = (86400, 3600, 60, 1, 0.001)  # seconds

DOUBT = "The change may have been made or not: read the record before you try again."
OWNER = "The owner of this connector must"
WORDS = {
    401: ("refuses the credential", "Do not try again: a person must check it."),
    402: ("asks for a payment", "Do not try again: a person must check the account."),
    403: ("does not allow this", "Do not try again: a person must check what the credential may do."),
    407: ("is behind a proxy that refuses the credential", "Do not try again: a person must check it."),
    405: ("does not take such a request", f"{OWNER} fit upstream.py to it."),
    406: ("does not answer with JSON", f"{OWNER} check UPSTREAM_URL."),
    409: ("reports a conflict", "Read the record again before you try again."),
    412: ("reports a conflict", "Read the record again before you try again."),
    413: ("finds the request too large", "Send less."),
    414: ("finds the request too large", "Send less."),
    415: ("does not take such a request", f"{OWNER} fit upstream.py to it."),
    501: ("does not take such a request", f"{OWNER} fit upstream.py to it."),
}


def sentence(path: str, status: int, headers: Mapping[str, str], said: str, repeatable: bool) -> str:
    """What an error means and what to do. `said` is the API's own reason: `: "…"`, or nothing."""
    seconds = wait(status, headers)
    if seconds is None and status in BUSY:
        seconds = 60.0
    done = status >= 500 and status != 503 and not repeatable  # perhaps
    if seconds is not None and not done:
        return f"The upstream API is busy ({status}){said}. {advice(seconds)}"
    if status in {404, 410}:
        if isinstance(path, Path) and path.template != path:
            return f"There is no such record ({status}){said}. Search for it first."
        remedy = f"{OWNER} check UPSTREAM_URL and upstream.py."
        return f"The upstream API has no path {template(path)} ({status}){said}. {remedy}"
    if status in WORDS:
        what, remedy = WORDS[status]
        return f"The upstream API {what} ({status}){said}. {remedy}"
    if status >= 500:
        retry = "Try again in a minute, or tell its owner."
        return f"The upstream API has a fault ({status}){said}. {DOUBT if done else retry}"
    if status >= 400:
        return f"The upstream API refuses the request ({status}){said}. Correct it and try again."
    return (
        f"The upstream API redirects elsewhere ({status}). Use an id that a search returned; "
        f"if it was one, {OWNER[0].lower()}{OWNER[1:]} check UPSTREAM_URL."
    )


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
    if status in {403, 429, 503} and (resets := list(quota_resets(headers))):
        return max(resets)
    return None


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
        return LONGEST
    if number > 1e11:  # milliseconds
        number /= 1000
    if number > 1e9:  # since 1970
        number -= time.time()
    return min(max(0.0, number), LONGEST)


def date(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = email.utils.parsedate_to_datetime(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def advice(seconds: float) -> str:
    """When to try again, as a person counts."""
    whole = max(1, math.ceil(seconds))
    if whole <= 90:
        return f"Try again in {whole} second{'s' if whole > 1 else ''}."
    if whole <= PATIENCE:
        return f"Try again in {math.ceil(whole / 60)} minutes."
    amount = f"{math.ceil(whole / 60)} minutes"
    if whole > 90 * 60:
        amount = f"{math.ceil(whole / 3600)} hours"
    if whole > 36 * 3600:
        amount = f"{math.ceil(whole / (24 * 3600))} days"
    return f"Try again later, in about {amount}."
