"""What `dev` shows as a caller's credential."""

from .auth import CALLER_HEADERS


def credentials(_: set[str]) -> dict[str, str]:
    """Headers for a caller's requests; any value will do."""
    return dict.fromkeys(CALLER_HEADERS, "developer")
