"""A sign-in in the user's browser: authorization code with PKCE, and a callback on this machine (RFC 8252).

Tokens live in memory until the run ends, and are then revoked where the provider offers it.
"""

import asyncio
import base64
import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

from . import protocol
from .clients import TOKEN, Registration, challenge, methods, register, remove, scopes, with_query
from .credentials import Credential, bearer
from .documents import Object, Unreadable, an_object
from .exchange import Answer
from .network import Network

WAIT = 300.0  # seconds that a user has
FORM = {
    "User-Agent": protocol.NAME,
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
}
PAGE = b"<!doctype html><title>Done</title><p>The doctor has what it needs. You can close this window."

Open = Callable[[str], None]


@dataclass
class Login:
    """How a sign-in went, step by step; the first step that failed is the last."""

    made: Registration | None = None
    client_id: str = ""
    secret: str = ""
    refused: str = ""
    """`error` and its description, as they came back to the callback."""
    waited: bool = False
    """Whether nobody signed in."""
    foreign: bool = False
    """Whether `iss` of the answer is another issuer (RFC 9207)."""
    exchange: Answer | None = None
    refresh: Answer | None = None
    tokens: Object = field(default_factory=dict)

    @property
    def secrets(self) -> list[str]:
        """What must not be shown."""
        return [value for value in (self.secret, *self.tokens.values()) if isinstance(value, str) and value]

    @property
    def credential(self) -> Credential:
        token = self.tokens.get("access_token")
        usable = isinstance(token, str) and TOKEN.fullmatch(token)
        return bearer(str(token), "the sign-in", token=True) if usable else Credential()


class Callback:
    """One request to a port of this machine, and what its query says."""

    def __init__(self) -> None:
        self.query: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(10):
                head = await reader.readuntil(b"\r\n\r\n")
            target = urlsplit(head.split(b" ", 2)[1].decode("ascii", "replace"))
            known = target.path == "/callback"
            writer.write(b"HTTP/1.1 %s\r\nContent-Type: text/html\r\n" % (b"200 OK" if known else b"404 Not Found"))
            writer.write(b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(PAGE), PAGE))
            await writer.drain()
            if known and not self.query.done():
                self.query.set_result({name: values[0] for name, values in parse_qs(target.query).items()})
        writer.close()


async def log_in(
    network: Network, issuer: str, said: Object, resource: Object, client: tuple[str, str], open: Open
) -> Login:
    """Let the user sign in, redeem the code, and refresh once."""
    login, callback = Login(client_id=client[0], secret=client[1]), Callback()
    server = await asyncio.start_server(callback.answer, "127.0.0.1", 0, limit=16 * 1024)
    async with server:
        back = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"
        scope = scopes(resource, said)
        if not login.client_id:
            login.made = await register(network, said, "this machine", back, scope)
            login.client_id = login.made.id
            secret = login.made.client.get("client_secret")
            login.secret = secret if isinstance(secret, str) else ""
        if not login.client_id:
            return login
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        asked = {
            "response_type": "code",
            "client_id": login.client_id,
            "redirect_uri": back,
            "state": state,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
            **({"scope": scope} if scope else {}),
            **({"resource": resource["resource"]} if isinstance(resource.get("resource"), str) else {}),
        }
        place = str(said.get("authorization_endpoint"))
        if why := await network.forbidden(place):
            login.refused = f"the authorization endpoint is not opened: {why}"
            return login
        open(with_query(place, asked))
        query = await answered(network, callback)
    if query is None or not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
        login.waited = True
    elif "code" not in query:
        login.refused = f"{query.get('error', 'no code')}: {query.get('error_description', '')}".rstrip(": ")
    elif query.get("iss", issuer) != issuer:
        login.foreign = True
    else:
        form = {"grant_type": "authorization_code", "code": query["code"], "redirect_uri": back}
        form |= {"code_verifier": verifier, **({"resource": asked["resource"]} if "resource" in asked else {})}
        login.exchange = await redeem(network, said, login, form)
        login.tokens = tokens(login.exchange)
        if isinstance(refresh := login.tokens.get("refresh_token"), str):
            login.refresh = await redeem(
                network, said, login, {"grant_type": "refresh_token", "refresh_token": refresh}
            )
            login.tokens |= tokens(login.refresh)
    return login


async def answered(network: Network, callback: Callback) -> dict[str, str] | None:
    """The callback's query; the time of the user is not counted."""
    with network.waiting(WAIT):
        try:
            async with asyncio.timeout(WAIT):
                return await callback.query
        except TimeoutError:
            return None


async def redeem(network: Network, said: Object, login: Login, form: dict[str, str]) -> Answer:
    headers, sent = dict(FORM), {**form, "client_id": login.client_id}
    if login.secret and "client_secret_basic" in methods(said):
        pair = f"{quote_plus(login.client_id)}:{quote_plus(login.secret)}"  # RFC 6749 §2.3.1
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    elif login.secret:
        sent["client_secret"] = login.secret
    return await network.follow(said.get("token_endpoint"), "POST", headers, urlencode(sent).encode())


def tokens(answer: Answer) -> Object:
    if not answer.said or answer.status != 200:
        return {}
    try:
        return an_object(answer.body)
    except Unreadable:
        return {}


async def end(network: Network, said: Object, login: Login) -> None:
    """Revoke the tokens (RFC 7009) and delete the client."""
    for kind in ("refresh_token", "access_token"):
        token = login.tokens.get(kind)
        if isinstance(token, str) and isinstance(said.get("revocation_endpoint"), str):
            form = {"token": token, "token_type_hint": kind}
            await redeem(network, {**said, "token_endpoint": said["revocation_endpoint"]}, login, form)
    if login.made:
        await remove(network, login.made)
