"""Everything that was heard of a server. The survey fills it; the probes read it."""

from dataclasses import dataclass, field

from . import addresses
from .clients import Registration
from .credentials import SHORTEST, Credential
from .documents import Object, Unreadable, an_object, page, reply
from .exchange import Answer
from .login import Login
from .target import Url


@dataclass
class Issuer:
    """An authorization server that the metadata names."""

    text: str
    forbidden: str = ""
    """Why it is not called."""
    places: dict[str, Answer] = field(default_factory=dict)
    """Where its metadata was looked for: `oauth`, `openid` and, behind an issuer's path, `openid-last`."""
    metadata: Object | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    """Of its endpoints, by their names in the metadata."""
    registrations: list[Registration] = field(default_factory=list)
    """What became of each platform's registration, with --register."""
    empty: Registration | None = None
    """The client that an empty registration made."""
    authorized: dict[str, Answer] = field(default_factory=dict)
    """What each platform's callback gets for the client of --client-id."""


@dataclass
class Evidence:
    target: Url
    credential: Credential = field(default_factory=Credential)
    addresses: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    session: str = ""
    version: str = ""
    """What the server agreed to in `initialize`."""
    follow_ups: list[Answer] = field(default_factory=list)
    tools: list[Object] | None = None
    more_tools: bool = False
    endless_tools: bool = False
    """Whether a page of the list leads to an earlier one."""
    challenge_url: str = ""
    resource: Object | None = None
    """The protected resource metadata that a client would use."""
    resource_from: str = ""
    """Where it is: `challenge`, `path` or `root`."""
    issuers: list[Issuer] = field(default_factory=list)
    id: str = ""
    """`X-Request-Id` of every request."""
    wanted_tool: str = ""
    """The name after --call."""
    called: Answer | None = None
    """What that tool answered; None where it is not in the list."""
    login: Login | None = None
    secrets: list[str] = field(default_factory=list)
    """What must not be shown, beside the credential."""
    notes: list[str] = field(default_factory=list)

    def hide(self, text: str) -> str:
        """A text of the other side without what is secret."""
        for secret in self.secrets:
            if len(secret) >= SHORTEST:
                text = text.replace(secret, "[secret]")
        return self.credential.hide(text)

    @property
    def kind(self) -> str:
        """Of the target's network: `loopback`, `private`, `global` or `other`."""
        return addresses.together(self.addresses) if self.addresses else addresses.OTHER

    def heard(self, name: str) -> Answer | None:
        """An answer with a status; None where nothing was asked or nothing came."""
        answer = self.answers.get(name)
        return answer if answer and answer.said else None

    def result(self, name: str) -> Object | None:
        """What a JSON-RPC request returned; None where it failed."""
        answer = self.heard(name)
        return result(answer) if answer else None

    @property
    def open(self) -> bool:
        """Whether `initialize` succeeds without a credential."""
        return self.result("bare") is not None

    @property
    def closed(self) -> bool:
        """Whether a credential is asked for, at `initialize` or at the list of tools."""
        bare = self.heard("bare")
        return bool(bare and refused(bare)) or self.lazy

    @property
    def lazy(self) -> bool:
        """Whether anybody may `initialize`, and only some may list tools: allowed, and done on purpose."""
        listed = self.heard("list-bare")
        return self.open and bool(listed and refused(listed))

    @property
    def inside(self) -> bool:
        """Whether the doctor got in, with or without a credential."""
        return self.result("own") is not None

    @property
    def challenge(self) -> str:
        """`WWW-Authenticate` of the refusal without a credential."""
        for name in ("bare", "list-bare"):
            if (answer := self.heard(name)) and refused(answer):
                return answer.headers.get("www-authenticate", "")
        return ""

    @property
    def oauth(self) -> bool:
        """Whether a sign-in is meant: by the challenge, or by metadata beside a refusal.

        Before RFC 9728, a server's own origin was its authorization server (MCP 2025-03-26).
        """
        early = document(self.heard("known server")) or {}
        named = "resource_metadata" in self.challenge or self.resource is not None
        return self.closed and (named or "authorization_endpoint" in early)

    @property
    def auth(self) -> str:
        """`none`, `key`, `oauth`, or nothing where it cannot be told."""
        if self.closed:
            return "oauth" if self.oauth else "key"
        return "none" if self.open else ""


def refused(answer: Answer) -> bool:
    """Whether an answer asks for a credential. A page in a 403 is a firewall's, not the server's."""
    return answer.status == 401 or (answer.status == 403 and not page(answer.body))


def result(answer: Answer) -> Object | None:
    if not answer.said or answer.status not in (200, 201):  # some frameworks answer every POST with 201
        return None
    try:
        found = reply(answer.body, answer.headers.get("content-type", "")).get("result")
    except Unreadable:
        return None
    return found if isinstance(found, dict) else None


def error(answer: Answer) -> Object | None:
    """The JSON-RPC error of an answer of any status."""
    if not answer.said:
        return None
    try:
        found = reply(answer.body, answer.headers.get("content-type", "")).get("error")
    except Unreadable:
        return None
    return found if isinstance(found, dict) else None


def message(answer: Answer) -> str:
    """What an answer says in place of a reply: its error's message, or else how its body begins."""
    said = (error(answer) or {}).get("message")
    return said if isinstance(said, str) else answer.body[:300].decode("utf-8", "replace").strip()


def document(answer: Answer | None) -> Object | None:
    """The JSON object of a document that was found."""
    if answer is None or not answer.said or answer.status != 200:
        return None
    try:
        return an_object(answer.body)
    except Unreadable:
        return None
