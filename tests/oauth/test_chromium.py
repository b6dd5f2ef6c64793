"""A person with a real browser, at the pages of rendered connectors: what they see, and what the browser objects to."""

import json
import os
import secrets
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from ..lib.browser import challenge, query
from ..lib.rendering import Installed
from ..lib.serving import (
    NODE,
    PEERS,
    Running,
    free_port,
    identity_provider,
    in_front,
    issued_by,
    started,
    state_store,
)
from .test_oauth_proxy import BACK, LIST, POST, PROXIED, Client, proxied

CHROMIUM = Path("/usr/bin/chromium")
NAME = "A client of the <img src=x onerror=alert(1)> test"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed; in Debian: apt-get install chromium"
    ),
]


def person(url: str, folder: Path, **task: Any) -> dict[str, Any]:
    """What someone meets who opens `url` in Chromium, as tests/peers/chromium.mjs says."""
    task = {"url": url, "callback": f"{BACK}?", "person": "alice", "pictures": str(folder), **task}
    command: list[str | Path] = [NODE, PEERS / "chromium.mjs", json.dumps(task)]
    with tempfile.TemporaryDirectory() as home:  # not `folder`: the path of a socket in it may have 107 characters
        env = {**os.environ, "HOME": home, "TMPDIR": home}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def complaints(seen: dict[str, Any], origin: str) -> list[str]:
    """What the console said at pages of this origin."""
    return [each["text"] for each in seen["complaints"] if each["page"].startswith(origin)]


@pytest.fixture(scope="module")
def connector(installed: Installed) -> Iterator[Running]:
    with identity_provider() as idp, proxied(installed, issued_by(idp, "oauth-proxy")) as connector:
        yield connector


@pytest.fixture
def client(connector: Running) -> Client:
    client = Client(connector.origin, NAME)
    assert client.register().status_code == 201
    return client


def test_a_person_sees_whom_they_let_in_and_the_client_gets_in(
    connector: Running, client: Client, tmp_path: Path
) -> None:
    seen = person(client.authorization, tmp_path)
    consent = seen["pages"][0]
    assert consent["url"].startswith(f"{connector.origin}/consent?")
    for told in (NAME, "Acme CRM", BACK, "read, write", client.id):
        assert told in consent["text"]
    assert complaints(seen, connector.origin) == []
    assert (tmp_path / "consent.png").stat().st_size > 10_000
    sent_back = query(seen["reached"])
    assert (sent_back["state"], sent_back["iss"]) == ("of-the-client", connector.origin)
    client.code = sent_back["code"]
    assert client.exchange().status_code == 200
    assert client.call() == 200


def test_a_person_may_refuse(connector: Running, client: Client, tmp_path: Path) -> None:
    seen = person(client.authorization, tmp_path, deny=True)
    refused = query(seen["reached"])
    assert (refused["error"], refused["state"], refused["iss"]) == ("access_denied", "of-the-client", connector.origin)
    assert "code" not in refused
    assert complaints(seen, connector.origin) == []


def test_another_site_cannot_show_the_page_in_a_frame(connector: Running, client: Client, tmp_path: Path) -> None:
    [any_page] = person(f"{connector.origin}/health/live", tmp_path, frame=True)["frames"]
    assert "ok" in any_page["text"], "a page that does not object is shown"
    [frame] = person(client.authorization, tmp_path, frame=True)["frames"]
    assert frame["url"].startswith("chrome-error://")
    assert "refused to connect" in frame["text"]


def test_behind_https_cookies_and_metadata_are_for_https(installed: Installed, tmp_path: Path) -> None:
    port, public = free_port(), f"https://localhost:{free_port()}"
    with (
        identity_provider(callback=f"{public}/auth/callback") as idp,
        state_store() as store,
        in_front(public, port, folder=tmp_path),
        proxied(installed, issued_by(idp, "oauth-proxy"), STATE_STORE_URL=store.url, PUBLIC_URL=public, PORT=str(port)),
    ):
        authority = tmp_path / "caddy/pki/authorities/local/root.crt"
        http = httpx2.Client(base_url=public, verify=ssl.create_default_context(cafile=str(authority)), trust_env=False)
        metadata = http.get("/.well-known/oauth-authorization-server").json()
        assert metadata["issuer"] == public
        urls = {name: value for name, value in metadata.items() if name.endswith("_endpoint")}
        assert len(urls) >= 3
        assert all(value.startswith(f"{public}/") for value in urls.values())
        resource = http.get("/.well-known/oauth-protected-resource/mcp").json()
        assert (resource["resource"], resource["authorization_servers"]) == (f"{public}/mcp", [public])

        client = Client(public, NAME)
        client.http = http
        assert client.register().status_code == 201
        seen = person(client.authorization, tmp_path, insecure=True)
        cookies = [cookie for page in seen["pages"] for cookie in page["cookies"] if "MCP_" in cookie["name"]]
        names = " ".join(cookie["name"] for cookie in cookies)
        assert "__Host-MCP_CONSENT_STATE_" in names, "it was handed this form"
        assert "__Host-MCP_CONSENT_BINDING" in names, "it agreed"
        assert seen["reached"], seen["pages"][-1]
        for cookie in cookies:
            assert cookie["name"].startswith("__Host-MCP_CONSENT_")
            assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
            assert (cookie["domain"], cookie["path"]) == ("localhost", "/")
        assert complaints(seen, public) == []
        sent_back = query(seen["reached"])
        assert sent_back["iss"] == public
        client.code = sent_back["code"]
        assert client.exchange().status_code == 200
        assert client.call() == 200


@pytest.mark.parametrize("mode", ["oauth", "oauth-introspection", "oauth-proxy"])
def test_a_newcomer_tries_the_login_without_any_settings(installed: Installed, mode: str, tmp_path: Path) -> None:
    _, env = installed({**PROXIED, "auth_mode": mode})
    origin = f"http://127.0.0.1:{(port := free_port())}"
    probe = f"{origin}/health/ready"
    with (
        started(["connector", "dev"], {**env, "PORT": str(port)}, tmp_path, origin, probe, {}) as dev,
        httpx2.Client(trust_env=False, timeout=15) as http,
    ):
        resource = http.get(f"{origin}/.well-known/oauth-protected-resource/mcp").json()
        server = http.get(f"{resource['authorization_servers'][0]}/.well-known/oauth-authorization-server")
        if server.status_code != 200:
            server = http.get(f"{resource['authorization_servers'][0]}/.well-known/openid-configuration")
        found = server.json()
        registration = {"client_name": NAME, "redirect_uris": [BACK], "token_endpoint_auth_method": "none"}
        client_id = http.post(found["registration_endpoint"], json=registration).raise_for_status().json()["client_id"]
        verifier = secrets.token_urlsafe(48)
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": BACK,
            "scope": " ".join(resource.get("scopes_supported", ["read"])),
            "state": "of-the-client",
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
            "resource": resource["resource"],
        }
        seen = person(f"{found['authorization_endpoint']}?{urlencode(asked)}", tmp_path)
        assert complaints(seen, "http://127.0.0.1") == []
        assert (tmp_path / "login.png").exists()
        form = {"grant_type": "authorization_code", "code": query(seen["reached"])["code"], "redirect_uri": BACK}
        form |= {"client_id": client_id, "code_verifier": verifier, "resource": resource["resource"]}
        token = http.post(found["token_endpoint"], data=form).raise_for_status().json()["access_token"]
        answer = http.post(f"{origin}/mcp", json=LIST, headers={**POST, "Authorization": f"Bearer {token}"})
        assert (answer.status_code, "count_words" in answer.text) == (200, True)
        assert "Traceback" not in dev.log.read_text()
