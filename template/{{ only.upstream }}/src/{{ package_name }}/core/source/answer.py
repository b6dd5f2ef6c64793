"""Answers of the upstream API as JSON, and results of tools: compact, and within one limit on the bytes that leave.

What JSON cannot hold becomes null or U+FFFD in its place, so that one wrong value in one record does not hide the
others.
"""

import codecs
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import pydantic_core
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel

from ..edge.limits import STRINGS

MAX_VALUES = 300_000  # in one answer: to read so many takes about 0.3 seconds
MAX_DEPTH = 180  # levels; clients read results of up to 200, and some are around an answer
MAX_DIGITS = 300  # of a whole number; JavaScript reads a longer one as infinity
LARGE = 64 * 1024  # bytes; a larger answer is read in a thread
# Those of text that JSON may be in; UTF-16 and UTF-32 show in the first bytes, whatever the header says.
CHARSETS = re.compile(r"(utf-8|iso8859-|iso2022_|cp\d|koi8|mac-|tis-|euc_|shift_jis|gb|big5|hz).*")
REPLACED = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)  # lone surrogates, which UTF-8 cannot hold


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
    # Almost always few, even with the signs inside of strings. Where strings are more, values are too many.
    if count(content) > MAX_VALUES and count(STRINGS.sub(b"", content, 2 * MAX_VALUES + 1)) > MAX_VALUES:
        raise Unusable(f"it has more than {MAX_VALUES:,} values", "Ask for less.")
    try:
        return cleaned(json.loads(decoded(headers, content), parse_int=whole), MAX_DEPTH)
    except RecursionError:
        raise Unusable(f"it has more than {MAX_DEPTH} levels", "Ask for less.") from None
    except ValueError as error:
        raise Unusable("it is not JSON", "The owner of this connector must check UPSTREAM_URL.") from error


def count(content: bytes) -> int:
    """About how many values JSON has: by its signs, without parsing it."""
    return sum(map(content.count, (b",", b"[", b"{")))


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


def whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def cleaned(value: Any, levels: int) -> Any:
    """The value without lone surrogates and numbers that are not finite.

    Raises:
        RecursionError: It has more levels.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.translate(REPLACED)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, dict | list):
        return value
    if not levels:
        raise RecursionError
    if isinstance(value, dict):
        return {cleaned(name, 1): cleaned(item, levels - 1) for name, item in value.items()}
    return [cleaned(item, levels - 1) for item in value]


def answer(result: BaseModel | dict[str, Any], most: int) -> CallToolResult:
    """The result of a tool, as structured content and as text; the SDK itself would indent the text.

    Let the tool return `Annotated[CallToolResult, T]`, T being the type of `result`: its output schema is made of that.

    Raises:
        ToolError: Structured content and text have over `most` bytes together.
    """
    content = result.model_dump(mode="json", by_alias=True) if isinstance(result, BaseModel) else result
    text = compact(content)
    if weight(content) > most:
        raise ToolError(f"The result has {len(text):,} characters, too many at once. Ask for less.")
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=content)


def compact(value: object) -> str:
    return pydantic_core.to_json(value).decode()


def weight(value: object) -> int:
    """Bytes that a value takes in a result: as structured content, and again in the text, which is JSON in a string."""
    written = pydantic_core.to_json(value)
    return len(written) + len(pydantic_core.to_json(written.decode())) - len('""')
