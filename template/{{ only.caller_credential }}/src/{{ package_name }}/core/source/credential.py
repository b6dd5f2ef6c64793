"""Each caller's own credential for the upstream API."""

from collections.abc import Callable, Mapping

from ...settings import Settings
from ..auth.headers import caller_headers


def credential(_: Settings) -> Callable[[], Mapping[str, str]]:
    """The headers to send; they raise a LookupError while nobody calls."""
    return caller_headers
