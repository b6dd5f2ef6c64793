"""Connectors that are an authorization server themselves, with a real store, a real identity provider and replicas."""

import re
import secrets
import signal
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import pytest
import valkey

from ..lib.browser import challenge, follow, form, log_in, query
from ..lib.rendering import Answers, Installed, run
from ..lib.serving import (
    CLIENT,
    DUVO,
    Running,
    StateStore,
    free_port,
    identity_provider,
    in_front,
    issued_by,
    serving,
    state_store,
    until,
)

pytestmark = pytest.mark.peers

PROXIED: Answers = {"auth_mode": "oauth-proxy", "hosting": "compose", "source": "blank", "ci": "none"}
BACK = "http://127.0.0.1:53682/oauth/callback"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
POST = {"Accept": "application/json, text/event-stream"}
RENEWABLE = {"OAUTH_UPSTREAM_SCOPES": "openid offline_access", "OAUTH_AUTHORIZE_PARAMS": "prompt=consent"}
"""For an identity provider that gives refresh tokens to who asks for them so (OpenID Connect Core §11)."""
KINDS = ("access", "refresh")
PASSWORD = "p@ss/w:rd#%1"


class Client:
    """A client that registers itself at `origin`, and what it gets there. A test may say which replica it asks."""

    def __init__(self, origin: str, name: str = "A client of the test") -> None:
        self.http = httpx2.Client(trust_env=False, timeout=15)
        self.origin, self.name, self.verifier = origin, name, secrets.token_urlsafe(48)
        self.tokens: dict[str, Any] = {}
        self.id = self.code = ""

    def register(self, at: str = "") -> httpx2.Response:
        answer = self.http.post(
            f"{at or self.origin}/register", json={"client_name": self.name, "redirect_uris": [BACK]}
        )
        self.id = answer.json().get("client_id", "")
        return answer

    @property
    def authorization(self) -> str:
        """The URL that people open."""
        asked = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": BACK,
            "scope": "read write",
            "state": "of-the-client",
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
        }
        return f"{self.origin}/authorize?{urlencode(asked)}"

    def exchange(self, at: str = "") -> httpx2.Response:
        form = {"grant_type": "authorization_code", "code": self.code, "redirect_uri": BACK}
        return self.token(at, **form, code_verifier=self.verifier)

    def refresh(self, at: str = "") -> httpx2.Response:
        return self.token(at, grant_type="refresh_token", refresh_token=self.tokens["refresh_token"])

    def token(self, at: str, **form: str) -> httpx2.Response:
        answer = self.http.post(f"{at or self.origin}/token", data={**form, "client_id": self.id})
        if answer.status_code == 200:
            self.tokens = answer.json()
        return answer

    def call(self, at: str = "") -> int:
        return self.answer(at).status_code

    def answer(self, at: str = "") -> httpx2.Response:
        headers = {**POST, "Authorization": f"Bearer {self.tokens['access_token']}"}
        headers["Host"] = self.origin.partition("://")[2]  # a reverse proxy leaves it as it is
        return self.http.post(f"{at or self.origin}/mcp", json=LIST, headers=headers)


def logged_in(origin: str, person: str = "alice", name: str = "A client of the test") -> Client:
    client = Client(origin, name)
    assert client.register().status_code == 201
    client.code = query(log_in(client.authorization, person))["code"]
    assert client.exchange().status_code == 200
    return client


@contextmanager
def proxied(installed: Installed, settings: Mapping[str, str], **further: str) -> Iterator[Running]:
    project, env = installed(PROXIED)
    with serving(project, env, **{**settings, **further}) as connector:
        yield connector


def fixed() -> dict[str, str]:
    """Settings for a connector that starts again at the same place."""
    port = free_port()
    return {"PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}"}


@pytest.fixture(scope="module")
def idp() -> Iterator[Running]:
    with identity_provider() as idp:
        yield idp


@pytest.fixture(scope="module")
def store() -> Iterator[StateStore]:
    with state_store() as store:
        yield store


@pytest.fixture
def settings(idp: Running, store: StateStore) -> dict[str, str]:
    return {**issued_by(idp, "oauth-proxy"), **RENEWABLE, "STATE_STORE_URL": store.url}


# -------------------------------------------------------------------------------------------- restarts and replicas


def test_a_login_survives_a_restart(installed: Installed, settings: dict[str, str]) -> None:
    settings |= fixed()
    with proxied(installed, settings) as connector:
        client = logged_in(connector.origin)
        connector.process.terminate()
        assert connector.process.wait(10) == 0
    with proxied(installed, settings):
        assert client.call() == 200
        assert client.refresh().status_code == 200
        assert client.call() == 200


class Replicas:
    """Two of a connector, behind a reverse proxy that asks them in turn."""

    def __init__(self, proxy: Running, one: Running, other: Running) -> None:
        self.origin, self.one, self.other = proxy.origin, one, other


@contextmanager
def replicas(installed: Installed, settings: Mapping[str, str], folder: Path) -> Iterator[Replicas]:
    public, ports = f"http://127.0.0.1:{free_port()}", (free_port(), free_port())
    with (
        proxied(installed, settings, PUBLIC_URL=public, PORT=str(ports[0])) as one,
        proxied(installed, settings, PUBLIC_URL=public, PORT=str(ports[1])) as other,
        in_front(public, *ports, folder=folder) as proxy,
    ):
        yield Replicas(proxy, one, other)


def test_a_login_may_begin_at_one_replica_and_end_at_another(
    installed: Installed, settings: dict[str, str], tmp_path: Path
) -> None:
    with replicas(installed, settings, tmp_path) as both:
        client = Client(both.origin)
        assert client.register(at=both.one.origin).status_code == 201
        steps: list[tuple[str, str]] = []

        def note(answer: httpx2.Response) -> None:
            if replica := answer.headers.get("x-replica"):
                steps.append((answer.url.path, replica))

        with httpx2.Client(trust_env=False, event_hooks={"response": [note]}) as person:
            client.code = query(follow(person, client.authorization, BACK))["code"]
        assert [path for path, _ in steps] == ["/authorize", "/consent", "/consent", "/auth/callback"]
        by = [replica for _, replica in steps]
        assert by[:2] == by[2:]
        assert by[0] != by[1]
        assert client.exchange(at=both.one.origin).status_code == 200
        assert [client.call(at=one.origin) for one in (both.one, both.other)] == [200, 200]
        assert client.refresh(at=both.other.origin).status_code == 200
        assert [client.call(at=one.origin) for one in (both.one, both.other)] == [200, 200]


def test_nobody_notices_that_a_replica_stops(installed: Installed, settings: dict[str, str], tmp_path: Path) -> None:
    with replicas(installed, settings, tmp_path) as both:
        clients = [logged_in(both.origin, person) for person in ("alice", "bob")]

        def calls(client: Client) -> list[int]:
            return [client.call() for _ in range(20)]

        with ThreadPoolExecutor() as pool:
            answers = [pool.submit(calls, client) for client in clients]
            both.one.process.terminate()
            told = [status for answer in answers for status in answer.result(60)]
            assert told == [200] * 40
        assert both.one.process.wait(10) == 0
        assert [client.refresh().status_code for client in clients] == [200, 200]
        assert [client.call() for client in clients] == [200, 200]


def test_a_code_and_a_refresh_token_are_good_once_even_for_many_at_once(
    installed: Installed, settings: dict[str, str], tmp_path: Path
) -> None:
    with replicas(installed, settings, tmp_path) as both, ThreadPoolExecutor(16) as pool:
        client = Client(both.origin)
        client.register()
        client.code = query(log_in(client.authorization))["code"]
        for ask in (client.exchange, client.refresh):
            places = [both.one.origin, both.other.origin] * 8
            answers = [answer.status_code for answer in pool.map(ask, places)]
            assert sorted(answers) == [200] + [401] * 15
        assert client.call() == 200, "an identity provider that sees a refresh token twice ends the login"
        assert client.refresh().status_code == 200


# -------------------------------------------------------------------------------------------------- outages


def test_a_store_that_stops_ends_no_login_and_nobody_is_told_to_log_in_again(
    installed: Installed, idp: Running, tmp_path: Path
) -> None:
    port = free_port()
    settings = {**issued_by(idp, "oauth-proxy"), **RENEWABLE, **fixed()}
    with state_store(port=port, folder=tmp_path) as first:
        connector = proxied(installed, settings, STATE_STORE_URL=first.url)
        with connector as running:
            client = logged_in(running.origin)
            other = Client(running.origin)
            other.register()
            other.code = query(log_in(other.authorization))["code"]
            first.process.terminate()
            first.process.wait()
            waiting = {
                "call": client.answer(),
                "register": Client(running.origin).register(),
                "authorize": httpx2.get(client.authorization, trust_env=False),
                "consent": httpx2.get(f"{running.origin}/consent?txn_id=x", trust_env=False),
                "callback": httpx2.get(f"{running.origin}/auth/callback?code=x&state=x", trust_env=False),
                "code": other.exchange(),
                "refresh": client.refresh(),
            }
            told = {name: (each.status_code, each.headers.get("retry-after")) for name, each in waiting.items()}
            assert told == dict.fromkeys(waiting, (503, "10"))
            with state_store(port=port, folder=tmp_path):
                assert client.call() == 200
                assert other.exchange().status_code == 200
                assert client.refresh().status_code == 200
                assert [client.call(), other.call(), logged_in(running.origin).call()] == [200, 200, 200]
            assert "Traceback" not in running.log.read_text()
            assert "the state store does not answer" in running.log.read_text()


def test_a_store_that_hangs_holds_nobody_up(installed: Installed, idp: Running) -> None:
    with (
        state_store() as store,
        proxied(installed, issued_by(idp, "oauth-proxy"), STATE_STORE_URL=store.url) as connector,
    ):
        client = logged_in(connector.origin)
        store.process.send_signal(signal.SIGSTOP)
        try:
            answer = client.answer()
        finally:
            store.process.send_signal(signal.SIGCONT)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert answer.elapsed.total_seconds() < 6
        until(lambda: client.call() == 200)


def test_an_empty_store_means_to_log_in_again(installed: Installed, idp: Running, tmp_path: Path) -> None:
    port, settings = free_port(), issued_by(idp, "oauth-proxy")
    with state_store(port=port) as store:
        running = proxied(installed, settings, STATE_STORE_URL=store.url)
        with running as connector:
            client = logged_in(connector.origin)
            store.process.terminate()
            store.process.wait()
            with state_store(port=port):
                answer = client.answer()
                assert (answer.status_code, answer.json()) == (401, {"error": "invalid_token"})
                assert "resource_metadata=" in answer.headers["www-authenticate"]
                assert logged_in(connector.origin).call() == 200


def test_while_the_identity_provider_is_down_who_is_known_goes_on(installed: Installed, store: StateStore) -> None:
    with identity_provider(port=(port := free_port())) as idp:
        settings = {**issued_by(idp, "oauth-proxy"), **RENEWABLE, "OAUTH_CACHE_SECONDS": "0"}
        running = proxied(installed, settings, STATE_STORE_URL=store.url)
        with running as connector:
            client = logged_in(connector.origin)
            assert client.call() == 200
            new, upstream = amid_a_login(connector.origin)
            idp.process.terminate()
            idp.process.wait()
            assert client.call() == 200
            callback = new.get(
                f"{connector.origin}/auth/callback", params={"code": "x", "state": query(upstream)["state"]}
            )
            renewal = client.refresh()
            told = [(each.status_code, each.headers.get("retry-after")) for each in (callback, renewal)]
            assert told == [(503, "10"), (503, "10")]
            assert "Traceback" not in connector.log.read_text()
            with identity_provider(port=port):  # with other keys, and without the logins of the first
                until(lambda: client.call() == 401, 10)  # it is asked again after a pause
                until(lambda: client.refresh().status_code == 401, 10)
                assert logged_in(connector.origin).call() == 200


def amid_a_login(origin: str) -> tuple[httpx2.Client, str]:
    """A browser in which someone has agreed, and where it was sent for the login itself."""
    client = Client(origin)
    client.register()
    person = httpx2.Client(trust_env=False, timeout=15)
    page = person.get(client.authorization, follow_redirects=True)
    place, fields = form(page, "alice")
    return person, person.post(place, data=fields).headers["location"]


def test_a_token_is_renewed_when_that_of_the_identity_provider_has_ended(
    installed: Installed, store: StateStore
) -> None:
    with identity_provider(lifetime=2) as idp:
        settings = {**issued_by(idp, "oauth-proxy"), **RENEWABLE, "OAUTH_CACHE_SECONDS": "0"}
        with proxied(installed, settings, STATE_STORE_URL=store.url) as connector:
            client = logged_in(connector.origin)
            assert client.tokens["expires_in"] == 2
            assert client.call() == 200
            for _ in range(2):
                until(lambda: client.call() == 401, 6)
                assert client.refresh().status_code == 200
                assert client.call() == 200


# ------------------------------------------------------------------------------------------------ what is told to whom


def test_neither_the_store_nor_the_log_tells_a_secret(installed: Installed, idp: Running) -> None:
    name = "A name that is nowhere else"
    with state_store(password=PASSWORD) as store:
        settings = {**issued_by(idp, "oauth-proxy"), **RENEWABLE, "STATE_STORE_URL": store.url, "LOG_LEVEL": "DEBUG"}
        with proxied(installed, settings) as connector:
            client = logged_in(connector.origin, "a-person-of-the-test", name)
            spent, first = client.code, dict(client.tokens)
            assert client.refresh().status_code == 200
            assert client.call() == 200
            assert client.exchange().status_code == 401
            waiting = Client(connector.origin, name)
            waiting.register()
            waiting.code = query(log_in(waiting.authorization))["code"]  # a code that still is good
            _, upstream = amid_a_login(connector.origin)
            kept, log = store.kept(), connector.log.read_text()
    told = {
        "code": spent,
        "pending code": waiting.code,
        "pending login": query(upstream)["state"],
        "client secret": CLIENT["client_secret"],
        "state key": settings["STATE_KEY"],
        "signing key": settings["SIGNING_KEY"],
        **{
            f"{kind} {at}": tokens[f"{kind}_token"]
            for at, tokens in enumerate([first, client.tokens])
            for kind in KINDS
        },
        "verifier": client.verifier,
        "password": PASSWORD,
        "password as written": quote(PASSWORD, safe=""),
    }
    private = {"person": "a-person-of-the-test", "name": name, "redirect": BACK, "client": client.id}
    everything = b"\n".join(key.encode() + b" " + value for key, (value, _) in kept.items())
    assert [what for what, value in {**told, **private}.items() if value.encode() in everything] == []
    assert [what for what, value in told.items() if value in log] == []
    assert "POST /consent" in log
    assert len(kept) >= 8
    assert [key for key, (_, seconds) in kept.items() if seconds <= 0] == []
    assert {re.sub(r"[0-9a-f]{64}$", "HASH", key).rpartition("::")[2] for key in kept} == {"HASH"}


def test_who_can_write_to_the_store_cannot_become_another(installed: Installed, settings: dict[str, str]) -> None:
    with state_store() as store, proxied(installed, settings, STATE_STORE_URL=store.url) as connector:
        alice = logged_in(connector.origin, "alice")
        with valkey.Valkey.from_url(store.url) as writing:
            before = set(writing.scan_iter("mcp-jti-mappings*"))
            mallory = logged_in(connector.origin, "mallory")
            own = set(writing.scan_iter("mcp-jti-mappings*")) - before
            assert before
            assert own
            for key in own:
                writing.set(key, writing.get(next(iter(before))) or b"")
        assert (alice.call(), mallory.call()) == (200, 401)


# ---------------------------------------------------------------------------------------------- refusing to start


def key() -> str:
    return b64encode(secrets.token_bytes(32)).decode()


REFUSALS = {
    "a short STATE_KEY": ({"STATE_KEY": "hunter2hunter2"}, "STATE_KEY", "openssl rand -base64 32"),
    "a weak SIGNING_KEY": ({"SIGNING_KEY": "correct horse battery staple"}, "SIGNING_KEY", "openssl rand -base64 32"),
    "another kind of store": ({"STATE_STORE_URL": "postgres://hunter2@127.0.0.1/0"}, "STATE_STORE_URL", "redis://"),
    "a password as it is": ({"STATE_STORE_URL": "redis://:hunter2/x#y@127.0.0.1:6379"}, "STATE_STORE_URL", "%2F"),
    "an option that does not exist": (
        {"STATE_STORE_URL": "redis://:hunter2@127.0.0.1:6379/0?socket_timeout=hunter2"},
        "STATE_STORE_URL",
        "redis://",
    ),
    "no encryption": ({"OAUTH_ISSUER": "http://login.example.com"}, "OAUTH_ISSUER", "https"),
    "nothing for other replicas": ({"PUBLIC_URL": "https://connector.example.com"}, "STATE_STORE_URL", "redis://"),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_it_refuses_to_start_with_the_name_and_the_cure(
    installed: Installed, idp: Running, refusal: tuple[dict[str, str], str, str]
) -> None:
    wrong, name, cure = refusal
    said = refused(installed, {**issued_by(idp, "oauth-proxy"), "PUBLIC_URL": "http://127.0.0.1", **wrong})
    assert name in said
    assert cure in said
    assert "hunter2" not in said


def test_an_issuer_is_written_as_its_discovery_document_does(installed: Installed, idp: Running) -> None:
    issuer = {"OAUTH_ISSUER": f"{idp.origin}/", "PUBLIC_URL": "http://127.0.0.1"}
    said = refused(installed, {**issued_by(idp, "oauth-proxy"), **issuer})
    assert "OAUTH_ISSUER" in said
    assert "set exactly that, slash included" in said


def test_a_store_with_another_password_is_named(installed: Installed, idp: Running) -> None:
    with state_store(password=PASSWORD) as store:
        wrong = store.url.replace(quote(PASSWORD, safe=""), "hunter2")
        public = {"STATE_STORE_URL": wrong, "PUBLIC_URL": "http://127.0.0.1"}
        said = refused(installed, {**issued_by(idp, "oauth-proxy"), **public})
    assert "STATE_STORE_URL" in said
    assert "Authentication" in said
    assert "hunter2" not in said


def test_where_this_machine_has_no_place_for_logins_it_says_so(
    installed: Installed, idp: Running, tmp_path: Path
) -> None:
    (tmp_path / ".state").touch()
    said = refused(installed, {**issued_by(idp, "oauth-proxy"), "PUBLIC_URL": "http://127.0.0.1"}, tmp_path)
    assert ".state, which cannot be made here (File exists)" in said
    assert "STATE_STORE_URL" in said


def refused(installed: Installed, settings: Mapping[str, str], folder: Path | None = None) -> str:
    """What `serve` says as it ends, in one sentence or in one for each variable."""
    project, env = installed(PROXIED)
    done = run(folder or project, {**env, **settings, "PORT": str(free_port())}, "connector", "serve")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert [
        value
        for name in ("OAUTH_CLIENT_SECRET", "STATE_KEY", "SIGNING_KEY")
        if (value := settings[name]) in done.stderr
    ] == []
    assert len(done.stderr.splitlines()) <= 2, done.stderr
    return done.stderr


# -------------------------------------------------------------------------------------------------------- strangers


def test_a_stranger_cannot_make_it_fall_over_or_fill_the_store(installed: Installed, settings: dict[str, str]) -> None:
    with proxied(installed, settings) as connector, httpx2.Client(base_url=connector.origin, trust_env=False) as http:
        client = logged_in(connector.origin)
        basic = {"Authorization": "Basic /w==", "Content-Type": "application/x-www-form-urlencoded"}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answers = {
            "no form": http.post("/token", content=b"\xff\xfe", headers=basic),
            "no parameters": http.post("/token", headers=form),
            "no JSON": http.post("/register", content=b"\xff"),
            "JSON of another kind": http.post("/register", json=[1]),
            "a long name": http.post("/register", json={"redirect_uris": [BACK], "client_name": "x" * 20_000}),
            "a long state": http.get(client.authorization.replace("of-the-client", "x" * 20_000)),
            "no login": http.get("/auth/callback", params={"code": "x", "state": "x"}),
            "neither": http.get("/auth/callback"),
            "an unknown client": http.get("/authorize", params={"client_id": "<script>alert(1)</script>"}),
            "a client inside the network": http.get(
                "/authorize", params={"client_id": "https://127.0.0.1/client.json"}
            ),
            "an answer of the provider for nobody": http.get("/auth/callback", params={"error": "<b>x</b>"}),
            "a page for nobody": http.get("/consent", params={"txn_id": "x"}),
            "an agreement for nobody": http.post("/consent", data={"txn_id": "x", "action": "approve"}),
        }
        wrong = {name: each.status_code for name, each in answers.items() if not 400 <= each.status_code < 500}
        assert wrong == {}
        assert not any("<script>alert" in each.text or "<b>x" in each.text for each in answers.values())
        for path, names in {
            "/auth/callback": ("error", "error_description", "state"),
            "/authorize": ("client_id",),
        }.items():
            for name in names:
                http.get(
                    path, params={**dict.fromkeys(("code", "error", "client_id")[: len(names)], "x"), name: "x\nFORGED"}
                )
        http.get("/auth/callback", params={"code": "x", "state": "x\nFORGED"})
        log = connector.log.read_text()
        assert "Traceback" not in log
        assert "FORGED" in log
        assert not any(line.startswith("FORGED") for line in log.splitlines())


def test_a_host_of_a_strangers_choice_is_repeated_nowhere(installed: Installed, settings: dict[str, str]) -> None:
    with proxied(installed, settings) as connector:
        client = logged_in(connector.origin)
        forged = {"Host": "attacker.example", "X-Forwarded-Host": "attacker.example", "X-Forwarded-Proto": "https"}
        with httpx2.Client(trust_env=False, headers=forged) as http:
            for url in (client.authorization, f"{connector.origin}/.well-known/oauth-authorization-server"):
                answer = http.get(url)
                assert "attacker.example" not in f"{answer.headers} {answer.text}"


def test_a_forwarded_address_counts_from_the_proxy_alone(installed: Installed, settings: dict[str, str]) -> None:
    with proxied(installed, settings, FORWARDED_ALLOW_IPS="10.0.0.0/8") as connector:
        codes = [
            httpx2.post(
                f"{connector.origin}/register",
                json={"redirect_uris": [DUVO]},
                headers={"X-Forwarded-For": f"203.0.113.{at}"},
                trust_env=False,
            ).status_code
            for at in range(62)
        ]
        assert codes == [201] * 60 + [429] * 2


def test_another_site_may_not_read_what_a_person_gets(installed: Installed, settings: dict[str, str]) -> None:
    """Tokens go to whoever has code and verifier; no cookie is any good for them, so any page may ask."""
    with proxied(installed, settings) as connector:
        foreign = {"Origin": "https://attacker.example"}
        for path in ("/authorize", "/consent", "/auth/callback"):
            answer = httpx2.get(f"{connector.origin}{path}", headers=foreign, trust_env=False)
            assert "access-control-allow-origin" not in answer.headers
        for path in ("/token", "/register"):
            answer = httpx2.post(f"{connector.origin}{path}", headers=foreign, trust_env=False)
            assert "access-control-allow-credentials" not in answer.headers
