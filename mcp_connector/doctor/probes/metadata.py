"""The challenge, and the metadata of the protected resource (RFC 9728)."""

import re
from collections.abc import Iterator

from ..documents import Object, page, texts
from ..evidence import Evidence, document
from ..exchange import Trouble
from ..findings import Seen
from ..target import joined, parse
from ..text import clean, place


def challenge(heard: Evidence) -> Iterator[Seen]:
    """Whether the refusal says where to sign in."""
    if not heard.closed:
        return
    bare = heard.heard("bare")
    if heard.oauth and bare and bare.status == 403:
        yield Seen("challenge-status", "403 for a caller without a token")
    elif not heard.challenge:
        yield Seen("challenge" if heard.oauth else "challenge-key", "401 or 403 without WWW-Authenticate")
    elif re.match(r"basic\b(?!.*\bbearer\b)", heard.challenge, re.IGNORECASE):
        yield Seen("challenge-key", f"WWW-Authenticate: {clean(heard.challenge, 60)}")
    elif re.match(r"(negotiate|ntlm|digest)\b(?!.*\bbearer\b)", heard.challenge, re.IGNORECASE):
        yield Seen("challenge-password", f"WWW-Authenticate: {clean(heard.challenge, 60)}")
    elif heard.resource and not heard.challenge_url:
        yield Seen("challenge-metadata", "WWW-Authenticate without resource_metadata")
    elif heard.resource and not re.search(r"\bbearer\b", heard.challenge, re.IGNORECASE):
        yield Seen("challenge-metadata", "WWW-Authenticate without the scheme Bearer")
    elif heard.challenge_url and heard.resource and not at_home(heard, heard.challenge_url):
        values = {"url": place(heard.challenge_url), "origin": heard.target.origin}
        yield Seen("challenge-url", f"resource_metadata at {values['url']}", values)
    elif heard.challenge_url and heard.resource and heard.resource_from != "challenge":
        named, found = heard.heard("known challenge"), heard.answers[f"known {heard.resource_from}"]
        if named and heard.challenge_url != heard.answers["known path"].request.url.text:  # else see `resource`
            seen = f"{named.status} without metadata at {place(heard.challenge_url)}"
            yield Seen("challenge-broken", seen, {"url": found.request.url.shown})
    if "offline_access" in heard.challenge:
        yield Seen("offline-access", "offline_access in the challenge")


def at_home(heard: Evidence, url: str) -> bool:
    try:
        return parse(url).origin == heard.target.origin
    except ValueError:
        return False


def resource(heard: Evidence) -> Iterator[Seen]:
    """Whether the metadata is found, and names this URL."""
    if not heard.oauth:
        return
    if heard.resource is None:
        named = heard.answers.get("known challenge")
        if named and named.trouble is Trouble.FORBIDDEN:
            yield Seen("resource-forbidden", f"{place(heard.challenge_url)}: {named.detail}")
        elif not any(a and a.trouble in (Trouble.SILENT, Trouble.SPENT) for a in places(heard)):
            seen = ", ".join(dict.fromkeys(str(a.status or a.trouble) for a in places(heard)))
            yield Seen("resource-missing", f"{seen} at every place", {"url": joined(heard.target, "/").origin})
        return
    path = heard.heard("known path")
    if heard.target.path != "/" and path and document(path) is None:
        probe = "resource-root" if heard.resource_from != "challenge" else "resource-place"
        yield Seen(probe, f"{path.status} at {path.request.url.shown}", {"url": path.request.url.shown})
    said, own = heard.resource.get("resource"), heard.target.text
    if heard.target.path == "/" and isinstance(said, str):  # the same URL with and without it (RFC 3986 §6.2.3)
        said, own = said.removesuffix("/"), own.removesuffix("/")
    if said != own:
        yield Seen("resource", f"{place(clean(said))}", {"url": heard.target.shown})
    servers = heard.resource.get("authorization_servers")
    if not texts(servers):
        yield Seen("resource-servers", "no URL in authorization_servers" if servers else "no authorization_servers")
    yield from unlisted(heard.resource, heard.target.origin)
    scopes = heard.resource.get("scopes_supported")
    if isinstance(scopes, list) and "offline_access" in scopes and "offline_access" not in heard.challenge:
        yield Seen("offline-access", "offline_access in scopes_supported of the metadata")


LISTS = ("scopes", "response_types", "grant_types", "code_challenge_methods", "token_endpoint_auth_methods")


def unlisted(said: Object, whose: str) -> Iterator[Seen]:
    """Members that must be lists of texts: clients refuse the whole document otherwise, some also for null."""
    values = {name: said[name] for part in LISTS if (name := f"{part}_supported") in said}
    wrong = [name for name, value in values.items() if not isinstance(value, list) or len(texts(value)) < len(value)]
    if wrong:
        yield Seen("metadata-types", f"{', '.join(wrong)} of {place(whose)}", {"names": ", ".join(wrong)})


def places(heard: Evidence) -> list:  # type: ignore[type-arg]
    found = [heard.answers.get(f"known {name}") for name in ("challenge", "path", "root")]
    return [answer for answer in found if answer]


def uninvited(heard: Evidence) -> Iterator[Seen]:
    """Metadata of a sign-in that this server does not want."""
    if heard.oauth or not (heard.open or heard.closed):
        return
    for name in ("path", "root", "server"):
        answer = heard.heard(f"known {name}")
        if not answer:
            continue
        broken = answer.status >= 500 or (answer.status == 200 and page(answer.body))
        if broken or (name != "server" and document(answer) is not None):
            what = " with a page" if page(answer.body) else ""
            yield Seen("uninvited", f"{answer.status}{what} at {answer.request.url.shown}")
            return
