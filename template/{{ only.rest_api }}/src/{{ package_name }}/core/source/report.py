"""The log line of a failed request to the upstream API. Never a value, a query or a credential."""

import logging
import re
from collections.abc import Mapping
from typing import Self

from ..edge.observe import current, note

logger = logging.getLogger("connector.upstream")

DIGITS = re.compile(r"[^/]*\d[^/]*")


class Path(str):
    """The path of a request to the upstream API, which keeps its template: `/records/{id}`."""

    template: str

    def __new__(cls, template: str, values: Mapping[str, str]) -> Self:
        path = super().__new__(cls, template.format_map(values))
        path.template = template
        return path


def template(path: str) -> str:
    """The path without values: as its template, or else with `*` for segments with a digit, and without a query."""
    return path.template if isinstance(path, Path) else DIGITS.sub("*", path.partition("?")[0])


def upstream_failed(method: str, host: str, path: str, cause: int | Exception, seconds: float) -> None:
    """Log one warning for a failed request to the upstream API, with the status or the exception as its cause.

    The path is written as its template. The cause is also noted as `upstream`.
    """
    note(upstream=cause if isinstance(cause, int) else type(cause).__name__)
    why = f"status={cause}" if isinstance(cause, int) else f"cause={reason(cause)}"
    request_id = (current.get() or {}).get("id", "-")
    logger.warning("%s %s%s %s ms=%.1f id=%s", method, host, template(path), why, seconds * 1000, request_id)


def upstream_unusable(why: str) -> None:
    """One warning for an answer that cannot be used: which field has which fault, without its value."""
    logger.warning("the answer cannot be used: %s id=%s", why, (current.get() or {}).get("id", "-"))


def reason(error: BaseException) -> str:
    """The exception and the operating system's error: `ConnectError (Name or service not known)`."""
    name, inner = type(error).__name__, error.__cause__ or error.__context__
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return f"{name} ({inner.strerror})"
        inner = inner.__cause__ or inner.__context__
    return name
