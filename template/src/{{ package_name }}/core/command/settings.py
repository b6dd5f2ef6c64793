"""The command `settings`: whether `serve` would start, and with which settings."""

import argparse
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SecretsSettingsSource

from ...extend import Own
from ...settings import SECRETS
from ..parts import NotReady
from .environment import COMMAND, load
from .serve import prepare

WIDTH = 80
Row = tuple[str, str, str]


def add_to(commands: Any) -> None:
    if "settings" not in commands.choices:  # an owner's command of this name stays
        commands.add_parser("settings", help="check the settings, and list them").set_defaults(run=show)


def show(_: argparse.Namespace) -> None:
    """Print the settings, of secrets only whether they are set. Exit with a message if `serve` would not start."""
    settings = load()
    for line in table([("SETTING", "VALUE", "FROM"), *rows(settings), *rows(Own())]):
        print(line)
    try:
        prepare(settings)
    except NotReady as error:
        sys.exit(f"\n{COMMAND} cannot start: {error}.")
    print(f"\n`{COMMAND} serve` can start with these settings.")


def rows(settings: BaseSettings) -> Iterator[Row]:
    """The name of each setting, its value, and where the value is from."""
    kind = type(settings)
    found = {
        "environment": EnvSettingsSource(kind)(),
        ".env": DotEnvSettingsSource(kind)(),
        str(SECRETS): SecretsSettingsSource(kind)(),
    }
    for name, field in kind.model_fields.items():
        value = getattr(settings, name)
        place = next((place for place, given in found.items() if {name, field.alias} & given.keys()), "default")
        yield name.upper(), shown(value, secret=not field.repr), place


def shown(value: object, secret: bool) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    if value is None or value in ("", ()) or (isinstance(value, SecretStr) and not value.get_secret_value()):
        return "unset"
    if secret or any(isinstance(part, SecretStr) for part in parts):
        return "set"
    return " ".join(map(str, parts))


def table(rows: list[Row]) -> Iterator[str]:
    """Lines of at most 80 columns; a value that is longer goes on in the next line."""
    first, last = max(len(name) for name, _, _ in rows), max(len(place) for _, _, place in rows)
    room = max(20, WIDTH - first - last - 4)
    for name, value, place in rows:
        begin, *more = textwrap.wrap(value, room) or [""]
        yield f"{name:<{first}}  {begin:<{room}}  {place}"
        for rest in more:
            yield " " * (first + 2) + rest
