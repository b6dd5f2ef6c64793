"""Text of the other side, made safe to show."""

import unicodedata
from urllib.parse import urlsplit

LONGEST = 200  # characters of the other side that are shown at once
HIDDEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}


def clean(value: object, longest: int = LONGEST) -> str:
    """One line without characters that a terminal obeys or that nobody sees, cut to a length."""
    whole = value if isinstance(value, str) else str(value)
    cut = whole[: longest + 1]
    shown = "".join(c if unicodedata.category(c) not in HIDDEN else escaped(c) for c in cut)
    return f"{shown[: longest - 1]}…" if len(cut) > longest or len(shown) > longest else shown


def escaped(character: str) -> str:
    return " " if character in "\t\r\n" else f"\\x{ord(character):02x}" if ord(character) < 256 else "?"


def controls(value: object) -> bool:
    """Whether a text has characters that a terminal obeys, or that turn or hide what is read."""
    return isinstance(value, str) and any(unicodedata.category(c) in HIDDEN and c not in "\t\r\n" for c in value)


def place(url: str) -> str:
    """A URL without what may be a credential in it: user, password, and the values of its query."""
    try:
        parts = urlsplit(url)
        at = parts.netloc.rpartition("@")[2]
    except ValueError:
        return clean(url)
    return clean(f"{parts.scheme}://{at}{parts.path}{'?…' if parts.query else ''}" if parts.scheme else url)


def listed(names: list[str], most: int = 5) -> str:
    """Names in a row, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(clean(name, 64) for name in names[:most]) + rest
