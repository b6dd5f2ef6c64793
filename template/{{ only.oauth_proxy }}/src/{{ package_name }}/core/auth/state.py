"""What the proxy remembers: logins, registrations and the tokens behind them, encrypted, in Redis or Valkey."""

import hmac
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from typing import Any, SupportsFloat
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
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError
from redis.exceptions import TimeoutError as StoreTimeout

from ...settings import Settings
from ..fields import WRONG_STORE
from .fields import key_bytes
from .issuer import PAUSE, IssuerUnavailable

FOLDER = Path(".state")  # on this machine alone
WAIT = 2.0  # seconds for the store to answer
UNUSED = 3600  # seconds after which a registration that nobody logged in with is forgotten
ROOM = 24 * 1024  # bytes: the tokens of a login, kept twice, are about that large at the most
LOGINS_OF_1_1 = {"mcp-oauth-proxy-clients", "mcp-upstream-tokens", "mcp-jti-mappings", "mcp-refresh-tokens"}

outages: ContextVar[list[str]] = ContextVar("outages")
"""What could not be asked for a request: FastMCP takes every error for a bad token or a fault of its own."""


class Store(BaseWrapper):
    """A store whose outages are seen, in which nothing stays for ever, and of no use to who reads or moves things.

    Names of entries and the key that seals them depend on STATE_KEY and PUBLIC_URL, so connectors that share both a
    store and its key do not find each other's entries. What is kept is sealed together with its name: a login that is
    copied to another's place cannot be read.
    """

    def __init__(self, key_value: AsyncKeyValue, state_key: bytes, public_url: str) -> None:
        self.key_value = key_value
        self.fernet = fernet(hmac.digest(state_key, f"seal {public_url}".encode(), "sha256"))
        self.names = hmac.digest(state_key, f"name {public_url}".encode(), "sha256")
        self.fernet_of_1_1 = fernet(state_key)
        self.hangs_until = float("-inf")  # monotonic seconds, for which it is not asked again

    def place(self, key: str, collection: str | None) -> str:
        """The name under which something is kept. Keys are codes and identifiers of logins, so they are hashed."""
        return hmac.digest(self.names, f"{collection}/{key}".encode(errors="surrogatepass"), "sha256").hex()

    async def get(self, key: str, *, collection: str | None = None) -> dict[str, Any] | None:
        found = await self._read(self.place(key, collection), collection, self.fernet)
        if found is None and collection in LOGINS_OF_1_1:
            found = await self._read(place_of_1_1(key, collection), collection, self.fernet_of_1_1)
        return found

    async def _read(self, where: str, collection: str | None, fernet: Fernet) -> dict[str, Any] | None:
        with self.answering():
            kept = await self.key_value.get(where, collection=collection)
        try:
            name, value = json.loads(fernet.decrypt(str((kept or {}).get("sealed"))))
        except (InvalidToken, ValueError):
            return None  # nothing is there, or it was sealed with another key
        return value if name == where else None

    async def put(
        self, key: str, value: Mapping[str, Any], *, collection: str | None = None, ttl: SupportsFloat | None = None
    ) -> None:
        where = self.place(key, collection)
        sealed = self.fernet.encrypt(json.dumps([where, dict(value)]).encode()).decode()
        with self.answering():
            await self.key_value.put(
                where, {"sealed": sealed}, collection=collection, ttl=UNUSED if ttl is None else ttl
            )

    async def delete(self, key: str, *, collection: str | None = None) -> bool:
        with self.answering():
            deleted = await self.key_value.delete(self.place(key, collection), collection=collection)
            if not deleted and collection in LOGINS_OF_1_1:
                deleted = await self.key_value.delete(place_of_1_1(key, collection), collection=collection)
        return deleted

    @contextmanager
    def answering(self) -> Iterator[None]:
        if time.monotonic() < self.hangs_until:
            raise unavailable("the state store did not answer a moment ago")
        try:
            yield
        except OutOfMemoryError as error:
            raise unavailable("the state store is full: give it more memory, or set its maxmemory higher") from error
        except (RedisError, OSError) as error:
            if isinstance(error, StoreTimeout):
                self.hangs_until = time.monotonic() + PAUSE
            raise unavailable(f"the state store does not answer as it should ({type(error).__name__})") from error

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Keep room for what is written next, while something is done that cannot be undone without it.

        Raises:
            IssuerUnavailable: The store is full, or does not answer.
        """
        key = secrets.token_hex(8)
        await self.put(key, {"room": "x" * ROOM}, collection="room", ttl=60)
        try:
            yield
        finally:
            await self.delete(key, collection="room")


def fernet(key: bytes) -> Fernet:
    return Fernet(urlsafe_b64encode(key))


def place_of_1_1(key: str, collection: str | None) -> str:
    """Where release 1.1 of the template kept it: logins last up to 400 days, and go on after an update."""
    return sha256(f"{collection}/{key}".encode(errors="surrogatepass")).hexdigest()


def unavailable(why: str) -> IssuerUnavailable:
    """The exception to raise, noted for whoever answers the request."""
    outages.get([]).append(why)
    return IssuerUnavailable(why)


def open_store(settings: Settings) -> tuple[Store, Redis | None]:
    """The encrypted store, and the connections to close in the end.

    Raises:
        IssuerUnavailable: Other replicas, and this one after a restart, would not find it; or it has no place or key.
    """
    if key_bytes(settings.state_key.get_secret_value()) == key_bytes(settings.signing_key.get_secret_value()):
        raise IssuerUnavailable(
            "SIGNING_KEY is the same as STATE_KEY: whoever learns one would have both; "
            "make another with: openssl rand -base64 32"
        )
    redis: Redis | None = None
    store: AsyncKeyValue
    if settings.state_store_url:
        redis = connect(settings.state_store_url.get_secret_value())
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
    return Store(store, key_bytes(settings.state_key.get_secret_value()), settings.public_url), redis


def connect(url: str) -> Redis:
    """The client of the store, which connects when it is first asked.

    Raises:
        IssuerUnavailable: The URL has an option that there is not.
    """
    try:
        redis: Redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=WAIT,
            socket_connect_timeout=WAIT,
            health_check_interval=30,
            retry=Retry(NoBackoff(), 1),  # a connection that the store has closed meanwhile
        )
        pool = redis.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # without connecting, it takes only options that there are
    except (ValueError, TypeError, AttributeError):  # the message may repeat parts of a password
        raise IssuerUnavailable(f"STATE_STORE_URL {WRONG_STORE}") from None
    return redis
