"""An issuer of the tests, in a thread: its answers take as long as a test wants, and it counts who asks."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

GOOD = "good-"
"""How a token begins that the issuer calls active."""


class Issuer:
    """Keys, introspection, and what was asked."""

    def __init__(self, port: int, seconds: float) -> None:
        self.origin, self.seconds = f"http://127.0.0.1:{port}", seconds
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.asked = self.fetched = self.at_once = self.most = 0

    def token(self, resource: str, person: str, kid: str = "known") -> str:
        """A JWT; with another `kid` than the default nobody can check it."""
        now = int(time.time())
        claims = {"iss": self.origin, "aud": resource, "sub": person, "exp": now + 600, "scope": "read write"}
        return jwt.encode(claims, self.key, "RS256", headers={"kid": kid, "typ": "at+jwt"})

    def app(self, resource: str) -> Starlette:
        """The issuer of tokens for a resource."""

        async def metadata(_: Request) -> Response:
            places = {"introspection_endpoint": f"{self.origin}/introspect", "jwks_uri": f"{self.origin}/jwks"}
            return JSONResponse({"issuer": self.origin, **places})

        async def keys(_: Request) -> Response:
            self.fetched += 1
            await asyncio.sleep(self.seconds)
            public: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            return JSONResponse({"keys": [{**public, "kid": "known", "alg": "RS256", "use": "sig"}]})

        async def introspect(request: Request) -> Response:
            token = str((await request.form())["token"])
            self.asked, self.at_once = self.asked + 1, self.at_once + 1
            self.most = max(self.most, self.at_once)
            await asyncio.sleep(self.seconds)
            self.at_once -= 1
            known = {"active": True, "aud": resource, "sub": token, "scope": "read write"}
            return JSONResponse(known if token.startswith(GOOD) else {"active": False})

        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", metadata),
                Route("/jwks", keys),
                Route("/introspect", introspect, methods=["POST"]),
            ]
        )


@contextmanager
def issuing(port: int, resource: str, seconds: float = 0.05) -> Iterator[Issuer]:
    """An issuer at a port of this machine until the block ends; each answer takes so many seconds."""
    issuer = Issuer(port, seconds)
    config = uvicorn.Config(issuer.app(resource), port=port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield issuer
    finally:
        server.should_exit = True
        thread.join()
