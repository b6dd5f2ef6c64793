"""Tokens of the development identity provider: opaque ones, and who they are for."""

import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Tokens:
    """Makes tokens and says who they are for (OpenID Connect Core §5.3)."""

    def __init__(self, issuer: str) -> None:
        self.claims: dict[str, dict[str, Any]] = {}
        self.metadata = {"userinfo_endpoint": f"{issuer}/userinfo"}
        self.routes = [Route("/userinfo", self.userinfo)]
        self.settings = {
            "OAUTH_CLIENT_ID": "developer",
            "OAUTH_CLIENT_SECRET": "developer-secret",
            "OAUTH_CLIENT_AUTH": "client_secret_post",
            "OAUTH_UPSTREAM_SCOPES": "openid email",
            "OAUTH_AUTHORIZATION_URL": f"{issuer}/authorization",
            "OAUTH_TOKEN_URL": f"{issuer}/token",
            "OAUTH_USERINFO_URL": f"{issuer}/userinfo",
        }

    def make(self, claims: dict[str, Any]) -> str:
        token = secrets.token_urlsafe(32)
        self.claims[token] = claims
        return token

    async def userinfo(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        claims = self.claims.get(token, {"exp": 0})
        if claims["exp"] <= time.time():
            return JSONResponse({"error": "invalid_token"}, 401, {"WWW-Authenticate": "Bearer"})
        person = claims["sub"]
        return JSONResponse({"sub": person, "email": f"{person}@example.com", "email_verified": True})
