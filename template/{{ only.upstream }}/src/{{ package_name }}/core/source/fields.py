"""Types of the settings of the upstream API."""

import re
from typing import Annotated

from pydantic import AfterValidator

from ..fields import http_url


def url_path(value: str) -> str:
    if not re.fullmatch(r"/(?!/)[!-~]*", value):
        raise ValueError("must be a path that begins with one slash, such as /health")
    return value


Url = Annotated[str, AfterValidator(http_url)]
UrlPath = Annotated[str, AfterValidator(url_path)]
