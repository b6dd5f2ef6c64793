"""Product images. Yours: an import never overwrites a function that you edited."""

from typing import Annotated

from pydantic import Field

from ..core.source import api


@api.changes("Upload an image")
async def upload_image(
    ctx: api.Call,
    file: Annotated[api.File, Field(description="PNG or JPEG")],
    alt: Annotated[str | None, Field(description="What the image shows")] = None,
    tags: Annotated[list[str] | None, Field(max_length=5)] = None,
) -> list[api.Content]:
    """Upload an image."""
    return await api.request(
        ctx, "POST", "/images", multipart=[api.file("file", file), api.field("alt", alt), api.field("tags", tags)]
    )
