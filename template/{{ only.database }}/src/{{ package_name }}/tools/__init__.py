"""What agents can do with this connector. These files are yours: an update never touches them."""

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

from ..core.source.database import Database
from ..core.source.tools import describe_table, list_tables, query, search_rows

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)


def register(server: MCPServer[Database]) -> None:
    """Add each tool with its title and hints. Leave one out, or add your own; docs/database.md shows one.

    `query` is offered only with DATABASE_QUERY=true.
    """
    server.add_tool(list_tables, title="List tables", annotations=READS)
    server.add_tool(describe_table, title="Describe a table", annotations=READS)
    server.add_tool(search_rows, title="Search rows", annotations=READS)
    server.add_tool(query, title="Run a query", annotations=READS)
