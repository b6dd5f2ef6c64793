"""An identity provider on this machine, for `dev` and the tests: anyone may log in as anyone. Never in the image."""

import secrets
import time
from html import escape
from typing import Any

from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import ClientRegistrationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl, AnyUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .dev_tokens import Tokens

LIFETIME = 3600  # seconds that an access token is good for
CLIENT_ID, CLIENT_SECRET = "developer", "developer-secret"  # for platforms that do not register themselves
STYLE = "body{font:16px system-ui;max-width:26em;margin:4em auto}"
REDIRECT_URIS = ["https://platform.duvo.ai/v1/oauth/mcp/callback", "http://localhost:6274/oauth/callback"]


class Provider(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """Clients, codes and tokens, in memory."""

    def __init__(self, issuer: str, audience: str, scopes: list[str]) -> None:
        self.issuer, self.audience, self.scopes = issuer, audience, scopes
        self.tokens = Tokens(issuer)
        known = OAuthClientInformationFull(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            redirect_uris=[AnyUrl(uri) for uri in REDIRECT_URIS],
            scope=" ".join(scopes),
            token_endpoint_auth_method="client_secret_post",  # noqa: S106
        )
        self.clients = {CLIENT_ID: known}
        self.pending: dict[str, tuple[str, AuthorizationParams]] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.refresh_tokens: dict[str, RefreshToken] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        request = secrets.token_urlsafe(16)
        self.pending[request] = (client.client_id, params)
        return f"{self.issuer}/login?request={request}"

    def log_in(self, request: str, person: str, scopes: list[str]) -> str:
        """End a login; where the browser goes next."""
        client_id, params = self.pending.pop(request)
        code = AuthorizationCode(
            code=secrets.token_urlsafe(32),
            client_id=client_id,
            scopes=scopes,
            expires_at=time.time() + 60,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
            subject=person,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state, iss=self.issuer)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self.grant(client.client_id, authorization_code, authorization_code.scopes)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        return self.refresh_tokens.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        del self.refresh_tokens[refresh_token.token]  # each is good once
        return self.grant(client.client_id, refresh_token, scopes)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return None  # the connector verifies them itself

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.refresh_tokens.pop(token.token, None)

    def grant(self, client_id: str, given: AuthorizationCode | RefreshToken, scopes: list[str]) -> OAuthToken:
        refresh = RefreshToken(
            token=secrets.token_urlsafe(32),
            client_id=client_id,
            scopes=given.scopes,
            resource=given.resource,
            subject=given.subject,
        )
        self.refresh_tokens[refresh.token] = refresh
        token = self.issue(sub=given.subject, client_id=client_id, scope=" ".join(scopes))
        return OAuthToken(access_token=token, expires_in=LIFETIME, scope=" ".join(scopes), refresh_token=refresh.token)

    def issue(self, **claims: Any) -> str:
        """An access token for the connector; claims override the usual ones (RFC 9068 §2.2)."""
        now = int(time.time())
        usual = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "developer",
            "iat": now,
            "exp": now + LIFETIME,
            "jti": secrets.token_hex(8),
        }
        return self.tokens.make({**usual, **claims})


def create_idp(provider: Provider) -> Starlette:
    """The provider as an application, to be served at its issuer's origin."""
    issuer = provider.issuer

    async def metadata(_: Request) -> Response:
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "registration_endpoint": f"{issuer}/register",
                "scopes_supported": provider.scopes,
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "none"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                **provider.tokens.metadata,
            },
            headers={"Access-Control-Allow-Origin": "*"},
        )

    async def login(request: Request) -> Response:
        waiting = request.query_params.get("request", "")
        if waiting not in provider.pending:
            return HTMLResponse("<p>This login has ended. Begin again in your client.</p>", 400)
        client_id, params = provider.pending[waiting]
        offered = params.scopes or provider.scopes
        if request.method == "POST":
            form = await request.form()
            granted = [scope for scope in offered if scope in form.getlist("scope")]
            return RedirectResponse(provider.log_in(waiting, str(form.get("person") or "developer"), granted), 303)
        client = provider.clients[client_id]
        boxes = "".join(
            f'<p><label><input type="checkbox" name="scope" value="{escape(s)}" checked> {escape(s)}</label></p>'
            for s in offered
        )
        return HTMLResponse(
            f"<!doctype html><title>Development login</title>"
            f"<style>{STYLE}</style>"
            f"<h1>Development login</h1><p><b>{escape(client.client_name or client_id)}</b> asks for access. "
            f"Anyone may log in here as anyone: it exists on this machine alone.</p>"
            f'<form method="post"><p><label>Name <input name="person" value="developer"></label></p>{boxes}'
            f"<button>Log in and allow</button></form>"
        )

    options = ClientRegistrationOptions(enabled=True, default_scopes=provider.scopes)
    return Starlette(
        routes=[
            Route("/.well-known/oauth-authorization-server", metadata),
            Route("/.well-known/openid-configuration", metadata),
            Route("/login", login, methods=["GET", "POST"]),
            *provider.tokens.routes,
            *create_auth_routes(provider, AnyHttpUrl(issuer), client_registration_options=options),
        ]
    )
