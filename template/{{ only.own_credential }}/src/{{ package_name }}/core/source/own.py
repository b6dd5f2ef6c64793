"""Types of the settings of the connector's own credential."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from ..fields import http_url


def endpoint(value: str) -> str:
    """A URL as it is written: a slash at its end counts."""
    http_url(value)
    return value


Endpoint = Annotated[str, AfterValidator(endpoint)] | None
ClientSecret = SecretStr | None
