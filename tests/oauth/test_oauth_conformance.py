"""The official conformance suite against rendered, running connectors of the OAuth modes, and what issues their tokens.

The suite cannot log in. A proxy adds a token for its server scenarios, and a user agrees where it waits for one.
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from ..lib.browser import log_in
from ..lib.oauth import MODES, both
from ..lib.rendering import Installed
from ..lib.serving import NODE, Running, free_port, identity_provider, issued_by, proxied_token, serving
from ..running.test_conformance import (
    REVISIONS,
    SUITE,
    Record,
    Scenarios,
    adding,
    found_in,
    not_passed,
    passes_without_fixtures,
    tell,
    with_credentials,
    with_status,
)
from .test_oauth_peers import metadata

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def url(mode: str, installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the suite finds a connector as it is rendered, with a token on the way."""
    project, env = installed({"auth_mode": mode, "hosting": "compose", "source": "rest-api"})
    proxied = with_login if mode == "oauth-proxy" else with_credentials
    with proxied(project, env, tmp_path_factory.mktemp("caddy")) as proxy:
        yield proxy.url


@contextmanager
def with_login(project: Path, env: Mapping[str, str], folder: Path) -> Iterator[Running]:
    """A connector that gives its token only to who logs in at its public URL, where the proxy must be already."""
    origin = f"http://127.0.0.1:{free_port()}"
    with (
        identity_provider(registration=False) as idp,
        serving(project, env, PUBLIC_URL=origin, **issued_by(idp, "oauth-proxy")) as connector,
    ):
        with adding({}, connector, origin, folder) as proxy:
            token = proxied_token(proxy)
        with adding({"Authorization": f"Bearer {token}"}, connector, origin, folder) as proxy:
            yield proxy


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_connector_as_rendered_passes_every_scenario_that_needs_no_fixture(
    mode: str, url: str, revision: str, tmp_path: Path, record_property: Record
) -> None:
    passes_without_fixtures(mode, url, revision, tmp_path, record_property)


def test_a_proxied_connector_is_an_authorization_server(
    installed: Installed, tmp_path: Path, record_property: Record
) -> None:
    with both(installed, "oauth-proxy") as pair:
        scenarios = authorization_suite(pair.connector.origin, pair.connector.url, tmp_path)
    tell(record_property, "authorization server, oauth-proxy", scenarios)
    assert not_passed(scenarios) == {}


def test_so_is_the_identity_provider(tmp_path: Path, record_property: Record) -> None:
    """It warns that no client can be a metadata document, which only one with an authority allows here."""
    with identity_provider() as idp:
        scenarios = authorization_suite(idp.origin, f"{idp.origin}/mcp", tmp_path, scope="read")
    tell(record_property, "authorization server, oidc-provider", scenarios)
    assert not_passed(scenarios) == {"authorization-server-metadata-endpoint": ["authorization-server-metadata-cimd"]}
    assert not any(with_status(checks, "FAILURE") for checks in scenarios.values())


def authorization_suite(issuer: str, resource: str, results: Path, scope: str = "") -> Scenarios:
    """What the suite found at an authorization server, where it logs in as a public client that is registered first.

    It asks for no scope; `scope` is for those who let nobody agree to nothing.
    """
    port = free_port()
    client = {
        "client_name": "conformance",
        "redirect_uris": [f"http://127.0.0.1:{port}/callback"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    }
    place = metadata(issuer)["registration_endpoint"]
    client_id = httpx2.post(place, json=client, trust_env=False).raise_for_status().json()["client_id"]
    command: list[str | Path] = [NODE, SUITE / "dist/index.js", "authorization", "--url", issuer, "-o", results]
    command += ["--client-id", client_id, "--resource", resource, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                if line.startswith(f"{issuer}/"):  # where it waits for someone to log in
                    asked = f"&scope={scope}" if scope else ""
                    httpx2.get(log_in(line.strip() + asked), trust_env=False)
        finally:
            process.terminate()
    return found_in(results, "authorization-server")
