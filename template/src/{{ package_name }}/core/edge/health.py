"""Whether this process is alive."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


async def live(_: Request) -> Response:
    """200 while the process can answer."""
    return JSONResponse({"status": "ok"})
