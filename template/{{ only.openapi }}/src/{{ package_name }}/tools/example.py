"""Example. Yours: an import never overwrites a function that you edited."""

from typing import Annotated

from pydantic import Field

from ..core.source import api


@api.reads("List notes")
async def list_notes(
    ctx: api.Call,
    q: Annotated[str | None, Field(description="Words to look for; all notes if left out")] = None,
    limit: Annotated[int | None, Field(ge=1, le=100, description="Most notes to return. Default: 20.")] = None,
) -> list[api.Content]:
    """List notes, the newest first."""
    return await api.request(ctx, "GET", "/notes", query=[api.form("q", q), api.form("limit", limit)])


@api.changes("Write a note")
async def create_note(
    ctx: api.Call,
    title: Annotated[str, Field(max_length=100, description="What it is about, in one line")],
    text: Annotated[str | None, Field(description="The note itself")] = None,
) -> list[api.Content]:
    """Write a note. Use it only if the user asked for it."""
    return await api.request(ctx, "POST", "/notes", body=api.given(title=title, text=text))


@api.reads("Read a note")
async def get_note(
    ctx: api.Call, id: Annotated[str, Field(description="Id of the note, as `list_notes` returns it")]
) -> list[api.Content]:
    """Read one note."""
    return await api.request(ctx, "GET", api.path("/notes/{id}", id=id))
