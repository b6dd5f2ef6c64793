"""A tool that asks the user, for tests to put into a rendered connector."""

from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Elicit, Resolve
from mcp_types import ToolAnnotations
from pydantic import BaseModel


class Sure(BaseModel):
    sure: bool


class Reason(BaseModel):
    reason: str


async def confirm(record: str) -> Elicit[Sure]:
    return Elicit(f"Delete {record}?", Sure)


async def why(record: str, answer: Annotated[Sure, Resolve(confirm)]) -> Elicit[Reason]:
    return Elicit(f"Why delete {record}, if you are {'sure' if answer.sure else 'unsure'}?", Reason)


async def delete(
    record: str, answer: Annotated[Sure, Resolve(confirm)], because: Annotated[Reason, Resolve(why)]
) -> str:
    """Two questions, the second after the answer to the first."""
    return f"{record}: {answer.sure}, {because.reason}"


def add_to(server: MCPServer[Any]) -> None:
    server.add_tool(delete, title="Delete", annotations=ToolAnnotations(read_only_hint=False, destructive_hint=True))
