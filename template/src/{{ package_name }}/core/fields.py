"""Types of settings that every connector has. They import no framework, so that the settings load fast."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile("(?=.{1,253}$)" + rf"{LABEL}(\.{LABEL})*", re.IGNORECASE)
LEAST = 32  # bytes of a key, as UTF-8 text


def host(value: str) -> str:
    """A host name, or an IP address in its usual form; brackets around it are left out."""
    bare = value.strip()
    bare = bare[1:-1] if bare.startswith("[") and bare.endswith("]") else bare
    try:
        if ":" in bare:
            return str(ipaddress.IPv6Address(bare))
    except ValueError:
        bare = ""
    if not NAME.fullmatch(bare):
        raise ValueError("must be an IP address or a host name, such as 127.0.0.1, or :: for all addresses")
    return bare


def state_keys(value: object) -> object:
    """Keys from a list separated by commas; blanks around keys and empty entries are ignored."""
    if not isinstance(value, str):
        return value
    keys = [key.strip() for key in value.split(",") if key.strip()]
    for number, key in enumerate(keys, 1):
        if not key.isascii() and key != key.encode(errors="replace").decode():
            raise ValueError("must be UTF-8 text")
        if len(key.encode()) < LEAST:
            raise ValueError(
                f"must have keys of at least {LEAST} bytes, and key {number} of {len(keys)} is shorter; "
                "make one with: openssl rand -base64 32"
            )
    if len(set(keys)) < len(keys):
        raise ValueError("must list each key once, and one is repeated")
    return tuple(keys)


Host = Annotated[str, AfterValidator(host)]
StateKeys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(state_keys)]
