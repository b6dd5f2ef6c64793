"""What an answer of the upstream API says: its JSON, or the API's own words about an error.

What JSON cannot hold becomes null or U+FFFD in its place, so that one wrong value in one record does not hide the
others.
"""

import codecs
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic_core

from ..edge.limits import NINES, STRINGS, finite

MAX_VALUES = 300_000  # in one answer: to read so many takes about 0.1 seconds, in which nobody else is answered
SIGNS = (b",", b"[", b"{")  # each begins a value, or almost
MAX_DEPTH = 180  # levels; clients read results of up to 200, and some are around an answer
MAX_DIGITS = 300  # of a whole number; JavaScript reads a longer one as infinity
MAX_REASON = 300  # characters of the API's own words
LONGEST = 2_000  # characters of them that are looked at
LARGE = 64 * 1024  # bytes; a larger answer is read in a thread
# Those of text that JSON may be in; UTF-16 and UTF-32 show in the first bytes, whatever the header says.
CHARSETS = re.compile(r"(utf-8|iso8859-|iso2022_|cp\d|koi8|mac-|tis-|euc_|shift_jis|gb|big5|hz).*")
REPLACED = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)  # lone surrogates, which UTF-8 cannot hold

# Where APIs put the reason of an error (RFC 9457 §3.1, RFC 6749 §5.2, and what is usual), and the name of a field.
REASONS = ("detail", "error_description", "message", "error_message", "msg", "error", "title", "reason")
MORE = ("errors", "details")  # of single fields, or what is behind the reason
FIELDS = ("field", "loc", "param", "parameter", "property", "attribute")
LINKS = re.compile(
    r"!?\[([^][]*)\]\([^()]*\)"  # Markdown's, of which the text stays
    r"|(?:\b[a-z][a-z0-9+.-]*:)?//\S+|\b(?:https?|javascript|data|mailto|file|tel):\S+|\bwww\.\S+"
    r"|\b[\w-]+(?:\.[\w-]+)+/\S*",
    re.IGNORECASE,
)
MARKUP = str.maketrans({"[": "(", "]": ")", "<": "(", ">": ")", "`": "'", '"': "'"})


class Unusable(Exception):
    """Why an answer cannot be used ("it is not JSON"), and a sentence that says what to do."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.why, self.remedy = why, remedy


def json_of(headers: Mapping[str, str], content: bytes) -> Any:
    """The JSON of an answer.

    NaN and numbers that are too large become null, and a whole number of over 300 digits becomes text.

    Raises:
        Unusable: It is not JSON, or holds too much.
    """
    if too_many_values(content):
        raise Unusable(f"it has more than {MAX_VALUES:,} values", "Ask for less.")
    text = decoded(headers, content)
    try:
        if b"9" * MAX_DIGITS not in content.translate(NINES):
            value = pydantic_core.from_json(text, allow_inf_nan=False)
            if finite(value) and depth(value) <= MAX_DEPTH:
                return value
    except ValueError:
        pass
    try:
        lenient = json.loads(text, parse_int=whole, parse_float=number, parse_constant=lambda _: None)
        return cleaned(lenient, MAX_DEPTH)
    except RecursionError:
        raise Unusable(f"it has more than {MAX_DEPTH} levels", "Ask for less.") from None
    except ValueError as error:
        raise Unusable("it is not JSON", "The owner of this connector must check UPSTREAM_URL.") from error


def too_many_values(content: bytes) -> bool:
    """Whether JSON has more values than MAX_VALUES, by its signs and without parsing it."""
    signs = sum(map(content.count, SIGNS))
    if signs <= MAX_VALUES:
        return False  # almost always: signs inside of strings are counted too
    return signs - sum(sum(map(found[0].count, SIGNS)) for found in STRINGS.finditer(content)) > MAX_VALUES


def decoded(headers: Mapping[str, str], content: bytes) -> str:
    """The text of an answer: as its byte order mark says, or its `charset`, or as JSON's first bytes show."""
    encoding: str = json.detect_encoding(content)
    named = re.search(r"charset\s*=\s*\"?([\w.:-]+)", headers.get("content-type", ""), re.IGNORECASE)
    if named and encoding == "utf-8":
        try:
            known = codecs.lookup(named[1]).name
        except LookupError:
            known = encoding
        encoding = known if CHARSETS.fullmatch(known) else encoding
    return content.decode(encoding, errors="replace")


def depth(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if items is None else 1 + max(map(depth, items), default=0)


def whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def number(written: str) -> float | None:
    value = float(written)
    return value if math.isfinite(value) else None


def cleaned(value: Any, levels: int) -> Any:
    """The value without lone surrogates.

    Raises:
        RecursionError: It has more levels.
    """
    if isinstance(value, str):
        return value.translate(REPLACED) if not value.isascii() else value
    if isinstance(value, dict | list) and not levels:
        raise RecursionError
    if isinstance(value, dict):
        return {cleaned(name, 1): cleaned(item, levels - 1) for name, item in value.items()}
    return [cleaned(item, levels - 1) for item in value] if isinstance(value, list) else value


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
    for secret in secrets:
        words = words.replace(secret, "(credential)")
    words = harmless(words[:LONGEST])
    return f': "{words}"' if words else ""


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
