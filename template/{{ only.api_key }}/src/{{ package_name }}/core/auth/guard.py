"""API keys: who may call, and what a refusal says (RFC 6750 §3, RFC 9110 §11.6.1)."""

import re
from collections.abc import Iterable, Set
from typing import NamedTuple

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..edge.attempts import Attempts, address
from ..edge.limits import REASON
from ..edge.observe import fingerprint, note
from .keys import PREFIX, Key, KeyRing, KeysUnreadable
from .scopes import Policy

WRONG_KEYS = 20  # a minute, from one address or for one key id
POLICY = Policy(always=frozenset(), read=frozenset({"read"}), write=frozenset({"write"}))


class Authenticate:
    """Let only callers with a valid key reach the protocol layer."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self.app, self.keys = AuthContextMiddleware(app), keys
        self.failures = Attempts(WRONG_KEYS)
        self.known: dict[str, Caller] = {}  # by the ids of keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        presented = credentials(scope["headers"])
        if not presented:
            return await refuse(401, "unauthorized", "Bearer")(scope, receive, send)
        if len(presented) > 1:
            return await refuse(400, "invalid_request: two different keys were sent")(scope, receive, send)
        [key] = presented
        try:
            known = self.keys.find(key)
        except KeysUnreadable as error:
            note(error="keys_unreadable", detail=str(error)[:REASON])
            return await refuse(503, "the keys cannot be checked now", retry_after=10)(scope, receive, send)
        if known is None:
            claimed = claimed_id(key)
            note(caller=claimed or None, error=self.keys.fault(key))
            # A valid key is never delayed, so nobody can lock its owner out.
            if wait := max(self.failures.count(who) for who in (address(scope), claimed and f"key {claimed}") if who):
                note(detail="too many wrong keys")
                return await refuse(429, "too many wrong keys", retry_after=wait)(scope, receive, send)
            return await refuse(401, "invalid_token", challenge("invalid_token"))(scope, receive, send)
        caller = self.known.get(known.id)
        if caller is None or caller.key is not known:  # first seen, or changed in the file
            caller = self.known[known.id] = caller_with(known)
        note(caller=known.id, person=caller.person)
        await self.app({**scope, "user": caller.user, "auth": caller.auth}, receive, send)


class Caller(NamedTuple):
    """Who holds a key; made once, because most callers call often."""

    key: Key
    person: str  # as the log names the owner
    user: AuthenticatedUser
    auth: AuthCredentials


def caller_with(key: Key) -> Caller:
    return Caller(key, fingerprint(key.owner), user(key), AuthCredentials(sorted(key.scopes)))


def credentials(headers: Iterable[tuple[bytes, bytes]]) -> set[str]:
    """The keys in `Authorization: Bearer` and `X-API-Key`; the query string is never one (RFC 6750 §2.3)."""
    keys = set()
    for name, value in headers:
        if name == b"x-api-key":
            keys.add(value.decode("latin-1").strip())
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            keys.add(value[7:].decode("latin-1").strip())
    return keys - {""}


def claimed_id(key: str) -> str:
    """The id in a key, or an empty string if it has none."""
    id = key.removeprefix(PREFIX).partition("_")[0]
    return id if key.startswith(PREFIX) and re.fullmatch("[0-9a-f]{12}", id) else ""


def user(key: Key) -> AuthenticatedUser:
    """The caller as tools see it: `get_access_token()` of the SDK gives id, owner and scopes."""
    return AuthenticatedUser(AccessToken(token="", client_id=key.id, subject=key.owner, scopes=sorted(key.scopes)))


def challenge(error: str, scopes: Set[str] = frozenset()) -> str:
    """The `WWW-Authenticate` value. Without `resource_metadata`: it would start an OAuth flow that cannot end."""
    named = f', scope="{" ".join(sorted(scopes))}"' if scopes else ""
    return f'Bearer error="{error}"{named}'


def refuse(status: int, error: str, authenticate: str | None = None, retry_after: int | None = None) -> JSONResponse:
    headers = {"Cache-Control": "no-store"}
    if authenticate:
        headers["WWW-Authenticate"] = authenticate
    if retry_after:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse({"error": error}, status, headers)
