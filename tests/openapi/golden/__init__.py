"""What agents can do with this connector. These files are yours: an update never touches them."""

from mcp.server import MCPServer

from ..core.source import api
from ..upstream import Upstream
from . import orders, product_images


def register(server: MCPServer[Upstream]) -> None:
    """Add the tools of each module. Resources, prompts and tools that you write by hand are added here too."""
    api.add_tools(server, orders, product_images)
