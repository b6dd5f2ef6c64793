"""Types of the settings of the database. No framework is imported here."""

import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

SAMPLE = "sqlite://sample"  # as DATABASE_URL: the tables of stand_in.py
SCHEMES = {"postgresql": "postgresql", "postgres": "postgresql", "mariadb": "mariadb", "sqlite": "sqlite"}
TLS = {"disable", "require", "verify-ca", "verify-full"}
IGNORED = {"channel_binding", "gssencmode", "application_name", "connect_timeout", "target_session_attrs"}

NAME = r'(?:"(?:[^"]|"")+"|[^\s"().,]+)'
LISTED = re.compile(rf"\s*({NAME})(?:\.({NAME}))?\s*(?:\(([^()]*)\))?\s*(?:,|(?=\s|$))")
COLUMN = re.compile(rf"\s*({NAME})\s*(?:,|$)")


class Listed(NamedTuple):
    """An entry of DATABASE_TABLES; `*` as table stands for all of a schema, and no columns for all."""

    schema: str | None
    table: str
    columns: tuple[str, ...]


def database_url(value: SecretStr) -> SecretStr:
    """The URL of a database that is supported, as it is written."""
    try:
        url = urlsplit(value.get_secret_value())
        port = url.port
    except ValueError:
        raise ValueError(
            "must be a URL; characters such as / # ? @ in the password are written as %2F %23 %3F %40"
        ) from None
    scheme = url.scheme.partition("+")[0]
    if scheme == "mysql":
        raise ValueError(
            "must not name MySQL, which lacks what keeps a query from becoming two statements; "
            "if the server is MariaDB, begin it with mariadb://"
        )
    if scheme not in SCHEMES:
        raise ValueError("must begin with postgresql://, mariadb:// or sqlite:///")
    if scheme == "sqlite":
        if value.get_secret_value() != SAMPLE and (url.netloc or not url.path.strip("/")):
            raise ValueError("must name a file after three slashes, such as sqlite:////data/crm.sqlite")
    elif not url.hostname or port == 0 or not url.path.strip("/"):
        raise ValueError("must name a host and a database, such as postgresql://reader:PASSWORD@db.example.com/crm")
    for name, option in parse_qsl(url.query, keep_blank_values=True):
        if name not in {"sslmode", *IGNORED} or (name == "sslmode" and option not in TLS):
            raise ValueError(f"must have no option but sslmode, which is one of {', '.join(sorted(TLS))}")
    return value


def parts(value: SecretStr) -> tuple[str, SplitResult, str | None]:
    """The engine, the parts of the URL, and its `sslmode`."""
    url = urlsplit(value.get_secret_value())
    return SCHEMES[url.scheme.partition("+")[0]], url, dict(parse_qsl(url.query)).get("sslmode")


def file(url: SplitResult) -> str:
    """The file of an SQLite database: `sqlite:///relative`, `sqlite:////absolute`."""
    return unquote(url.path.removeprefix("/"))


def tables(value: object) -> object:
    """`customers(id, name) orders sales.*` as entries; commas may stand between them."""
    if not isinstance(value, str):
        return value
    entries = tuple(listed(value))
    for turn, entry in enumerate(entries):
        if entry[:2] in {other[:2] for other in entries[:turn]}:
            raise ValueError(f"must name each table once; {entry.table} is there twice")
    return entries


def listed(text: str) -> Iterator[Listed]:
    at = 0
    while text[at:].strip():
        found = LISTED.match(text, at)
        if not found:
            raise ValueError(
                f"must be tables such as customers(id, name) or sales.*; it is not readable from {text[at:][:40]!r} on"
            )
        first, second, inner = found.groups()
        columns = tuple(columns_in(inner)) if inner is not None else ()
        yield Listed(bare(first) if second else None, bare(second or first), columns)
        at = found.end()


def columns_in(text: str) -> Iterator[str]:
    at = 0
    while at < len(text) or not text:
        found = COLUMN.match(text, at)
        if not found:
            raise ValueError(
                f"must have columns between commas, such as customers(id, name); {text.strip()[:40]!r} are not"
            )
        yield bare(found[1])
        at = found.end()


def bare(name: str) -> str:
    """A name without its quotation marks, which a name with blanks, dots or brackets needs."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


DatabaseUrl = Annotated[SecretStr, AfterValidator(database_url)]
Tables = Annotated[tuple[Listed, ...], NoDecode, BeforeValidator(tables)]
