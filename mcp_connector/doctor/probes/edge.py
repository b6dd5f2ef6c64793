"""What stands between a platform and the server: firewalls, redirects, the Host header, limits."""

import email.utils
import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from ..documents import page
from ..evidence import Evidence, message
from ..exchange import Answer, Trouble
from ..findings import Seen
from ..text import clean, place

REDIRECTS = (301, 302, 303, 307, 308)
TUNNELS = ("ngrok-error-code", "ngrok-skip-browser-warning", "bypass-tunnel-reminder", "x-tunnel-phishing")
MARKS = ("cf-mitigated", "x-amzn-waf-action")
LIMITS = {429, 503}  # the second is nginx's own
SKEW = 90.0  # seconds
# Of the SDKs, Vite, IIS, and Django, whose page says no more.
HOST = re.compile(r"invalid host|disallowedhost|host .{0,100}is not allowed|bad request \(400\)")
HTTPS = re.compile(r"(?:plain )?http request (?:was sent )?to (?:an )?https (?:port|server)")  # of nginx, and of Go
BLOCKED = re.compile(rb"error code: 1\d\d\d")  # Cloudflare, to programs
CHALLENGE = re.compile(r"captcha|challenge|checking your browser|attention required")
BOTS = {"Claude-User": "bot-claude", "openai-mcp": "bot-openai"}


def stopped(heard: Evidence) -> Iterator[Seen]:
    """What keeps every client from the server."""
    bare = heard.answers["bare"]
    text = bare.body[:4_000].decode("utf-8", "replace").lower()
    if bare.status in REDIRECTS:
        where = bare.headers.get("location", "")
        probe = "redirect-http" if where.startswith("http://") and heard.target.scheme == "https" else "redirect"
        if host_of(where) not in ("", heard.target.host):
            probe = "redirect-elsewhere"
        yield Seen(probe, f"{bare.status} to {place(where) or 'nowhere'}", {"location": place(where)})
    elif bare.status == 429:
        yield Seen("limited", "429 for the first request")
    elif bare.status == 421 or (bare.status in (400, 403) and HOST.search(text)):
        yield Seen("host", f"{bare.status} {clean(message(bare), 80)}", {"host": clean(heard.target.host)})
    elif bare.status == 400 and HTTPS.search(text):
        yield Seen("not-http", f"400 {clean(HTTPS.findall(text)[0], 80)}")
    elif bare.status == 400 and "no required ssl certificate" in text:
        yield Seen("tls-client", "400 No required SSL certificate was sent")
    elif any(mark in bare.headers or mark in text for mark in TUNNELS) and page(bare.body):
        yield Seen("tunnel", f"{bare.status} with a warning page of the tunnel")
    elif challenge_page(bare):
        yield Seen("challenge-page", f"{bare.status} with {marked(bare)}")
    elif bare.status == 403 and "missing authentication token" in text:
        seen = "403 Missing Authentication Token, as API Gateway says where it has no route"
        yield Seen("not-found", seen, {"url": heard.target.shown})


def host_of(location: str) -> str:
    """The host that a redirect names; nothing where it stays on the same one."""
    try:
        return urlsplit(location).hostname or ""
    except ValueError:
        return ""


def challenge_page(answer: Answer) -> bool:
    """Whether a firewall answered: it says so, or it sends a page where it forbids."""
    if any(mark in answer.headers for mark in MARKS) or (answer.status == 403 and page(answer.body)):
        return True
    if answer.status in (429, 503) and page(answer.body):
        return bool(CHALLENGE.search(answer.body[:4_000].decode("utf-8", "replace").lower()))
    return answer.status == 403 and bool(BLOCKED.match(answer.body))


def marked(answer: Answer) -> str:
    for name in MARKS:
        if name in answer.headers:
            return f"{name}: {clean(answer.headers[name], 40)}"
    return "an HTML page" if page(answer.body) else clean(message(answer), 40)


def agents(heard: Evidence) -> Iterator[Seen]:
    """Whether the same request fares worse under the name of a platform."""
    others = [answer for name, answer in heard.answers.items() if not name.startswith(("agent ", "metadata "))]
    limits = LIMITS & {answer.status for answer in [*others, *heard.follow_ups]}
    own = heard.heard("again")  # at the same time: where this one is late, the others say nothing
    for name, answer in heard.answers.items():
        kind, _, agent = name.partition(" ")
        usual = heard.heard("known path") if kind == "metadata" else own
        if kind in ("agent", "metadata") and usual and answer.status not in limits and worse(answer, usual):
            what = f"{answer.status or 'no answer'} for the user agent {agent}, {usual.status} for others"
            yield Seen(BOTS[agent], f"{what}{', at the metadata' if kind == 'metadata' else ''}", {"agent": agent})
            return


def worse(answer: Answer, own: Answer) -> bool:
    """Whether an answer is one of a firewall, where others get the server's."""
    if not answer.said:
        return answer.trouble is not Trouble.SPENT
    if answer.status == own.status or answer.status < 300:
        return False
    return answer.status in (401, 403, 406, 409, 429, 444, 451, 503) or page(answer.body) or answer.status in REDIRECTS


def spelling(heard: Evidence) -> Iterator[Seen]:
    """Whether the URL with or without a slash at its end is the same."""
    spelled, own = heard.heard("spelled"), heard.heard("again")
    if spelled and own and spelled.status != own.status and spelled.status not in LIMITS:
        where = spelled.request.url
        told = f"{spelled.status} at {where.shown}"
        if spelled.status in REDIRECTS:
            to = spelled.headers.get("location", "")
            if to.startswith("http://") and where.scheme == "https":
                yield Seen("slash-http", f"{told}, to {place(to)}")
            return  # to the right place, which clients do follow
        if spelled.status in (404, 405) or page(spelled.body):
            yield Seen("slash", told, {"other": where.shown})


def limits(heard: Evidence) -> Iterator[Seen]:
    """A limit that a platform with few addresses reaches soon, and clocks that differ."""
    late = [answer for answer in heard.follow_ups if answer.status in LIMITS]
    missed = heard.heard("list")
    if heard.inside and missed and missed.status in LIMITS:
        yield Seen("limited", f"{missed.status} for tools/list")
    elif late:
        yield Seen("limit", f"{len(late)} of {len(heard.follow_ups)} calls at once answered {late[0].status}")
    if heard.closed and (apart := skew(heard.answers["bare"].headers.get("date", ""))) > SKEW:
        yield Seen("clock", f"the clocks of server and this machine are {apart:.0f} s apart")


def skew(date: str) -> float:
    """Seconds between a date and this machine's clock; none where it cannot be read."""
    try:
        return abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
