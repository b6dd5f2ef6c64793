"""The database at DATABASE_URL, or in `dev` and the tests the sample tables of `stand_in.py`."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError

from ...settings import Settings
from ..parts import NotReady, Source
from . import refusals
from .database import Database
from .fields import SAMPLE, parts
from .report import Watch, failed
from .tools import query


def connect(settings: Settings) -> Source:
    """The database, and without DATABASE_QUERY no tool for SQL."""
    database = Database(settings)
    watch = Watch(database.why)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Database]:
        async with database, watch:
            yield database

    withheld = () if settings.database_query else (query,)
    return Source(opened=opened, reports={"database": watch.report}, withheld=withheld)


def check(settings: Settings) -> None:
    """Refuse a role that may do more than read. If the database does not answer, that is only logged."""

    async def prepared() -> None:
        async with Database(settings) as database:
            await database.prepare()

    began = time.perf_counter()
    try:
        asyncio.run(prepared())
    except (SQLAlchemyError, OSError) as error:
        if why := refusals.mistaken(error):
            raise NotReady(f"the database cannot be used: {why}; docs/database.md says how to set it up") from error
        failed(parts(settings.database_url)[1].hostname, error, time.perf_counter() - began)


def stand_in(missing: Set[str]) -> None:
    if "database_url" in missing:
        os.environ["DATABASE_URL"] = SAMPLE
