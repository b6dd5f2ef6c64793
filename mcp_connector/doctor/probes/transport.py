"""Streamable HTTP: status, content type, sessions, and the stream that clients listen to."""

import re
from collections.abc import Iterator

from ..documents import DEPTH, Unreadable, depth, events, page, reply
from ..evidence import Evidence, error, refused, result
from ..exchange import Answer, Trouble
from ..findings import Seen
from ..protocol import METHOD_NOT_FOUND
from ..text import clean

SLOW, QUICK = 3.0, 1.0  # seconds
CREDENTIAL = re.compile(r"unauthori[sz]ed|authenticat|forbidden|access denied|api.?key|credential|token", re.IGNORECASE)
QUIET = (Trouble.SILENT, Trouble.SPENT)
NEEDED = ("own", "list", "discover", "known path", "known challenge")


def stopped(heard: Evidence) -> Iterator[Seen]:
    """What makes the first answer useless to every client."""
    bare = heard.answers["bare"]
    if bare.cut == "broken":
        yield Seen("broken-body", f"{bare.status} with a body that breaks off")
        return
    if heard.open:
        yield from malformed(bare)
        return
    if heard.inside or refused(bare) or ((bare.status >= 400 or error(bare)) and versioned(heard)):
        return
    if answers_elsewhere(heard):
        where = heard.answers["usual path"].request.url.shown
        yield Seen("path", f"{bare.status} here, and an MCP server at {where}", {"url": where})
    elif bare.cut:
        what = "more than 1 MB" if bare.cut == "size" else f"no end in {bare.whole:.0f} s"
        yield Seen("endless", f"{bare.status} with {what}")
    elif depth(bare.body) > DEPTH:
        yield Seen("deep", f"{bare.status} with brackets that nest more than {DEPTH} deep")
    elif listens(heard):
        yield Seen("sse-only", f"{bare.status} for POST, and GET opens the older SSE transport")
    elif page(bare.body) or (bare.type == "text/html" and bare.body):
        yield Seen("html", f"{bare.status} with an HTML page", {"url": heard.target.shown})
    elif bare.status in (404, 405, 410):
        yield Seen("not-found", f"{bare.status} for POST", {"url": heard.target.shown})
    elif bare.status == 406:
        yield Seen("not-acceptable", "406 for a client that takes JSON and streams")
    elif bare.status >= 500:
        yield Seen("broken", f"{bare.status} {clean(bare.body[:100].decode('utf-8', 'replace'), 80)}".strip())
    elif bare.status >= 300 or error(bare):
        said = (error(bare) or {}).get("message", "")
        probe = "auth-status" if bare.status != 401 and CREDENTIAL.search(str(said)) else "initialize"
        yield Seen(probe, f"{bare.status} {clean(said, 100)}".strip())
    else:
        try:
            reply(bare.body, bare.headers.get("content-type", ""))
            what = "a reply without a result"
        except Unreadable as why:
            what = str(why)
        yield Seen("not-json", f"{bare.status} with {what}")


def answers_elsewhere(heard: Evidence) -> bool:
    """Whether the URL lacks its path: at the usual one, a server answers."""
    usual = heard.heard("usual path")
    return bool(usual and (result(usual) is not None or refused(usual)))


def malformed(bare: Answer) -> Iterator[Seen]:
    """A reply that only a patient client takes for one."""
    said = reply(bare.body, bare.headers.get("content-type", ""))
    if bare.type not in ("application/json", "text/event-stream"):
        yield Seen("content-type", f"content-type: {clean(bare.type or 'none', 60)}")
    elif said.get("jsonrpc") != "2.0":
        yield Seen("json-rpc", 'a reply without "jsonrpc": "2.0"')
    elif str(said.get("id")) != "1":
        yield Seen("json-rpc", f"id {clean(said.get('id'), 40)} for the request with id 1")
    elif missing := [name for name in ("protocolVersion", "capabilities", "serverInfo") if name not in said["result"]]:
        yield Seen("initialize-result", f"a result without {', '.join(missing)}")


def initialized(heard: Evidence) -> Iterator[Seen]:
    """The notification that ends the handshake, which clients wait for."""
    answer = heard.heard("initialized")
    if answer and not losses(heard) and answer.status >= 400 and answer.status != 429:
        yield Seen("initialized", f"{answer.status} for notifications/initialized")


def versioned(heard: Evidence) -> bool:
    """Whether the server does answer, in the other kind of protocol version."""
    return any(heard.result(name) is not None for name in ("discover", "stateless list"))


def listens(heard: Evidence) -> bool:
    listening = heard.heard("get")
    return bool(listening and any(name == "endpoint" for name, _ in events(listening.body + b"\n\n")))


def sessions(heard: Evidence) -> Iterator[Seen]:
    """Whether calls on new connections find what `initialize` made."""
    if lost := losses(heard):
        words = (error(lost[0]) or {}).get("message", "")
        kind = "in the session" if heard.session else "after initialize"
        said = f" ({clean(words, 60)})" if words else ""
        yield Seen("sessions", f"{lost[0].status} for {len(lost)} of {len(heard.follow_ups)} calls {kind}{said}")


def losses(heard: Evidence) -> list[Answer]:
    """The calls on new connections that did not find their session."""
    return [answer for answer in heard.follow_ups if gone(answer)]


def gone(answer: Answer) -> bool:
    said = error(answer) or {}
    if answer.status in (400, 404):
        return said.get("code") != METHOD_NOT_FOUND  # a server without `ping`, which is not lost
    return answer.said and "session" in str(said.get("message", "")).lower()


def accept(heard: Evidence) -> Iterator[Seen]:
    """Whether a client that reads JSON alone is served."""
    plain, own = heard.heard("json"), heard.heard("again")
    if plain and own and own.status != 406 and plain.status == 406:
        yield Seen("accept", "406 for Accept: application/json")


def listening(heard: Evidence) -> Iterator[Seen]:
    """GET must be a stream, or 405 at once."""
    get = heard.answers.get("get")
    if get is None:
        return
    if get.trouble is Trouble.SILENT:
        beside = heard.heard("beside get")
        if beside:
            yield Seen("get-hangs", f"no answer to GET in {get.detail}, while POST is answered")
    elif get.status == 401 and (heard.inside or heard.closed):
        if "authorization" not in {name.lower() for name in get.request.headers}:
            if heard.closed and not heard.lazy:
                yield Seen("get-401", "401 for GET, before anybody signed in")
        else:
            yield Seen("get-401", "401 for GET, with the credential that POST accepts")
    elif get.status == 400 and heard.inside:
        yield Seen("get-400", "400 for GET")
    elif get.status >= 500 and heard.inside:
        yield Seen("get-broken", f"{get.status} for GET")


def buffered(heard: Evidence) -> Iterator[Seen]:
    """Whether a proxy keeps an event stream until its end."""
    own, plain = heard.heard("again"), heard.heard("json")
    if own and own.type == "text/event-stream" and own.seconds > SLOW:
        held = "content-length" in own.headers
        if held or (plain and plain.type != "text/event-stream" and plain.seconds < QUICK):
            yield Seen("buffered", f"the first byte of a stream after {own.seconds:.1f} s")


def silent(heard: Evidence) -> Iterator[Seen]:
    """Requests that matter and got no answer: nothing is concluded from them."""
    names = {"own": "initialize", "list": "tools/list", "discover": "server/discover"}
    asked = [(names.get(name, "metadata"), heard.answers[name]) for name in NEEDED if name in heard.answers]
    asked += [("calls after initialize", answer) for answer in heard.follow_ups]
    for issuer in heard.issuers:
        asked += [("authorization server", a) for a in [*issuer.places.values(), *issuer.answers.values()]]
    if quiet := dict.fromkeys(name for name, answer in asked if answer.trouble in QUIET):
        yield Seen("unanswered", f"no answer in time: {', '.join(quiet)}")
