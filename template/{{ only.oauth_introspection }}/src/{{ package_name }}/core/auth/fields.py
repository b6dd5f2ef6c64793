"""Types of the settings that say how the issuer is asked about tokens."""

from typing import Annotated

from pydantic import Field, SecretStr

from .words import HttpsUrl

Endpoint = HttpsUrl | None
ClientSecret = Annotated[SecretStr, Field(min_length=1)]
