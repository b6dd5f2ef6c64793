"""The commands that make, list and revoke API keys."""

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from ...tools import register
from .keys import make, parse, read, text_of
from .tool_scopes import scopes_of_tools

SCOPES = frozenset({"read", "write"})  # what a key may have, beside the scopes that tools name


class Store(BaseSettings):
    """Where keys are kept."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8-sig", env_ignore_empty=True, extra="ignore"
    )

    api_keys: str = ""
    api_keys_file: Path | None = None


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `keys new`, `keys list` and `keys revoke`."""
    about = "Make, list and revoke API keys: those of the file that API_KEYS_FILE names, or of API_KEYS."
    parser = commands.add_parser("keys", help="make, list and revoke API keys", description=about)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", help="make a key; it is shown once", description=new_key.__doc__)
    new.add_argument("--owner", type=owner, required=True, help="person or system that will hold it")
    new.add_argument("--scopes", type=scopes, default=scopes("read"), help="such as read,write (default: read)")
    new.add_argument("--expires", type=moment, help="such as 90d or 2027-12-31, in UTC (default: never)")
    new.set_defaults(run=command(new_key))
    listing = actions.add_parser("list", help="list the stored keys", description=list_keys.__doc__)
    listing.set_defaults(run=command(list_keys))
    revoke = actions.add_parser("revoke", help="end a key", description=revoke_key.__doc__)
    revoke.add_argument("id", help="as `keys list` shows it")
    revoke.set_defaults(run=command(revoke_key))


def command(action: Callable[[argparse.Namespace, Store], None]) -> Callable[[argparse.Namespace], None]:
    """Run an action on the store; an unusable store ends it with one sentence."""

    def run(arguments: argparse.Namespace) -> None:
        where = "API_KEYS"
        try:
            store = Store()
            where = str(store.api_keys_file or where)
            action(arguments, store)
        except FileNotFoundError:
            sys.exit(f"There is no file {where}. `keys new` makes it, with the first key.")
        except (OSError, ValueError) as error:
            sys.exit(f"The keys of {where} cannot be used: {getattr(error, 'strerror', None) or error}")

    return run


def known_scopes() -> frozenset[str]:
    """The scopes that a key can be used with: the connector's, and those that tools name."""
    return SCOPES.union(scopes_of_tools(register))


def new_key(arguments: argparse.Namespace, store: Store) -> None:
    """Make a key, and print it once: what is stored cannot be turned back into the key."""
    known = known_scopes()
    if unknown := arguments.scopes - known:
        names, others = ", ".join(sorted(unknown)), ", ".join(sorted(known))
        sys.exit(f"--scopes has {names}, which no tool requires; use {others}.")
    key, stored = make(arguments.owner, arguments.scopes, arguments.expires)
    if store.api_keys_file:
        change(store.api_keys_file, lambda entries: f"{entries.rstrip()}\n{stored.entry()}\n".lstrip())
        kept = f"Stored in {store.api_keys_file}"
    else:
        kept = "Add this line to API_KEYS, or to the file that API_KEYS_FILE names"
    print(f"Key, shown this once:\n{key}\n\n{kept}:\n{stored.entry()}")


def list_keys(_: argparse.Namespace, store: Store) -> None:
    """List the stored keys with their owners, scopes and expiry."""
    keys = parse(store.api_keys) + (read(store.api_keys_file) if store.api_keys_file else [])
    for key in keys:
        until = f"{key.expires:%Y-%m-%d %H:%M} UTC" if key.expires else "never"
        ending = f"expired {until}" if key.expired else f"expires {until}"
        print(f"{key.id}  {key.owner}  {','.join(sorted(key.scopes)) or '-'}  {ending}")
    if not keys:
        print("No keys are stored.")


def revoke_key(arguments: argparse.Namespace, store: Store) -> None:
    """Take a key out of those that are stored. A connector with a copy of the file needs the new file."""
    if store.api_keys_file and arguments.id in {key.id for key in read(store.api_keys_file)}:
        change(store.api_keys_file, lambda entries: without(entries, arguments.id))
        print(f"Revoked {arguments.id} in {store.api_keys_file}. A connector that reads it sees it within seconds;")
        print("one that has a copy, as most that are deployed, needs the new file: docs/connect.md says how.")
    elif arguments.id in {key.id for key in parse(store.api_keys)}:
        print("Set API_KEYS to what follows and start the connector again:")
        print(without(store.api_keys, arguments.id), end="")
    else:
        sys.exit(f"No stored key has the id {arguments.id}; `keys list` shows them.")


def without(entries: str, id: str) -> str:
    """The same lines but for one key's."""
    return "".join(f"{line}\n" for line in entries.splitlines() if id not in {key.id for key in parse(line)})


def change(file: Path, edit: Callable[[str], str]) -> None:
    """Replace the whole file or nothing of it, one change at a time; who may read it stays as it was.

    Raises:
        OSError: It cannot be read or written, or another change does not end.
        ValueError: It holds a line that is not an entry.
    """
    file = file.resolve()  # a link stays one
    if not file.parent.is_dir():
        raise ValueError(f"the folder {file.parent} does not exist")
    new = file.with_name(f".{file.name}.new")  # while it exists, nobody else changes the file
    for _ in range(50):
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)  # no secret is in it
            break
        except FileExistsError:
            time.sleep(0.1)
    else:
        raise FileExistsError(f"another change has not ended. If none is under way, delete {new}")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as written:
            entries = text_of(file) if file.exists() else ""
            parse(entries)
            written.write(edit(entries))
            written.flush()
            os.fsync(handle)
        if file.exists():
            shutil.copymode(file, new)
            if hasattr(os, "chown"):  # not on Windows
                os.chown(new, file.stat().st_uid, file.stat().st_gid)
        os.replace(new, file)
    except BaseException:
        os.unlink(new)
        raise


def owner(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError("must be a name")
    return text.strip()


def scopes(text: str) -> frozenset[str]:
    """Scope tokens, separated by commas or spaces (RFC 6749 §3.3)."""
    named = re.split(r"[,\s]+", text.strip())
    if not all(re.fullmatch(r"[!#-\[\]-~]+", scope) for scope in named):
        raise argparse.ArgumentTypeError("must be names separated by commas, such as read,write")
    return frozenset(named)


def moment(text: str) -> datetime:
    """`90d` from now, or the end of a day such as 2027-12-31, in UTC."""
    try:
        if days := re.fullmatch(r"([0-9]{1,5})d", text):
            until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=int(days[1]))
        else:
            until = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("must be days, such as 90d, or a date, such as 2027-12-31") from None
    if until <= datetime.now(UTC):
        raise argparse.ArgumentTypeError("must be in the future")
    return until
