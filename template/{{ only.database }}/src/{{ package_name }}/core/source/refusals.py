"""Errors of the database in words that tell an agent what to do next. Never a credential, an address or a value."""

import re
import sqlite3
import ssl
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoneFree  # of the pool's connections

MAX_REASON = 300  # characters of the database's own words
UNREACHABLE = "The database cannot be reached. Try again in a minute."
BUSY = "The database has too many connections or calls. Try again in a few seconds."
LATE = (
    "The database took more than {seconds} seconds, and was stopped. Ask for less: fewer rows, "
    "a filter on a column of the key, or no order."
)
READS = "This connector only reads. Ask for rows, and change nothing."

# By SQLSTATE of PostgreSQL, by the number of MariaDB, and by what SQLite says.
LATE_CODES = {"57014", "55P03", "25P03", 1969, 1317, 1205}
DENIED = {"42501", 1142, 1143, 1044, 1370, 1227}
WRITES = {"25006", "0A000", 1792, 1290}
FULL = {"53300", "53400", "57P03", 1040, 1203, 1226}
MISTAKEN = {"28P01", "28000", "3D000", 1044, 1045, 1049, 1698, 4151}  # the password, the role or the database's name
LOST = {"57P01", "57P02", "28P01", "28000", "3D000", 1045, 1049, 4151, 2002, 2003, 2006, 2013, 1927, 1053}
LOST_CLASSES = ("08", "58", "XX")


def code(error: BaseException) -> Any:
    """The number of MariaDB's error, the SQLSTATE of PostgreSQL, or None."""
    original: Any = getattr(error, "orig", None)
    first = original.args[0] if original is not None and original.args else None
    return first if isinstance(first, int) else getattr(original, "sqlstate", None)


def said(error: DBAPIError) -> str:
    """The database's own sentence, without the statement, its values and the role."""
    original: Any = error.orig
    text = re.sub(r"^<class '[^']*'>: ", "", str(original.args[-1] if original is not None and original.args else ""))
    text = re.sub(r" (to|for) user '[^']*'@'[^']*'", "", text)
    hint = getattr(getattr(original, "__cause__", None), "hint", None)
    words = "".join(c if c.isprintable() else " " for c in f"{text.rstrip('.')}{f'. {hint}' if hint else ''}").split()
    return " ".join(words).rstrip(".")[:MAX_REASON] or "no reason is known"


def lost(error: BaseException) -> bool:
    """Whether the database cannot be reached, as far as an error tells."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError)  # asyncpg raises what the system said
    found = code(error)
    unknown = found is None and ("connect" in said(error).lower() or "unable to open" in said(error))
    return error.connection_invalidated or found in LOST or str(found)[:2] in LOST_CLASSES or unknown


def mistaken(error: SQLAlchemyError | OSError) -> str | None:
    """What is wrong with the settings, if they are why the database cannot be reached."""
    original: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    tls = isinstance(original, ssl.SSLError) or isinstance(getattr(original, "__cause__", None), ssl.SSLError)
    refused = isinstance(error, DBAPIError) and code(error) in MISTAKEN
    return reason(error) if refused or tls or isinstance(original, sqlite3.Error) or "SSL" in str(error) else None


def kind(error: BaseException) -> str:
    """What an error says of the database: `failed`, `timeout`, or `refused` where the statement is to blame."""
    if isinstance(error, TimeoutError | NoneFree):
        return "timeout"
    if isinstance(error, DBAPIError):
        if code(error) in LATE_CODES or said(error) == "interrupted":
            return "timeout"
        return "failed" if code(error) in FULL or lost(error) else "refused"
    return "failed" if isinstance(error, OSError) else "refused"


def sentence(error: SQLAlchemyError | OSError, seconds: int) -> ToolError:
    """What an error means and what to do."""
    if isinstance(error, NoneFree) or code(error) in FULL:
        return ToolError(BUSY)
    if kind(error) == "failed" or isinstance(error, OSError):
        return ToolError(UNREACHABLE)
    if kind(error) == "timeout":
        return ToolError(LATE.format(seconds=seconds))
    if not isinstance(error, DBAPIError):
        return ToolError(f"The database refuses this: {str(error).partition(chr(10))[0][:MAX_REASON]}")
    found, why = code(error), said(error)
    if found in DENIED or why.startswith(("not authorized", "access to ")) or "prohibited" in why:
        return ToolError(
            f"The database does not allow this: {why}. Use the tables and columns that describe_table names."
        )
    if found in WRITES or "readonly" in why:
        return ToolError(f"{READS} The database says: {why}.")
    return ToolError(f"The database refuses this: {why}. Correct it and call again.")


def cause(error: BaseException) -> str:
    """The name of the driver's exception, which lies below that of SQLAlchemy."""
    original: Any = error.orig if isinstance(error, DBAPIError) else error
    return type(original.__cause__ or original).__name__


def reason(error: BaseException) -> str:
    """What the operator may read: the database's sentence, or the system's."""
    if isinstance(error, DBAPIError):
        return said(error)
    return (getattr(error, "strerror", None) or str(error) or "no reason is known")[:MAX_REASON]
