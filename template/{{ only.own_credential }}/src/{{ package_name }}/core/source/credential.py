"""The connector's own credential for the upstream API."""

from collections.abc import Callable, Mapping

from ...settings import Settings
from ..parts import NotReady
from .client_credentials import ClientCredentials


def credential(settings: Settings) -> Callable[[], Mapping[str, str]]:
    """The header to send, or none; with UPSTREAM_TOKEN_URL, a token too.

    Raises:
        NotReady: Settings contradict each other.
    """
    value, header = settings.upstream_auth_value.strip(), settings.upstream_auth_header
    headers = {header: value} if value else {}
    url, secret = settings.upstream_token_url, settings.upstream_client_secret
    if not (url or secret or settings.upstream_client_id):
        return lambda: headers
    if not (url and secret and settings.upstream_client_id):
        raise NotReady("UPSTREAM_TOKEN_URL, UPSTREAM_CLIENT_ID and UPSTREAM_CLIENT_SECRET must be set together")
    if value and header.lower() == "authorization":
        raise NotReady(
            "UPSTREAM_AUTH_VALUE and UPSTREAM_TOKEN_URL both set the header Authorization; "
            "unset one of them, or name another header in UPSTREAM_AUTH_HEADER"
        )
    return ClientCredentials(settings, url, secret.get_secret_value(), headers)
