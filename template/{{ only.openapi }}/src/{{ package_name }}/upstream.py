"""The upstream API, for tools that you write by hand. This file is yours.

Tools that `mcp-connector import` wrote need nothing here: they send requests through `core/source/api.py`.
"""

from .client import Client


class Upstream(Client):
    """What tools ask of the upstream API. A method for each request, such as `await self.request("GET", "/things")`."""
