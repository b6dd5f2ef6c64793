"""Who is let in: the owner of a credential, and nobody else."""

import base64
import binascii
import re
from collections.abc import Iterator

from ..documents import Unreadable, an_object
from ..evidence import Evidence, refused, result
from ..exchange import Answer
from ..findings import Seen
from ..text import clean
from .edge import LIMITS, REDIRECTS
from .transport import CREDENTIAL, versioned, words


def own(heard: Evidence) -> Iterator[Seen]:
    """Whether the credential that was given is accepted."""
    answer = heard.heard("own")
    if not heard.credential or not answer:
        return
    if not heard.inside and not refused(answer):
        yield from unheard(heard, answer)
        return
    if heard.inside and not (heard.open or heard.closed):
        status = heard.answers["bare"].status
        yield Seen("auth-status", f"{status} without a credential, and a reply with one")
    if not (refused(answer) or listing_refused(heard)):
        return
    late = not refused(answer)
    at = heard.answers["list"] if late else answer
    why = re.search(r'error="([^"]*)"', at.headers.get("www-authenticate", ""))
    told = f" {clean(why[1], 40)}" if why else ""
    what = "tools/list" if late else "initialize"
    claims = said_in(heard.credential.bearer)
    yield Seen("token-refused" if claims or heard.oauth else "key-refused", f"{at.status}{told} at {what}{claims}")


def unheard(heard: Evidence, answer: Answer) -> Iterator[Seen]:
    """What a credential gets in place of a reply or a refusal."""
    said = words(answer)
    seen = f"{answer.status} {said}".strip() + " at initialize, with the credential"
    if answer.status == 429:
        yield Seen("limited", seen)
    elif answer.status >= 500:
        yield Seen("broken", seen)
    elif answer.status < 500 and (CREDENTIAL.search(said) or answer.status in REDIRECTS):
        yield Seen("key-refused", seen)
    elif not versioned(heard):
        yield Seen("initialize", seen)


def listing_refused(heard: Evidence) -> bool:
    listed = heard.heard("list")
    return bool(listed and refused(listed))


def said_in(token: str) -> str:
    """Audience, scope and issuer of a JWT: never the token, and nothing about its user."""
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    try:
        claims = an_object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (Unreadable, binascii.Error, ValueError):
        return ""
    named = {name: claims.get(name, claims.get("scp") if name == "scope" else None) for name in ("iss", "aud", "scope")}
    return "; token with " + ", ".join(f"{n} {clean(v, 80) if v else 'missing'}" for n, v in named.items())


def strangers(heard: Evidence) -> Iterator[Seen]:
    """Whether something that is not a token opens the door."""
    for name, probe, seen in (
        ("garbage", "token-garbage", "200 for a token that nobody issued"),
        ("query", "token-query", "200 for a token in the URL"),
    ):
        answer = heard.heard(name)
        if answer and not heard.open and result(answer) is not None:
            yield Seen(probe, seen)
            return
    asked, bare = heard.heard("query"), heard.heard("bare")
    if asked and bare and refused(bare) and refused(asked):
        told = asked.headers.get("www-authenticate", "")
        if "invalid_token" in told and "invalid_token" not in bare.headers.get("www-authenticate", ""):
            yield Seen("token-query", "a token in the URL is read: it gets another answer than none")


def expired(heard: Evidence) -> Iterator[Seen]:
    """Whether a token that is not good gets the status for which clients renew it."""
    answer, bare = heard.heard("garbage"), heard.heard("bare")
    usual = (401, *LIMITS, bare.status if bare else 0)
    if heard.oauth and not heard.open and answer and answer.status not in usual and result(answer) is None:
        yield Seen("token-status", f"{answer.status} for a token that nobody issued")
