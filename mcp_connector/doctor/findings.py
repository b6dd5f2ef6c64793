"""What a probe found, in the words of `probes.toml`."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from .survey import Evidence

FAIL, WARN = "fail", "warn"


class Seen(NamedTuple):
    """One thing that a probe saw. `values` fill what stands in braces in its words."""

    probe: str
    seen: str
    values: dict[str, str] = {}  # noqa: RUF012 — nobody changes it


Probe = Callable[[Evidence], Iterator[Seen]]


@dataclass(frozen=True)
class Finding:
    """One thing to change. `level` is `fail` where it stops somebody, and `warn` where it does not."""

    probe: str
    level: str
    seen: str
    expected: str
    cure: str
    source: str


@cache
def table(name: str) -> dict[str, dict[str, Any]]:
    """One of the data files beside this module."""
    return tomllib.loads((files(__package__) / name).read_text(encoding="utf-8"))


def words(probe: str) -> dict[str, Any]:
    return table("probes.toml")[probe]
