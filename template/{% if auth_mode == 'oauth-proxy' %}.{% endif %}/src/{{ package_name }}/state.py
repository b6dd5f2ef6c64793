"""What the proxy remembers: logins, registrations and the tokens behind them, encrypted, in Redis or Valkey."""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, SupportsFloat
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken
from key_value.aio.protocols.key_value import AsyncKeyValue
from key_value.aio.stores.filetree import (
    FileTreeStore,
    FileTreeV1CollectionSanitizationStrategy,
    FileTreeV1KeySanitizationStrategy,
)
from key_value.aio.stores.redis import RedisStore
from key_value.aio.wrappers.base import BaseWrapper
from pydantic import AfterValidator, SecretStr
from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .issuer import IssuerUnavailable

if TYPE_CHECKING:
    from .settings import Settings

FOLDER = Path(".state")  # on this machine alone
WAIT = 2.0  # seconds for the store to answer
UNUSED = 24 * 3600  # seconds after which a registration that nobody logged in with is forgotten

outages: ContextVar[list[str]] = ContextVar("outages")
"""What could not be asked for a request: FastMCP takes every error for a bad token or a fault of its own."""


class Store(BaseWrapper):
    """A store whose outages are seen, in which nothing stays for ever, and of no use to who reads or moves things.

    Keys are hashed, as FastMCP's are codes and identifiers of logins. What is kept is sealed together with its key:
    a login copied to another's place is no login.
    """

    def __init__(self, key_value: AsyncKeyValue, fernet: Fernet) -> None:
        self.key_value, self.fernet = key_value, fernet

    async def get(self, key: str, *, collection: str | None = None) -> dict[str, Any] | None:
        with answering():
            kept = await self.key_value.get(place(key, collection), collection=collection)
        try:
            where, value = json.loads(self.fernet.decrypt(str((kept or {}).get("sealed"))))
        except (InvalidToken, ValueError):
            return None  # nothing is there, or it is of another STATE_KEY
        return value if where == place(key, collection) else None

    async def put(
        self, key: str, value: Mapping[str, Any], *, collection: str | None = None, ttl: SupportsFloat | None = None
    ) -> None:
        where = place(key, collection)
        sealed = self.fernet.encrypt(json.dumps([where, dict(value)]).encode()).decode()
        with answering():
            await self.key_value.put(
                where, {"sealed": sealed}, collection=collection, ttl=UNUSED if ttl is None else ttl
            )

    async def delete(self, key: str, *, collection: str | None = None) -> bool:
        with answering():
            return await self.key_value.delete(place(key, collection), collection=collection)


def place(key: str, collection: str | None) -> str:
    """The name under which something is kept."""
    return sha256(f"{collection}/{key}".encode()).hexdigest()


@contextmanager
def answering() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise unavailable(f"the state store does not answer as it should ({type(error).__name__})") from error


def unavailable(why: str) -> IssuerUnavailable:
    """The exception to raise, noted for whoever answers the request."""
    outages.get([]).append(why)
    return IssuerUnavailable(why)


def open_store(settings: "Settings") -> tuple[AsyncKeyValue, Redis | None]:
    """The encrypted store, and the connections to close in the end.

    Raises:
        IssuerUnavailable: Other replicas, and this one after a restart, would not find it; or it has no place.
    """
    redis: Redis | None = None
    store: AsyncKeyValue
    if settings.state_store_url:
        redis = Redis.from_url(
            settings.state_store_url.get_secret_value(),
            decode_responses=True,
            socket_timeout=WAIT,
            socket_connect_timeout=WAIT,
            health_check_interval=30,
            retry=Retry(NoBackoff(), 1),  # a connection that the store has closed meanwhile
        )
        store = RedisStore(client=redis)
    elif urlsplit(settings.public_url).scheme == "https":
        raise IssuerUnavailable(
            "STATE_STORE_URL is missing: with a public PUBLIC_URL, logins are kept in Redis or Valkey, "
            "such as redis://state:6379/0"
        )
    else:
        try:
            FOLDER.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise IssuerUnavailable(
                f"logins of this machine are kept in {FOLDER}, which cannot be made here ({error.strerror}); "
                "start it in another folder, or set STATE_STORE_URL"
            ) from None
        store = FileTreeStore(
            data_directory=FOLDER,
            key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(FOLDER),
            collection_sanitization_strategy=FileTreeV1CollectionSanitizationStrategy(FOLDER),
        )
    fernet = Fernet(urlsafe_b64encode(key_bytes(settings.state_key.get_secret_value())))
    return Store(store, fernet), redis


def key_bytes(value: str) -> bytes:
    """32 bytes, written in base64 of either alphabet."""
    try:
        key = b64decode(value.translate(str.maketrans("-_", "+/")), validate=True)
    except ValueError:
        key = b""
    if len(key) != 32 or len(set(key)) < 16:
        raise ValueError("must be 32 random bytes in base64; make it with: openssl rand -base64 32")
    return key


def strong(value: SecretStr) -> SecretStr:
    key_bytes(value.get_secret_value())
    return value


def store_url(value: SecretStr) -> SecretStr:
    try:
        host = parse_url(value.get_secret_value()).get("host")
    except ValueError:  # it may repeat parts of a password
        host = None
    if not host:
        raise ValueError(
            "must be a redis:// or rediss:// URL, such as redis://state:6379/0; Valkey has the same. "
            "Write characters such as / or # in a password as %2F or %23"
        )
    return value


Key = Annotated[SecretStr, AfterValidator(strong)]
StoreUrl = Annotated[SecretStr, AfterValidator(store_url)] | None
