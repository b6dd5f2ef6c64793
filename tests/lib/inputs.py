"""Requests that no client should send: a grammar of those that clients do send, and what is changed in them.

    Inputs("none", seed=1, headers={}).make(7)  # always the same request

Each input is made from the seed and its number alone, so that each can be sent again without those before it.
"""

import base64
import copy
import json
import random
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from .serving import CLIENT, DUVO
from .wire import (
    FORGED_ENTRY,
    FORGERY,
    META,
    NAMED,
    STATELESS,
    VERSIONS,
    Headers,
    Json,
    Message,
    Raw,
    chunked,
    encode,
    head,
)

TEXTS = [
    "",
    " ",
    "1",
    "search_records",
    "get_record",
    "update_record",
    "null",
    "x" * 129,
    "x" * 5_000,
    "😀" * 40,
    "é\u0301\u202e\u2066\u200b\ufeff",
    "\u2028\u2029\x85",
    "\x00",
    "\x1b[2J\x1b]0;title\x07",
    "".join(map(chr, range(32))),
    "\x7f\x80\x9b",
    "\ud800",
    "a\udfffb",
    "\ufffe\uffff\U0010ffff",
    "{}",
    "[1,1,1]",
    '{"a": [1, {"b": null}]}',
    "[" * 200,
    "%s%n%d %(name)s {0} {name}",
    "../../etc/passwd",
    "file:///etc/passwd",
    "http://127.0.0.1:9/",
    "data:text/plain,x",
    "urn:x:\n2026",
    "://",
    "http://[::1",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "${jndi:ldap://127.0.0.1/x}",
    "=?base64?Cg==?=",
    "Traceback",
]
FORGERIES = [
    FORGERY,
    FORGED_ENTRY,
    f"x{FORGERY}\n",
    *(FORGERY.replace("\n", end) for end in ("\r", "\r\n", "\u2028", "\x0b", "\x85")),
]
VALUES: list[Json] = [
    None,
    True,
    False,
    0,
    -1,
    3,
    1.5,
    -0.0,
    2**31,
    2**53 + 1,
    -(2**63) - 1,
    2**64,
    10**30,
    [],
    {},
    ["x"],
    [["x"]],
    [None],
    {"": ""},
    {"a": {"b": {"c": []}}},
    [{}],
    Raw("NaN"),
    Raw("Infinity"),
    Raw("-Infinity"),
    Raw("1e999"),
    Raw("-1e999"),
    Raw("1e-999"),
    Raw("1E400"),
    Raw("9" * 400),
    Raw("9" * 5_000),
    Raw("-" + "9" * 5_000),
    Raw("0." + "3" * 5_000),
    Raw("01"),
    Raw("+1"),
    Raw(".5"),
    Raw("0x10"),
    Raw("'x'"),
    Raw("undefined"),
    Raw(""),
    Raw('"\\ud800"'),
    Raw('"\\udc00\\ud800"'),
    Raw('"\\u0000"'),
    Raw('"\\x"'),
    Raw('"\t"'),
    Raw('"\n"'),
    Raw("[" * 70 + "]" * 70),
    Raw("[" * 900 + "]" * 900),
    Raw("[" * 3_000),
    Raw('{"a":' * 70 + "1" + "}" * 70),
    Raw('{"a":1,"a":2}'),
    Raw("[" + "1," * 300 + "1]"),
]
CLIENT_INFO = {"name": "fuzz", "version": "1", "icons": [{"src": "https://example.com/i.png", "sizes": ["1x1"]}]}
REQUESTS: list[tuple[str, dict[str, Json]]] = [
    ("initialize", {"protocolVersion": VERSIONS[0], "capabilities": {"roots": {}}, "clientInfo": CLIENT_INFO}),
    ("notifications/initialized", {}),
    ("notifications/cancelled", {"requestId": 1, "reason": "late"}),
    ("notifications/progress", {"progressToken": 1, "progress": 0.5, "message": "half"}),
    ("notifications/roots/list_changed", {}),
    ("ping", {}),
    ("server/discover", {}),
    ("tools/list", {"cursor": "x"}),
    ("tools/list", {}),
    ("tools/call", {"name": "search_records", "arguments": {"query": "a", "limit": 2, "cursor": ""}}),
    ("tools/call", {"name": "get_record", "arguments": {"record_id": "1", "fields": ["id", "name"]}}),
    ("tools/call", {"name": "update_record", "arguments": {"record_id": "2", "changes": {"status": "open"}}}),
    ("tools/call", {"name": "get_record", "arguments": {"record_id": "1"}, "requestState": "x", "inputResponses": {}}),
    ("tools/call", {"name": "search_records", "arguments": {}, "task": {"ttl": 5}}),
    ("tools/call", {"name": "none_such", "arguments": {}}),
    ("prompts/list", {}),
    ("prompts/get", {"name": "none_such", "arguments": {"a": "b"}}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("resources/read", {"uri": "note://1"}),
    ("resources/subscribe", {"uri": "note://1"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": "b"}}),
    ("logging/setLevel", {"level": "debug"}),
    ("tasks/get", {"taskId": "1"}),
    ("none/such", {"a": 1}),
]
BYTES = [b"\n", b"\x00", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\", b"\xef\xbb\xbf"]
WORDS = ["jsonrpc", "id", "method", "params", "name", "arguments", "_meta", "progressToken", "uri", "result", "error"]
HEADERS: dict[str, list[str]] = {
    "Host": ["evil.example", "127.0.0.1", "127.0.0.1:99999", "[::1]", "a b", "é", "x" * 5_000, "127.0.0.1:1, x", "@"],
    "Origin": ["null", "https://evil.example", "http://[", "é", "x" * 5_000, "http://127.0.0.1", "\t"],
    "Content-Type": [
        "",
        "text/plain",
        "application/json; charset=utf-16",
        "application/json; charset=no-such",
        "APPLICATION/JSON",
        "application/jsonx",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "application/x-www-form-urlencoded; charset=no-such",
        "é/ü",
    ],
    "Accept": ["", "*/*", "application/json", "text/event-stream", "text/html", ",;q=x,", "application/*;q=0", "é"],
    "MCP-Protocol-Version": [*VERSIONS, "2024-11-05", "2099-01-01", "", "x" * 300, "2026-07-28, 2026-07-28", "é"],
    "Mcp-Method": ["", "tools/list", "tools/call", "x" * 300, "=?base64?Cg==?=", "é"],
    "Mcp-Name": ["", "get_record", "=?base64?Cg==?=", "=?base64?/w==?=", "=?base64?*?=", "x" * 5_000, "é"],
    "Mcp-Session-Id": ["", "x", "é", "x" * 300],
    "Mcp-Param-X": ["", "x", "=?base64?Cg==?="],
    "Last-Event-ID": ["", "1", "x" * 300],
    "X-Request-ID": ["", "x", "é", "x" * 5_000, "a b\tc", "\x1b[2J", "-- FORGED", '"},{"level":"x'],
    "Traceparent": ["", "00-" + "0" * 32 + "-" + "0" * 16 + "-00", "x" * 300],
    "X-Forwarded-For": ["", "1.2.3.4", "é", "x" * 300, "::1", "1.2.3.4, 127.0.0.1", ",,,", "[::1]:99999", "\x1b"],
    "X-Forwarded-Proto": ["https", "wss", "", "é", "javascript"],
    "X-Forwarded-Host": ["evil.example", "é"],
    "Forwarded": ["for=evil"],
    "Cookie": ["", "a", "a=b; c", "=", "__MCP_CONSENT_STATE=x.y", "__MCP_CONSENT_BINDING=e30=.x", "é=é", "$Version=1"],
    "Content-Encoding": ["gzip", "br", "identity"],
    "Expect": ["100-continue", "200-ok"],
    "Access-Control-Request-Method": ["POST", "GET", "", "x\ty"],
    "Access-Control-Request-Headers": ["content-type", ", ,", "é", "x" * 5_000],
    "Range": ["bytes=0-1", "x"],
    "If-None-Match": ["*"],
    "Upgrade": ["websocket", "h2c"],
    "TE": ["trailers"],
}
PATHS = [
    "/mcp",
    "/mcp/",
    "/mcp//",
    "/MCP",
    "/mcp/x",
    "/",
    "//",
    "/sse",
    "/health/live",
    "/health/ready",
    "/health",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/openid-configuration",
    "/register",
    "/authorize",
    "/token",
    "/revoke",
    "/consent",
    "/auth/callback",
    "/favicon.ico",
    "/robots.txt",
    "/%00",
    "/%0a2026",
    "/%ff%fe",
    "/..%2f..%2fetc/passwd",
    "/é",
    "*",
    "http://evil.example/mcp",
    "mcp",
    "/mcp;x=1",
    "/" + "x" * 5_000,
]
VERBS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "post", "X-MADE-UP"]
LOGIN: dict[str, dict[str, str]] = {
    "/authorize": {
        "response_type": "code",
        "client_id": CLIENT["client_id"],
        "redirect_uri": "http://127.0.0.1/oauth/callback",
        "scope": "read write",
        "state": "s",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    },
    "/token": {
        "grant_type": "authorization_code",
        "code": "x",
        "redirect_uri": "http://127.0.0.1/oauth/callback",
        "client_id": CLIENT["client_id"],
        "code_verifier": "x" * 43,
    },
    "/revoke": {"token": "x", "client_id": CLIENT["client_id"], "token_type_hint": "access_token"},
    "/consent": {"txn_id": "x", "csrf_token": "x", "action": "approve"},
    "/auth/callback": {"code": "x", "state": "x", "iss": "https://idp.example"},
}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": CLIENT["client_id"], "scope": "read"}
REGISTRATION: dict[str, Json] = {
    "client_name": "Fuzz",
    "redirect_uris": [DUVO, "http://127.0.0.1/oauth/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "scope": "read write",
    "jwks": {"keys": [{}]},
    "logo_uri": "https://example.com/logo.png",
    "contacts": ["a@example.com"],
    "software_statement": "x.y.z",
}


@dataclass(frozen=True)
class Input:
    """One request as it goes over the wire."""

    number: int
    kind: str
    sent: bytes


class Inputs:
    """Requests to a connector of one auth mode, whose good credential is in `headers`."""

    def __init__(self, mode: str, seed: int, headers: Mapping[str, str], host: str) -> None:
        self.mode, self.seed, self.credential, self.host = mode, seed, list(headers.items()), host
        kinds: list[tuple[int, Callable[[Random], tuple[str, str, Message]]]] = [
            (50, self.message),
            (10, self.name),
            (12, self.message_bytes),
            (8, self.route),
        ]
        if mode == "oauth-proxy":
            kinds += [(30, self.login), (10, self.registration)]
        self.weights, self.kinds = zip(*kinds, strict=True)

    def make(self, number: int) -> Input:
        """The input of this number."""
        chance = Random(f"{self.seed}:{self.mode}:{number}")
        [kind] = chance.choices(self.kinds, self.weights)
        verb, target, message = kind(chance)
        headers = self.headers(chance, list(message.headers))
        return Input(number, kind.__name__, self.framed(chance, verb, target, headers, message.body))

    def message(self, chance: "Random") -> tuple[str, str, Message]:
        """A JSON-RPC message in which values, names or places are wrong."""
        method, params = chance.choice(REQUESTS)
        version = chance.choice(VERSIONS)
        whole: dict[str, Json] = {"jsonrpc": "2.0", "id": chance.number(), "method": method}
        whole["params"] = copy.deepcopy(params)
        if version == STATELESS:
            whole["params"]["_meta"] = copy.deepcopy(META)
        elif chance.seldom(5):
            whole["params"]["_meta"] = {"progressToken": 1}
        if method.startswith("notifications/"):
            del whole["id"]
        changed: Json = whole
        for _ in range(chance.few()):
            changed = chance.change(changed)
        if chance.seldom(15):
            changed = [changed] * chance.randint(1, 3)
        inner = changed.get("params") if isinstance(changed, dict) else None
        name = inner.get(NAMED.get(method, "")) if isinstance(inner, dict) else None
        return "POST", chance.choice(["/mcp", "/mcp", "/mcp/"]), self.posted(chance, changed, version, method, name)

    def posted(self, chance: "Random", body: Json, version: str, method: str, name: Json) -> Message:
        headers = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
        if version == STATELESS or chance.seldom(2):
            headers.append(("MCP-Protocol-Version", version))
        if version == STATELESS:
            said = body.get("method") if isinstance(body, dict) else None
            # Where the header does not repeat the body, the request goes no further: mostly it does.
            headers.append(("Mcp-Method", said if isinstance(said, str) and not chance.seldom(20) else method))
            if isinstance(name, str) and not isinstance(name, Raw):
                coded = base64.b64encode(name.encode("utf-8", "surrogatepass")).decode()
                plain = name.isascii() and name.isprintable() and name == name.strip()
                headers.append(("Mcp-Name", name if plain else f"=?base64?{coded}?="))
        return Message(chance.encoded(body), headers)

    def name(self, chance: "Random") -> tuple[str, str, Message]:
        """A message that is well formed, with any text where a name is expected, which some logs repeat."""
        method, params = copy.deepcopy(chance.choice(REQUESTS))
        version = chance.choice(VERSIONS)
        names = [name for name, value in params.items() if isinstance(value, str)]
        if names and not chance.seldom(4):
            params[chance.choice(names)] = chance.text()
        elif chance.seldom(2):
            method = chance.text()
        elif params.get("arguments"):
            params["arguments"][chance.choice([*params["arguments"], chance.text()])] = chance.text()
        if version == STATELESS:
            params["_meta"] = META
        whole = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return "POST", "/mcp", self.posted(chance, whole, version, method, params.get(NAMED.get(method, "")))

    def message_bytes(self, chance: "Random") -> tuple[str, str, Message]:
        """The same, broken as text."""
        verb, target, message = self.message(chance)
        body = bytearray(message.body)
        for _ in range(chance.few()):
            place = chance.randint(0, len(body))
            action = chance.randint(0, 7)
            if action == 0:
                del body[place:]
            elif action == 1:
                body[place:place] = chance.randbytes(chance.randint(1, 4))
            elif action == 2:
                body[place : place + chance.randint(1, 8)] = b""
            elif action == 3:
                body[:0] = chance.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b" \n", b"\x1e", b"x", b"[", b"{"])
            elif action == 4:
                body += chance.choice([b"\x00", b"}", b"]", b",", b"{}", bytes(body), b" " * 2_000, b"\n\n"])
            elif action == 5:
                body = bytearray(body.decode("utf-8", "replace").encode(chance.choice(["utf-16", "utf-32", "utf-7"])))
            elif action == 6:
                word = json.dumps(chance.choice(WORDS)).encode()
                body = body.replace(b"{", b"{%s:%s," % (word, chance.encoded(chance.value())), 1)
            else:
                body[place:place] = chance.choice(
                    [b"\n", b"\x00", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\"]
                )
        return verb, target, Message(bytes(body), message.headers)

    def route(self, chance: "Random") -> tuple[str, str, Message]:
        """Any path, any method, any query."""
        target = chance.choice(PATHS)
        if chance.seldom(2):
            target += "?" + chance.query({"access_token": "x", chance.text(): chance.text()})
        body = chance.encoded(chance.value()) if chance.seldom(2) else b""
        return chance.choice(VERBS), target, Message(body)

    def login(self, chance: "Random") -> tuple[str, str, Message]:
        """What browsers and clients send to the endpoints of the OAuth proxy."""
        path = chance.choice(list(LOGIN))
        fields = dict(REFRESH if path == "/token" and chance.seldom(3) else LOGIN[path])
        for _ in range(chance.few()):
            name = chance.choice([*fields, *WORDS[:4], "resource", "prompt", "request", "error", "error_description"])
            if chance.seldom(4):
                fields.pop(name, None)
            else:
                fields[name] = chance.text()
        if chance.seldom(2) and path in ("/authorize", "/consent", "/auth/callback"):
            return chance.choice(["GET", "GET", "HEAD"]), f"{path}?{chance.query(fields)}", Message(b"")
        form = chance.randint(0, 5)
        if form < 3:
            body = chance.query(fields).encode("utf-8", "surrogatepass")
            message = Message(body, [("Content-Type", "application/x-www-form-urlencoded")])
        elif form == 3:
            message = chance.multipart(fields)
        else:
            message = Message(chance.encoded(fields), [("Content-Type", "application/json")])
        if path in ("/token", "/revoke") and chance.seldom(3):
            secret = f"{chance.text()}:{chance.text()}".encode("utf-8", "surrogatepass")
            basic = chance.choice([base64.b64encode(secret).decode(), "x", "é", ""])
            message = Message(message.body, [*message.headers, ("Authorization", f"Basic {basic}")])
        return "POST", path, message

    def registration(self, chance: "Random") -> tuple[str, str, Message]:
        """A client that registers itself (RFC 7591)."""
        changed: Json = copy.deepcopy(REGISTRATION)
        for _ in range(chance.few()):
            changed = chance.change(changed)
        # Registrations are counted by address, so that most come from others.
        address = f"10.0.{chance.randint(0, 255)}.{chance.randint(1, 255)}"
        headers = [("Content-Type", "application/json"), ("X-Forwarded-For", address)]
        return "POST", "/register", Message(chance.encoded(changed), headers)

    def headers(self, chance: "Random", headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The headers of a request, sometimes with others, and mostly with the credential."""
        headers = [("Host", self.host), *headers]
        headers += self.credential if not chance.seldom(8) else chance.credentials(self.credential)
        while chance.seldom(4):
            name = chance.choice(list(HEADERS))
            value = chance.choice(HEADERS[name]) if not chance.seldom(4) else chance.header()
            if chance.seldom(2):
                headers = [(other, kept) for other, kept in headers if other.lower() != name.lower()]
            headers.append((name, value))
        if chance.seldom(40):
            headers += [(f"X-{i}", "x") for i in range(chance.choice([5, 99, 120, 300]))]
        if chance.seldom(60):
            headers.append((chance.header()[:30], "x"))
        return headers

    def framed(self, chance: "Random", verb: str, target: str, headers: Headers, body: bytes) -> bytes:
        """The request with its length told one way or the other, rarely wrong."""
        if chance.seldom(12):
            return head(verb, target, [*headers, ("Transfer-Encoding", "chunked")]) + chunked(
                body, chance.choice([1, 7, 1_000])
            )
        if chance.seldom(100):
            wrong = chance.choice(["x", "-1", "", "1e3", "9" * 30, f"{len(body)}, {len(body)}", "+1"])
            return head(verb, target, [*headers, ("Content-Length", wrong), ("Connection", "close")]) + body
        return head(verb, target, [*headers, ("Content-Length", str(len(body)))]) + body


class Random(random.Random):
    """Chances that a grammar needs."""

    def seldom(self, times: int) -> bool:
        """Once in so many times."""
        return self.randrange(times) == 0

    def few(self) -> int:
        """How often something is changed: mostly once or twice, and in a tenth of all not at all."""
        return self.choices([0, 1, 2, 3, 5], [10, 50, 20, 12, 8])[0]

    def text(self) -> str:
        if self.seldom(6):
            return self.choice(FORGERIES)
        if self.seldom(6):
            return "".join(self.choices(string.printable + "é\u2028\x00\x85😀", k=self.randint(1, 40)))
        return self.choice(TEXTS)

    def number(self) -> Json:
        return self.choice([1, 1, 1, 0, -1, "a", "1", 2**53]) if not self.seldom(20) else self.value()

    def value(self) -> Json:
        return copy.deepcopy(self.choice(VALUES)) if self.seldom(2) else self.text()

    def header(self) -> str:
        """A header value that reaches the server: no line breaks, which would begin another header."""
        return self.text().replace("\r", "").replace("\n", "").replace("\x00", "")

    def change(self, tree: Json) -> Json:
        """The tree with one place changed."""
        places = list(paths(tree))
        path = self.choice(places)
        if not path:
            return self.value() if self.seldom(4) else tree
        tree = copy.deepcopy(tree)
        parent = tree
        for step in path[:-1]:
            parent = parent[step]
        last, action = path[-1], self.randint(0, 9)
        if action <= 4:
            parent[last] = self.value()
        elif action == 5:
            del parent[last]
        elif action == 6:
            parent[last] = [parent[last]] * self.randint(1, 3)
        elif action == 7:
            parent[last] = {self.choice(WORDS): parent[last]}
        elif action == 8:
            parent[last] = json.dumps(parent[last])  # a JSON text inside of a string
        elif isinstance(parent, dict):
            parent[self.choice([self.text(), *WORDS])] = self.value()
        return tree

    def encoded(self, value: Json) -> bytes:
        plain = self.seldom(2)  # whether every character is written as it is, where JSON allows that
        return encode(value, plain).encode("utf-8", "surrogatepass")

    def query(self, fields: Mapping[str, str]) -> str:
        pairs = [(name, value) for name, value in fields.items() for _ in range(2 if self.seldom(20) else 1)]
        if self.seldom(10):
            joined = "&".join(f"{name}={value}" for name, value in pairs)
            return joined.translate({code: f"%{code:02x}" for code in [*range(33), 127]})
        return urlencode([(escaped(name), escaped(value)) for name, value in pairs])

    def multipart(self, fields: Mapping[str, str]) -> Message:
        """A form in parts (RFC 7578), of which some are broken."""
        parts = []
        for name, value in fields.items():
            kind = self.choice(["", '; filename="x"', "; filename*=utf-8''%ff", '; name="twice"'])
            disposition = self.choice(["Content-Disposition: form-data", "Content-Disposition: ", "X", ""])
            parts.append(f'--b\r\n{disposition}; name="{name}"{kind}\r\n\r\n{value}\r\n')
        if self.seldom(2):
            parts = [part.replace("--b", self.choice(["--b", "--c", "b", "--b--"]), 1) for part in parts]
        end = self.choice(["--b--\r\n", "--b--", "", "--b", "\r\n"])
        boundary = self.choice(["b", "b", "b", "", '"', "é", "x" * 300, 'b"; x="'])
        body = "".join([*parts, end]).encode("utf-8", "surrogatepass")
        return Message(body, [("Content-Type", f"multipart/form-data; boundary={boundary}")])

    def credentials(self, good: Headers) -> list[tuple[str, str]]:
        """Credentials that let nobody in, or the good ones in another form."""
        value = good[0][1] if good else "Bearer x"
        made_up = [
            "Bearer",
            "Bearer ",
            "bearer x",
            "Bearer x y",
            "Basic x",
            "Basic =",
            "é",
            f"Bearer {self.header()}",
            f"Bearer {self.jwt()}",
            f"Bearer {self.jwt()}",
            "Bearer " + "x" * 9_000,
            value[:-1],
            value + "x",
            value + "\t",
            value.replace("_", "__"),
        ]
        chosen = [("Authorization", self.choice(made_up))]
        if self.seldom(3):
            chosen.append((self.choice(["X-API-Key", "Authorization", good[0][0] if good else "X"]), self.header()))
        return [] if self.seldom(6) else chosen

    def jwt(self) -> str:
        """Something like a token, of which parts are not what they should be."""
        header: Json = {"alg": self.choice(["none", "RS256", "HS256", "ES256"]), "typ": "at+jwt", "kid": "x"}
        claims: Json = {"iss": "x", "aud": "y", "exp": 2**40, "sub": "z", "scope": "read write"}
        for _ in range(self.few()):
            header, claims = (self.change(header), claims) if self.seldom(2) else (header, self.change(claims))
        parts = [base64.urlsafe_b64encode(self.encoded(part)).decode().rstrip("=") for part in (header, claims)]
        return ".".join([*parts, self.choice(["", "x", "eA", "é", "=="])])


def paths(tree: Json) -> "list[tuple[Any, ...]]":
    """The way to every value in a tree, its root included."""
    found: list[tuple[Any, ...]] = [()]
    if isinstance(tree, (dict, list)):
        steps = tree if isinstance(tree, dict) else range(len(tree))
        found += [(step, *rest) for step in steps for rest in paths(tree[step])]
    return found


def escaped(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
