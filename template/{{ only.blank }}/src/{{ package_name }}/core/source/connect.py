"""No source: the tools do without one, or open what they need themselves."""

from collections.abc import Set

from ...settings import Settings
from ..parts import Source


def connect(_: Settings) -> Source:
    return Source()


def check(_: Settings) -> None:
    """Nothing can be wrong."""


def stand_in(_: Set[str]) -> None:
    """Nothing is missing."""
