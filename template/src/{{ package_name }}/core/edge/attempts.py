"""Attempts, such as wrong keys or requests, counted for each address or caller, so that there cannot be too many."""

import ipaddress
import math
import time
from collections import OrderedDict

from starlette.types import Scope


class Attempts:
    """At most `limit` attempts in `window` seconds, counted by who made them.

    The counts are in memory, separate in each replica. Of more than `remembered`, the least recent are forgotten.
    """

    def __init__(self, limit: int, window: float = 60.0, remembered: int = 10_000) -> None:
        self.limit, self.window, self.remembered = limit, window, remembered
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()  # attempts, and until when they count

    def count(self, who: str) -> int:
        """Count one more. Seconds to wait, or 0 while the limit is not exceeded."""
        now = time.monotonic()
        times, until = self._seen.pop(who, (0, 0.0))
        self._seen[who] = (times + 1, until) if now < until else (1, now + self.window)
        if len(self._seen) > self.remembered:
            self._seen.popitem(last=False)
        return self._left(who, self.limit)

    def wait(self, who: str) -> int:
        """Seconds to wait before another attempt, or 0 if it may be made now."""
        return self._left(who, self.limit - 1)

    def _left(self, who: str, most: int) -> int:
        times, until = self._seen.get(who, (0, 0.0))
        left = until - time.monotonic()
        return math.ceil(left) if times > most and left > 0 else 0


def address(scope: Scope) -> str:
    """The IP address of the caller, or the /64 network of an IPv6 address, which one customer has as a whole.

    Behind a proxy that is trusted, it is what the proxy passes on, which may be any text.
    """
    text = str(scope["client"][0])[:64] if scope.get("client") else "unknown"
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
