"""An identity provider on this machine, for `dev` and the tests: anyone may log in as anyone. Never in the image."""

import re
import secrets
import socket
import threading
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .tokens import Tokens

PORT = re.compile(r"(?<=^http://127\.0\.0\.1):\d+")
LIFETIME = 3600  # seconds that an access token is good for
PAGE = """<!doctype html><title>Development login</title><style>{style}</style>
<h1>Development login</h1><p><b>{client}</b> asks for access. Anyone may log in here as anyone: it exists on this
machine alone.</p><form method="post"><p><label>Name <input name="person" value="developer"></label></p>{scopes}
<button>Log in and allow</button></form>"""
STYLE = "body{font:16px system-ui;max-width:26em;margin:4em auto}"
BOX = '<p><label><input type="checkbox" name="scope" value="{0}" checked> {0}</label></p>'


class Provider:
    """Clients and grants, in memory."""

    def __init__(self, issuer: str, audience: str, scopes: list[str]) -> None:
        self.issuer, self.audience, self.scopes = issuer, audience, scopes
        self.tokens = Tokens(issuer)
        self.clients: dict[str, dict[str, Any]] = {}
        self.grants: dict[str, dict[str, str]] = {}  # what codes and refresh tokens stand for; each is good once

    def issue(self, **claims: Any) -> str:
        """An access token for the connector; claims override the usual ones (RFC 9068 §2.2)."""
        now = int(time.time())
        usual = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "developer",
            "client_id": "developer",
            "iat": now,
            "exp": now + LIFETIME,
            "jti": secrets.token_hex(8),
        }
        return self.tokens.make({**usual, **claims})

    async def metadata(self, _: Request) -> Response:
        endpoints = {f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("token", "authorization")}
        return JSONResponse(
            {
                "issuer": self.issuer,
                **endpoints,
                "registration_endpoint": f"{self.issuer}/register",
                "scopes_supported": self.scopes,
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                **self.tokens.metadata,
            }
        )

    async def register(self, request: Request) -> Response:
        """Any client, as a public one (RFC 7591 §3.2.1)."""
        client = {**await request.json(), "client_id": secrets.token_hex(8), "token_endpoint_auth_method": "none"}
        self.clients[client["client_id"]] = client
        return JSONResponse(client, 201)

    async def authorization(self, request: Request) -> Response:
        """A page that asks who it is; then back to the client with a code (RFC 6749 §4.1, RFC 9207)."""
        asked = request.query_params
        client = self.clients.get(asked.get("client_id", ""), {})
        redirect = asked.get("redirect_uri", "")
        same = {redirect, PORT.sub("", redirect)}  # programs on this machine take any port (RFC 8252 §7.3)
        if same.isdisjoint(client.get("redirect_uris", [])) or asked.get("code_challenge_method") != "S256":
            return HTMLResponse("<p>Unknown client or redirect URI, or no PKCE. Register again.</p>", 400)
        if request.method == "GET":
            boxes = "".join(BOX.format(escape(scope)) for scope in asked.get("scope", "").split() or self.scopes)
            name = escape(client.get("client_name", "A client"))
            return HTMLResponse(PAGE.format(style=STYLE, client=name, scopes=boxes))
        form = await request.form()
        code = secrets.token_urlsafe(32)
        self.grants[code] = {
            "client_id": client["client_id"],
            "sub": str(form.get("person") or "developer"),
            "scope": " ".join(str(scope) for scope in form.getlist("scope")),
            "code_challenge": asked.get("code_challenge", ""),
        }
        answer = urlencode({"code": code, "state": asked.get("state", ""), "iss": self.issuer})
        return RedirectResponse(f"{redirect}{'&' if '?' in redirect else '?'}{answer}", 303)

    async def token(self, request: Request) -> Response:
        """Tokens for a code or a refresh token (RFC 6749 §4.1.3 and §6, RFC 7636 §4.6)."""
        form = await request.form()
        grant = self.grants.pop(str(form.get("code") or form.get("refresh_token")), None)
        digest = sha256(str(form.get("code_verifier")).encode()).digest()
        proof = urlsafe_b64encode(digest).decode().rstrip("=")
        if grant is None or grant.pop("code_challenge", proof) != proof:
            return JSONResponse({"error": "invalid_grant"}, 400)
        refresh = secrets.token_urlsafe(32)
        self.grants[refresh] = grant
        tokens = {"access_token": self.issue(**grant), "refresh_token": refresh, "scope": grant["scope"]}
        return JSONResponse({**tokens, "token_type": "Bearer", "expires_in": LIFETIME})


def create_idp(provider: Provider) -> Starlette:
    """The provider as an application, to be served at its issuer's origin."""
    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", provider.metadata),
            Route("/register", provider.register, methods=["POST"]),
            Route("/authorization", provider.authorization, methods=["GET", "POST"]),
            Route("/token", provider.token, methods=["POST"]),
            *provider.tokens.routes,
        ],
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])],
    )


def start(audience: str, scopes: list[str]) -> Provider:
    """A provider that runs on a free port of this machine, until this process ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    provider = Provider(f"http://127.0.0.1:{port}", audience, scopes)
    server = uvicorn.Server(uvicorn.Config(create_idp(provider), port=port, log_config=None))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return provider
