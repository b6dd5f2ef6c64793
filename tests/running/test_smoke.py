"""The command `smoke` of rendered connectors: it passes what works, and names each fault that was planted."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from ..lib import rendering
from ..lib.rendering import Answers, Installed
from ..lib.serving import Running, free_port, identity_provider, in_front, issued_by, serving, state_store, until

pytestmark = pytest.mark.peers

HANDSHAKES = ["Protocol 2025-11-25", "Protocol 2026-07-28"]


def of(auth_mode: str, source: str = "blank") -> Answers:
    return {"auth_mode": auth_mode, "hosting": "compose", "source": source, "ci": "none"}


@dataclass(frozen=True)
class Report:
    """What one run of the command said."""

    status: int
    lines: Mapping[str, str]
    printed: str


def smoke(env: Mapping[str, str], *arguments: str) -> Report:
    done = rendering.run(Path("/"), env, "connector", "smoke", *arguments)
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    return Report(done.returncode, lines, done.stdout + done.stderr)


def given(headers: Mapping[str, str]) -> dict[str, str]:
    """The variable that holds what a caller sends."""
    return {"SMOKE_HEADERS": "\n".join(f"{name}: {value}" for name, value in headers.items())}


# ------------------------------------------------------------------------------------------------------ what works


@pytest.mark.parametrize("mode", rendering.choices("auth_mode"))
def test_a_connector_passes_every_check(installed: Installed, mode: str) -> None:
    project, env = installed(of(mode, "rest-api"))
    with serving(project, env) as connector:
        report = smoke({**env, **given(connector.headers)}, connector.url)
    checks = ["URL and certificate", "Liveness", "Readiness", "Without credentials", *HANDSHAKES]
    if mode == "none":
        checks.remove("Without credentials")
    assert (report.status, report.lines) == (0, dict.fromkeys(checks, "ok"))
    assert [value for value in connector.headers.values() if value.split()[-1] in report.printed] == []


@pytest.mark.parametrize("mode", ["api-key", "oauth-proxy"])
def test_without_credentials_it_checks_the_refusal_and_says_what_it_skips(installed: Installed, mode: str) -> None:
    project, env = installed(of(mode))
    with serving(project, env) as connector:
        report = smoke(env, connector.url)
    assert (report.status, report.lines["Without credentials"]) == (0, "ok")
    assert [name for name, said in report.lines.items() if said.startswith("skipped")] == HANDSHAKES


@pytest.mark.parametrize("mode", ["none", "oauth-proxy"])
@pytest.mark.parametrize("trusted", [True, False])
def test_https_needs_a_certificate_that_is_trusted(
    installed: Installed, tmp_path: Path, mode: str, trusted: bool
) -> None:
    project, env = installed(of(mode))
    public = f"https://localhost:{free_port()}"
    root = tmp_path / "caddy/pki/authorities/local/root.crt"
    with identity_provider() as idp, state_store() as store:
        settings = {**issued_by(idp, mode), "STATE_STORE_URL": store.url} if mode == "oauth-proxy" else {}
        with (
            serving(project, env, PUBLIC_URL=public, **settings) as connector,
            in_front(public, int(connector.origin.rpartition(":")[2]), folder=tmp_path),
        ):
            report = smoke({**env, **({"SSL_CERT_FILE": str(root)} if trusted else {})}, f"{public}/mcp")
    if trusted:
        assert (report.status, report.lines["URL and certificate"]) == (0, "ok"), report.printed
    else:
        assert report.status == 1
        assert report.lines["URL and certificate"].startswith("FAILED: the certificate of localhost is not trusted")
        assert len(report.lines) == 1


# -------------------------------------------------------------------------------------------------- what does not


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    content: bytes

    def edit(self, **changes: object) -> None:
        """Set these members of a JSON document, and remove those that are None."""
        document = {**json.loads(self.content), **changes}
        self.content = json.dumps({name: value for name, value in document.items() if value is not None}).encode()


Fault = Callable[[str, Reply], None]
"""What a proxy does to the answer at a path."""


class FaultyProxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, target: str, fault: Fault) -> None:
        super().__init__(("127.0.0.1", port), Passing)
        self.target, self.fault = target, fault


class Passing(BaseHTTPRequestHandler):
    server: FaultyProxy

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url, headers = f"{self.server.target}{self.path}", dict(self.headers)
        got = httpx2.request(self.command, url, headers=headers, content=content, trust_env=False)
        reply = Reply(got.status_code, {name.lower(): value for name, value in got.headers.items()}, got.content)
        self.server.fault(self.path, reply)
        self.send_response(reply.status)
        for name, value in {**reply.headers, "content-length": str(len(reply.content))}.items():
            if name not in {"transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def behind(project: Path, env: Mapping[str, str], fault: Fault, **settings: str) -> Iterator[Running]:
    """A connector that clients reach through a proxy with a fault."""
    port = free_port()
    public = f"http://127.0.0.1:{port}"
    with (
        serving(project, env, **{"PUBLIC_URL": public, **settings}) as connector,
        FaultyProxy(port, connector.origin, fault) as proxy,
    ):
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield replace(connector, origin=public)
        finally:
            proxy.shutdown()
            thread.join()


def no_fault(_: str, __: Reply) -> None:
    """A proxy that works."""


def at(path: str, change: Callable[[Reply], object]) -> Fault:
    def fault(asked: str, reply: Reply) -> None:
        if asked == path:
            change(reply)

    return fault


def answer(status: int, content: bytes = b"", **headers: str) -> Callable[[Reply], None]:
    def change(reply: Reply) -> None:
        reply.status, reply.headers, reply.content = status, headers, content

    return change


def strip(name: str) -> Callable[[Reply], object]:
    return lambda reply: reply.headers.pop(name, None)


def slash(reply: Reply) -> None:
    """Add a trailing slash to the issuer, as a URL type does."""
    reply.edit(authorization_servers=[f"{json.loads(reply.content)['authorization_servers'][0]}/"])


def plain(reply: Reply) -> None:
    reply.edit(resource=json.loads(reply.content)["resource"].replace("127.0.0.1", "connector.example.com"))


RESOURCE = "/.well-known/oauth-protected-resource/mcp"
SERVER = "/.well-known/oauth-authorization-server"
REFUSED = "Without credentials"


@dataclass(frozen=True)
class Planted:
    """A fault, and the line that must name it."""

    mode: str
    fault: Fault
    line: str
    said: str
    settings: Mapping[str, str] = field(default_factory=dict)


NOT_THERE = at("/health/live", answer(404))
ELSEWHERE = {"PUBLIC_URL": "https://connector.example.com"}
PLANTED = {
    "a 404": Planted("none", NOT_THERE, "Liveness", "/health/live answers 404, not 200: check the host"),
    "a readiness that fails": Planted(
        "none", at("/health/ready", answer(503)), "Readiness", "/health/ready answers 503, not 200: something"
    ),
    "a redirect": Planted(
        "none", at("/mcp", answer(307, location="/mcp/")), HANDSHAKES[0], "/mcp answers 307, not 200: clients lose"
    ),
    "a redirect of refusals": Planted(
        "api-key", at("/mcp", answer(308, location="/mcp/")), REFUSED, "/mcp answers 308, not 401: clients lose"
    ),
    "a login in front": Planted("none", at("/mcp", answer(401)), HANDSHAKES[0], "/mcp answers 401, not 200: the cred"),
    "another PUBLIC_URL": Planted(
        "none", no_fault, HANDSHAKES[0], "/mcp answers 421, not 200: set PUBLIC_URL", ELSEWHERE
    ),
    "a page of HTML": Planted(
        "none", at("/mcp", answer(200, b"<html>")), HANDSHAKES[0], "the answer is not a JSON object; see whether"
    ),
    "an error of the protocol": Planted(
        "none", at("/mcp", answer(200, b'{"error": {}}')), HANDSHAKES[0], "initialize is answered by an error"
    ),
    "no challenge for a key": Planted(
        "api-key", at("/mcp", strip("www-authenticate")), REFUSED, "WWW-Authenticate is None, not 'Bearer'"
    ),
    "no challenge for a header": Planted(
        "headers", at("/mcp", strip("www-authenticate")), REFUSED, "WWW-Authenticate is None, not 'Bearer'"
    ),
    "an OAuth document for keys": Planted(
        "api-key", at(SERVER, answer(200, b"{}")), REFUSED, f"{SERVER} answers 200, not 404"
    ),
    "an unguarded connector": Planted("api-key", at("/mcp", answer(200)), REFUSED, "/mcp answers 200, not 401"),
    "no challenge for a token": Planted(
        "oauth", at("/mcp", strip("www-authenticate")), REFUSED, "WWW-Authenticate names no resource_metadata"
    ),
    "metadata that is not passed on": Planted("oauth", at(RESOURCE, answer(404)), REFUSED, f"{RESOURCE} answers 404"),
    "another resource": Planted("oauth", at(RESOURCE, plain), REFUSED, "the resource is 'http://connector.example.com"),
    "metadata elsewhere": Planted(
        "oauth-introspection", no_fault, REFUSED, "resource_metadata is 'https://connector.example.com/", ELSEWHERE
    ),
    "a slash after the issuer": Planted("oauth", at(RESOURCE, slash), REFUSED, "clients cannot log in at 'http://127"),
    "no issuer": Planted(
        "oauth",
        at(RESOURCE, lambda reply: reply.edit(authorization_servers=[])),
        REFUSED,
        "clients cannot log in at ''",
    ),
    "no S256": Planted(
        "oauth-proxy",
        at(SERVER, lambda reply: reply.edit(code_challenge_methods_supported=["plain"])),
        REFUSED,
        "does not name S256",
    ),
    "no registration": Planted(
        "oauth-proxy",
        at(SERVER, lambda reply: reply.edit(registration_endpoint=None)),
        REFUSED,
        "names no registration_endpoint",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named_and_ends_the_run(installed: Installed, name: str) -> None:
    planted = PLANTED[name]
    project, env = installed(of(planted.mode))
    with identity_provider(opaque=planted.mode == "oauth-introspection") as idp:
        settings = issued_by(idp, planted.mode) if planted.mode.startswith("oauth") else {}
        with behind(project, env, planted.fault, **settings, **planted.settings) as connector:
            report = smoke({**env, **given({"X-API-Key": "a-secret"})}, connector.url)
    assert (report.status, list(report.lines)[-1]) == (1, planted.line), report.printed
    assert report.lines[planted.line].startswith("FAILED: ")
    assert planted.said in report.lines[planted.line]
    assert "a-secret" not in report.printed


@pytest.mark.parametrize("mode", ["none", "api-key", "oauth"])
def test_a_proxy_without_a_fault_passes(installed: Installed, mode: str) -> None:
    project, env = installed(of(mode))
    with behind(project, env, no_fault) as connector:
        report = smoke({**env, **given(connector.headers)}, connector.url)
    assert (report.status, set(report.lines.values())) == (0, {"ok"}), report.printed


def test_an_upstream_api_that_is_down_is_a_remark(installed: Installed) -> None:
    project, env = installed(of("none", "rest-api"))
    with serving(project, env, UPSTREAM_URL=f"http://127.0.0.1:{free_port()}") as connector:
        until(lambda: "failing" in httpx2.get(f"{connector.origin}/health/ready", trust_env=False).text, 10)
        report = smoke(env, connector.url)
    remark = "ok, although the upstream API fails (ConnectError): check that it runs, UPSTREAM_URL and the credential"
    assert (report.status, set(report.lines.values())) == (0, {"ok", remark}), report.printed


def test_an_issuer_that_does_not_name_s256_is_a_remark(installed: Installed) -> None:
    """Entra ID and Cognito support PKCE and do not say so; most clients log in there all the same."""

    def elsewhere(path: str, reply: Reply) -> None:
        if path == RESOURCE:
            origin = json.loads(reply.content)["resource"].removesuffix("/mcp")
            document = {"issuer": f"{origin}/quiet", "authorization_endpoint": f"{origin}/quiet/authorize"}
            quiet.append(json.dumps(document).encode())
            reply.edit(authorization_servers=[document["issuer"]])
        elif path == f"{SERVER}/quiet":
            reply.status, reply.headers, reply.content = 200, {}, quiet[-1]

    quiet: list[bytes] = []
    project, env = installed(of("oauth"))
    with behind(project, env, elsewhere) as connector:
        report = smoke({**env, **given(connector.headers)}, connector.url)
    remark = f"ok, although {connector.origin}/quiet does not name S256, so strict clients refuse to log in there"
    assert (report.status, report.lines[REFUSED]) == (0, remark), report.printed


def test_behind_https_clients_are_sent_nowhere_without_it(installed: Installed, tmp_path: Path) -> None:
    project, env = installed(of("oauth"))
    public = f"https://localhost:{free_port()}"
    root = tmp_path / "caddy/pki/authorities/local/root.crt"
    with (
        identity_provider() as idp,  # whose endpoints are http
        serving(project, env, PUBLIC_URL=public, **issued_by(idp)) as connector,
        in_front(public, int(connector.origin.rpartition(":")[2]), folder=tmp_path),
    ):
        report = smoke({**env, "SSL_CERT_FILE": str(root)}, f"{public}/mcp")
    assert report.status == 1
    assert re.search(r"FAILED: .* names authorization_endpoint,.* without https", report.lines[REFUSED])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://connector.example.com/mcp", "the URL must begin with https"),
        ("connector.example.com/mcp", "the URL must begin with https"),
        ("https://connector.example.com", "the URL must be https://HOST/mcp"),
        ("https://connector.example.com/mcp/", "the URL must be https://HOST/mcp"),
        ("https://someone:a-secret@connector.example.com/mcp", "the URL must be https://HOST/mcp"),
        ("https://connector.invalid/mcp", "connector.invalid gives no answer"),
        ("https://connector.example.com:x/mcp", "the URL must be https://HOST/mcp and nothing else"),
    ],
)
def test_a_wrong_url_is_named(installed: Installed, url: str, said: str) -> None:
    _, env = installed(of("none"))
    report = smoke(env, url)
    assert report.status == 1
    assert report.lines["URL and certificate"].startswith(f"FAILED: {said}")
    assert "a-secret" not in report.printed


def test_https_where_there_is_none_is_named(installed: Installed) -> None:
    project, env = installed(of("none"))
    with serving(project, env) as connector:
        report = smoke(env, connector.url.replace("http:", "https:"))
    assert report.status == 1
    assert report.lines["URL and certificate"].startswith("FAILED: 127.0.0.1 gives no answer ([SSL: ")


def test_who_never_answers_does_not_hold_it_up(installed: Installed) -> None:
    _, env = installed(of("none"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        report = smoke(env, f"http://127.0.0.1:{silent.getsockname()[1]}/mcp")
    assert (report.status, list(report.lines)) == (1, ["URL and certificate"])
    assert "FAILED" in report.lines["URL and certificate"]


@pytest.mark.parametrize("header", ["a-secret", "X-API-Key: a\x00-secret", "X API Key: a-secret", "X-API-Key:"])
def test_a_header_that_is_none_is_refused_without_being_repeated(installed: Installed, header: str) -> None:
    _, env = installed(of("api-key"))
    done = rendering.run(
        Path("/"),
        {**env, "SMOKE_HEADERS": header.replace("\x00", "\x01")},
        "connector",
        "smoke",
        "http://localhost/mcp",
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Each header must be written as NAME: VALUE")
    assert "-secret" not in done.stderr
