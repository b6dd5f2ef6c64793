"""Tokens of the development identity provider: JWTs, and the key to check them with."""

import secrets
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Tokens:
    """Makes tokens (RFC 9068) and publishes the key (RFC 7517)."""

    def __init__(self, issuer: str) -> None:
        self.kid = secrets.token_hex(8)  # another at each start, so that no client trusts yesterday's key
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.metadata = {"jwks_uri": f"{issuer}/jwks"}
        self.routes = [Route("/jwks", self.keys)]
        self.settings: dict[str, str] = {}  # a connector needs no more than the issuer

    def make(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, "RS256", headers={"kid": self.kid, "typ": "at+jwt"})

    async def keys(self, _: Request) -> Response:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**public, "kid": self.kid, "alg": "RS256", "use": "sig"}]})
