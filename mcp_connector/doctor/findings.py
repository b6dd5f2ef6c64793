"""What a probe found, in the words of `probes.toml`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from .evidence import Evidence

FAIL, WARN = "fail", "warn"


class Seen(NamedTuple):
    """One thing that a probe saw. `values` fill what stands in braces in its words."""

    probe: str
    seen: str
    values: Mapping[str, str] = MappingProxyType({})
    stops: tuple[str, ...] = ()
    """The platforms that do not connect because of this, where `probes.toml` cannot say it."""


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
