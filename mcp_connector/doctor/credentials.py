"""What lets the doctor in: from the environment, a file or a prompt, never from the command line.

Values live in memory, go to the target's origin alone, and are never shown.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..recorded import Problem
from .text import clean

TOKEN, KEY = "MCP_TOKEN", "MCP_API_KEY"
SHORTEST = 6  # characters of a value that is looked for in what is shown: shorter ones are parts of words


@dataclass(frozen=True)
class Credential:
    headers: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    token: bool = False
    """Whether it is an access token of OAuth."""

    def __bool__(self) -> bool:
        return bool(self.headers)

    @property
    def fingerprint(self) -> str:
        """Tells two credentials apart and says nothing about them."""
        whole = "\n".join(f"{name.lower()}:{value}" for name, value in sorted(self.headers.items()))
        return hashlib.sha256(whole.encode()).hexdigest()[:8]

    @property
    def bearer(self) -> str:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" else ""

    def hide(self, text: str) -> str:
        """A text of the other side without the credential, which a server may repeat."""
        for value in self.headers.values():
            for secret in (value, value.rpartition(" ")[2]):
                if len(secret) >= SHORTEST:
                    text = text.replace(secret, "[credential]")
        return text


def bearer(value: str, source: str, token: bool = False) -> Credential:
    value = value.strip()
    if value[:7].lower() == "bearer ":
        value = value[7:].strip()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise Problem(f"{source} has characters that no header can hold: set it to the key or token alone.")
    return Credential({"Authorization": f"Bearer {value}"}, source, token)


def given(header_file: Path | None) -> Credential:
    """What the user gave; an empty credential where nothing was."""
    if header_file:
        return from_file(header_file)
    if os.environ.get(TOKEN):
        return bearer(os.environ[TOKEN], TOKEN, token=True)
    if os.environ.get(KEY):
        return bearer(os.environ[KEY], KEY)
    return Credential()


def from_file(path: Path) -> Credential:
    """Headers, one a line, as `Name: value`."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not value or not name.replace("-", "").isalnum() or not (name + value).isascii():
            raise Problem(f"Line {number} of {clean(path)} is not a header: write each as Name: value.")
        found["Authorization" if name.lower() == "authorization" else name] = value
    if not found:
        raise Problem(f"{clean(path)} has no header: write one a line, as Name: value.")
    return Credential(found, clean(path), found.get("Authorization", "").lower().startswith("bearer ey"))
