"""The data files beside this module: what probes say, how platforms connect, where projects keep their settings."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> dict[str, dict[str, Any]]:
    """A file by its name, without `.toml`."""
    return tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))


def words(probe: str) -> dict[str, Any]:
    """What a probe says."""
    return table("probes")[probe]
