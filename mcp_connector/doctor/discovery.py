"""The way to a sign-in: from the challenge over the metadata to the endpoints (RFC 9728, RFC 8414)."""

import asyncio
import re
from dataclasses import replace
from urllib.parse import urlencode

from . import protocol
from .clients import Registration, remove
from .documents import Object, texts
from .evidence import Evidence, Issuer, document
from .network import Network
from .target import joined, parse

ISSUERS = 3
RESOURCE = "/.well-known/oauth-protected-resource"
SERVER = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WRONG = {
    "grant_type": "authorization_code",
    "code": protocol.GARBAGE,
    "client_id": protocol.NAME,
    "redirect_uri": "https://connector.example.com/callback",
    "code_verifier": protocol.GARBAGE * 2,
}
ALIVE: dict[str, tuple[str, dict[str, str], bytes]] = {
    "token_endpoint": ("POST", FORM, urlencode(WRONG).encode()),
    "registration_endpoint": ("POST", {"Content-Type": "application/json"}, b"{}"),
    "authorization_endpoint": ("GET", {}, b""),
}
"""What shows whether an endpoint is there: nothing is registered, and no code is redeemed."""


async def discover(network: Network, heard: Evidence) -> None:
    """Everything that a client reads before it sends somebody to sign in."""
    target = heard.target
    path = "" if target.path == "/" else target.path.partition("?")[0].rstrip("/")
    places = {"path": f"{RESOURCE}{path}", "root": RESOURCE, "server": SERVER}

    async def look(name: str, place: str) -> None:
        heard.answers[f"known {name}"] = await network.ask(protocol.get(joined(target, place)))

    await asyncio.gather(*(look(*one) for one in places.items()))
    candidates = [("path", heard.answers["known path"]), ("root", heard.answers["known root"])]
    if named := re.search(r'resource_metadata="?([^",\s]+)', heard.challenge):
        heard.challenge_url = named[1]
        answer = await network.follow(named[1], headers={"User-Agent": protocol.NAME})
        heard.answers["known challenge"] = answer
        candidates.insert(0, ("challenge", answer))
    for where, answer in candidates:
        found = document(answer)
        if found is not None and ("resource" in found or "authorization_servers" in found):
            heard.resource, heard.resource_from = found, where
            break
    issuers = texts((heard.resource or {}).get("authorization_servers"))
    heard.issuers = [Issuer(text) for text in dict.fromkeys(issuers[:ISSUERS])]
    await asyncio.gather(*(ask_issuer(network, issuer) for issuer in heard.issuers))


async def ask_issuer(network: Network, issuer: Issuer) -> None:
    """The metadata of an authorization server, at every place where clients look."""
    if why := await network.forbidden(issuer.text):
        issuer.forbidden = why
        return
    url = parse(issuer.text)
    path = "" if url.path == "/" else url.path.partition("?")[0].rstrip("/")
    places = {"oauth": f"{SERVER}{path}", "openid": f"{OPENID}{path}"}
    if path:
        places["openid-last"] = f"{path}{OPENID}"

    async def look(name: str, place: str) -> None:
        issuer.places[name] = await network.ask(protocol.get(joined(url, place)))

    await asyncio.gather(*(look(*one) for one in places.items()))
    found = [document(answer) for answer in issuer.places.values()]
    issuer.metadata = next((said for said in found if said and "issuer" in said), None)
    if issuer.metadata:
        await ask_endpoints(network, issuer, issuer.metadata)


async def ask_endpoints(network: Network, issuer: Issuer, said: Object) -> None:
    async def look(name: str) -> None:
        method, headers, body = ALIVE[name]
        sent = {"User-Agent": protocol.NAME, "Accept": "application/json", **headers}
        issuer.answers[name] = await network.follow(said[name], method, sent, body)

    await asyncio.gather(*(look(name) for name in ALIVE if isinstance(said.get(name), str)))
    # Whoever takes an empty registration has made a client.
    answer = issuer.answers.get("registration_endpoint")
    if answer and answer.status in (200, 201) and (client := document(replace(answer, status=200))):
        issuer.empty = Registration("", "", answer, client)
        await remove(network, issuer.empty)
