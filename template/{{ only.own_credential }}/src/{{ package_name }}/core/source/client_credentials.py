"""The connector's own token for the upstream API, by OAuth 2 client credentials (RFC 6749 §4.4)."""

import asyncio
import base64
import logging
import math
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx2

from ...client import Post, Renewed, UpstreamError
from ...settings import Settings
from ..edge.observe import note
from .answer import LARGE, Unusable, json_of
from .refusals import LATER

logger = logging.getLogger("connector.upstream")

EARLY = 30.0  # seconds before its end at which a token is no longer used
SHORTEST = 1.0  # seconds that a token is used at least
LONGEST = 24 * 3600.0  # seconds that a token is used at most
UNKNOWN = 300.0  # seconds, if the answer does not say how long the token is good
PAUSE = 60.0  # seconds in which one refused token is replaced: if the next is refused too, a third would not help
TOKEN = re.compile("[!-~]{1,16384}")
LATER_AGAIN = "Try again in a minute."
OWNER = "Do not try again: the maintainer must check UPSTREAM_TOKEN_URL and the settings beside it."
# RFC 6749 §5.2 and §4.1.2.1, RFC 8707 §2. Other words of an answer are not repeated: they may hold the secret.
CODES = {
    *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
    *("invalid_scope", "invalid_target", "access_denied", "server_error", "temporarily_unavailable"),
}


class ClientCredentials(Renewed):
    """One token for all calls, fetched once however many wait for it; `more` are headers to send beside it."""

    def __init__(self, settings: Settings, url: str, secret: str, more: Mapping[str, str]) -> None:
        client_id = settings.upstream_client_id
        form = {
            "grant_type": "client_credentials",
            "scope": settings.upstream_scope,
            "audience": settings.upstream_audience,
            "resource": settings.upstream_resource,
        }
        headers = {}
        if settings.upstream_client_auth == "basic":  # RFC 6749 §2.3.1 encodes both
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": client_id, "client_secret": secret}
        self._request = url, headers, {name: value for name, value in form.items() if value}
        self._more, self._host = more, urlsplit(url).hostname
        self._one = asyncio.Lock()
        self._headers: Mapping[str, str] = {}
        self._until = 0.0  # by the monotonic clock, like the others
        self._replaced = -math.inf
        self._failed, self._why = -math.inf, ""

    async def current(self, post: Post) -> Mapping[str, str]:
        began = time.monotonic()
        async with self._one:
            if self._failed > began:  # while this call waited
                note(upstream="no_token")
                raise UpstreamError(self._why)
            if time.monotonic() >= self._until:
                try:
                    token, lasts = await self._fetched(post)
                except UpstreamError as error:
                    self._failed, self._why = time.monotonic(), str(error)
                    raise
                self._headers = {**self._more, "Authorization": f"Bearer {token}"}
                self._until = time.monotonic() + max(lasts - EARLY, lasts / 2, SHORTEST)
            return self._headers

    def refused(self, headers: Mapping[str, str]) -> bool:
        now = time.monotonic()
        if headers == self._headers and self._until > 0.0:
            if now - self._replaced < PAUSE:
                return False
            self._until, self._replaced = 0.0, now
        return True

    async def _fetched(self, post: Post) -> tuple[str, float]:
        """A token, and for how many seconds it is good."""
        try:
            answer, content = await post(*self._request)
            found = answered(answer, content)
        except UpstreamError as error:
            raise self._failure("its endpoint does not answer", LATER_AGAIN) from error
        except Unusable as error:
            raise self._failure(f"the answer of its endpoint cannot be used, because {error.why}") from error
        if (status := answer.status_code) >= 300:
            passing = status in LATER or status >= 500
            verb = "fails" if passing else "redirects" if status < 400 else "refuses"
            code = "".join(f", {known}" for known in sorted(CODES) if known == found.get("error"))
            raise self._failure(f"its endpoint {verb} ({status}{code})", LATER_AGAIN if passing else OWNER)
        token, kind = found.get("access_token"), str(found.get("token_type", "bearer"))
        if not isinstance(token, str) or not TOKEN.fullmatch(token) or not kind.lower().startswith("bearer"):
            raise self._failure("the answer of its endpoint holds no bearer token")  # RFC 6749 §7.1
        return token, lifetime(found.get("expires_in"))

    def _failure(self, why: str, remedy: str = OWNER) -> UpstreamError:
        note(upstream="no_token")
        logger.warning("no token from %s: %s", self._host, why)
        return UpstreamError(f"The connector gets no token for the upstream API: {why}. {remedy}")


def answered(answer: httpx2.Response, content: bytes) -> Mapping[str, Any]:
    """The members of an answer; none, if it is an error without any.

    Raises:
        Unusable: It is a success, and not JSON.
    """
    try:
        if len(content) > LARGE:
            raise Unusable("it is too large", "")
        found = json_of(answer.headers, content)
    except Unusable:
        if answer.status_code < 300:
            raise
        return {}
    return found if isinstance(found, dict) else {}


def lifetime(expires_in: object) -> float:
    """Seconds that a token is good; some servers write them as text, or not at all (RFC 6749 §5.1)."""
    try:
        lasts = float(str(expires_in))
    except ValueError:
        lasts = math.nan
    return UNKNOWN if math.isnan(lasts) else min(max(lasts, 0.0), LONGEST)
