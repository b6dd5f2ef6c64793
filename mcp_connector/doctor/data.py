"""The data files: what probes say and where projects keep their settings, beside this module; how platforms connect."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from . import PLATFORMS


@cache
def table(name: str) -> dict[str, dict[str, Any]]:
    """A file by its name, without `.toml`."""
    return tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))


def words(probe: str) -> dict[str, Any]:
    """What a probe says."""
    return table("probes")[probe]


@cache
def platforms() -> dict[str, dict[str, Any]]:
    """How each platform that can be named connects, from the file that the template reads, too."""
    rows = yaml.safe_load((files(__package__.rpartition(".")[0]) / "platforms.yaml").read_text(encoding="utf-8"))
    return {name: rows[name] for name in PLATFORMS}
