"""What the log says of requests to the upstream API that fail. Never a value, a query or a credential."""

import logging
import re
from collections.abc import Mapping
from typing import Self

from ..edge.observe import current

logger = logging.getLogger("connector.upstream")

DIGITS = re.compile(r"[^/]*\d[^/]*")


class Path(str):
    """The path of a request to the upstream API, which remembers how it was written: `/records/{id}`."""

    template: str

    def __new__(cls, template: str, values: Mapping[str, str]) -> Self:
        path = super().__new__(cls, template.format_map(values))
        path.template = template
        return path


def upstream_failed(method: str, host: str, path: str, cause: int | Exception, seconds: float) -> None:
    """One warning for a failed request to the upstream API: its status, or what happened in its place.

    Values do not get into the log: the path is written as its template, or without segments that hold a digit.
    """
    template = path.template if isinstance(path, Path) else DIGITS.sub("*", path.partition("?")[0])
    why = f"status={cause}" if isinstance(cause, int) else f"cause={reason(cause)}"
    request_id = (current.get() or {}).get("id", "-")
    logger.warning("%s %s%s %s ms=%.1f id=%s", method, host, template, why, seconds * 1000, request_id)


def reason(error: BaseException) -> str:
    """`ConnectError (Name or service not known)`: the exception, and what the system said."""
    name, inner = type(error).__name__, error.__cause__ or error.__context__
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return f"{name} ({inner.strerror})"
        inner = inner.__cause__ or inner.__context__
    return name
