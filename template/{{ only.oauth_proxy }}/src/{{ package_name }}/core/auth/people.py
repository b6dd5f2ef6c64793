"""The identity provider: where people log in, and which user one of its tokens is for."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx2
from fastmcp.server.auth import AccessToken, TokenVerifier
from pydantic import TypeAdapter

from ...settings import Settings
from .issuer import IssuerUnavailable, discover
from .state import unavailable

logger = logging.getLogger(__name__)

KNOWN = 3600.0  # seconds for which a user is let in while the identity provider cannot be asked
REMEMBERED = 4096  # people; of more, those not seen for longest are forgotten
CLAIMS = TypeAdapter(dict[str, Any])


class Person(NamedTuple):
    """Whom the identity provider named for a token, and when (monotonic seconds)."""

    access: AccessToken
    named: float


class IdentityProvider(TokenVerifier):
    """Asks the identity provider who a token is for (OpenID Connect Core §5.3), and remembers that for a while."""

    def __init__(self, settings: Settings, http: httpx2.AsyncClient) -> None:
        super().__init__(required_scopes=list(settings.oauth_scopes))
        self.settings, self.http = settings, http
        self.endpoints: dict[str, str] = {}
        self._finding = asyncio.Lock()
        self._people: OrderedDict[bytes, Person] = OrderedDict()
        self._asked: dict[bytes, asyncio.Task[AccessToken | None]] = {}

    async def find(self) -> dict[str, str]:
        """Its endpoints by their names in the metadata, from the settings or else from discovery.

        Raises:
            IssuerUnavailable: It does not answer, or its documents cannot be used; the message says why.
        """
        settings = self.settings
        async with self._finding:
            if not self.endpoints:
                named = {
                    "authorization_endpoint": settings.oauth_authorization_url,
                    "token_endpoint": settings.oauth_token_url,
                    "userinfo_endpoint": settings.oauth_userinfo_url,
                }
                unset = [name for name, url in named.items() if not url]
                document = await discover(self.http, settings.oauth_issuer, *unset) if unset else {}
                self.endpoints = {name: url or str(document[name]) for name, url in named.items()}
        return self.endpoints

    async def verify_token(self, token: str) -> AccessToken | None:
        """The person for whom the identity provider issued a token, or None if it is not good or they may not call.

        Someone whom it named within the last hour goes on while it is down. Calls with one token ask it once.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._people.get(digest)
        age = time.monotonic() - known.named if known else 0.0
        if known and age < self.settings.oauth_cache_seconds:
            self._people.move_to_end(digest)
            return known.access
        if digest not in self._asked:
            self._asked[digest] = asyncio.create_task(self._name(token, digest))
            self._asked[digest].add_done_callback(lambda task: self._answered(digest, task))
        try:
            return await asyncio.shield(self._asked[digest])  # whoever leaves does not end the others' wait
        except IssuerUnavailable as error:
            if known and age < KNOWN:
                return known.access
            raise unavailable(str(error)) from error

    def _answered(self, digest: bytes, task: asyncio.Task[AccessToken | None]) -> None:
        del self._asked[digest]
        if not task.cancelled():
            task.exception()  # who asked may have left, and would else leave a traceback

    async def _name(self, token: str, digest: bytes) -> AccessToken | None:
        claims = await self._ask(token)
        self._people.pop(digest, None)
        if claims is None or not may_call(claims, self.settings.oauth_allowed_users, self.settings.oauth_domain_claim):
            return None
        subject = str(claims.get("sub") or claims.get("id"))
        access = AccessToken(token=token, client_id="", scopes=[], subject=subject, claims=claims)
        self._people[digest] = Person(access, time.monotonic())
        if len(self._people) > REMEMBERED:
            self._people.popitem(last=False)
        return access

    async def _ask(self, token: str) -> dict[str, Any] | None:
        try:
            place = (await self.find())["userinfo_endpoint"]
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
            answer = await self.http.get(place, headers=headers)
        except (httpx2.HTTPError, IssuerUnavailable) as error:
            raise IssuerUnavailable(f"the identity provider: {str(error) or type(error).__name__}") from error
        slowed = answer.status_code == 403 and answer.headers.get("x-ratelimit-remaining") == "0"  # so says GitHub
        if answer.status_code in {400, 401, 403} and not slowed:
            return None
        try:
            claims = CLAIMS.validate_python(answer.raise_for_status().json())
        except (httpx2.HTTPError, ValueError, RecursionError) as error:
            raise IssuerUnavailable(f"{place} answers {answer.status_code}, not who a token is for") from error
        return claims if claims.get("sub") or claims.get("id") else None


def may_call(claims: Mapping[str, Any], allowed: tuple[str, ...], domain_claim: str = "") -> bool:
    """Whether OAUTH_ALLOWED_USERS names this person: by subject, verified e-mail address or domain, or all of them.

    An address that the identity provider has not verified is whatever the user typed. Its domain says who has the
    mailbox; where accounts belong to organisations, OAUTH_DOMAIN_CLAIM says which.
    """
    # OpenID Connect names people by `sub`, GitHub by a number. Both are compared as they are, the rest in any case.
    subject, names = str(claims.get("sub") or claims.get("id")), set()
    login = str(claims.get("login", "")).lower()
    if login and not claims.get("sub") and not login.isdecimal():  # a login of digits could be another's number
        names.add(login)
    email = str(claims.get("email", "")).lower()
    if email and str(claims.get("email_verified", "")).lower() == "true":
        domain = str(claims.get(domain_claim, "")).lower() if domain_claim else email.rpartition("@")[2]
        names |= {email, *([f"@{domain}"] if domain else [])}
    if "*" in allowed or any(word == subject or word.lower() in names for word in allowed):
        return True
    logger.warning("%s has logged in and is not among OAUTH_ALLOWED_USERS", [subject, *sorted(names)])
    return False
