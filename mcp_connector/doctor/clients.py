"""OAuth clients that the doctor registers as platforms do, and removes again (RFC 7591, RFC 7592)."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

from . import protocol
from .data import platforms
from .documents import Object, Unreadable, an_object, texts
from .exchange import Answer
from .network import Network

TOKEN = re.compile(r"[\x21-\x7e]+")  # what a header can hold
JSON = {"User-Agent": protocol.NAME, "Content-Type": "application/json", "Accept": "application/json"}


@dataclass
class Registration:
    """What became of one registration."""

    platform: str
    callback: str
    answer: Answer
    client: Object = field(default_factory=dict)
    removed: bool = False

    @property
    def id(self) -> str:
        value = self.client.get("client_id")
        return value if isinstance(value, str) else ""

    @property
    def secrets(self) -> list[str]:
        """What must not be shown."""
        named = (self.client.get(name) for name in ("client_secret", "registration_access_token"))
        return [value for value in named if isinstance(value, str)]


def callbacks() -> dict[str, str]:
    """The callback URL of each platform that has a fixed one."""
    return {name: row["callbacks"][0] for name, row in platforms().items() if "callbacks" in row}


def registering() -> list[str]:
    """The platforms that register themselves."""
    return [name for name in callbacks() if platforms()[name].get("registers", True)]


async def register(network: Network, said: Object, platform: str, callback: str, scope: str) -> Registration:
    """Register a public client at the authorization server whose metadata this is."""
    asked = {
        "client_name": f"mcp-connector doctor ({platform})",
        "redirect_uris": [callback],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        **({"application_type": "native"} if callback.startswith("http://127.0.0.1") else {}),
        **({"scope": scope} if scope else {}),
    }
    answer = await network.follow(said.get("registration_endpoint"), "POST", JSON, json.dumps(asked).encode())
    made = Registration(platform, callback, answer)
    if answer.said and answer.status in (200, 201):
        with suppress(Unreadable):
            made.client = an_object(answer.body)
    return made


async def remove(network: Network, made: Registration) -> None:
    """Delete a client where the server lets its owner do that; `removed` says whether it is gone."""
    place, token = made.client.get("registration_client_uri"), made.client.get("registration_access_token")
    if not isinstance(place, str) or not isinstance(token, str) or not TOKEN.fullmatch(token):
        return
    answer = await network.follow(place, "DELETE", {"User-Agent": protocol.NAME, "Authorization": f"Bearer {token}"})
    made.removed = answer.status in (200, 204)


async def try_out(network: Network, said: Object, platform: str, callback: str, scope: str) -> Registration:
    """Register as a platform does, and delete what that made."""
    made = await register(network, said, platform, callback, scope)
    if made.id:
        await remove(network, made)
    return made


async def authorize(network: Network, said: Object, id: str, resource: str, callback: str, scope: str) -> Answer:
    """The authorization request of a platform, whose answer is looked at and not followed."""
    asked = {
        "response_type": "code",
        "client_id": id,
        "redirect_uri": callback,
        "state": protocol.GARBAGE,
        "code_challenge": challenge(protocol.GARBAGE * 2),
        "code_challenge_method": "S256",
        "resource": resource,
        **({"scope": scope} if scope else {}),
    }
    place = str(said.get("authorization_endpoint"))
    headers = {"User-Agent": protocol.NAME, "Accept": "text/html"}
    return await network.follow(with_query(place, asked), headers=headers)


def with_query(url: str, values: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(values)}"


def challenge(verifier: str) -> str:
    """S256 of RFC 7636 §4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def scopes(resource: Object | None, said: Object) -> str:
    """What a client asks for: the scopes of the resource, and to stay signed in where that is offered."""
    wanted = texts((resource or {}).get("scopes_supported"))
    if "offline_access" in texts(said.get("scopes_supported")) and "offline_access" not in wanted:
        wanted.append("offline_access")
    return " ".join(wanted)


def methods(said: Mapping[str, object]) -> list[object]:
    """How clients may authenticate at the token endpoint (RFC 8414 §2 has the default)."""
    named = said.get("token_endpoint_auth_methods_supported")
    return named if isinstance(named, list) else ["client_secret_basic"]
