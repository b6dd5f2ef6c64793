"""How long a call of a tool may take: TOOL_TIMEOUT, or what the tool itself says."""

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

LIMIT = "__time_limit__"  # attribute of a function: seconds


def time_limit(seconds: float) -> Callable[[Function], Function]:
    """Give a tool its own limit, in place of TOOL_TIMEOUT. Write it above the function: `@time_limit(seconds=300)`.

    Raises:
        ValueError: The limit is not above 0.
    """
    if not seconds > 0:
        raise ValueError("the time limit of a tool must be above 0 seconds")

    def limited(function: Function) -> Function:
        setattr(function, LIMIT, float(seconds))
        return function

    return limited


def limit_of(function: Callable[..., Any], usual: float) -> float:
    """Seconds that a call of this function may take."""
    return float(getattr(function, LIMIT, usual))
