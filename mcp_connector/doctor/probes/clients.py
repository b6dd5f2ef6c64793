"""What a client goes through at the authorization server: registration, authorization request, sign-in, first call."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qs

from ..clients import Registration, callbacks, methods
from ..data import platforms as known
from ..documents import Object, Unreadable, an_object, page, texts
from ..evidence import Evidence, error, result
from ..exchange import Answer
from ..findings import Seen
from ..text import clean

CODE = re.compile(r"AADSTS\d+")


def registrations(heard: Evidence) -> Iterator[Seen]:
    """Whether each platform gets the client that it asks for."""
    for issuer in heard.issuers:
        if any(made.answer.status == 429 for made in issuer.registrations):
            yield Seen("limited", "429 for a registration")
        every = sorted(issuer.registrations, key=lambda made: [*callbacks()].index(made.platform))
        found = [(made.platform, made.callback, *one) for made in every for one in wrong(made, issuer.metadata or {})]
        yield from together(found)


def wrong(made: Registration, said: Object) -> Iterator[tuple[str, str]]:
    """The probes that speak, and what they saw."""
    if not made.answer.said or made.answer.status == 429:
        return
    if not made.id:
        yield "register-refused", f"{made.answer.status} {oauth_error(made.answer)}"
        return
    if made.callback not in texts(made.client.get("redirect_uris")):
        yield "register-callback", "201 with another callback"
    method = made.client.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in methods(said):
        yield "register-method", f"a client with the method {clean(method, 40)}, and metadata without it"


def together(found: Iterable[tuple[str, str, str, str]]) -> Iterator[Seen]:
    """One finding for all platforms in which the same was seen: platform, callback, probe and what was seen."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for platform, callback, probe, seen in found:
        groups.setdefault((probe, seen), []).append((platform, callback))
    for (probe, seen), members in groups.items():
        platforms, callbacks = zip(*members, strict=True)
        titles = [known()[platform]["title"] for platform in platforms]
        values = {"callback": ", ".join(callbacks), "platform": ", ".join(titles)}
        yield Seen(probe, f"{seen} for {values['platform']}", values, platforms)


def oauth_error(answer: Answer) -> str:
    """`error` and its description (RFC 6749 §5.2, RFC 7591 §3.2.2)."""
    try:
        said = an_object(answer.body)
    except Unreadable as why:
        return str(why)
    parts = [said.get("error"), said.get("error_description")]
    return clean(": ".join(part for part in parts if isinstance(part, str)) or "without an error", 120)


def authorized(heard: Evidence) -> Iterator[Seen]:
    """Whether the provider knows each platform's callback for the client that was given."""
    known = callbacks()
    for issuer in heard.issuers:
        told = {platform: refusal_in(answer) for platform, answer in issuer.authorized.items()}
        refused = [platform for platform in known if told.get(platform)]
        yield from together((platform, known[platform], "callback", told[platform]) for platform in refused)


def refusal_in(answer: Answer) -> str:
    """Why an authorization request was refused; empty where a sign-in would begin."""
    if not answer.said:
        return ""
    query = parse_qs(answer.headers.get("location", "").partition("?")[2].partition("#")[0])
    if "error" in query:
        return clean(": ".join([query["error"][0], *query.get("error_description", [])]), 120)
    text = answer.body[:100_000].decode("utf-8", "replace")
    if code := CODE.search(text):
        return f"{answer.status} {code[0]}"
    if answer.status >= 400:
        return f"{answer.status} {'with a page' if page(answer.body) else oauth_error(answer)}"
    return ""


def signed_in(heard: Evidence) -> Iterator[Seen]:
    """How far the sign-in in the browser went."""
    login = heard.login
    if login is None:
        return
    if login.made and not login.made.id:
        found = [("vscode", login.made.callback, *one) for one in wrong(login.made, {})]
        yield from together(found)
    elif login.refused:
        code = CODE.search(login.refused)
        yield Seen("login-refused", clean(login.refused, 160), {"code": code[0] if code else "its error"})
    elif login.waited:
        yield Seen("login-waited", "nobody came back from the browser")
    elif login.foreign:
        yield Seen("login-issuer", "iss of the answer is not the issuer of the metadata")
    elif login.exchange and not login.credential:
        yield Seen("login-token", f"{login.exchange.status or login.exchange.trouble} {oauth_error(login.exchange)}")
    elif login.refresh is None:
        yield Seen("login-refresh-none", "an access token without a refresh token")
    elif login.refresh.said and login.refresh.status != 200:
        yield Seen("login-refresh", f"{login.refresh.status} {oauth_error(login.refresh)}")


def called(heard: Evidence) -> Iterator[Seen]:
    """What the tool said that was called by name."""
    answer = heard.called
    if heard.wanted_tool and answer is None and heard.tools is not None:
        yield Seen("call", f"no tool of the name {clean(heard.wanted_tool, 64)}")
    if answer is None or not answer.said:
        return
    said = result(answer)
    if said is None:
        why = (error(answer) or {}).get("message", "")
        yield Seen("call", f"{answer.status} {clean(why, 120)}".strip())
    elif said.get("isError"):
        content = said.get("content")
        texts = [part.get("text") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
        yield Seen("call-error", clean(" ".join(text for text in texts if isinstance(text, str)), 160))


def stay(heard: Evidence) -> list[str]:
    """Clients that the provider does not let the doctor delete."""
    made = [made for issuer in heard.issuers for made in [*issuer.registrations, *filter(None, [issuer.empty])]]
    made += [heard.login.made] if heard.login and heard.login.made else []
    return [clean(one.id, 60) for one in made if one.id and not one.removed]
