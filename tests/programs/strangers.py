"""`make strangers`: what callers with good tokens get while 150 connections send made-up ones.

    make strangers ONLY=oauth      # one mode
    python -m tests.programs.strangers --release v1.0.1      # the same of a release

A run fails when one of 60 callers with a good token, which the connector has never seen, does not get in.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from ..lib.issuers import GOOD, Issuer, issuing
from ..lib.serving import INTROSPECTION, Running, free_port, serving
from ..lib.versions import NOW, Shelf

HOSTILE, CALLERS = 150, 60
LEAD = 3.0  # seconds for which only the hostile connections send
WITHIN = 60.0  # seconds for a good caller
BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'

Made = Callable[[], str]


def elsewhere() -> str:
    """An address of some stranger, as a trusted proxy passes it on."""
    return f"203.0.113.{secrets.randbelow(4)}"


def post(url: str, token: str, address: str, last: bool = False) -> bytes:
    """A call over HTTP/1.1; the `last` one closes its connection."""
    headers = [
        f"POST {urlsplit(url).path} HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        f"Authorization: Bearer {token}",
        f"X-Forwarded-For: {address}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"Connection: {'close' if last else 'keep-alive'}",
        f"Content-Length: {len(BODY)}",
    ]
    return "\r\n".join([*headers, "", ""]).encode() + BODY


async def hostile(url: str, make: Made, address: Made, statuses: Counter[int]) -> None:
    """Send one made-up token after the other, as fast as they are answered."""
    to = urlsplit(url)
    while True:
        with suppress(OSError, asyncio.IncompleteReadError, ValueError):
            reader, writer = await asyncio.open_connection(to.hostname, to.port)
            try:
                while True:
                    writer.write(post(url, make(), address()))
                    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                    await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r")[0]))
                    statuses[int(head.split()[1])] += 1
            finally:
                writer.close()
        await asyncio.sleep(0.05)


async def good(url: str, token: str, address: str) -> int:
    """The status of a caller's first call."""
    to = urlsplit(url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port)
    try:
        async with asyncio.timeout(WITHIN):
            writer.write(post(url, token, address, last=True))
            return int((await reader.read()).split()[1])
    except TimeoutError:
        return 0
    finally:
        writer.close()


async def storm(url: str, made_up: Made, tokens: list[str], address: Made) -> tuple[Counter[int], float, Counter[int]]:
    """Statuses of the good callers and seconds until the last had one, and statuses of the hostile connections."""
    statuses: Counter[int] = Counter()
    attack = [asyncio.create_task(hostile(url, made_up, address, statuses)) for _ in range(HOSTILE)]
    await asyncio.sleep(LEAD)
    began = time.monotonic()
    answered = Counter(await asyncio.gather(*(good(url, token, "198.51.100.7") for token in tokens)))
    seconds = time.monotonic() - began
    for task in attack:
        task.cancel()
    await asyncio.wait(attack)
    return answered, seconds, statuses


def attack(connector: Running, issuer: Issuer, mode: str, address: Made) -> bool:
    """One run, printed in a line. Whether every good caller got in."""
    if mode == "oauth":
        made = [issuer.token("connector", f"{number}", secrets.token_hex(4)) for number in range(500)]
        tokens = [issuer.token("connector", f"person-{number}") for number in range(CALLERS)]
    else:
        made = []
        tokens = [f"{GOOD}{secrets.token_hex(16)}" for _ in range(CALLERS)]
    issuer.asked = issuer.fetched = issuer.most = 0
    made_up = (lambda: secrets.choice(made)) if made else (lambda: secrets.token_hex(16))
    answered, seconds, statuses = asyncio.run(storm(connector.url, made_up, tokens, address))
    refused = CALLERS - answered[200]
    asked = f"{issuer.fetched} fetches of the keys" if made else f"{issuer.asked} questions, {issuer.most} at once"
    print(f"  good callers refused: {refused} of {CALLERS}, in {seconds:.1f} s; made-up tokens got ", end="")
    print(f"{dict(statuses)}; the issuer had {asked}", flush=True)
    return not refused


def main() -> None:
    parser = argparse.ArgumentParser(prog="make strangers", description="Send made-up tokens beside good ones.")
    parser.add_argument("--only", action="append", metavar="MODE", help="an auth mode; more than once for several")
    parser.add_argument("--release", default=NOW, metavar="VERSION", help="such as v1.0.1, instead of the working tree")
    chosen = parser.parse_args()
    passed = []
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder))
        for mode in chosen.only or ["oauth-introspection", "oauth"]:
            answers = {"auth_mode": mode, "hosting": "compose", "source": "blank", "ci": "none"}
            project, env = shelf.get(answers, chosen.release)
            for where, address in (
                ("from the address of the good callers", lambda: "198.51.100.7"),
                ("from four other addresses", elsewhere),
            ):
                port = free_port()
                settings = {
                    "OAUTH_ISSUER": f"http://127.0.0.1:{port}",
                    "OAUTH_AUDIENCE": "connector",
                    "OAUTH_WRITE_SCOPES": "write",
                    "OAUTH_CLIENT_ID": INTROSPECTION["client_id"],
                    "OAUTH_CLIENT_SECRET": INTROSPECTION["client_secret"],
                }
                with issuing(port, "connector") as issuer, serving(project, env, **settings) as connector:
                    print(f"{mode}: {HOSTILE} connections {where}", flush=True)
                    passed.append(attack(connector, issuer, mode, address))
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
