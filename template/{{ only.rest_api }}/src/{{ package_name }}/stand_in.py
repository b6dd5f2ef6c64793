"""A small API in memory that replaces the real one in `dev` and in the tests. Yours, like `upstream.py`."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

URL = "http://stand-in"  # as UPSTREAM_URL: no network, this module answers

NAMES = ["Ada Lovelace", "Alan Turing", "Edsger Dijkstra", "Grace Hopper", "Katherine Johnson", "Margaret Hamilton"]
RECORDS: dict[str, dict[str, object]] = {
    str(number): {"id": str(number), "name": name, "status": "open"} for number, name in enumerate(NAMES, 1)
}


async def search(request: Request) -> Response:
    words = request.query_params.get("q", "").lower()
    cursor, limit = request.query_params.get("cursor", "0"), int(request.query_params.get("limit", 20))
    if not cursor.isdecimal():
        return JSONResponse({"error": "there is no such page"}, 400)
    start = int(cursor)
    found = [record for record in RECORDS.values() if words in str(record["name"]).lower()]
    following = str(start + limit) if start + limit < len(found) else None
    return JSONResponse({"items": found[start : start + limit], "next_cursor": following})


async def record(request: Request) -> Response:
    known = RECORDS.get(request.path_params["id"])
    if known is None:
        return JSONResponse({"error": "not found"}, 404)
    if request.method == "PATCH":
        known.update(await request.json())
    return JSONResponse(known)


async def health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


app = Starlette(
    routes=[
        Route("/", health),
        Route("/records", search),
        Route("/records/{id}", record, methods=["GET", "PATCH"]),
    ]
)
