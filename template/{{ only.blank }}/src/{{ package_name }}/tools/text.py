"""An example to replace with tools for your system."""

from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field


class WordCount(BaseModel):
    """What a text consists of."""

    words: int
    characters: int
    longest: str = Field(description="The longest word; the first of several")


def count_words(text: Annotated[str, Field(description="The text, at most 100,000 characters")]) -> WordCount:
    """Count the words and characters of a text, and find its longest word.

    Use it to check that the connector answers.
    """
    words = text.split()
    if len(text) > 100_000:
        raise ToolError(f"The text has {len(text):,} characters. Send at most 100,000 at once.")
    if not words:
        raise ToolError("The text has no words. Send a text with at least one.")
    return WordCount(words=len(words), characters=len(text), longest=max(words, key=len))
