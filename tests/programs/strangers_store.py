"""What strangers can put into the store of logins: for `make strangers`.

    python -m tests.programs.strangers_store

Sends 4,000 requests to each endpoint that stores something, each as large as the connector takes it, from one address
and from many, and prints what the store has then. It fails when a replica can fill more than what the documents say,
when a full store ends a login, or when of two connectors with one store and the same keys one takes the other's.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import valkey

from ..lib.browser import log_in, query
from ..lib.serving import Running, StateStore, identity_provider, issued_by, serving, state_store
from ..lib.versions import Shelf
from ..oauth.test_oauth_proxy import BACK, PROXIED, RENEWABLE, Client, logged_in

REQUESTS = 4_000
MB = 1024 * 1024
PROMISED = 100  # MiB that strangers can fill through a replica: `strangers_memory` in hooks/facts.jinja
LIFE = {"/authorize": 15 * 60, "/consent": 15 * 60, "/register": 3600}  # seconds that an entry is kept
OFTEN = {
    "/authorize": 600,
    "/consent": 1200,
    "/register": 120,
}  # requests that all addresses together may make in a minute
CHALLENGE = "c" * 128


class Strangers:
    """Requests from as many addresses as there are, behind a proxy that the connector trusts."""

    def __init__(self, connector: Running) -> None:
        self.http = httpx2.Client(base_url=connector.origin, trust_env=False, timeout=30)
        registered = self.http.post("/register", json={"redirect_uris": [BACK], "client_name": "A stranger"})
        self.client_id = registered.raise_for_status().json()["client_id"]
        self.page = self._authorize("203.0.113.8").headers["location"]

    def consent(self, address: str) -> int:
        return self.http.get(self.page, headers={"X-Forwarded-For": address}).status_code

    def authorize(self, address: str) -> int:
        return self._authorize(address).status_code

    def _authorize(self, address: str) -> httpx2.Response:
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": BACK,
            "scope": "read write " * 150,
            "state": "s" * 2048,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        headers = {"X-Forwarded-For": address}
        return self.http.get(f"/authorize?{urlencode(asked)}", headers=headers)

    def register(self, address: str) -> int:
        uris = [f"http://127.0.0.1/{number}/".ljust(256, "u") for number in range(8)]
        sent = {"redirect_uris": uris, "client_name": "n" * 4000}
        return self.http.post("/register", json=sent, headers={"X-Forwarded-For": address}).status_code


def addresses(many: bool) -> Iterator[str]:
    """One address of a company, or a new one for each request."""
    for number in range(REQUESTS):
        yield f"2001:db8:{number:x}::1" if many else "203.0.113.7"


def used(store: StateStore) -> int:
    """Bytes that the store's entries take."""
    with valkey.Valkey.from_url(store.url) as asking:
        return int(asking.info("memory")["used_memory_dataset"])


def flood(connector: Running, store: StateStore, path: str, many: bool) -> float:
    """Send the requests; MiB that one replica can be made to keep so for as long as they go on."""
    with valkey.Valkey.from_url(store.url) as asking:
        asking.flushall()  # what was stored before would expire meanwhile
    strangers = Strangers(connector)
    ask = {"/authorize": strangers.authorize, "/consent": strangers.consent, "/register": strangers.register}[path]
    before, entries, start = used(store), len(store.kept()), time.monotonic()
    answers = Counter(ask(address) for address in addresses(many))
    windows = int((time.monotonic() - start) / 60) + 2  # minutes that were begun
    grown, kept = used(store) - before, len(store.kept()) - entries
    each = grown / max(kept, 1)
    most = each * OFTEN[path] * LIFE[path] / 60 / MB
    said = ", ".join(f"{number:,} times {status}" for status, number in sorted(answers.items()))
    print(f"{REQUESTS:,} requests to {path} from {'many addresses' if many else 'one address'}: {said}")
    print(
        f"  the store has {grown / MB:.1f} MiB more, {each / 1024:.1f} KiB for each of {kept:,}; at most {most:.0f} MiB"
    )
    check(set(answers) <= {200, 201, 302, 429}, f"{path} answers {sorted(answers)}")
    check(kept <= OFTEN[path] * windows, f"{kept} entries within {windows} minutes")
    return most


def check(good: bool, why: str) -> None:
    if not good:
        sys.exit(f"FAILED: {why}")


@contextmanager
def connectors(shelf: Shelf, store: StateStore, idp: Running, number: int) -> Iterator[list[Running]]:
    """Connectors that share a store and all keys, each at an origin of its own."""
    project, env = shelf.get(PROXIED)
    settings = {**issued_by(idp, "oauth-proxy"), **RENEWABLE, "STATE_STORE_URL": store.url}
    with ExitStack() as running:
        yield [running.enter_context(serving(project, env, **settings)) for _ in range(number)]


def apart(one: Running, other: Running) -> None:
    """Take what is one connector's to the other."""
    client = logged_in(one.origin)
    waiting = Client(one.origin)
    waiting.register()
    waiting.code = query(log_in(waiting.authorization))["code"]
    told = {
        "a registration": httpx2.get(waiting.authorization.replace(one.origin, other.origin)).status_code,
        "a code": waiting.exchange(at=other.origin).status_code,
        "an access token": client.call(at=other.origin),
        "a refresh token": client.refresh(at=other.origin).status_code,
    }
    print("two connectors, one store, the same keys:", ", ".join(f"{what} {status}" for what, status in told.items()))
    check(all(400 <= status < 500 for status in told.values()), "one takes what is the other's")
    check(waiting.exchange().status_code == 200 and client.refresh().status_code == 200, "a login was lost on the way")


def filled_up(connector: Running, store: StateStore) -> None:
    """Fill the store to its limit, and then make room again."""
    client = logged_in(connector.origin)
    with valkey.Valkey.from_url(store.url) as asking:
        asking.config_set("maxmemory-policy", "noeviction")
        asking.config_set("maxmemory", 1)
        full = {"renewal": client.refresh(), "registration": Client(connector.origin).register()}
        called = client.call()
        asking.config_set("maxmemory", 0)
    told = {name: (answer.status_code, answer.headers.get("retry-after")) for name, answer in full.items()}
    print(f"a full store: {told}, a call {called}; with room again: renewal {client.refresh().status_code}")
    check(set(told.values()) == {(503, "10")} and called == 200, "a full store is not said so")
    check(client.call() == 200, "a full store ended a login")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, state_store() as store, identity_provider() as idp:
        shelf = Shelf(Path(folder))
        with connectors(shelf, store, idp, 2) as (one, other):
            apart(one, other)
            filled_up(one, store)
        most = {}
        for many in (False, True):
            with connectors(shelf, store, idp, 1) as [connector]:
                for path in LIFE:
                    most[path, many] = flood(connector, store, path, many)
    whole = sum(most[path, True] for path in LIFE)
    print(f"through one replica, strangers can keep at most {whole:.0f} MiB in the store; {PROMISED} are promised")
    check(whole <= PROMISED, "that is more than the documents say")


if __name__ == "__main__":
    main()
