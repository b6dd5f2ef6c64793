"""A connector that gets its token for the upstream API from a real identity provider (OAuth 2 client credentials)."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import jwt
import pytest

from ..lib.rendering import Installed
from ..lib.serving import CLIENT, Running, free_port, identity_provider, serving
from ..running.test_running import call

pytestmark = pytest.mark.peers

API = "https://api.example.com"


class Protected(ThreadingHTTPServer):
    """An API that takes the provider's tokens for itself, and keeps which ones it saw."""

    def __init__(self, idp: Running) -> None:
        super().__init__(("127.0.0.1", free_port()), Answer)
        self.idp = idp
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.taken: list[str] = []
        self.refused: list[str] = []

    def takes(self, token: str) -> bool:
        """Whether the provider, as it runs now, issued the token for this API, with this scope."""
        try:
            key = jwt.PyJWKClient(f"{self.idp.origin}/jwks").get_signing_key_from_jwt(token).key
            claims = jwt.decode(token, key, ["RS256"], audience=API, issuer=self.idp.origin)
        except jwt.PyJWTError:
            return False
        return str(claims["client_id"]).startswith(CLIENT["client_id"]) and claims["scope"] == "read"


class Answer(BaseHTTPRequestHandler):
    server: Protected

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        known = self.server.takes(token)
        (self.server.taken if known else self.server.refused).append(token)
        body = json.dumps({"items": [], "next_cursor": None}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is told."""


@contextmanager
def protected(idp: Running) -> Iterator[Protected]:
    with Protected(idp) as api:
        thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield api
        finally:
            api.shutdown()
            thread.join()


def readiness(connector: Running) -> dict[str, str]:
    said: dict[str, str] = httpx2.get(f"{connector.origin}/health/ready", trust_env=False).json()["upstream"]
    return said


@pytest.mark.parametrize("way", ["basic", "post"])
def test_every_call_has_a_token_that_the_api_takes_even_after_the_provider_forgot_it(
    installed: Installed, way: str
) -> None:
    project, env = installed({"auth_mode": "none", "hosting": "compose", "source": "rest-api"})
    port = free_port()
    settings = {
        "UPSTREAM_TOKEN_URL": f"http://127.0.0.1:{port}/token",
        "UPSTREAM_CLIENT_ID": CLIENT["client_id"] + ("-post" if way == "post" else ""),
        "UPSTREAM_CLIENT_SECRET": CLIENT["client_secret"],
        "UPSTREAM_CLIENT_AUTH": way,
        "UPSTREAM_SCOPE": "read",
        "UPSTREAM_RESOURCE": API,
        "LOG_LEVEL": "DEBUG",
    }
    with (
        identity_provider(port=port) as idp,
        protected(idp) as api,
        serving(project, env, UPSTREAM_URL=api.origin, **settings) as connector,
    ):

        def calls(count: int) -> list[bool]:
            with ThreadPoolExecutor(count) as threads:
                return [
                    done.is_error for done in threads.map(lambda _: call(connector, "search_records"), range(count))
                ]

        assert calls(10) == [False] * 10
        assert readiness(connector) == {"status": "ok"}
        assert len(set(api.taken)) == 1, "one token is for all calls"
        assert not api.refused
        idp.process.terminate()
        idp.process.wait()
        with identity_provider(port=port):  # with new keys
            assert calls(10) == [False] * 10
        assert len(set(api.taken)) == 2
        written = connector.log.read_text()
    secrets = [CLIENT["client_secret"], *api.taken, *api.refused]
    assert not [secret for secret in secrets if secret in written]
    assert "/token 200" in written


def test_a_client_that_the_provider_does_not_know_is_told_in_one_sentence(installed: Installed) -> None:
    project, env = installed({"auth_mode": "none", "hosting": "compose", "source": "rest-api"})
    with identity_provider() as idp, protected(idp) as api:
        settings = {
            "UPSTREAM_TOKEN_URL": f"{idp.origin}/token",
            "UPSTREAM_CLIENT_ID": CLIENT["client_id"],
            "UPSTREAM_CLIENT_SECRET": "a-canary",
        }
        with serving(project, env, UPSTREAM_URL=api.origin, **settings) as connector:
            done = call(connector, "search_records")
            assert done.is_error
            assert "no token for the upstream API: its endpoint refuses (401, invalid_client). Do not" in str(
                done.content
            )
            told = readiness(connector)
            written = connector.log.read_text()
    assert (told["status"], told["cause"]) == ("failing", "no_token")
    assert "no token from 127.0.0.1: its endpoint refuses (401, invalid_client)" in written
    assert "a-canary" not in written
    assert not api.taken + api.refused
