"""What is asked of a server, and in which order.

Nothing is judged here: `probes` does that, over the evidence, which then no longer changes.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from . import addresses, login, protocol
from .clients import authorize, callbacks, registering, scopes, try_out
from .credentials import Credential
from .discovery import discover
from .documents import Object
from .evidence import Evidence, refused, result
from .exchange import Answer, Request, Trouble
from .login import Open
from .network import FIRST, Network
from .target import Url, joined, parse

FOLLOW_UPS, PAGES = 20, 8
SESSION = re.compile(r"[\x21-\x7e]{1,512}")
Prompt = Callable[[], Credential]


@dataclass(frozen=True)
class Options:
    """What is done beside looking."""

    call: str = ""
    """A tool to call, without arguments."""
    register: bool = False
    client: tuple[str, str] = ("", "")
    """Id and secret of a client that exists."""
    login: Open | None = None
    """Opens a URL in the user's browser."""
    prompt: Prompt | None = None


class Survey:
    """One run over one target. What was heard is in `evidence`, also when the run is ended early."""

    def __init__(self, target: Url, network: Network, credential: Credential, options: Options) -> None:
        self.evidence = Evidence(target, credential)
        self.network, self.options = network, options
        network.target, self.evidence.id = target, network.id

    async def run(self) -> None:
        heard = self.evidence
        heard.addresses = await self.network.addresses(heard.target.host)
        if not heard.addresses:
            heard.answers["bare"] = Answer(protocol.initialize(heard.target), trouble=Trouble.NAME)
            return
        # Alone and with patience: it may have to start first. Only then does silence say something.
        bare = await self.keep("bare", protocol.initialize(heard.target), FIRST)
        if not bare.said or bare.cut:
            return
        if heard.open:
            await self.list_without(bare)
        await discover(self.network, heard)
        if self.options.login:
            await self.log_in(self.options.login)
        await self.come_in(bare)
        await asyncio.gather(self.edges(), self.inside(), self.clients())
        await self.leave()

    async def keep(self, name: str, request: Request, patience: float | None = None) -> Answer:
        """Ask, and keep the answer under a name."""
        answer = await (self.network.ask(request, patience) if patience else self.network.ask(request))
        self.evidence.answers[name] = answer
        return answer

    async def come_in(self, bare: Answer) -> None:
        """`initialize` with the credential, if there is one and it may be sent."""
        heard = self.evidence
        if heard.closed and not heard.credential and self.options.prompt:
            with self.network.waiting(login.WAIT):
                heard.credential = self.options.prompt()
        if heard.credential and heard.target.scheme == "http" and heard.kind != addresses.LOOPBACK:
            heard.notes.append("The credential was not sent: the URL is http://, where everybody on the way reads it.")
            heard.credential = Credential()
        if heard.credential:
            await self.keep("own", protocol.initialize(heard.target, heard.credential.headers))
        else:
            heard.answers["own"] = bare
        agreed = heard.result("own") or {}
        heard.version = str(agreed.get("protocolVersion", ""))[:40]
        session = heard.answers["own"].headers.get("mcp-session-id", "")
        heard.session = session if SESSION.fullmatch(session) else ""

    async def list_without(self, bare: Answer) -> None:
        """The tools, as whoever has no credential: some servers let everybody in, and ask for one here."""
        target, session = self.evidence.target, bare.headers.get("mcp-session-id", "")
        headers = {"Mcp-Session-Id": session} if SESSION.fullmatch(session) else {}
        await self.keep("initialized", protocol.call(target, protocol.INITIALIZED, id=None, headers=headers))
        await self.keep("list-bare", protocol.call(target, "tools/list", {}, headers=headers))

    def headers(self) -> dict[str, str]:
        """What a client sends after `initialize`."""
        heard = self.evidence
        session = {"Mcp-Session-Id": heard.session} if heard.session else {}
        version = {"MCP-Protocol-Version": heard.version} if heard.version in protocol.EVERY else {}
        return {**session, **version, **heard.credential.headers}

    async def edges(self) -> None:
        """What proxies and transports do with requests a little unlike the first."""
        target, own = self.evidence.target, self.evidence.credential.headers
        path, _, query = target.path.partition("?")
        other = (path.rstrip("/") or "/") if path.endswith("/") else f"{path}/"
        spelled = joined(target, f"{other}?{query}" if query else other)
        preflight = {
            "User-Agent": protocol.NAME,
            "Origin": "https://inspector.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,mcp-protocol-version,mcp-session-id",
        }
        asked = {
            "again": protocol.initialize(target, own),
            "json": protocol.initialize(target, own, accept="application/json"),
            "spelled": protocol.initialize(spelled, own),
            "preflight": Request("OPTIONS", target, preflight),
            **{
                f"agent {name}": protocol.initialize(target, {"User-Agent": agent, **own})
                for name, agent in protocol.AGENTS.items()
            },
        }
        if self.evidence.oauth:
            place, agent = self.evidence.answers["known path"].request.url, "Claude-User"
            asked[f"metadata {agent}"] = protocol.get(place, headers={"User-Agent": protocol.AGENTS[agent]})
        if self.evidence.closed:
            bearer = {"Authorization": f"Bearer {protocol.GARBAGE}"}
            asked["garbage"] = protocol.initialize(target, bearer)
            asked["query"] = protocol.initialize(with_query(target, self.query_token()))
        if path == "/" and not (self.evidence.inside or self.evidence.closed):
            asked["usual path"] = protocol.initialize(joined(target, "/mcp"))
        await asyncio.gather(*(self.keep(name, request) for name, request in asked.items()), self.stream())
        answers = self.evidence.answers
        for name in list(asked):
            if name.startswith("agent ") and answers[name].trouble is Trouble.SILENT and answers["again"].said:
                await self.keep(name, asked[name])  # its silence counts the second time only
        if "access-control-allow-origin" in self.evidence.answers["preflight"].headers:
            await self.keep("origin", protocol.initialize(target, {**own, "Origin": preflight["Origin"]}))

    def query_token(self) -> str:
        """The user's own token in a URL ends in the server's logs: on this machine only."""
        here = self.evidence.kind == addresses.LOOPBACK
        return (self.evidence.credential.bearer if here else "") or protocol.GARBAGE

    async def stream(self) -> None:
        """GET, as a client listens. It is asked twice before its silence counts, and beside a request that is not."""
        request = protocol.get(self.evidence.target, "text/event-stream", self.headers())
        # A stream has no end. Its first event matters only where POST was not answered.
        request = replace(request, linger=0.2 if self.evidence.inside else 2.0)
        if (await self.keep("get", request)).trouble is Trouble.SILENT:
            control = protocol.initialize(self.evidence.target, self.evidence.credential.headers)
            await asyncio.gather(self.keep("get", request), self.keep("beside get", control))

    async def inside(self) -> None:
        """Sessions, versions and tools."""
        heard, target = self.evidence, self.evidence.target
        await asyncio.gather(
            self.keep("discover", protocol.stateless(target, "server/discover", heard.credential.headers)),
            self.keep("stateless list", protocol.stateless(target, "tools/list", heard.credential.headers)),
            self.after_initialize(),
        )

    async def after_initialize(self) -> None:
        heard = self.evidence
        if not heard.inside:
            return
        headers = self.headers()
        if heard.credential:
            await self.keep("initialized", protocol.call(heard.target, protocol.INITIALIZED, id=None, headers=headers))
        await self.list_tools(headers)
        listed = heard.heard("list")
        if listed and refused(listed):
            return
        ping = [protocol.call(heard.target, "ping", id=10 + n, headers=headers) for n in range(FOLLOW_UPS)]
        heard.follow_ups = list(await asyncio.gather(*(self.network.ask(request) for request in ping)))
        heard.wanted_tool = self.options.call
        if heard.wanted_tool and any(tool.get("name") == heard.wanted_tool for tool in heard.tools or []):
            params = {"name": self.options.call, "arguments": {}}
            heard.called = await self.network.ask(protocol.call(heard.target, "tools/call", params, headers=headers))

    async def list_tools(self, headers: Mapping[str, str]) -> None:
        heard, cursor, seen, here = self.evidence, None, set[str](), list[Object]()
        for number in range(PAGES):
            params: Object = {"cursor": cursor} if cursor else {}
            name = "list" if number == 0 else f"list {number + 1}"
            answer = await self.keep(name, protocol.call(heard.target, "tools/list", params, headers=headers))
            said = result(answer)
            if said is None or not isinstance(said.get("tools"), list):
                return
            here = [tool for tool in said["tools"] if isinstance(tool, dict)]
            heard.tools = [*(heard.tools or []), *here]
            cursor = said.get("nextCursor")
            if not isinstance(cursor, str) or not cursor:
                return
            heard.endless_tools = heard.endless_tools or cursor in seen
            seen.add(cursor)
        heard.more_tools = True
        heard.endless_tools = heard.endless_tools or not here

    async def log_in(self, open: Open) -> None:
        """A token for the rest of the run, from the user's own sign-in."""
        heard = self.evidence
        issuer = heard.issuers[0] if heard.oauth and heard.issuers else None
        if not issuer or not issuer.metadata:
            heard.notes.append(
                "Nobody was asked to sign in, because the server offers no sign-in that can be followed."
            )
            return
        done = await login.log_in(
            self.network, issuer.text, issuer.metadata, heard.resource or {}, self.options.client, open
        )
        heard.login = done
        heard.secrets += done.secrets
        if done.credential:
            heard.credential = done.credential

    async def clients(self) -> None:
        """Registrations as platforms make them, and what their callbacks get for a client that exists."""
        heard, id = self.evidence, self.options.client[0]
        scope_of = {issuer.text: scopes(heard.resource, issuer.metadata or {}) for issuer in heard.issuers}
        for issuer in heard.issuers:
            if said := issuer.metadata:
                each = [(platform, callback, scope_of[issuer.text]) for platform, callback in callbacks().items()]
                if self.options.register and said.get("registration_endpoint"):
                    own = [try_out(self.network, said, *one) for one in each if one[0] in registering()]
                    issuer.registrations = await asyncio.gather(*own)
                    heard.secrets += [secret for made in issuer.registrations for secret in made.secrets]
                if id:
                    asked = [authorize(self.network, said, id, heard.target.text, *one[1:]) for one in each]
                    issuer.authorized = dict(zip(callbacks(), await asyncio.gather(*asked), strict=True))

    async def leave(self) -> None:
        """End the sessions of this run, and what a sign-in left at the provider."""
        heard = self.evidence
        headers = {"User-Agent": protocol.NAME, **self.headers()}
        found = {a.headers.get("mcp-session-id", "") for a in heard.answers.values() if a.request.url == heard.target}
        ended = [
            self.network.ask(Request("DELETE", heard.target, {**headers, "Mcp-Session-Id": session}))
            for session in found
            if SESSION.fullmatch(session)
        ]
        await asyncio.gather(*ended)
        if heard.login and heard.issuers[0].metadata:
            await login.end(self.network, heard.issuers[0].metadata, heard.login)


def with_query(url: Url, token: str) -> Url:
    mark = "&" if "?" in url.path else "?"
    return parse(f"{url.origin}{url.path}{mark}{urlencode({'access_token': token})}")
