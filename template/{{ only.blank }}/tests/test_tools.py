"""The tools, called as a client calls them. Yours to change with them."""

import pytest
from mcp.client import Client

pytestmark = pytest.mark.anyio


async def test_words_are_counted(client: Client) -> None:
    result = await client.call_tool("count_words", {"text": "one three two"})
    assert result.structured_content == {"words": 3, "characters": 13, "longest": "three"}


async def test_an_empty_text_is_an_error_that_says_what_to_do(client: Client) -> None:
    result = await client.call_tool("count_words", {"text": " "})
    assert result.is_error
    assert "Send a text" in str(result.content)
