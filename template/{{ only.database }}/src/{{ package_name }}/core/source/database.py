"""The tables that the connector may read, and the read-only transactions in which it reads them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from mcp.server.mcpserver.exceptions import ToolError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...settings import Settings
from ..parts import NotReady
from . import refusals, report
from .engine import Engine, Fault, Table, tls
from .fields import Listed, parts
from .mariadb import MariaDB
from .postgresql import PostgreSQL
from .sqlite import SQLite

logger = logging.getLogger("connector.database")

ENGINES: Mapping[str, type[Engine]] = {"postgresql": PostgreSQL, "mariadb": MariaDB, "sqlite": SQLite}
NAMED = 30  # tables that a message lists
KILLING = 5.0  # seconds to end a statement on the server


class Database:
    """A database, of which only what DATABASE_TABLES lists is read."""

    def __init__(self, settings: Settings) -> None:
        name, self.url, mode = parts(settings.database_url)
        self.max_result = settings.max_result
        self.seconds = settings.database_timeout
        self.listed = settings.database_tables
        self.queries = settings.database_query
        self.engine = ENGINES[name]()
        self.pool = self.engine.open(self.url, tls(self.url, mode, settings.database_ca), self.seconds)
        self.tables: Mapping[str, Table] = {}  # by the name that tools use
        self.default = ""  # the schema whose tables need no schema before their name
        self._known = False
        self._refused = ""  # what the log has said already
        self._asking = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.engine.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._stopping:
            await asyncio.wait(self._stopping)
        await self.pool.dispose()
        self.engine.close()

    # ------------------------------------------------------------------------------------ at the start

    async def prepare(self) -> None:
        """Once: see that the role only reads, and what it reads.

        Raises:
            NotReady: The role may do more, or DATABASE_TABLES names what is not there.
            SQLAlchemyError, OSError: The database does not answer.
        """
        async with self._asking:
            if self._known:
                return
            async with self.pool.connect() as connection:
                await self.engine.begin(connection, self.seconds, False)
                faults = await self.engine.faults(connection)
                self.default, found = await self.engine.tables(connection)
            known = {(table.schema, table.name): table for table in found}
            allowed = chosen(self.listed, known, self.default)
            if faults:
                raise NotReady(self.mend(faults, allowed))
            if self.queries and self.listed and self.engine.name != "sqlite":
                self.compare(known, allowed)
            self.engine.restrict(allowed)
            self.tables = {self.called(table): table for table in allowed.values()}
            self._known = True

    def mend(self, faults: list[Fault], tables: Mapping[tuple[str, str], Table]) -> str:
        """Why a role is refused, and the statements that help."""
        what = "; ".join(dict.fromkeys(fault.what for fault in faults))
        lines = list(dict.fromkeys(line for fault in faults for line in fault.remedy))
        how = "Take that away"
        if not all(fault.remedy for fault in faults):
            lines = self.engine.new_role(list(tables.values())[:NAMED])
            how = "Make a role that only reads, and put it into DATABASE_URL"
        shown = "".join(f"\n  {line}" for line in lines[:NAMED])
        return f"the database's role may do more than read: {what}. {how}:{shown}\ndocs/database.md has more"

    def compare(self, known: Mapping[tuple[str, str], Table], allowed: Mapping[tuple[str, str], Table]) -> None:
        """Refuse `query` for a role that reads more than is listed: the database could not tell what the list says."""
        more = []
        for at, table in known.items():
            columns = table.columns.keys() - (allowed[at].columns.keys() if at in allowed else ())
            if columns:
                more.append(f"{self.called(table)}({', '.join(sorted(columns)[:5])})")
        if more:
            raise NotReady(
                "DATABASE_QUERY is true, and the database's role reads more than DATABASE_TABLES lists: "
                f"{', '.join(more[:NAMED])}; take that from the role, or list it, as docs/database.md says"
            )

    def called(self, table: Table) -> str:
        name = self.engine.quoted(table.name) if "." in table.name else table.name  # `a.b` is the table b of a
        return name if table.schema == self.default else f"{table.schema}.{name}"

    async def why(self) -> str | None:
        """Why it cannot be used now, in a word, or None."""
        try:
            async with self.reading() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except ToolError as error:
            cause = error.__cause__ or error
            return "role" if isinstance(cause, NotReady) else refusals.cause(cause)
        return None

    # --------------------------------------------------------------------------------------- for tools

    async def table(self, name: str) -> Table:
        """The table that a tool names."""
        await self.usable()
        if name not in self.tables:
            there = ", ".join(list(self.tables)[:NAMED]) or "none"
            raise ToolError(f"There is no table {name[:100]!r}. Call list_tables; there are: {there}.")
        return self.tables[name]

    async def usable(self) -> None:
        """Raises ToolError while the database does not answer, or must not be used."""
        began = time.perf_counter()
        try:
            await self.prepare()
        except NotReady as error:
            if str(error) != self._refused:
                logger.error("%s.", error)
            self._refused = str(error)
            raise ToolError(
                "The database must not be used as it is set up. The maintainer finds why in the log."
            ) from error
        except (SQLAlchemyError, OSError) as error:
            report.attempted(self.url.hostname, error, time.perf_counter() - began)
            raise refusals.sentence(error, self.seconds) from error

    @asynccontextmanager
    async def reading(self, of_agent: bool = False) -> AsyncIterator[AsyncConnection]:
        """A read-only transaction that ends with this block, on the server too.

        Use it in tools of your own. The log and the metrics count it as one request. With SQL `of_agent`, the
        connection is thrown away, and so is all that it keeps.

        Raises:
            ToolError: In words for an agent: the database refuses a statement, does not answer, or takes too long.
        """
        await self.usable()
        connected, begun = False, None
        began = time.perf_counter()
        failure: BaseException | None = None
        try:
            async with self.pool.connect() as connection:
                connected = True
                try:
                    # The server ends each statement earlier. This is for a server that is gone.
                    async with asyncio.timeout(2 * self.seconds + 5):
                        begun = await self.engine.begin(connection, self.seconds, of_agent)
                        yield connection
                except (asyncio.CancelledError, TimeoutError):
                    if begun is not None:
                        self.stop(begun)
                    raise
                finally:
                    if of_agent and not connection.invalidated:
                        await connection.invalidate()
        except asyncio.CancelledError as error:
            failure = error
            raise
        except TimeoutError as error:
            failure = error
            late = refusals.LATE.format(seconds=self.seconds)
            raise ToolError(late if connected else refusals.UNREACHABLE) from error
        except (SQLAlchemyError, OSError) as error:
            failure = error
            raise refusals.sentence(error, self.seconds) from error
        except (OverflowError, UnicodeError) as error:
            failure = error
            raise ToolError("The database does not take a number or a text of this call. Correct it.") from error
        finally:
            report.attempted(self.url.hostname, failure, time.perf_counter() - began)

    def stop(self, begun: Any) -> None:
        """End in the background what the server still does for a call."""

        async def stopped() -> None:
            with suppress(SQLAlchemyError, OSError, TimeoutError):
                async with asyncio.timeout(KILLING):
                    await self.engine.stop(begun)

        task = asyncio.create_task(stopped())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


def chosen(
    listed: tuple[Listed, ...], known: Mapping[tuple[str, str], Table], default: str
) -> dict[tuple[str, str], Table]:
    """The tables of DATABASE_TABLES, or without it those of the default schema.

    Raises:
        NotReady: It names what is not there, or what the role may not read.
    """
    if not listed:
        return {at: table for at, table in known.items() if at[0] == default}
    found: dict[tuple[str, str], Table] = {}
    for schema, name, columns in listed:
        at = schema or default, name
        if name == "*":
            every = {key: table for key, table in known.items() if key[0] == at[0]}
            if not every:
                raise NotReady(f"DATABASE_TABLES names the schema {at[0]}, of which the database's role reads no table")
            found |= {key: table for key, table in every.items() if key not in found}
            continue
        written = f"{schema}.{name}" if schema else name
        if at not in known:
            there = (
                ", ".join(f"{key[0]}.{key[1]}" if key[0] != default else key[1] for key in list(known)[:NAMED])
                or "none"
            )
            raise NotReady(f"DATABASE_TABLES names {written}, which the database's role cannot read; it reads: {there}")
        if missing := [column for column in columns if column not in known[at].columns]:
            raise NotReady(
                f"DATABASE_TABLES names {written}({', '.join(missing)}), which the database's role cannot read; "
                f"it reads: {', '.join(list(known[at].columns)[:NAMED])}"
            )
        found[at] = known[at].narrowed(columns) if columns else known[at]
    return found
