"""The connector's own credential for the upstream API."""

from collections.abc import Callable, Mapping

from ...settings import Settings


def credential(settings: Settings) -> Callable[[], Mapping[str, str]]:
    """The header to send, or none."""
    value = settings.upstream_auth_value.strip()
    headers = {settings.upstream_auth_header: value} if value else {}
    return lambda: headers
