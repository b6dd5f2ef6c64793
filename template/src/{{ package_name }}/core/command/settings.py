"""The command `settings`: whether `serve` would start, and with which settings."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    SecretsSettingsSource,
)

from ...extend import Own
from ...settings import SECRETS, Settings
from ..parts import NotReady
from .environment import COMMAND, UNREADABLE, load
from .serve import prepare

SOURCES: dict[str, Any] = {
    "environment": EnvSettingsSource,
    ".env": DotEnvSettingsSource,
    str(SECRETS): SecretsSettingsSource,
}
Row = tuple[str, str, str]


def add_to(commands: Any) -> None:
    if "settings" not in commands.choices:  # an owner's command of this name stays
        help = "check the settings, and list them"
        commands.add_parser("settings", help=help, description=show.__doc__).set_defaults(run=show)


def show(_: argparse.Namespace) -> None:
    """Print the settings, of secrets only whether they are set. Exit with a message if `serve` would not start."""
    for line in table([("SETTING", "FROM", "VALUE"), *rows(Settings), *rows(Own)]):
        print(line)
    for remark in strange():
        print(remark)
    print(flush=True)  # before what is wrong, which is written elsewhere
    settings = load()
    try:
        prepare(settings)
    except NotReady as error:
        sys.exit(f"{COMMAND} cannot start: {error}.")
    print(f"`{COMMAND} serve` can start with these settings.")


def rows(kind: type[BaseSettings]) -> Iterator[Row]:
    """The name of each setting, where its value is from, and the value; `wrong` stands for one that cannot be used."""
    settings, faults = None, set[str]()
    try:
        found = {place: source(kind)() for place, source in SOURCES.items()}
        settings = kind()
    except ValidationError as error:
        faults = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
    except UNREADABLE:
        return  # load() says what is wrong
    for name, field in kind.model_fields.items():
        names = {name, field.alias}
        place = next((place for place, values in found.items() if names & values.keys()), "default")
        secret = not field.repr or "SecretStr" in str(field.annotation)
        if faults & names:
            value = "missing" if place == "default" else "wrong"
        elif settings:
            value = shown(getattr(settings, name), secret)
        else:  # another setting is wrong, so this one cannot be shown as it is used
            raw = next((values[key] for values in found.values() for key in names if key in values), field.default)
            value = shown(raw, secret)
        yield name.upper(), place, value


def strange() -> Iterator[str]:
    """A sentence for each variable in `.env` or the environment that looks like a setting of this connector."""
    places: dict[str, Mapping[str, str | None]] = {"the environment": os.environ}
    known = {str(name) for kind in (Settings, Own) for name in kind.model_fields}
    with suppress(*UNREADABLE):
        places[".env"] = DotEnvSettingsSource(Settings).env_vars
    for place, variables in places.items():
        for name in sorted({name.lower() for name in variables} - known):
            if near := get_close_matches(name, known, n=1, cutoff=0.8):
                yield f"{name.upper()} in {place} is not a setting. Did you mean {near[0].upper()}?"


def shown(value: object, secret: bool) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    if value is None or value in ("", ()) or (isinstance(value, SecretStr) and not value.get_secret_value()):
        return "unset"
    if secret or any(isinstance(part, SecretStr) for part in parts):
        return "set"
    return " ".join({True: "on", False: "off"}[part] if isinstance(part, bool) else str(part) for part in parts)


def table(rows: list[Row]) -> Iterator[str]:
    """A line for each setting. The value stands last, and is never cut: whoever reads it may copy it."""
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, place, value in rows:
        yield f"{name:<{first}}  {place:<{second}}  {value}"
