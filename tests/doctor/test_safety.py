"""What a hostile server cannot make the doctor do."""

import asyncio
import gzip
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mcp_connector.doctor import addresses, network
from mcp_connector.doctor.credentials import bearer
from mcp_connector.doctor.documents import Unreadable, events, page, parsed, reply
from mcp_connector.doctor.exchange import LARGEST, Answer, Request, Trouble, decoded, exchange
from mcp_connector.doctor.network import REQUESTS, Network
from mcp_connector.doctor.report import FORMATS
from mcp_connector.doctor.survey import Options
from mcp_connector.doctor.target import Url, given, parse
from mcp_connector.doctor.text import clean, place
from mcp_connector.recorded import Problem

from ..lib.rendering import ROOT
from .visiting import ADDRESS, ROWS, visit
from .zoo import CLIENT, HOST, TOKEN, Server, zoo


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    with zoo() as running:
        yield running


# ---------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", "global"),
        ("2606:4700::1111", "global"),
        ("127.0.0.1", "loopback"),
        ("127.8.9.1", "loopback"),
        ("::1", "loopback"),
        ("10.1.2.3", "private"),
        ("172.31.0.1", "private"),
        ("192.168.1.1", "private"),
        ("fd00::1", "private"),
        ("169.254.169.254", "other"),
        ("fe80::1%eth0", "other"),
        ("100.64.0.1", "other"),
        ("0.0.0.0", "other"),
        ("224.0.0.1", "other"),
        ("192.0.2.1", "other"),
        ("240.0.0.1", "other"),
        ("::ffff:127.0.0.1", "other"),
        ("::ffff:8.8.8.8", "other"),
        ("2002:7f00:1::", "other"),
        ("64:ff9b::7f00:1", "other"),
        ("2001::1", "other"),
    ],
)
def test_addresses_have_kinds(address: str, kind: str) -> None:
    assert addresses.kind(address) == kind


NAMES = {
    HOST: [ADDRESS],
    "local.example.com": ["127.0.0.1"],
    "private.example.com": ["10.1.2.3"],
    "near.example.com": ["10.1.9.9"],
    "far.example.com": ["10.2.0.1"],
    "mixed.example.com": [ADDRESS, "127.0.0.1"],
    "public.example.com": ["8.8.8.8"],
    "169.254.169.254": ["169.254.169.254"],
    "127.0.0.1": ["127.0.0.1"],
    "10.1.2.3": ["10.1.2.3"],
}


def why(target: str, url: object) -> str:
    async def ask() -> str:
        looking = Network(lambda host: NAMES.get(host, []))
        looking.target = parse(target)
        return await looking.forbidden(url)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("target", "url"),
    [
        (f"https://{HOST}/mcp", "https://public.example.com/as"),
        (f"https://{HOST}/mcp", f"https://{HOST}/.well-known/x"),
        ("http://127.0.0.1:8000/mcp", "http://127.0.0.1:9000/as"),
        ("http://127.0.0.1:8000/mcp", "http://local.example.com/as"),
        ("http://127.0.0.1:8000/mcp", "https://public.example.com/as"),
        ("https://private.example.com/mcp", "http://near.example.com/as"),
    ],
)
def test_public_addresses_and_those_beside_the_target_are_called(target: str, url: str) -> None:
    assert why(target, url) == ""


@pytest.mark.parametrize(
    ("target", "url"),
    [
        (f"https://{HOST}/mcp", "http://public.example.com/as"),
        (f"https://{HOST}/mcp", "https://local.example.com/as"),
        (f"https://{HOST}/mcp", "https://private.example.com/as"),
        (f"https://{HOST}/mcp", "https://mixed.example.com/as"),
        (f"https://{HOST}/mcp", "http://169.254.169.254/latest/meta-data"),
        (f"https://{HOST}/mcp", "https://user:password@public.example.com/as"),
        (f"https://{HOST}/mcp", "https://2130706433/as"),
        (f"https://{HOST}/mcp", "https://0x7f000001/as"),
        (f"https://{HOST}/mcp", "https://0177.0.0.1/as"),
        (f"https://{HOST}/mcp", "https://127.1/as"),
        (f"https://{HOST}/mcp", "file:///etc/passwd"),
        (f"https://{HOST}/mcp", "https://public.example.com\r\nX: 1/as"),
        (f"https://{HOST}/mcp", 7),
        ("http://127.0.0.1:8000/mcp", "http://169.254.169.254/latest/meta-data"),
        ("http://127.0.0.1:8000/mcp", "http://10.1.2.3/as"),
        ("https://private.example.com/mcp", "http://far.example.com/as"),
        ("https://private.example.com/mcp", "http://127.0.0.1:6379/"),
    ],
)
def test_other_addresses_are_not_called(target: str, url: object) -> None:
    assert why(target, url) != ""


def test_a_name_is_looked_up_once() -> None:
    """Else it could lead elsewhere the second time."""
    looked_up = []

    def look_up(host: str) -> list[str]:
        looked_up.append(host)
        return ["8.8.8.8"] if len(looked_up) == 1 else ["127.0.0.1"]

    async def ask() -> list[list[str]]:
        looking = Network(look_up)
        return [await looking.addresses("public.example.com") for _ in range(3)]

    assert asyncio.run(ask()) == [["8.8.8.8"]] * 3
    assert looked_up == ["public.example.com"]


class Watching:
    """Every request of a visit, and where its connection went."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.requests: list[tuple[Request, tuple[str, int]]] = []
        ordinary = exchange

        async def watched(request: Request, address: tuple[str, int], trust: object, patience: float) -> Answer:
            self.requests.append((request, address))
            return await ordinary(request, address, trust, patience)  # type: ignore[arg-type]

        patch.setattr(network, "exchange", watched)


HOSTILE = [name for name, row in ROWS.items() if row["layer"] == "hostile" and not row.get("public")]


def test_a_hostile_server_gets_a_bounded_number_of_requests_and_no_other_is_called(
    servers: dict[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def everywhere() -> None:
        await asyncio.gather(*(visit(servers[name].url, Network()) for name in HOSTILE))

    watching, began = Watching(monkeypatch), time.monotonic()
    asyncio.run(everywhere())
    assert len(HOSTILE) > 10
    called = Counter(address for _, address in watching.requests)
    assert called.keys() == {("127.0.0.1", servers[name].port) for name in HOSTILE}
    assert max(called.values()) <= REQUESTS
    assert time.monotonic() - began < 60  # the promise of the command, and no measure of this machine


@pytest.mark.parametrize("auth", ["none", "key", "oauth"])
def test_no_value_that_nobody_expects_ends_the_run(servers: dict[str, Server], auth: str) -> None:
    async def often() -> None:
        everything = Options(register=True, call="count_animals", client=(CLIENT, ""))
        for credential in [None, bearer(TOKEN, "MCP_TOKEN")] * 8:
            visited = await visit(servers[f"odd {auth}"].url, Network(), credential, None, everything)
            assert all(write(visited.diagnosis) for write in FORMATS.values())

    asyncio.run(often())


def test_credentials_go_to_the_target_alone(servers: dict[str, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(monkeypatch)
    asyncio.run(visit(servers["oauth"].url, Network(), bearer(TOKEN, "MCP_TOKEN", token=True)))
    sent = [request for request, _ in watching.requests if TOKEN in str(request)]
    assert sent
    assert {request.url.path.partition("?")[0] for request in sent} == {"/mcp", "/mcp/"}


def test_credentials_are_not_sent_in_the_clear(servers: dict[str, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(monkeypatch)
    port = servers["key"].port
    seen = Network(lambda host: [ADDRESS], lambda address, _: ("127.0.0.1", port))
    visited = asyncio.run(visit(f"http://{HOST}/mcp", seen, bearer(TOKEN, "MCP_TOKEN")))
    assert not any(TOKEN in str(request) for request, _ in watching.requests)
    assert any("was not sent" in note for note in visited.diagnosis.notes)


def test_the_run_ends_when_its_time_is_over(servers: dict[str, Server]) -> None:
    """What was heard until then counts."""
    visited = asyncio.run(visit(servers["get-hangs"].url, Network(seconds=3)))
    assert visited.verdicts["duvo"] in ("yes", "unknown")


def test_the_process_ends_even_where_the_system_does_not_answer() -> None:
    script = """
import time
from mcp_connector.doctor import diagnosis
from mcp_connector.doctor.network import Network
diagnosis.GRACE = 0
diagnosis.watch(Network(seconds=0), "mcp-connector doctor")
time.sleep(60)
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith("mcp-connector doctor: it took too long")


# ------------------------------------------------------------------------------------------------------------- bodies


@pytest.mark.parametrize("body", [b"[" * 1_000_000, b'{"a":' * 200_000, b'{"a":[' * 300 + b"1" + b"]}" * 300])
def test_deep_json_is_not_parsed(body: bytes) -> None:
    with pytest.raises(Unreadable):
        parsed(body)


def test_brackets_in_strings_do_not_nest() -> None:
    assert parsed(b'["' + b"[" * 5_000 + b'\\"["]') == ["[" * 5_000 + '"[']


def test_a_compressed_body_is_cut_where_it_is_too_large() -> None:
    assert len(decoded(gzip.compress(b" " * 50_000_000), "gzip")) == LARGEST
    assert decoded(gzip.compress(b"{}"), "gzip") == b"{}"
    with pytest.raises(ValueError, match="gzip"):
        decoded(b"not compressed", "gzip")


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"data: 1\n\n", [("message", "1")]),
        (b"event: endpoint\r\ndata: /messages\r\n\r\n", [("endpoint", "/messages")]),
        (b": ping\n\ndata: a\ndata: b\n\ndata: half", [("message", "a\nb")]),
        (b"id: 1\n\n", []),
    ],
)
def test_events_are_read_as_browsers_read_them(stream: bytes, found: list[tuple[str, str]]) -> None:
    assert events(stream) == found


def test_the_first_reply_of_a_stream_counts() -> None:
    stream = b'id: 1\ndata: \n\ndata: {"method": "ping"}\n\ndata: {"id": 1, "result": {}}\n\n'
    assert reply(stream, "text/event-stream; charset=utf-8") == {"id": 1, "result": {}}
    with pytest.raises(Unreadable):
        reply(b'data: {"id": 1, "result": {}}\n', "text/event-stream")


@pytest.mark.parametrize("body", [b"<!DOCTYPE html>", b"\xef\xbb\xbf \n<html lang=en>", b"<!-- x --><html>"])
def test_pages_are_known(body: bytes) -> None:
    assert page(body)
    assert not page(b'{"html": "page"}')


# --------------------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc", "a b c"),
        ("\u202eltr", "?ltr"),
        ("\ud800", "?"),
        ("a" * 500, "a" * 199 + "…"),
        (None, "None"),
    ],
)
def test_text_of_others_is_one_harmless_line(text: object, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:secret@example.com/mcp?key=secret#secret", "https://example.com/mcp?…"),
        ("https://example.com/mcp", "https://example.com/mcp"),
        ("//nowhere", "//nowhere"),
    ],
)
def test_urls_are_shown_without_credentials(url: str, shown: str) -> None:
    assert place(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        *["", "  ", "/etc/passwd", "./server.py", "~/x", "pyproject.toml", "connector.example.com", "ftp://x.com/mcp"],
        *["https://", "https:///mcp", "https://exa mple.com", "https://example.com:99999/", "https://x.com:0/mcp"],
        *[
            "https://[::1/mcp",
            f"https://{'a' * 300}",
            "https://exa\x1b[2Jmple.com",
            "javascript:alert(1)",
            "https://\\x",
        ],
    ],
)
def test_what_is_not_a_url_is_said_in_one_line(text: str) -> None:
    with pytest.raises(Problem) as problem:
        given(text)
    said = str(problem.value)
    assert said.endswith("such as https://connector.example.com/mcp.")
    assert said.isprintable()


def test_a_url_is_taken_apart_as_clients_do() -> None:
    url = parse("https://Connector.Example.com:443/mcp?x=1#part")
    assert url == Url("https", "connector.example.com", 443, "/mcp?x=1", "https://Connector.Example.com:443/mcp?x=1")
    assert url.origin == "https://connector.example.com"
    assert parse("http://[::1]:8000/mcp").origin == "http://[::1]:8000"
    assert parse("https://bücher.example/mcp").host == "xn--bcher-kva.example"
    assert replace(url, port=8443).origin == "https://connector.example.com:8443"


def test_no_answer_is_not_a_refusal() -> None:
    assert not Answer(Request("GET", parse("https://example.com/")), trouble=Trouble.SILENT).said
