"""Results of tools: compact, and within one limit on the bytes that leave."""

from typing import Any

import pydantic_core
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel


def answer(result: BaseModel | dict[str, Any], most: int) -> CallToolResult:
    """The result of a tool, as structured content and as text; the SDK itself would indent the text.

    Let the tool return `Annotated[CallToolResult, T]`, T being the type of `result`: its output schema is made of that.

    Raises:
        ToolError: Structured content and text have over `most` bytes together.
    """
    content = result.model_dump(mode="json", by_alias=True) if isinstance(result, BaseModel) else result
    text = compact(content)
    if weight(content) > most:
        raise ToolError(f"The result has {len(text):,} characters, too many at once. Ask for less.")
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=content)


def compact(value: object) -> str:
    return pydantic_core.to_json(value).decode()


def weight(value: object) -> int:
    """Bytes that a value takes in a result: as structured content, and again in the text, which is JSON in a string."""
    written = pydantic_core.to_json(value)
    return len(written) + len(pydantic_core.to_json(written.decode())) - len('""')
