"""Logins, each with all of its tokens: a code or a refresh token that comes twice ends them (RFC 9700 §4.14.2)."""

import logging
import time

from key_value.aio.adapters.pydantic import PydanticAdapter
from pydantic import BaseModel

from .state import Store

logger = logging.getLogger(__name__)

USED = 400 * 24 * 3600  # seconds that a login and a registration are kept after each use; refresh tokens last 365 days
GRACE = 30  # seconds in which the same may come again, unanswered: longer than the identity provider may take


class Login(BaseModel):
    """A login of a user with a client."""

    client_id: str
    tokens: str
    """Where the tokens of the identity provider are kept, for which all tokens of this login stand."""
    spent: str
    """Hash of the code or refresh token that was used last."""
    at: float
    """When that was (Unix time)."""


class Logins:
    """Logins that have not ended, each by the hash of its code."""

    def __init__(self, store: Store) -> None:
        self.kept = PydanticAdapter[Login](
            key_value=store, pydantic_model=Login, default_collection="logins", raise_on_validation_error=True
        )

    async def begin(self, key: str, client_id: str, tokens: str) -> None:
        await self._put(key, Login(client_id=client_id, tokens=tokens, spent=key, at=time.time()))

    async def spend(self, key: str, refresh_token: str) -> None:
        """Note, before it is used, the hash of the refresh token that is used now."""
        if login := await self.kept.get(key):
            await self._put(key, login.model_copy(update={"spent": refresh_token, "at": time.time()}))

    async def replayed(self, key: str, client_id: str, spent: str) -> str | None:
        """End a login of which something came that is no longer good. Where its tokens are kept, to be deleted.

        Within GRACE seconds, it may be the same request once more: a client whose answer was lost, or two programs
        that share a login. They get nothing either, but the login goes on.
        """
        login = await self.kept.get(key)
        if not login or login.client_id != client_id:
            return None
        if login.spent == spent and time.time() - login.at < GRACE:
            return None
        logger.warning("a code or refresh token was used a second time, perhaps by a thief: its login has ended")
        await self.kept.delete(key)
        return str(login.tokens)

    async def ended(self, key: str) -> bool:
        return await self.kept.get(key) is None

    async def _put(self, key: str, login: Login) -> None:
        await self.kept.put(key, login, ttl=USED)
