"""What `dev` puts in the place of keys."""

import os

from . import keys
from .dev_scopes import scopes_of_tools
from .tools import register


def credentials(missing: set[str]) -> dict[str, str]:
    """Headers for a caller's requests. Where no key is stored, one is made that lives as long as this process."""
    if "api_keys_file" not in missing:
        return {"Authorization": "Bearer YOUR_KEY"}
    key, stored = keys.make("developer", ["read", "write", *scopes_of_tools(register)])
    os.environ["API_KEYS"] = stored.entry()
    return {"Authorization": f"Bearer {key}"}
