"""Before the proxy's endpoints: what a stranger may send there, how much of it, and how often."""

import base64
import logging
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from fastmcp.server.auth.identity_assertion import normalize_resource_url
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..edge.attempts import Attempts, address
from ..edge.limits import REASON, Refused, WholeBody, measure, replay
from ..edge.observe import note
from .issuer import IssuerUnavailable
from .state import outages

logger = logging.getLogger(__name__)

LARGEST = 16 * 1024  # bytes of a query or a body here; much of either is kept, whoever sends it
# Requests in a minute that may put something into the store: from one address, which a company may share, and from all.
# A login is one to /authorize, two to /consent and one to /auth/callback.
OFTEN = {"/register": (60, 120), "/authorize": (120, 600), "/consent": (240, 1200), "/auth/callback": (120, 600)}
LONGEST = {"state": 2048, "scope": 2048, "client_id": 1024, "redirect_uri": 1024, "resource": 1024, "nonce": 512}
PAGES = ("/authorize", "/consent", "/auth/callback")
HEADERS = {  # of all that a browser opens
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Fault(Exception):
    """What a client sends cannot be used; an error code of OAuth, and one sentence."""

    def __init__(self, error: str, why: str) -> None:
        super().__init__(why)
        self.error, self.why = error, why


class Behind(Protocol):
    """What is asked of the proxy behind the guard."""

    @property
    def resource(self) -> str: ...

    def known(self, scopes: list[str], /) -> list[str]: ...

    async def connect(self) -> None: ...


class Guard:
    """Passes on what a client may send, as FastMCP and the SDK can read it."""

    def __init__(self, app: ASGIApp, proxy: Behind) -> None:
        self.app, self.proxy = app, proxy
        self.limited = WholeBody(self._pass, LARGEST, refuse)
        # In memory: each replica counts for itself.
        self.each = {path: Attempts(each) for path, (each, _) in OFTEN.items()}
        self.all = {path: Attempts(all) for path, (_, all) in OFTEN.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PAGES:
            send = with_headers(send)
        if len(scope["query_string"]) > LARGEST:
            return await Response(status_code=414)(scope, receive, send)
        if scope["method"] != "OPTIONS" and (wait := self.count(scope)):
            error = oauth_error("temporarily_unavailable", f"There were too many requests. Wait {wait} seconds.")
            return await JSONResponse(error, 429, {"Retry-After": str(wait)})(scope, receive, send)
        await self.limited(scope, receive, send)

    def count(self, scope: Scope) -> int:
        """Seconds to wait, or 0: more than the first from one address do not count for all."""
        path = scope["path"]
        if path not in OFTEN:
            return 0
        return self.each[path].count(address(scope)) or self.all[path].count("all")

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        try:
            scope, body = self.read(scope, message.get("body", b""))
        except Fault as fault:
            return await JSONResponse(oauth_error(fault.error, fault.why), 400)(scope, receive, send)
        seen: list[str] = []
        mark = outages.set(seen)

        async def unless_seen(message: Message) -> None:
            if not seen:
                await send(message)

        try:
            await self.proxy.connect()
            await self.app(scope, replay({**message, "body": body}, receive), unless_seen)
        except IssuerUnavailable as error:
            seen.append(str(error))
        finally:
            outages.reset(mark)
        if seen:  # FastMCP and the SDK have made a fault of their own of it
            await busy(seen[0])(scope, receive, send)

    def read(self, scope: Scope, body: bytes) -> tuple[Scope, bytes]:
        """The request and its body, with parameters that FastMCP and the SDK can use.

        Raises:
            Fault: The parameters cannot be used.
        """
        kind = Headers(scope=scope).get("content-type", "").lower()
        if kind.startswith("multipart/"):
            raise Fault("invalid_request", "Send a form as application/x-www-form-urlencoded.")
        if scope["path"] == "/authorize" and scope["method"] != "POST":
            return {**scope, "query_string": urlencode(self.parameters(scope["query_string"])).encode()}, body
        if scope["path"] not in ("/authorize", "/token") or not kind.startswith("application/x-www-form-urlencoded"):
            return scope, body
        form = self.parameters(body)
        if scope["path"] == "/token":
            form = with_client_id(scope, form)
            if "resource" in form and not self.own(form["resource"]):  # at /authorize, the client is told by FastMCP
                raise Fault("invalid_target", "resource must be the URL of this server (RFC 8707).")
        return scope, urlencode(form).encode()

    def parameters(self, text: bytes) -> dict[str, str]:
        """The parameters of a query or a form. Scopes that this connector does not know are left out.

        RFC 6749 §3.3 lets it ignore them, and many clients ask for `openid` or `profile` whatever is offered. If
        it has none of them, it is as if the client had asked for none, and gets the default.
        """
        try:
            pairs = parse_qsl(text.decode(errors="replace"), keep_blank_values=True, max_num_fields=100)
        except ValueError:
            raise Fault("invalid_request", "There are over 100 parameters.") from None
        found: dict[str, str] = {}
        for name, value in pairs:
            if len(value) > LONGEST.get(name, LARGEST):
                raise Fault("invalid_request", f"{name} must have at most {LONGEST[name]} characters.")
            if name == "resource":
                check_url(name, value)
                if name in found and not self.own(found[name]):
                    continue  # it may come several times (RFC 8707 §2), and each must be this server
            elif found.get(name, value) != value:
                raise Fault("invalid_request", "A parameter must be sent once (RFC 6749 §3.1).")
            found[name] = value
        check_url("redirect_uri", found.get("redirect_uri", ""))
        for part in found.get("client_assertion", "").split("."):
            check_part(part)
        if known := self.proxy.known(found.pop("scope", "").split()):
            found["scope"] = " ".join(known)
        return found

    def own(self, resource: str) -> bool:
        """Whether it is this server, with a slash at its end or without (RFC 8707 §2)."""
        return normalize_resource_url(resource) == self.proxy.resource


def check_url(name: str, value: str) -> None:
    try:
        _ = urlsplit(value).port
    except ValueError:
        raise Fault("invalid_request", f"{name} must be a URL.") from None


def check_part(part: str) -> None:
    """Refuse a part of a JWT that no parser should see: for it, deep nesting is not an error, but a crash."""
    try:
        measure(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return  # no JWT at all, which is found out later
    except Refused as refused:
        raise Fault("invalid_client", refused.why) from None


def with_client_id(scope: Scope, form: dict[str, str]) -> dict[str, str]:
    """The form with `client_id`, for a client that says who it is by HTTP Basic alone.

    RFC 6749 §2.3.1 allows that, and the SDK looks only into the form.
    """
    scheme, _, credentials = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() != "basic" or "client_id" in form:
        return form
    try:
        client_id = unquote(base64.b64decode(credentials).decode().partition(":")[0])
    except ValueError:
        client_id = ""
    return {**form, "client_id": client_id}


def with_headers(send: Send) -> Send:
    """A `send` that adds what a page needs: nobody frames or keeps it, and where it leads learns nothing of it."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return sending


def oauth_error(error: str, description: str) -> dict[str, str]:
    """An error of OAuth's endpoints (RFC 6749 §5.2, RFC 7591 §3.2.2); the request's line has it, too."""
    note(error=error, detail=description[:REASON])
    return {"error": error, "error_description": description}


def busy(why: str) -> Response:
    """While the store or the identity provider does not answer."""
    note(detail=why[:REASON])
    logger.error("nobody can log in now: %s", why)
    return JSONResponse({"error": "temporarily_unavailable"}, 503, {"Retry-After": "10"})


def refuse(refused: Refused) -> Response:
    error = oauth_error("invalid_request", refused.why)
    headers = {"Connection": "close"} if refused.status == 408 else {}
    return JSONResponse(error, refused.status, headers | ({"Retry-After": "5"} if refused.status == 503 else {}))
