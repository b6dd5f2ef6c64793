"""Other people's outages, under load: an upstream API, an issuer or a store that stops, hangs and comes back.

No replica leaves for an outage that another could not heal, nobody is told that a good token is wrong, nobody gets a
500, and nothing needs a restart.
"""

import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import pytest

from ..lib.oauth import MODES
from ..lib.rendering import Installed, run
from ..lib.serving import (
    Running,
    access_token,
    free_port,
    identity_provider,
    issued_by,
    proxied_token,
    serving,
    state_store,
    until,
    upstream,
)

pytestmark = pytest.mark.peers

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
SEARCH = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search_records", "arguments": {}}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def of(mode: str, source: str = "blank") -> dict[str, str]:
    return {"auth_mode": mode, "hosting": "compose", "source": source}


def call(
    connector: Running, headers: Mapping[str, str] | None = None, body: Mapping[str, Any] = LIST
) -> httpx2.Response:
    sent = {**ACCEPT, **(connector.headers if headers is None else headers)}
    return httpx2.post(connector.url, json=body, headers=sent, trust_env=False, timeout=30)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def get(connector: Running, path: str) -> httpx2.Response:
    return httpx2.get(f"{connector.origin}{path}", trust_env=False, timeout=10)


@contextmanager
def load(connector: Running, headers: Mapping[str, str], body: Mapping[str, Any] = LIST) -> Iterator[Counter[str]]:
    """Calls and probes, one after the other in two threads until the block ends: how often each status was seen."""
    seen: Counter[str] = Counter()
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            seen[f"call {call(connector, headers, body).status_code}"] += 1
            for path in ("live", "ready"):
                seen[f"{path} {get(connector, f'/health/{path}').status_code}"] += 1
            ended.wait(0.05)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def new_token(mode: str, issuer: str, connector: Running) -> dict[str, str]:
    if mode == "oauth-proxy":
        return bearer(proxied_token(connector))
    return bearer(access_token(issuer, connector.url))


@pytest.mark.parametrize("mode", MODES)
def test_a_connector_that_starts_before_its_issuer_waits_for_it(installed: Installed, mode: str) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with identity_provider() as another:
        settings = issued_by(another, mode) | {"OAUTH_ISSUER": origin}
    project, env = installed(of(mode))
    with serving(project, env, **settings) as connector:
        ready = get(connector, "/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "failing"})
        refused = call(connector, bearer("of-yesterday"))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        challenge = call(connector, {})
        assert challenge.status_code == 401
        assert get(connector, "/.well-known/oauth-protected-resource/mcp").status_code == 200
        with identity_provider(port=port, registration=mode != "oauth-proxy", opaque=mode == "oauth-introspection"):
            until(lambda: get(connector, "/health/ready").status_code == 200)
            assert call(connector, new_token(mode, origin, connector)).status_code == 200
        assert "Traceback" not in connector.log.read_text()


@pytest.mark.parametrize("mode", MODES)
def test_while_an_issuer_hangs_who_is_known_goes_on(installed: Installed, mode: str) -> None:
    project, env = installed(of(mode))
    again = {"OAUTH_CACHE_SECONDS": "0"} if mode != "oauth" else {}
    with (
        identity_provider(registration=mode != "oauth-proxy", opaque=mode == "oauth-introspection") as idp,
        serving(project, env, **(issued_by(idp, mode) | again)) as connector,
    ):
        known, unknown = new_token(mode, idp.origin, connector), new_token(mode, idp.origin, connector)
        assert call(connector, known).status_code == 200
        idp.process.send_signal(signal.SIGSTOP)
        try:
            with load(connector, known) as seen:
                until(lambda: seen.total() > 60)
            # The keys tell a good token in oauth. In oauth-proxy, whoever has logged in is known.
            assert call(connector, unknown).status_code == (503 if mode == "oauth-introspection" else 200)
        finally:
            idp.process.send_signal(signal.SIGCONT)
        assert seen.keys() == {"call 200", "live 200", "ready 200"}
        until(lambda: call(connector, unknown).status_code == 200)
        assert "Traceback" not in connector.log.read_text()


def test_while_a_store_is_down_logins_are_kept_and_nobody_is_turned_away(installed: Installed, tmp_path: Any) -> None:
    port = free_port()
    project, env = installed(of("oauth-proxy"))
    with identity_provider(registration=False) as idp, ExitStack() as running:
        settings = issued_by(idp, "oauth-proxy") | {"STATE_STORE_URL": f"redis://127.0.0.1:{port}/0"}
        connector = running.enter_context(serving(project, env, **settings))
        assert get(connector, "/health/ready").status_code == 503  # it has started without its store
        with state_store(port=port, folder=tmp_path):
            until(lambda: get(connector, "/health/ready").status_code == 200)
            known = bearer(proxied_token(connector))
            assert call(connector, known).status_code == 200
        with load(connector, known) as seen:
            until(lambda: seen["call 503"] > 5 and seen["ready 503"] > 5)
            with state_store(port=port, folder=tmp_path):
                until(lambda: get(connector, "/health/ready").status_code == 200)
                until(lambda: call(connector, known).status_code == 200)
        assert {"call 401", "call 500", "ready 500", "live 503"}.isdisjoint(seen)


@pytest.mark.parametrize("mode", ["none", "headers"])
def test_an_upstream_api_that_stops_and_comes_back_is_only_reported(installed: Installed, mode: str) -> None:
    project, env = installed(of(mode, "rest-api"))
    port = free_port()

    def works() -> bool:
        return '"isError":true' not in call(connector, body=SEARCH).text.replace(" ", "")

    with serving(project, env, UPSTREAM_URL=f"http://127.0.0.1:{port}") as connector:
        assert get(connector, "/health/ready").json()["upstream"]["status"] == "failing"
        with load(connector, connector.headers, SEARCH) as seen:
            with upstream(project, env, port):
                until(works)
            until(lambda: not works())
        assert seen.keys() == {"call 200", "live 200", "ready 200"}
        assert get(connector, "/health/ready").status_code == 200


WRONG: dict[str, tuple[str, dict[str, str], str]] = {
    "another issuer": ("oauth", {"OAUTH_ISSUER": "{origin}/"}, "OAUTH_ISSUER cannot be used: "),
    "no issuer there": ("oauth-introspection", {"OAUTH_ISSUER": "{origin}/elsewhere"}, "OAUTH_ISSUER cannot be used: "),
    "wrong client": ("oauth-introspection", {"OAUTH_CLIENT_SECRET": "wrong"}, "correct OAUTH_CLIENT_ID"),
    "wrong password": ("oauth-proxy", {"STATE_STORE_URL": "{store}"}, "STATE_STORE_URL cannot be used: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_still_ends_the_start_with_one_sentence(installed: Installed, name: str) -> None:
    mode, changed, said = WRONG[name]
    project, env = installed(of(mode))
    with (
        identity_provider(registration=False, opaque=mode == "oauth-introspection") as idp,
        state_store(password="right") as store,
    ):
        given = {"origin": idp.origin, "store": store.url.replace("right", "wrong")}
        settings = {name: value.format(**given) for name, value in changed.items()}
        public = {"PORT": str(free_port()), "PUBLIC_URL": "http://127.0.0.1:1"}
        done = run(project, {**env, **public, **issued_by(idp, mode), **settings}, "connector", "serve")
    assert done.returncode == 1
    assert said in done.stderr
    assert "wrong" not in done.stderr
    assert "Traceback" not in done.stderr
