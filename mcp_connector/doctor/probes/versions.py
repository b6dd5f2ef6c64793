"""The 2025 versions and 2026-07-28: both on one URL."""

from collections.abc import Iterator

from .. import protocol
from ..evidence import Evidence, error, refused
from ..findings import Seen
from ..text import clean, controls
from ..text import listed as row
from .edge import LIMITS


def handshakes(heard: Evidence) -> Iterator[Seen]:
    """Whether clients of both kinds of version get in."""
    own, discover = heard.heard("own"), heard.heard("discover")
    modern = heard.result("discover") is not None or heard.result("stateless list") is not None
    if own and not heard.inside and not refused(own):
        if modern:
            said = (error(own) or {}).get("message", "")
            yield Seen("version-2025", f"initialize answers {own.status} {clean(said, 80)}".strip())
        return
    if not heard.inside:
        return
    if heard.version not in protocol.EVERY:
        yield Seen("version-unknown", f"initialize agrees to {clean(heard.version, 40) or 'no version'}")
    if discover and not modern and not refused(discover) and discover.status not in LIMITS:
        said = error(discover)
        if discover.status >= 500 or (said is None and discover.status != 405):
            yield Seen("version-breaks", f"server/discover answers {discover.status} without a JSON-RPC error")
        else:
            yield Seen("version-2026", f"server/discover answers {discover.status}")


def results(heard: Evidence) -> Iterator[Seen]:
    """Whether each result of 2026-07-28 says what it is."""
    for name, method in (("discover", "server/discover"), ("stateless list", "tools/list")):
        said = heard.result(name)
        if said is not None and "resultType" not in said:
            yield Seen("result-type", f"{method} without resultType")
            return


def identity(heard: Evidence) -> Iterator[Seen]:
    """What the server says about itself, which people read."""
    said = heard.result("own") or {}
    info = said.get("serverInfo")
    texts = [*(info.values() if isinstance(info, dict) else []), said.get("instructions")]
    if any(controls(text) for text in texts):
        yield Seen("control-characters", "serverInfo or instructions with control characters")
    shown = ("name", "title", "description")
    if named := [str(tool.get("name")) for tool in heard.tools or [] if any(controls(tool.get(n)) for n in shown)]:
        yield Seen("control-characters", f"names or descriptions with control characters: {row(named)}")
