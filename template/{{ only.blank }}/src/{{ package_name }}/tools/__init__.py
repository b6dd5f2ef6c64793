"""What agents can do with this connector. These files are yours: an update never touches them."""

from typing import Any

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

from .text import count_words


def register(server: MCPServer[Any]) -> None:
    """Add each tool with its title and hints. Resources and prompts are added here too."""
    server.add_tool(
        count_words,
        title="Count words",
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )
