"""Visits of the doctor to servers of the zoo, in this process: where addresses look public, names lead to loopback."""

import asyncio
import ssl
import tempfile
import threading
import tomllib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from mcp_connector.doctor.credentials import Credential, bearer
from mcp_connector.doctor.diagnosis import diagnose
from mcp_connector.doctor.exchange import trusting
from mcp_connector.doctor.network import Network, resolve
from mcp_connector.doctor.report import Diagnosis
from mcp_connector.doctor.survey import Options
from mcp_connector.doctor.target import given

from .certificates import make
from .zoo import CLIENT, HOST, TOKEN, Server, zoo

ROWS: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "zoo.toml").read_text())
AT_ONCE = 8
HEALTHY: dict[str, dict[str, Any]] = {
    "": {},
    "with token": {"token": True},
    "with login": {"login": True, "call": "count_animals"},
    "with registrations": {"register": True, "client": CLIENT},
}
"""How healthy servers are visited."""
ADDRESS = "93.184.215.14"  # of nobody that is called: connections go to loopback


@dataclass(frozen=True)
class Visit:
    diagnosis: Diagnosis
    status: int

    @property
    def probes(self) -> list[str]:
        return [finding.probe for finding in self.diagnosis.findings]

    @property
    def verdicts(self) -> dict[str, str]:
        return {verdict.platform: verdict.value for verdict in self.diagnosis.verdicts}


def network(port: int, addresses: list[str] | None = None, trust: ssl.SSLContext | None = None) -> Network:
    """A network in which `HOST` has these addresses, and is served at a port of this machine."""

    def look_up(host: str) -> list[str]:
        if host == "login.example.com":
            return ["127.0.0.1"]
        return (addresses or [ADDRESS]) if host == HOST else resolve(host)

    def dial(address: str, wanted: int) -> tuple[str, int]:
        return ("127.0.0.1", port) if address in (addresses or [ADDRESS]) else (address, wanted)

    return Network(look_up, dial, trust=trust)


def plan(servers: Mapping[str, Server], free: int) -> dict[str, tuple[str, int, list[str] | None]]:
    """For each row, the URL that is given, the port that serves it, and the addresses of its host."""
    healthy = servers["none public"].port
    special = {
        "no-dns": ("https://nothing.invalid/mcp", 0, None),
        "ipv6-only": (f"https://{HOST}/mcp", healthy, ["2606:2800:21f:cb07:6820:80da:af6b:8b2c"]),
        "port-8443": (f"https://{HOST}:8443/mcp", healthy, None),
        "private": (f"https://{HOST}/mcp", healthy, ["10.1.2.3"]),
        "one-private": (f"https://{HOST}/mcp", healthy, [ADDRESS, "10.1.2.3"]),
        "plain-http": (f"http://{HOST}/mcp", servers["none"].port, None),
        "url-user": (servers["none"].url.replace("http://", "http://ada:password@"), 0, None),
        "url-secret": (f"{servers['none'].url}?api_key=something", 0, None),
        "tls-old": (servers["tls-old"].url, servers["tls-old"].port, None),
        "no-path": (servers["none"].origin, 0, None),
        "refused": (f"http://127.0.0.1:{free}/mcp", 0, None),
    }
    found = {}
    for name, row in ROWS.items():
        server = servers.get(f"{name} public" if row.get("public") else name)
        found[name] = special.get(name) or (server.url, server.port, None) if server else special[name]
    return found


async def visit(
    url: str,
    network: Network,
    credential: Credential | None = None,
    wanted: str | None = None,
    options: Options | None = None,
) -> Visit:
    return Visit(*await diagnose(given(url), network, credential, wanted, options))


def browser(url: str) -> None:
    """A user's browser, in which somebody is signed in at the provider."""
    threading.Thread(target=lambda: httpx2.get(url, follow_redirects=True, trust_env=False), daemon=True).start()


def options(row: Mapping[str, Any]) -> Options:
    """What a row asks the doctor to do."""
    return Options(
        call=row.get("call", ""),
        register=row.get("register", False),
        client=(row.get("client", ""), ""),
        login=browser if row.get("login") else None,
    )


SLOW = {"silent", "cold-start", "get-hangs", "slow-list", "endless-stream", "endless-drip", "buffered"}
SLOW |= {"slow-again", "notification-hangs"}


def visit_all(without: Set[str] = frozenset()) -> dict[str, Visit]:
    """Every row of the zoo, and the healthy servers under `healthy NAME` and how they are visited."""
    with tempfile.TemporaryDirectory() as folder:
        certificates = make(Path(folder), HOST)
        trust = trusting(str(certificates["authority"][0]))
        with zoo(certificates) as servers:
            return asyncio.run(visits(servers, trust, without))


async def visits(servers: Mapping[str, Server], trust: ssl.SSLContext, without: Set[str]) -> dict[str, Visit]:
    turns = asyncio.Semaphore(AT_ONCE)
    token = bearer(TOKEN, "MCP_TOKEN", token=True)

    async def one(url: str, port: int, addresses: list[str] | None, row: Mapping[str, Any]) -> Visit:
        async with turns:
            credential = token if row.get("token") else None
            return await visit(url, network(port, addresses, trust), credential, None, options(row))

    asked: dict[str, tuple[str, int, list[str] | None, Mapping[str, Any]]] = {}
    for name, (url, port, addresses) in plan(servers, 9).items():
        asked[name] = (url, port, addresses, ROWS[name])
    expired = servers["tls-private-expired"]
    asked["tls-private-expired"] = (expired.url, expired.port, None, {})
    for name in ("none", "key", "oauth", "oauth public", "lazy"):
        for how, row in HEALTHY.items():
            if name in ("none", "oauth", "lazy") or how in ("", "with token"):
                asked[f"healthy {name} {how}".strip()] = (servers[name].url, servers[name].port, None, row)
    wanted = [name for name in asked if name not in without]
    return dict(zip(wanted, await asyncio.gather(*(one(*asked[name]) for name in wanted)), strict=True))
