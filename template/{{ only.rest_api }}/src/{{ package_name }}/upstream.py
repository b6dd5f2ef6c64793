"""The paths and shapes of the upstream API. This file is yours: fit it to your API.

`client.py` sends the requests, and tells the agent what to do when one fails.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from .client import Client, Record, path, shaped


class Found(BaseModel):
    """What the API answers to a search, as far as it is used."""

    items: list[Record]
    next_cursor: str | None = None


class Upstream(Client):
    """What tools ask of the upstream API."""

    async def search(self, query: str, limit: int, cursor: str | None) -> tuple[list[Record], str | None]:
        """One page of records, and the cursor of the next or None."""
        params = {"q": query, "limit": limit, "cursor": cursor}
        found = shaped(Found, await self.request("GET", "/records", params=params))
        return found.items, found.next_cursor

    async def get(self, record_id: str) -> Record:
        return shaped(Record, await self.request("GET", path("/records/{id}", id=record_id)))

    async def update(self, record_id: str, changes: Mapping[str, Any]) -> Record:
        updated = await self.request("PATCH", path("/records/{id}", id=record_id), body=changes)
        return await self.get(record_id) if updated is None else shaped(Record, updated)
