"""Types of the settings of the connector's own credential."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from ..fields import http_url


def token_url(value: str) -> str:
    """A URL as it is written: a slash at its end counts."""
    http_url(value)
    return value


TokenUrl = Annotated[str, AfterValidator(token_url)] | None
UpstreamSecret = SecretStr | None
