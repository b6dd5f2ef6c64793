"""The authorization servers: metadata, endpoints, and what clients need of them."""

from collections.abc import Iterator

from ..documents import Unreadable, an_object, page, texts
from ..evidence import Evidence, Issuer, document
from ..exchange import Answer, Trouble
from ..findings import Seen
from ..target import parse
from ..text import clean, place
from .edge import REDIRECTS
from .metadata import unlisted

ABSENT = (0, 404, 405, 410, 502, 503, 504)
"""Statuses of a place where nothing listens; 0 stands for silence."""
QUIET = (Trouble.SILENT, Trouble.SPENT)


def issuers(heard: Evidence) -> Iterator[Seen]:
    """Everything about each authorization server."""
    if not heard.oauth:
        return
    for issuer in heard.issuers:
        if issuer.forbidden:
            yield Seen("issuer-forbidden", f"{place(issuer.text)}: {issuer.forbidden}", {"issuer": place(issuer.text)})
        elif issuer.metadata is None:
            yield from without_metadata(issuer)
        else:
            yield from with_metadata(issuer)
            yield from endpoints(issuer)


def without_metadata(issuer: Issuer) -> Iterator[Seen]:
    values = {"issuer": place(issuer.text)}
    answers = list(issuer.places.values())
    if any(answer.trouble in QUIET for answer in answers):
        return
    heard = [answer for answer in answers if answer.said]
    if not heard:
        yield Seen("issuer-unreachable", f"{place(issuer.text)}: {answers[0].trouble}", values)
    elif any(answer.status == 200 and page(answer.body) for answer in heard):
        yield Seen("issuer-html", "an HTML page where the metadata should be", values)
    elif any(answer.status >= 500 for answer in heard):
        yield Seen("issuer-broken", f"{max(answer.status for answer in heard)} where the metadata should be", values)
    elif any(answer.status == 200 for answer in heard):
        [worst, *_] = [answer for answer in heard if answer.status == 200]
        yield Seen("issuer-unreadable", kind_of(worst), values)
    else:
        yield Seen("issuer-missing", f"{heard[0].status} at every place", values)


def with_metadata(issuer: Issuer) -> Iterator[Seen]:
    said, values = issuer.metadata or {}, {"issuer": place(issuer.text)}
    named = said.get("issuer")
    values["named"] = place(clean(named))
    if named != issuer.text:
        alike = isinstance(named, str) and named.rstrip("/") == issuer.text.rstrip("/")
        seen = f"{values['named']} there, {values['issuer']} here"
        yield Seen("issuer-slash" if alike else "issuer", seen, values)
    found = [name for name, answer in issuer.places.items() if document(answer) is not None]
    quiet = any(answer.trouble in QUIET for answer in issuer.places.values())
    behind_path = parse(issuer.text).path.partition("?")[0] not in ("", "/")
    if behind_path and len(found) == 1 and not quiet:
        where = issuer.places[found[0]].request.url.shown
        yield Seen("issuer-place", f"metadata at {where} alone", values)
    yield from unlisted(said, issuer.text)
    if "S256" not in texts(methods := said.get("code_challenge_methods_supported", [])) and isinstance(methods, list):
        yield Seen("pkce", "S256 is not in code_challenge_methods_supported", values)
    if not said.get("registration_endpoint") and said.get("client_id_metadata_document_supported") is not True:
        yield Seen("registration-none", "neither dynamic registration nor client ID metadata documents", values)
    if said.get("authorization_response_iss_parameter_supported") is not True:
        yield Seen("iss", "authorization_response_iss_parameter_supported is not true", values)
    grants = said.get("grant_types_supported")
    if isinstance(grants, list) and "refresh_token" not in grants:
        yield Seen("refresh", "refresh_token is not in grant_types_supported", values)
    for name in ("authorization_endpoint", "token_endpoint"):
        if not isinstance(said.get(name), str):
            yield Seen("endpoint-missing", f"no {name}", {**values, "endpoint": name})
    for name, needed in (("response_types_supported", "code"), ("grant_types_supported", "authorization_code")):
        listed = said.get(name)
        if isinstance(listed, list) and needed not in listed:
            yield Seen("grants", f"{name} without {needed}", {**values, "name": name, "needed": needed})


def endpoints(issuer: Issuer) -> Iterator[Seen]:
    values = {"issuer": place(issuer.text)}
    for name, answer in issuer.answers.items():
        if answer.trouble is Trouble.FORBIDDEN:
            yield Seen("endpoint-forbidden", f"{name}: {answer.detail}", {**values, "endpoint": name})
    token = issuer.answers.get("token_endpoint")
    if token and token.said and not an_error(token):
        yield Seen("token-endpoint", f"{token.status} with {kind_of(token)} for a wrong code", values)
    elif token and token.trouble not in (None, Trouble.FORBIDDEN, *QUIET):
        yield Seen("token-endpoint", str(token.trouble), values)
    authorize = issuer.answers.get("authorization_endpoint")
    if authorize and authorize.trouble not in (Trouble.FORBIDDEN, *QUIET) and authorize.status in ABSENT:
        yield Seen("authorization-endpoint", str(authorize.status or authorize.trouble), values)
    closed = issuer.answers.get("registration_endpoint")
    if closed and closed.trouble not in (Trouble.FORBIDDEN, *QUIET) and shut(closed):
        what = closed.status or str(closed.trouble)
        yield Seen("registration-closed", f"{what} for a registration without credentials", values)


def shut(answer: Answer) -> bool:
    """Whether nobody can register here."""
    known = answer.status in (401, 403, *ABSENT, *REDIRECTS) or answer.status >= 500
    return known or page(answer.body)


def an_error(answer: Answer) -> bool:
    """Whether an answer is an error of RFC 6749 §5.2."""
    try:
        return 400 <= answer.status < 500 and answer.status not in ABSENT and "error" in an_object(answer.body)
    except Unreadable:
        return False


def kind_of(answer: Answer) -> str:
    """What a body is in place of what it should be."""
    if answer.cut:
        return "more than 1 MB" if answer.cut == "size" else f"a body without an end in {answer.whole:.0f} s"
    if page(answer.body):
        return "an HTML page"
    try:
        an_object(answer.body)
    except Unreadable as why:
        return str(why)
    return "JSON of another kind"
