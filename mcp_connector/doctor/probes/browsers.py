"""Clients in a browser: CORS (Fetch standard)."""

from collections.abc import Iterator

from ..evidence import Evidence
from ..findings import Seen
from ..text import clean

NEEDED = ("mcp-protocol-version", "mcp-session-id", "authorization", "content-type")


def preflight(heard: Evidence) -> Iterator[Seen]:
    """A server that allows other origins must allow what clients send. One that allows none is right, too."""
    answer = heard.heard("preflight")
    if not answer or not answer.headers.get("access-control-allow-origin"):
        return
    if "," in answer.headers["access-control-allow-origin"]:
        yield Seen("cors-twice", f"access-control-allow-origin: {clean(answer.headers['access-control-allow-origin'])}")
        return
    allowed = {name.strip().lower() for name in answer.headers.get("access-control-allow-headers", "").split(",")}
    needed = [name for name in NEEDED if name != "mcp-session-id" or heard.session]
    if "*" in allowed:
        needed = [name for name in needed if name == "authorization"]  # which the star leaves out
    origin = heard.heard("origin")
    exposed = origin.headers.get("access-control-expose-headers", "").lower() if origin else ""
    if origin and "mcp-session-id" in origin.headers and "mcp-session-id" not in exposed and exposed.strip() != "*":
        yield Seen("cors-expose", "access-control-expose-headers without mcp-session-id")
    if missing := [name for name in needed if name not in allowed]:
        names = ", ".join(missing)
        yield Seen("cors", f"access-control-allow-headers without {names}", {"headers": names})
