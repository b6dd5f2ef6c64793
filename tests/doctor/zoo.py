"""A healthy MCP server, and one faulty server for each row of `zoo.toml`: the healthy one with one difference.

    with zoo() as servers:
        servers["no-challenge"].url

All run in one thread of this process, each on a port of its own. The protocol is that of the official SDK; sign-in and
authorization server are made here, because a fault must be in them alone.
"""

import asyncio
import base64
import itertools
import json
import random
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from mcp_connector.doctor.clients import callbacks
from mcp_connector.doctor.protocol import GARBAGE

TOKEN = "a-token-of-the-zoo"
ISSUER = "/as"
CLIENT = "a-client"
MANAGING = "of-the-registration"
CALLBACKS = [*callbacks().values()]
"""Where the client that exists may be sent back."""
HOST = "connector.example.com"
"""Whose address is public, as far as the doctor can see."""
PAGE = b"<!doctype html><html><head><title>Welcome</title></head><body>Welcome</body></html>"


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    origin: str
    send: Callable[[Any], Awaitable[None]]
    """For an answer that is not whole."""

    @property
    def call(self) -> dict[str, Any]:
        """The JSON-RPC request."""
        try:
            said = json.loads(self.body)
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))

    @property
    def rpc(self) -> str:
        """Its method, for requests to the endpoint."""
        return str(self.call.get("method", "")) if self.path == "/mcp" and self.method == "POST" else ""

    @property
    def modern(self) -> bool:
        return self.headers.get("mcp-protocol-version") == "2026-07-28"


@dataclass
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def said(self) -> Any:
        return json.loads(self.body)


def told(value: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, {"content-type": "application/json", **named}, json.dumps(value).encode())


def html(status: int = 200, **headers: str) -> Reply:
    return Reply(status, {"content-type": "text/html", **{n.replace("_", "-"): t for n, t in headers.items()}}, PAGE)


def stream(value: object, **headers: str) -> Reply:
    body = f"event: message\ndata: {json.dumps(value)}\n\n".encode()
    return Reply(200, {"content-type": "text/event-stream", **headers}, body)


Ordinary = Callable[[Request], Awaitable[Reply | None]]
Fault = Callable[[Request, Ordinary], Awaitable[Reply | None]]


# ----------------------------------------------------------------------------------------------------------- healthy


def protocol() -> MCPServer[Any]:
    """What every server of the zoo serves."""
    server: MCPServer[Any] = MCPServer("zoo", version="1.0", instructions="Ask for an animal.", subscriptions=False)

    @server.tool()
    def find_animal(name: str) -> str:
        """Find an animal by its name."""
        return f"{name} is in the zoo"

    @server.tool()
    def count_animals() -> int:
        """Count the animals."""
        return 40

    return server


class Healthy:
    """Answers as it should. `auth` is `none`, `key` or `oauth`."""

    def __init__(self, app: Any, auth: str) -> None:
        self.app, self.auth = app, auth
        self.clients: dict[str, dict[str, Any]] = {}
        self.tokens: set[str] = set()
        """Those of sign-ins that are not revoked."""

    async def __call__(self, request: Request) -> Reply | None:
        if request.path.startswith("/.well-known/") or request.path.startswith(ISSUER):
            return self.sign_in(request) if self.auth == "oauth" else told({}, 404)
        if request.path.rstrip("/") != "/mcp":
            return told({"error": "not found"}, 404)
        if request.method != "POST":
            return told({"error": "POST"}, 405, allow="POST")
        if self.auth != "none" and request.headers.get("authorization") != f"Bearer {TOKEN}":
            return refusal(request, self.auth)
        return await self.serve(request)

    def sign_in(self, request: Request) -> Reply:
        issuer = request.origin + ISSUER
        if request.path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
            named = {"authorization_servers": [issuer], "scopes_supported": ["read"]}
            return told({"resource": f"{request.origin}/mcp", **named})
        if request.path in PLACES:
            return told(metadata(issuer))
        if request.path == f"{ISSUER}/authorize":
            return self.authorize(request)
        if request.path == f"{ISSUER}/token":
            return self.token(request.form)
        if request.path == f"{ISSUER}/revoke":
            self.tokens.discard(request.form.get("token", ""))
            return told({})
        if request.path.startswith(f"{ISSUER}/register"):
            return self.register(request)
        return told({}, 404)

    def authorize(self, request: Request) -> Reply:
        """Nobody is asked: whoever comes is signed in."""
        asked = dict(parse_qsl(request.query))
        client = {**self.clients, CLIENT: {"redirect_uris": CALLBACKS}}.get(asked.get("client_id", ""), {})
        if asked.get("redirect_uri") not in client.get("redirect_uris", []):
            return html(400)
        answer = {"code": "a-code", "state": asked["state"], "iss": request.origin + ISSUER}
        return Reply(302, {"location": f"{asked['redirect_uri']}?{urlencode(answer)}"})

    def token(self, form: Mapping[str, str]) -> Reply:
        if form.get("code") != "a-code" and form.get("refresh_token") not in self.tokens:
            return told({"error": "invalid_grant"}, 400)
        refresh = f"refresh-{len(self.tokens)}"
        self.tokens |= {TOKEN, refresh}
        return told({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh})

    def register(self, request: Request) -> Reply:
        if request.method == "DELETE":
            known = request.headers.get("authorization") == f"Bearer {MANAGING}"
            return Reply(204 if known and self.clients.pop(request.path.rpartition("/")[2], {}) else 401)
        if not request.call.get("redirect_uris"):
            return told({"error": "invalid_redirect_uri"}, 400)
        client = {**request.call, "client_id": f"client-{len(self.clients)}"}
        self.clients[client["client_id"]] = client
        place = f"{request.origin}{request.path}/{client['client_id']}"
        return told({**client, "registration_client_uri": place, "registration_access_token": MANAGING}, 201)

    async def serve(self, request: Request) -> Reply:
        """What the SDK says."""
        sent: list[Any] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": "/mcp",
            "raw_path": b"/mcp",
            "query_string": b"",
            "root_path": "",
            "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in request.headers.items()],
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 9),
        }
        body = [{"type": "http.request", "body": request.body, "more_body": False}]

        async def receive() -> Any:
            return body.pop() if body else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"] if name != b"content-length"}
        return Reply(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


PLACES = (
    f"/.well-known/oauth-authorization-server{ISSUER}",
    f"/.well-known/openid-configuration{ISSUER}",
    f"{ISSUER}/.well-known/openid-configuration",
)


def metadata(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "registration_endpoint": f"{issuer}/register",
        "jwks_uri": f"{issuer}/jwks",
        "revocation_endpoint": f"{issuer}/revoke",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "scopes_supported": ["read", "offline_access"],
    }


def refusal(request: Request, auth: str) -> Reply:
    challenge = "Bearer"
    if auth == "oauth":
        wrong = 'error="invalid_token", ' if "authorization" in request.headers else ""
        place = f"{request.origin}/.well-known/oauth-protected-resource/mcp"
        challenge += f' {wrong}resource_metadata="{place}", scope="read"'
    return told({"error": "unauthorized"}, 401, www_authenticate=challenge)


# ------------------------------------------------------------------------------------------------------------- faults

FAULTS: dict[str, tuple[str, Fault]] = {}


def fault(name: str, auth: str = "none") -> Callable[[Fault], Fault]:
    """Plant a fault in a healthy server that lets callers in this way."""

    def add(planted: Fault) -> Fault:
        FAULTS[name] = (auth, planted)
        return planted

    return add


def changed(reply: Reply | None, **members: Any) -> Reply:
    """A JSON object with other members; those that are None are left out."""
    assert reply
    said = {**reply.said, **members}
    return replace(reply, body=json.dumps({n: v for n, v in said.items() if v is not None}).encode())


def of_issuer(name: str, auth: str = "oauth", **members: Any) -> None:
    """Plant a fault in the metadata of the authorization server."""

    @fault(name, auth)
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        reply = await ordinary(request)
        return changed(reply, **members) if request.path in PLACES else reply


def of_resource(name: str, change: Callable[[Request], dict[str, Any]]) -> None:
    """Plant a fault in the metadata of the protected resource."""

    @fault(name, "oauth")
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        reply = await ordinary(request)
        return changed(reply, **change(request)) if "oauth-protected-resource" in request.path else reply


def of_tools(name: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Plant a fault in the list of tools."""

    @fault(name)
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        reply = await ordinary(request)
        if request.rpc != "tools/list" or not reply or "result" not in reply.said:
            return reply
        said = reply.said["result"]
        return changed(reply, result={**said, "tools": change(said["tools"])})


# Edge


@fault("bot-page")
async def bot_page(request: Request, ordinary: Ordinary) -> Reply | None:
    if "Claude" in request.headers.get("user-agent", ""):
        return html(403, cf_mitigated="block")
    return await ordinary(request)


@fault("bot-page-openai")
async def bot_page_openai(request: Request, ordinary: Ordinary) -> Reply | None:
    if "openai" in request.headers.get("user-agent", ""):
        return told({"error": "forbidden"}, 403)
    return await ordinary(request)


@fault("challenge-page")
async def challenge_page(request: Request, ordinary: Ordinary) -> Reply | None:
    return html(403, cf_mitigated="challenge")


@fault("tunnel-page")
async def tunnel_page(request: Request, ordinary: Ordinary) -> Reply | None:
    return html(200, ngrok_error_code="ERR_NGROK_6024")


@fault("slash-307")
async def slash_307(request: Request, ordinary: Ordinary) -> Reply | None:
    return Reply(307, {"location": f"{request.origin}/mcp/"}) if request.path == "/mcp" else await ordinary(request)


@fault("http-301")
async def http_301(request: Request, ordinary: Ordinary) -> Reply | None:
    return Reply(301, {"location": f"http://{HOST}{request.path}/"})


@fault("buffered")
async def buffered(request: Request, ordinary: Ordinary) -> Reply | None:
    """As nginx does with proxy_buffering: a stream arrives when it is over."""
    reply = await ordinary(request)
    if request.rpc == "initialize" and "text/event-stream" in request.headers.get("accept", ""):
        await asyncio.sleep(3.5)
        return stream(reply.said) if reply else None
    return reply


@fault("host-421")
async def host_421(request: Request, ordinary: Ordinary) -> Reply | None:
    return Reply(421, {"content-type": "text/plain"}, b"Invalid Host header")


@fault("limit-429")
async def limit_429(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.rpc == "ping" and request.call["id"] >= 20:
        return told({"error": "too many requests"}, 429, retry_after="30")
    return await ordinary(request)


def of_every_call(name: str, reply: Callable[[], Reply], auth: str = "none") -> None:
    """Plant an answer to every request at the endpoint."""

    @fault(name, auth)
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        return reply() if request.rpc else await ordinary(request)


of_every_call("gateway-502", lambda: html(502, server="nginx"))
of_every_call("unavailable-503", lambda: html(503, server="nginx"))
of_every_call("blocked-1020", lambda: Reply(403, {"content-type": "text/plain"}, b"error code: 1020"))
of_every_call("waf-202", lambda: html(202, x_amzn_waf_action="challenge"))
of_every_call(
    "host-page", lambda: Reply(400, {}, b"<!doctype html><title>Bad Request</title><h2>Invalid Hostname</h2>")
)
of_every_call(
    "host-403", lambda: Reply(403, {}, b'Blocked request. This host ("connector.example.com") is not allowed.')
)
of_every_call("https-only", lambda: Reply(400, {}, b"Client sent an HTTP request to an HTTPS server."))
of_every_call("client-certificate", lambda: Reply(400, {}, b"<html><h1>400</h1>No required SSL certificate was sent"))
of_every_call("no-route", lambda: told({"message": "Missing Authentication Token"}, 403))


@fault("limit-503")
async def limit_503(request: Request, ordinary: Ordinary) -> Reply | None:
    """As nginx does with limit_req."""
    if request.rpc == "ping" and request.call["id"] >= 20:
        return html(503)
    return await ordinary(request)


@fault("limit-soon")
async def limit_soon(request: Request, ordinary: Ordinary) -> Reply | None:
    """A few requests pass, then no more: whoever is refused is not dropped for a name."""
    PASSED[request.origin] += 1
    return html(503) if PASSED[request.origin] > 8 and request.method == "POST" else await ordinary(request)


@fault("slow-again")
async def slow_again(request: Request, ordinary: Ordinary) -> Reply | None:
    """Nobody is dropped for a name: all wait alike."""
    if request.rpc == "initialize" and request.origin in STARTED:
        await asyncio.sleep(60)
    STARTED.add(request.origin if request.rpc == "initialize" else "")
    return await ordinary(request)


# Transport


@fault("html-200")
async def html_200(request: Request, ordinary: Ordinary) -> Reply | None:
    return html()


@fault("wrong-path")
async def wrong_path(request: Request, ordinary: Ordinary) -> Reply | None:
    return told({"error": "not found"}, 404)


@fault("broken-500")
async def broken_500(request: Request, ordinary: Ordinary) -> Reply | None:
    failed = Reply(500, {"content-type": "text/plain"}, b"Internal Server Error")
    return failed if request.rpc else await ordinary(request)


@fault("accept-406")
async def accept_406(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.rpc and "text/event-stream" not in request.headers.get("accept", ""):
        return told({"error": "Accept must name text/event-stream"}, 406)
    return await ordinary(request)


@fault("get-hangs")
async def get_hangs(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.method == "GET" and request.path == "/mcp":
        await asyncio.sleep(60)
    return await ordinary(request)


@fault("get-401", "oauth")
async def get_401(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.method == "GET" and request.path == "/mcp":
        return refusal(request, "oauth")
    return await ordinary(request)


@fault("slash-to-http")
async def slash_to_http(request: Request, ordinary: Ordinary) -> Reply | None:
    other = Reply(307, {"location": f"http://{HOST}/mcp"})
    return other if request.path == "/mcp/" else await ordinary(request)


def answering_get(name: str, status: int) -> None:
    """Plant a status for GET at the endpoint."""

    @fault(name)
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        listens = request.method == "GET" and request.path == "/mcp"
        return told({}, status) if listens else await ordinary(request)


answering_get("get-400", 400)
answering_get("get-500", 500)


@fault("accept-nothing")
async def accept_nothing(request: Request, ordinary: Ordinary) -> Reply | None:
    return told({"error": "not acceptable"}, 406) if request.rpc else await ordinary(request)


@fault("slow-list")
async def slow_list(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.rpc == "tools/list" and not request.modern:
        await asyncio.sleep(60)
    return await ordinary(request)


@fault("slash-404")
async def slash_404(request: Request, ordinary: Ordinary) -> Reply | None:
    return told({}, 404) if request.path == "/mcp/" else await ordinary(request)


@fault("lost-sessions")
async def lost_sessions(request: Request, ordinary: Ordinary) -> Reply | None:
    """Two replicas in turn, of which one made the session."""
    reply = await ordinary(request)
    if request.rpc == "initialize" and reply:
        reply.headers["mcp-session-id"] = "a-session"
    elif request.rpc == "ping" and request.call["id"] % 2:
        return told({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session not found"}}, 404)
    return reply


@fault("lost-sessions-of-all")
async def lost_sessions_of_all(request: Request, ordinary: Ordinary) -> Reply | None:
    """A session in the memory of a replica that is gone."""
    reply = await ordinary(request)
    if request.rpc == "initialize" and reply:
        reply.headers["mcp-session-id"] = "a-session"
    elif request.rpc and not request.modern:
        return told({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session not found"}}, 404)
    return reply


STARTED: set[str] = set()
PASSED: Counter[str] = Counter()


@fault("cold-start")
async def cold_start(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.origin not in STARTED:
        STARTED.add(request.origin)
        await asyncio.sleep(12)
    return await ordinary(request)


@fault("sse-only")
async def sse_only(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.method == "GET" and request.path == "/mcp":
        event = b"event: endpoint\ndata: /messages?session=1\n\n"
        return Reply(200, {"content-type": "text/event-stream"}, event)
    return told({}, 405) if request.rpc else await ordinary(request)


def of_initialize(name: str, change: Callable[[Reply], Reply]) -> None:
    """Plant a fault in the reply to `initialize`."""

    @fault(name)
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        reply = await ordinary(request)
        return change(reply) if request.rpc == "initialize" and reply else reply


def result_with(reply: Reply, **members: Any) -> Reply:
    result = {**reply.said["result"], **members}
    return changed(reply, result={name: value for name, value in result.items() if value is not None})


of_initialize("text-plain", lambda reply: replace(reply, headers={"content-type": "text/plain"}))
of_initialize("other-id", lambda reply: changed(reply, id=7))
of_initialize("no-jsonrpc", lambda reply: changed(reply, jsonrpc=None))
of_initialize("no-server-info", lambda reply: result_with(reply, serverInfo=None))
of_initialize("tools-undeclared", lambda reply: result_with(reply, capabilities={}))
of_initialize("unknown-version", lambda reply: result_with(reply, protocolVersion="2027-01-01"))
of_initialize("half-an-event", lambda reply: replace(stream(reply.said), body=stream(reply.said).body.rstrip()))
of_initialize("limited", lambda reply: told({"error": "too many requests"}, 429))


@fault("refusal-200")
async def refusal_200(request: Request, ordinary: Ordinary) -> Reply | None:
    said = {"code": -32001, "message": "Unauthorized: no API key"}
    return told({"jsonrpc": "2.0", "id": 1, "error": said}) if request.rpc else await ordinary(request)


@fault("broken-body")
async def broken_body(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    if reply and request.rpc == "initialize":
        reply.headers["content-length"] = str(len(reply.body) + 100)
    return reply


@fault("notification-400")
async def notification_400(request: Request, ordinary: Ordinary) -> Reply | None:
    return told({}, 400) if request.rpc.startswith("notifications/") else await ordinary(request)


@fault("access-proxy")
async def access_proxy(request: Request, ordinary: Ordinary) -> Reply | None:
    return Reply(302, {"location": "https://sso.example.com/login?next=/mcp"})


@fault("bot-reset")
async def bot_reset(request: Request, ordinary: Ordinary) -> Reply | None:
    if "Claude" in request.headers.get("user-agent", ""):
        await begin(request, [(b"content-length", b"bad")])  # which ends the connection
    return await ordinary(request)


@fault("bot-at-metadata", "oauth")
async def bot_at_metadata(request: Request, ordinary: Ordinary) -> Reply | None:
    if "Claude" in request.headers.get("user-agent", "") and request.method == "GET":
        return html(403)
    return await ordinary(request)


def framed(body: bytes, **headers: str) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, body=body + reply.body, headers={**reply.headers, **headers})


of_initialize("marked", framed(b"\xef\xbb\xbf"))
of_initialize("coding-lie", framed(b"", **{"content-encoding": "gzip"}))
of_initialize("coding-br", framed(b"", **{"content-encoding": "br"}))
of_initialize("id-text", lambda reply: changed(reply, id="1"))
of_initialize("error-beside", lambda reply: replace(reply, body=json.dumps({**reply.said, "error": None}).encode()))
of_initialize("info-text", lambda reply: result_with(reply, serverInfo="zoo"))
of_initialize("info-bare", lambda reply: result_with(reply, serverInfo={"name": "zoo"}))
of_initialize("tools-true", lambda reply: result_with(reply, capabilities={"tools": True}))
of_every_call("refusal-400", lambda: told({"error": "Missing Authorization header"}, 400))


@fault("calls-500")
async def calls_500(request: Request, ordinary: Ordinary) -> Reply | None:
    """Two replicas in turn, of which one is broken."""
    return told({}, 500) if request.rpc == "ping" and request.call["id"] % 2 else await ordinary(request)


@fault("notification-hangs")
async def notification_hangs(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.rpc.startswith("notifications/"):
        await asyncio.sleep(60)
    return await ordinary(request)


@fault("get-page")
async def get_page(request: Request, ordinary: Ordinary) -> Reply | None:
    return html() if request.method == "GET" and request.path == "/mcp" else await ordinary(request)


# Versions


@fault("only-2025")
async def only_2025(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.modern:
        said = {"code": -32000, "message": "Bad Request: Unsupported protocol version"}
        return told({"jsonrpc": "2.0", "id": None, "error": said}, 400)
    return await ordinary(request)


@fault("only-2026")
async def only_2026(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.rpc and not request.modern:
        said = {"code": -32022, "message": "Unsupported protocol version", "data": {"supported": ["2026-07-28"]}}
        return told({"jsonrpc": "2.0", "id": request.call.get("id"), "error": said}, 400)
    return await ordinary(request)


@fault("breaks-on-2026")
async def breaks_on_2026(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.modern:
        return Reply(500, {"content-type": "text/plain"}, b"Internal Server Error")
    return await ordinary(request)


@fault("no-result-type")
async def no_result_type(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    if request.modern and reply and "result" in reply.said:
        result = {name: value for name, value in reply.said["result"].items() if name != "resultType"}
        return changed(reply, result=result)
    return reply


# Challenge and metadata of the resource


@fault("no-challenge", "oauth")
async def no_challenge(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    if reply:
        reply.headers.pop("www-authenticate", None)
    return reply


@fault("challenge-403", "oauth")
async def challenge_403(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    return replace(reply, status=403) if reply and reply.status == 401 else reply


def of_challenge(name: str, auth: str, change: Callable[[Request, str], str]) -> None:
    """Plant a fault in the challenge; an empty one is left out."""

    @fault(name, auth)
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        reply = await ordinary(request)
        if reply and (challenge := reply.headers.pop("www-authenticate", "")) and (new := change(request, challenge)):
            reply.headers["www-authenticate"] = new
        return reply


of_challenge("key-without-challenge", "key", lambda request, challenge: "")
of_challenge("challenge-without-metadata", "oauth", lambda request, challenge: 'Bearer scope="read"')
of_challenge("challenge-offline", "oauth", lambda request, challenge: challenge.replace("read", "read offline_access"))


of_challenge("challenge-scheme", "oauth", lambda request, challenge: challenge.removeprefix("Bearer "))
of_challenge("challenge-404", "oauth", lambda request, challenge: challenge.replace("/.well-known/", "/known/"))
of_challenge("challenge-basic", "key", lambda request, challenge: 'Basic realm="Staff"')
of_challenge("challenge-ntlm", "key", lambda request, challenge: "Negotiate, NTLM")


@fault("challenge-link-local", "oauth")
async def challenge_link_local(request: Request, ordinary: Ordinary) -> Reply | None:
    if "oauth-protected-resource" in request.path:
        return told({}, 404)
    reply = await ordinary(request)
    if reply and "www-authenticate" in reply.headers:
        reply.headers["www-authenticate"] = 'Bearer resource_metadata="http://169.254.169.254/metadata"'
    return reply


@fault("resource-by-challenge-only", "oauth")
async def resource_by_challenge_only(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    if reply and "www-authenticate" in reply.headers:
        reply.headers["www-authenticate"] = reply.headers["www-authenticate"].replace("resource/mcp", "resource")
    return told({}, 404) if request.path.endswith("oauth-protected-resource/mcp") else reply


@fault("clock", "key")
async def clock(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    if reply:
        reply.headers["date"] = "Thu, 26 Nov 2026 10:00:00 GMT"
    return reply


@fault("internal-challenge", "oauth")
async def internal_challenge(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    if reply and "www-authenticate" in reply.headers:
        challenge = reply.headers["www-authenticate"]
        reply.headers["www-authenticate"] = challenge.replace(request.origin, "http://connector.invalid:8000")
    return reply


@fault("resource-404", "oauth")
async def resource_404(request: Request, ordinary: Ordinary) -> Reply | None:
    return told({}, 404) if "oauth-protected-resource" in request.path else await ordinary(request)


@fault("resource-root-only", "oauth")
async def resource_root_only(request: Request, ordinary: Ordinary) -> Reply | None:
    return told({}, 404) if request.path == "/.well-known/oauth-protected-resource/mcp" else await ordinary(request)


of_resource("resource-is-root", lambda request: {"resource": f"{request.origin}/"})
of_resource("resource-slash", lambda request: {"resource": f"{request.origin}/mcp/"})
of_resource("offline-access", lambda request: {"scopes_supported": ["read", "offline_access"]})
of_resource("no-servers", lambda request: {"authorization_servers": []})
of_resource("servers-objects", lambda request: {"authorization_servers": [{"issuer": request.origin + ISSUER}]})
of_resource("scopes-text", lambda request: {"scopes_supported": "read write"})
of_resource("issuer-link-local", lambda request: {"authorization_servers": ["http://169.254.169.254/latest"]})
of_resource("issuer-number", lambda request: {"authorization_servers": ["http://0x7f.1/as"]})
of_resource("issuer-to-loopback", lambda request: {"authorization_servers": ["https://login.example.com"]})
of_resource("issuer-no-dns", lambda request: {"authorization_servers": ["https://login.invalid"]})


@fault("metadata-on-open")
async def metadata_on_open(request: Request, ordinary: Ordinary) -> Reply | None:
    if "oauth-protected-resource" in request.path:
        return told({"resource": f"{request.origin}/mcp", "authorization_servers": [request.origin]})
    return await ordinary(request)


@fault("metadata-page", "key")
async def metadata_page(request: Request, ordinary: Ordinary) -> Reply | None:
    """As a site does that answers every path with its page."""
    return html() if request.path.startswith("/.well-known/") else await ordinary(request)


@fault("metadata-of-2025-03-26", "key")
async def metadata_of_2025_03_26(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.path == "/.well-known/oauth-authorization-server":
        return told(metadata(request.origin))
    return await ordinary(request)


@fault("metadata-500", "key")
async def metadata_500(request: Request, ordinary: Ordinary) -> Reply | None:
    return told({}, 500) if request.path.startswith("/.well-known/") else await ordinary(request)


# Authorization server


of_issuer("no-s256", code_challenge_methods_supported=None)
of_issuer("issuer-other", issuer="https://login.example.com")
of_issuer("no-registration", registration_endpoint=None, client_id_metadata_document_supported=None)
of_issuer("no-iss", authorization_response_iss_parameter_supported=None)
of_issuer("methods-text", code_challenge_methods_supported="S256")
of_issuer("no-refresh", grant_types_supported=["authorization_code"])
of_issuer("no-code-grant", grant_types_supported=["client_credentials", "refresh_token"])
of_issuer("authorize-internal", authorization_endpoint="https://10.0.0.7/authorize")
of_issuer("authorize-elsewhere", authorization_endpoint="https://login.invalid/authorize")
of_issuer("no-token-endpoint", token_endpoint=None)
of_issuer("token-endpoint-internal", token_endpoint="http://10.0.0.7/token")


def at(name: str, wanted: Callable[[str], bool], reply: Callable[[], Reply]) -> None:
    """Plant an answer where paths are as wanted."""

    @fault(name, "oauth")
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        return reply() if wanted(request.path) else await ordinary(request)


@fault("issuer-slash", "oauth")
async def issuer_slash(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    return changed(reply, issuer=f"{request.origin}{ISSUER}/") if request.path in PLACES else reply


at("issuer-html", lambda path: path in PLACES, html)
at("issuer-500", lambda path: path in PLACES, lambda: told({}, 500))
at("issuer-404", lambda path: path in PLACES, lambda: told({}, 404))
at("issuer-openid-only", lambda path: path in PLACES[:2], lambda: told({}, 404))
at("registration-403", lambda path: path.endswith("/register"), lambda: told({"error": "forbidden"}, 403))
at("token-html", lambda path: path.endswith("/token"), lambda: html(500))
at("token-405", lambda path: path.endswith("/token"), lambda: told({"error": "method not allowed"}, 405))
at("authorize-502", lambda path: path.endswith("/authorize"), lambda: html(502))
at("registration-302", lambda path: path.endswith("/register"), lambda: Reply(302, {"location": "/login"}))
at("token-200", lambda path: path.endswith("/token"), lambda: told({"ok": False}))


# Credentials


@fault("garbage-accepted", "oauth")
async def garbage_accepted(request: Request, ordinary: Ordinary) -> Reply | None:
    if "authorization" in request.headers:
        request.headers = {**request.headers, "authorization": f"Bearer {TOKEN}"}
    return await ordinary(request)


@fault("query-accepted", "oauth")
async def query_accepted(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.query == f"access_token={TOKEN}":
        request.headers = {**request.headers, "authorization": f"Bearer {TOKEN}"}
    return await ordinary(request)


@fault("own-token-403", "oauth")
async def own_token_403(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.headers.get("authorization") == f"Bearer {TOKEN}":
        return told({"error": TOKEN}, 403, www_authenticate=f'Bearer error="insufficient_scope", scope="{TOKEN}"')
    return await ordinary(request)


@fault("key-401", "key")
async def key_401(request: Request, ordinary: Ordinary) -> Reply | None:
    request.headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    return await ordinary(request)


def of_credential(name: str, auth: str, credential: str, reply: Callable[[], Reply]) -> None:
    """Plant an answer to whoever sends this."""

    @fault(name, auth)
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        sent = request.headers.get("authorization", "")
        return reply() if sent == f"Bearer {credential}" else await ordinary(request)


of_credential("garbage-500", "oauth", GARBAGE, lambda: told({}, 500))
of_credential("own-500", "key", TOKEN, lambda: told({"error": TOKEN}, 500))
of_credential("own-302", "key", TOKEN, lambda: Reply(302, {"location": f"/login?token={TOKEN}"}))
of_credential("own-200", "key", TOKEN, lambda: told({"jsonrpc": "2.0", "id": 1, "error": {"message": "forbidden"}}))


@fault("hidden-404", "key")
async def hidden_404(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    return told({}, 404) if reply and reply.status == 401 else reply


# Clients


def refusing(name: str, wanted: Callable[[Request], bool], reply: Callable[[], Reply]) -> None:
    """Plant an answer to requests that are as wanted."""

    @fault(name, "oauth")
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        return reply() if wanted(request) else await ordinary(request)


def registers(request: Request) -> bool:
    return request.path == f"{ISSUER}/register" and "client_name" in request.call


def wrong(error: str) -> Callable[[], Reply]:
    return lambda: told({"error": error, "error_description": "Look at the documents."}, 400)


refusing(
    "registration-loopback",
    lambda request: registers(request) and "http://127.0.0.1" in str(request.call["redirect_uris"]),
    wrong("invalid_redirect_uri"),
)
refusing(
    "registration-offline",
    lambda request: registers(request) and "offline_access" in request.call["scope"],
    wrong("invalid_client_metadata"),
)
refusing(
    "callback-unknown",
    lambda request: request.path.endswith("/authorize") and "duvo" in request.query,
    wrong("invalid_redirect_uri"),
)
refusing("registration-429", registers, lambda: told({"error": "too many requests"}, 429))
refusing("client-deleted", lambda request: request.path.endswith("/authorize"), wrong("invalid_client"))
refusing("code-refused", lambda request: request.form.get("code") == "a-code", wrong("invalid_client"))
refusing("refresh-refused", lambda request: "refresh_token" in request.form, wrong("invalid_grant"))


@fault("registration-callback", "oauth")
async def registration_callback(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    return changed(reply, redirect_uris=["https://other.example.com"]) if registers(request) else reply


@fault("registration-secret", "oauth")
async def registration_secret(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    secret = {"token_endpoint_auth_method": "client_secret_post", "client_secret": "a-secret-of-the-zoo"}
    return changed(reply, **secret) if registers(request) else reply


@fault("sign-in-refused", "oauth")
async def sign_in_refused(request: Request, ordinary: Ordinary) -> Reply | None:
    if not request.path.endswith("/authorize"):
        return await ordinary(request)
    asked = dict(parse_qsl(request.query))
    answer = {"error": "invalid_request", "error_description": "AADSTS9010010: the resource is not known"}
    return Reply(302, {"location": f"{asked['redirect_uri']}?{urlencode({**answer, 'state': asked['state']})}"})


@fault("no-refresh-token", "oauth")
async def no_refresh_token(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    return changed(reply, refresh_token=None) if request.form.get("code") == "a-code" else reply


@fault("foreign-iss", "oauth")
async def foreign_iss(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    if reply and "location" in reply.headers:
        reply.headers["location"] = reply.headers["location"].replace("%2Fas", "%2Fother")
    return reply


@fault("audience-guid", "oauth")
async def audience_guid(request: Request, ordinary: Ordinary) -> Reply | None:
    """As Entra does: `aud` is the id of the application, and the server expects its URL."""
    reply = await ordinary(request)
    if request.form.get("code") == "a-code" or "refresh_token" in request.form:
        claims = {"iss": request.origin + ISSUER, "aud": "aebc6443-996d-45c2-90f0-388ff96faa56", "scp": "read"}
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        return changed(reply, access_token=f"eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl")
    return reply


# Tools


of_tools("no-tools", lambda tools: [])
of_tools("tool-schema", lambda tools: [{**tools[0], "inputSchema": {}}, *tools[1:]])
of_tools("tool-twice", lambda tools: [*tools, tools[0]])
of_tools("tool-name", lambda tools: [{**tools[0], "name": "find animal"}, *tools[1:]])
of_tools("tool-undescribed", lambda tools: [{**tools[0], "description": ""}, *tools[1:]])
of_tools("tool-long", lambda tools: [{**tools[0], "description": "Find. " * 200}, *tools[1:]])
of_tools("tools-129", lambda tools: [{**tools[1], "name": f"tool_{number}"} for number in range(129)])
of_tools("tools-101", lambda tools: [{**tools[1], "name": f"tool_{number}"} for number in range(101)])
of_tools("tools-41", lambda tools: [{**tools[1], "name": f"tool_{number}"} for number in range(41)])


def schema(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"name": members}, "$defs": {"Name": {"type": "string"}}}


def of_schema(name: str, **members: Any) -> None:
    """Plant this in the schema of one of two tools."""
    of_tools(name, lambda tools: [{**tools[0], "inputSchema": schema(**members)}, tools[1]])


of_tools("schema-ref", lambda tools: [{**tool, "inputSchema": schema(**{"$ref": "#/$defs/Name"})} for tool in tools])
of_tools(
    "schema-types-in-all", lambda tools: [{**tool, "inputSchema": schema(type=["string", "null"])} for tool in tools]
)
of_tools(
    "schema-exclusive-in-all", lambda tools: [{**tool, "inputSchema": schema(exclusiveMinimum=0)} for tool in tools]
)
of_schema("schema-ref-in-one", **{"$ref": "#/$defs/Name"})
of_schema("schema-types", type=["string", "null"])
of_schema("schema-exclusive", type="integer", exclusiveMinimum=0)


of_tools("tool-nameless", lambda tools: [{**tools[0], "name": ""}, *tools[1:]])
of_tools("tool-null", lambda tools: [{**tools[0], "title": None}, *tools[1:]])
of_tools("tool-hidden", lambda tools: [{**tools[0], "description": "Find. \U000e0069\U000e0067"}, *tools[1:]])
of_tools("tool-output", lambda tools: [{**tools[0], "outputSchema": {"type": "array"}}, *tools[1:]])
of_tools("schema-top", lambda tools: [{**tools[0], "inputSchema": {"type": "object", "anyOf": []}}, *tools[1:]])
of_schema("schema-invalid", type="str")
of_tools(
    "schema-property",
    lambda tools: [{**tools[0], "inputSchema": {"type": "object", "properties": {"name[]": {}}}}, *tools[1:]],
)


def of_page(name: str, change: Callable[[str, Reply], Reply]) -> None:
    """Plant a fault in the pages of the list: what it says to a cursor."""

    @fault(name)
    async def planted(request: Request, ordinary: Ordinary) -> Reply | None:
        reply = await ordinary(request)
        if request.rpc != "tools/list" or request.modern or not reply:
            return reply
        return change((request.call.get("params") or {}).get("cursor", ""), reply)


def paged(reply: Reply, cursor: str | None, **members: Any) -> Reply:
    return changed(reply, result={**reply.said["result"], "nextCursor": cursor, **members})


of_page("cursor-null", lambda cursor, reply: paged(reply, None))
of_page("pages-forever", lambda cursor, reply: paged(reply, f"{cursor}x", **({"tools": []} if cursor else {})))
of_page("page-error", lambda cursor, reply: changed(reply, result=None, error={}) if cursor else paged(reply, "more"))
of_page("list-plain", lambda cursor, reply: replace(reply, headers={"content-type": "text/plain"}))


NUMBERS = itertools.count()


@fault("tools-endless")
async def tools_endless(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    if request.rpc == "tools/list" and not request.modern and reply:
        name = {"name": f"tool-{next(NUMBERS)}"}
        tools = [{**reply.said["result"]["tools"][0], **name}]
        return changed(reply, result={"tools": tools, "nextCursor": "more"})
    return reply


@fault("tools-error")
async def tools_error(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.rpc == "tools/list":
        return told({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "Internal error"}}, 500)
    return await ordinary(request)


# Browsers


@fault("cors-headers")
async def cors_headers(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.method == "OPTIONS":
        allowed = {"access-control-allow-origin": "*", "access-control-allow-headers": "content-type, authorization"}
        return Reply(204, allowed)
    return await ordinary(request)


@fault("cors-hidden-session")
async def cors_hidden_session(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.method == "OPTIONS":
        names = "content-type, authorization, mcp-protocol-version, mcp-session-id"
        return Reply(204, {"access-control-allow-origin": "*", "access-control-allow-headers": names})
    reply = await ordinary(request)
    if reply and request.rpc == "initialize":
        reply.headers["mcp-session-id"] = "a-session"
    return reply


@fault("cors-twice")
async def cors_twice(request: Request, ordinary: Ordinary) -> Reply | None:
    """As where the server and its proxy both allow."""
    if request.method == "OPTIONS":
        return Reply(204, {"access-control-allow-origin": "*, https://inspector.example.com"})
    return await ordinary(request)


# Hostile


async def begin(request: Request, headers: list[tuple[bytes, bytes]]) -> None:
    await request.send({"type": "http.response.start", "status": 200, "headers": headers})


async def endless(request: Request, part: bytes, pause: float, type: bytes) -> None:
    await begin(request, [(b"content-type", type)])
    while True:
        await request.send({"type": "http.response.body", "body": part, "more_body": True})
        await asyncio.sleep(pause)


@fault("endless-body")
async def endless_body(request: Request, ordinary: Ordinary) -> Reply | None:
    await endless(request, b" " * 100_000, 0.001, b"application/json")
    return None


@fault("endless-stream")
async def endless_stream(request: Request, ordinary: Ordinary) -> Reply | None:
    await endless(request, b": still there\n\n", 0.2, b"text/event-stream")
    return None


@fault("endless-drip", "oauth")
async def endless_drip(request: Request, ordinary: Ordinary) -> Reply | None:
    """The document of the authorization server never ends."""
    if request.path not in PLACES:
        return await ordinary(request)
    await endless(request, b" ", 0.2, b"application/json")
    return None


@fault("deep-json")
async def deep_json(request: Request, ordinary: Ordinary) -> Reply | None:
    return Reply(200, {"content-type": "application/json"}, b"[" * 400_000)


@fault("deep-metadata", "oauth")
async def deep_metadata(request: Request, ordinary: Ordinary) -> Reply | None:
    if request.path in PLACES:
        return Reply(200, {"content-type": "application/json"}, b'{"issuer":' * 90_000)
    return await ordinary(request)


@fault("redirect-loop")
async def redirect_loop(request: Request, ordinary: Ordinary) -> Reply | None:
    return Reply(302, {"location": f"{request.origin}{request.path}"})


@fault("escapes")
async def escapes(request: Request, ordinary: Ordinary) -> Reply | None:
    reply = await ordinary(request)
    if request.rpc == "initialize" and reply:
        result = reply.said["result"]
        return changed(reply, result={**result, "serverInfo": {"name": "\x1b[2J\x1b]0;owned\x07zoo", "version": "1"}})
    return reply


@fault("escapes-in-error")
async def escapes_in_error(request: Request, ordinary: Ordinary) -> Reply | None:
    said = {"code": -32603, "message": "\x1b[31mred\u202e `x` <b> @all " + "a" * 5_000}
    return told({"jsonrpc": "2.0", "id": 1, "error": said}, 400) if request.rpc else await ordinary(request)


ODD: list[Any] = [None, True, 7, -1.5, "", "x", [], [7], {}, {"a": [None]}, "http://[", "\x1b[2J", 10**400]
HEADERS = ("location", "www-authenticate", "content-type", "date", "mcp-session-id", "content-encoding")
CHANCE = random.Random(15)


def odd(value: Any) -> Any:
    """A JSON value of which a part has another type."""
    if isinstance(value, dict) and value and CHANCE.random() < 0.9:
        name = CHANCE.choice(list(value))
        return {**value, name: odd(value[name])}
    if isinstance(value, list) and value and CHANCE.random() < 0.7:
        at = CHANCE.randrange(len(value))
        return [*value[:at], odd(value[at]), *value[at + 1 :]]
    return CHANCE.choice(ODD)


async def odd_answers(request: Request, ordinary: Ordinary) -> Reply | None:
    """Half of the answers hold what nobody expects."""
    reply = await ordinary(request)
    if reply and reply.body and CHANCE.random() < 0.5:
        reply.body = json.dumps(odd(reply.said)).encode()
        if CHANCE.random() < 0.2:
            reply.headers[CHANCE.choice(HEADERS)] = CHANCE.choice(["", "x", "http://[", "gzip", "text/event-stream"])
    return reply


for auth in ("none", "key", "oauth"):
    fault(f"odd {auth}", auth)(odd_answers)


# Allowed, though it looks like a fault


@fault("lazy", "oauth")
async def lazy(request: Request, ordinary: Ordinary) -> Reply | None:
    """Anybody may `initialize`; tools are listed for those who signed in."""
    if request.rpc in ("initialize", "ping") or request.rpc.startswith("notifications/"):
        request.headers = {**request.headers, "authorization": f"Bearer {TOKEN}"}
    return await ordinary(request)


# ------------------------------------------------------------------------------------------------------------ servers


CERTIFIED = ("tls-self-signed", "tls-expired", "tls-wrong-name", "tls-chain", "tls-private", "tls-private-expired")


@dataclass(frozen=True)
class Server:
    name: str
    port: int
    public: bool = False

    @property
    def origin(self) -> str:
        return f"https://{HOST}" if self.public else f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/mcp"


class Listening:
    """An ASGI application around one server of the zoo."""

    def __init__(self, healthy: Healthy, planted: Fault | None, origin: str) -> None:
        self.healthy, self.planted, self.origin = healthy, planted, origin

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode()
        request = Request(scope["method"], scope["path"], query, headers, body, self.origin, send)
        answer = asyncio.ensure_future(self.planted(request, self.healthy) if self.planted else self.healthy(request))
        gone = asyncio.ensure_future(receive())
        await asyncio.wait([answer, gone], return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not answer.done():
            answer.cancel()  # nobody waits for it any more
            return
        if (reply := answer.result()) is not None:
            sent = {"content-length": str(len(reply.body)), **reply.headers}
            pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
            await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
            await send({"type": "http.response.body", "body": reply.body})


def members(certificates: Mapping[str, tuple[Path, Path]]) -> dict[str, tuple[str, Fault | None, str]]:
    """How each server lets callers in, its fault, and the kind of certificate of those that seem public."""
    found: dict[str, tuple[str, Fault | None, str]] = {auth: (auth, None, "") for auth in ("none", "key", "oauth")}
    found |= {name: (auth, planted, "") for name, (auth, planted) in FAULTS.items()}
    if certificates:
        found |= {f"{name} public": (*found[name][:2], "good") for name in PUBLIC}
        found |= {name: ("none", None, name) for name in CERTIFIED}
    return found


PUBLIC = ("none", "oauth", "http-301", "issuer-to-loopback", "slash-to-http")


class Silence(socketserver.BaseRequestHandler):
    """A server that takes requests and never answers."""

    def handle(self) -> None:
        while self.request.recv(1_000):
            pass


class OldTls(socketserver.BaseRequestHandler):
    """A server that ends every TLS handshake with an alert: no version in common (RFC 8446 §6.2)."""

    def handle(self) -> None:
        self.request.recv(10_000)
        self.request.sendall(b"\x15\x03\x01\x00\x02\x02\x46")


class Closing(socketserver.BaseRequestHandler):
    """As nginx does with 444: the request is read, and the connection closed."""

    def handle(self) -> None:
        self.request.recv(10_000)


class Greeting(socketserver.BaseRequestHandler):
    """Another protocol, where the client waits to be greeted."""

    def handle(self) -> None:
        self.request.sendall(b"220 mail.example.com ESMTP\r\n")


@contextmanager
def zoo(certificates: Mapping[str, tuple[Path, Path]] = MappingProxyType({})) -> Iterator[dict[str, Server]]:
    """Every server by its name. The healthy ones are `none`, `key` and `oauth`."""
    every = members(certificates)
    sockets = {name: socket.create_server(("127.0.0.1", 0), backlog=128) for name in every}
    servers = {name: Server(name, sock.getsockname()[1], bool(every[name][2])) for name, sock in sockets.items()}
    started, running = threading.Event(), list[uvicorn.Server]()

    async def serve() -> None:
        security = TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=["127.0.0.1:*", HOST, f"{HOST}:*"],
            allowed_origins=["http://127.0.0.1:*"],
        )
        app = protocol().streamable_http_app(json_response=True, stateless_http=True, transport_security=security)
        async with app.router.lifespan_context(app):
            for name, (auth, planted, certified) in every.items():
                chain, key = certificates[certified] if certified else (None, None)
                config = uvicorn.Config(
                    Listening(Healthy(app, auth), planted, servers[name].origin),
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    date_header=False,
                    timeout_graceful_shutdown=1,
                    ssl_certfile=chain,
                    ssl_keyfile=key,
                )
                running.append(uvicorn.Server(config))
            tasks = [
                asyncio.ensure_future(server._serve([sock]))  # `serve` would take the signals of the tests
                for server, sock in zip(running, sockets.values(), strict=True)
            ]
            while not all(server.started for server in running):  # noqa: ASYNC110 — uvicorn has no event for it
                await asyncio.sleep(0.01)
            started.set()
            await asyncio.gather(*tasks)

    thread = threading.Thread(target=asyncio.run, args=[serve()], daemon=True)
    thread.start()
    assert started.wait(30)
    others = {}
    for name, handler in (("not-http", Greeting), ("silent", Silence), ("tls-old", OldTls), ("closes", Closing)):
        others[name] = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        others[name].daemon_threads, others[name].block_on_close = True, False
        threading.Thread(target=others[name].serve_forever, args=[0.05], daemon=True).start()
        servers[name] = Server(name, others[name].server_address[1], name == "tls-old")
    try:
        yield servers
    finally:
        for other in others.values():
            other.shutdown()
            other.server_close()
        for server in running:
            server.should_exit = server.force_exit = True
        thread.join(10)
