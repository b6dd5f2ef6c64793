"""What agents can do with this connector. These files are yours: an update never touches them."""

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

from ..upstream import Upstream
from .records import get_record, search_records, update_record


def register(server: MCPServer[Upstream]) -> None:
    """Add each tool with its title and hints. Resources and prompts are added here too."""
    server.add_tool(
        search_records,
        title="Search records",
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=True),
    )
    server.add_tool(
        get_record,
        title="Get a record",
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=True),
    )
    server.add_tool(
        update_record,
        title="Update a record",
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
        ),
    )
