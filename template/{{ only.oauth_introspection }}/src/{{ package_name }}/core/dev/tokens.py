"""Tokens of the development identity provider: opaque ones, and what they stand for."""

import secrets
import time
from base64 import b64encode
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "connector", "connector-secret"  # as which the connector asks


class Tokens:
    """Makes tokens and says what they stand for (RFC 7662)."""

    def __init__(self, issuer: str) -> None:
        endpoint = f"{issuer}/introspect"
        self.claims: dict[str, dict[str, Any]] = {}
        self.metadata = {"introspection_endpoint": endpoint}
        self.routes = [Route("/introspect", self.introspect, methods=["POST"])]
        self.settings = {"OAUTH_CLIENT_ID": CLIENT_ID, "OAUTH_CLIENT_SECRET": CLIENT_SECRET}

    def make(self, claims: dict[str, Any]) -> str:
        token = secrets.token_urlsafe(32)
        self.claims[token] = claims
        return token

    async def introspect(self, request: Request) -> Response:
        allowed = f"Basic {b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}"
        if request.headers.get("authorization") != allowed:
            return JSONResponse({"error": "invalid_client"}, 401, {"WWW-Authenticate": "Basic"})
        claims = self.claims.get(str((await request.form()).get("token")), {"exp": 0})
        return JSONResponse({**claims, "active": True} if claims["exp"] > time.time() else {"active": False})
