"""What replaces the upstream API in `dev` and in the tests: it answers with the request that it got. Yours."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

URL = "http://stand-in"  # as UPSTREAM_URL: no network, this module answers


async def echo(request: Request) -> Response:
    answer = {
        "method": request.method,
        "path": request.scope["raw_path"].decode(),
        "query": request.url.query,
        "body": (await request.body()).decode(errors="replace"),
    }
    return JSONResponse({name: value for name, value in answer.items() if value})


app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])])
