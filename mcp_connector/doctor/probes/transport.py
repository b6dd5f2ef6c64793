"""Streamable HTTP: status, content type, sessions, and the stream that clients listen to."""

import json
import re
from collections.abc import Iterator, Mapping

from ..documents import DEPTH, Object, Unreadable, depth, events, page, reply
from ..evidence import Evidence, error, message, refused, result
from ..exchange import Answer, Trouble
from ..findings import Seen
from ..protocol import METHOD_NOT_FOUND
from ..text import clean

INFO = {"name": str, "version": str, "title": str}
CAPABILITIES = dict.fromkeys(("tools", "prompts", "resources", "logging", "completions", "experimental"), dict)
SLOW, QUICK = 3.0, 1.0  # seconds
CREDENTIAL = re.compile(r"authori[sz]|authenticat|forbidden|access denied|api.?key|credential|token", re.IGNORECASE)
JSON_STREAM = ("application/json", "text/event-stream")
QUIET = (Trouble.SILENT, Trouble.SPENT)
NEEDED = ("again", "own", "initialized", "list", "discover", "known path", "known challenge")


def stopped(heard: Evidence) -> Iterator[Seen]:
    """What makes the first answer useless to every client."""
    bare = heard.answers["bare"]
    if bare.cut == "broken":
        yield Seen("broken-body", f"{bare.status} with a body that breaks off")
        return
    if bare.cut == "coding":
        coding = clean(bare.headers["content-encoding"], 40)
        yield Seen("broken-body", f"{bare.status} with content-encoding: {coding}, which nobody asked for")
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
    elif bare.status < 300 and (page(bare.body) or (bare.type == "text/html" and bare.body)):
        yield Seen("html", f"{bare.status} with an HTML page", {"url": heard.target.shown})
    elif bare.status in (404, 405, 410):
        yield Seen("not-found", f"{bare.status} for POST", {"url": heard.target.shown})
    elif bare.status == 406:
        yield Seen("not-acceptable", "406 for a client that takes JSON and streams")
    elif bare.status >= 500:
        yield Seen("broken", f"{bare.status} {words(bare)}".strip())
    elif bare.status >= 300 or error(bare):
        said = words(bare)
        yield Seen("auth-status" if CREDENTIAL.search(said) else "initialize", f"{bare.status} {said}".strip())
    else:
        try:
            reply(bare.body, bare.headers.get("content-type", ""))
            what = "a reply without a result"
        except Unreadable as why:
            what = str(why)
        yield Seen("not-json", f"{bare.status} with {what}")


def words(answer: Answer) -> str:
    """What `message` says, for a sentence: short, and of a page no more than that it is one."""
    if page(answer.body):
        return "with an HTML page"
    return clean(message(answer), 100)


def answers_elsewhere(heard: Evidence) -> bool:
    """Whether the URL lacks its path: at the usual one, a server answers."""
    usual = heard.heard("usual path")
    return bool(usual and (result(usual) is not None or refused(usual)))


def malformed(bare: Answer) -> Iterator[Seen]:
    """A reply to `initialize` that only a patient client takes for one."""
    if seen := [*misframed(bare, "initialize")]:
        yield from seen
        return
    said = result(bare) or {}
    wrong = mistyped(said, {"capabilities": dict, "serverInfo": dict, "instructions": str})
    if isinstance(info := said.get("serverInfo"), dict):
        wrong += [f"serverInfo.{name}" for name in mistyped({"name": None, "version": None, **info}, INFO)]
    if isinstance(able := said.get("capabilities"), dict):
        wrong += [f"capabilities.{name}" for name in mistyped(able, CAPABILITIES)]
    if missing := [name for name in ("protocolVersion", "capabilities", "serverInfo") if name not in said]:
        yield Seen("initialize-result", f"a result without {', '.join(missing)}")
    elif wrong:
        yield Seen("initialize-result", f"missing, or of another type: {', '.join(wrong)}")


def misframed(answer: Answer, method: str) -> Iterator[Seen]:
    """Whether clients take a result for the reply to what they asked, with the id 1."""
    said = reply(answer.body, answer.headers.get("content-type", ""))
    if answer.type not in JSON_STREAM:
        yield Seen("content-type", f"content-type: {clean(answer.type or 'none', 60)} for {method}")
    elif said.get("jsonrpc") != "2.0":
        yield Seen("json-rpc", f'a reply to {method} without "jsonrpc": "2.0"')
    elif "error" in said:
        yield Seen("json-rpc", f"a reply to {method} with both result and error")
    elif said.get("id") != 1:
        id = clean(json.dumps(said.get("id")), 40)
        yield Seen("json-rpc", f"id {id} in the reply to {method} with id 1")


def mistyped(said: Object, kinds: Mapping[str, type]) -> list[str]:
    """The members of another type, for which both official SDKs refuse the whole result; one of them for null, too."""
    return [name for name, kind in kinds.items() if name in said and not isinstance(said[name], kind)]


def initialized(heard: Evidence) -> Iterator[Seen]:
    """The notification that ends the handshake, which clients wait for."""
    answer = heard.heard("initialized")
    if answer and not losses(heard) and answer.status >= 400 and answer.status not in (429, 503):
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


def failing(heard: Evidence) -> Iterator[Seen]:
    """Calls that some replicas answer and others do not."""
    if late := [answer for answer in heard.follow_ups if answer.status >= 500 and answer.status != 503]:
        yield Seen(
            "calls-broken", f"{late[0].status} for {len(late)} of {len(heard.follow_ups)} calls after initialize"
        )


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
    elif not get.said or not heard.inside:
        return  # 401 before anybody signed in is what the SDKs answer, too
    elif get.status == 401 and heard.credential:
        yield Seen("get-401", "401 for GET, with the credential that POST accepts")
    elif get.status >= 500 and get.status != 503:  # which says that there is a limit
        yield Seen("get-broken", f"{get.status} for GET")
    elif get.status in (400, 403) or (get.status < 400 and get.type != "text/event-stream"):
        what = f" with {clean(get.type or 'no content type', 40)}" if get.status == 200 else ""
        yield Seen("get-400", f"{get.status}{what} for GET")


def buffered(heard: Evidence) -> Iterator[Seen]:
    """Whether a proxy keeps an event stream until its end."""
    own, plain = heard.heard("again"), heard.heard("json")
    if own and own.type == "text/event-stream" and own.seconds > SLOW:
        held = "content-length" in own.headers
        if held or (plain and plain.type != "text/event-stream" and plain.seconds < QUICK):
            yield Seen("buffered", f"the first byte of a stream after {own.seconds:.1f} s")


def silent(heard: Evidence) -> Iterator[Seen]:
    """Requests that matter and got no answer: nothing is concluded from them."""
    names = {"again": "initialize", "own": "initialize", "initialized": "notifications/initialized"}
    names |= {"list": "tools/list", "discover": "server/discover"}
    asked = [(names.get(name, "metadata"), heard.answers[name]) for name in NEEDED if name in heard.answers]
    asked += [("calls after initialize", answer) for answer in heard.follow_ups]
    for issuer in heard.issuers:
        asked += [("authorization server", a) for a in [*issuer.places.values(), *issuer.answers.values()]]
    if quiet := dict.fromkeys(name for name, answer in asked if answer.trouble in QUIET):
        yield Seen("unanswered", f"no answer in time: {', '.join(quiet)}")
