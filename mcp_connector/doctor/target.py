"""A URL as it was given, taken apart once."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from ..recorded import Problem
from .text import clean, place

EXAMPLE = "https://connector.example.com/mcp"


@dataclass(frozen=True)
class Url:
    """An http or https URL without a fragment. `text` is what clients compare, byte by byte."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query."""
    text: str
    user_info: bool = False

    @property
    def origin(self) -> str:
        usual = {"http": 80, "https": 443}[self.scheme] == self.port
        return f"{self.scheme}://{self.authority if usual else f'{self.authority}:{self.port}'}"

    @property
    def authority(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def shown(self) -> str:
        return place(self.text)


def parse(text: str) -> Url:
    """Take a URL apart; ValueError says in a few words why it is not one."""
    if not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("it has spaces, backslashes or control characters")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https"):
        raise ValueError("it does not begin with https://")
    host = parts.hostname or ""
    if not host or len(host) > 253:
        raise ValueError("it has no host")
    if not re.fullmatch(r"[0-9a-f:.]+(%\w+)?", host):
        try:
            host = host.encode("idna").decode().lower()
        except UnicodeError:
            raise ValueError("its host is not a name") from None
        if not re.fullmatch(r"[a-z0-9_.-]+", host):
            raise ValueError("its host is not a name")
    elif ":" in host:
        ipaddress.ip_address(host)
    port = parts.port if parts.port is not None else {"http": 80, "https": 443}[parts.scheme]
    if not port:
        raise ValueError("its port is 0")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        path += "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~-._")
    whole = text.partition("#")[0]
    if "@" in parts.netloc:
        whole = whole.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)
    return Url(parts.scheme, host, port, path, whole, "@" in parts.netloc)


def given(text: str) -> Url:
    """The target on the command line; a Problem says what to write in its place."""
    text = text.strip()
    if not text:
        raise Problem(f"A URL is missing. Give the one that clients connect to, such as {EXAMPLE}.")
    if "://" not in text and (text[:1] in "/.~" or Path(text).exists()):
        raise Problem(f"{clean(text)} is a file. Give the URL that clients connect to, such as {EXAMPLE}.")
    try:
        return parse(text)
    except ValueError as error:
        why = str(error) if str(error).startswith("it") else "it cannot be read"
        raise Problem(f"{place(text)} is not a URL: {why}. Give one such as {EXAMPLE}.") from None


def joined(url: Url, path: str) -> Url:
    """Another place of the same origin."""
    return parse(url.origin + path)
