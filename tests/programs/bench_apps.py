"""What `make bench` compares: the same tool, served by others. Run as a script, by the Python of an environment.

    python bench_apps.py bare PORT                    # the SDK's `run()`, quiet, without sessions
    python bench_apps.py fastmcp PORT TOKEN_FILE      # FastMCP, with JWT
    python bench_apps.py raw PORT                     # Starlette alone, always with the same bytes
    python bench_apps.py count KIND REQUESTS          # under valgrind: calls in process, without sockets
    python bench_apps.py profile KIND REQUESTS        # where the time of such calls goes, by module

`count` reads from a file, in JSON, the headers and body of each kind of request. It calls `getpriority` of the C
library around each series of calls, where valgrind writes down what it counted.
"""

import asyncio
import cProfile
import gc
import json
import os
import pstats
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

WARM, CALLS, PROFILED = 50, 100, 5_000  # calls before those that count, and those
ANSWER = {"content": [{"type": "text", "text": "hello"}], "structuredContent": {"result": "hello"}, "isError": False}


async def echo(text: str) -> str:
    """Say it again."""
    return text


def bare() -> Any:
    server = import_module("mcp.server").MCPServer("bench", log_level="WARNING")
    server.add_tool(echo)
    return server


def raw() -> Any:
    responses, routing = import_module("starlette.responses"), import_module("starlette.routing")
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": ANSWER}).encode()

    async def answer(request: Any) -> Any:
        await request.body()
        return responses.Response(body, media_type="application/json")

    starlette = import_module("starlette.applications").Starlette
    return starlette(routes=[routing.Route("/mcp", answer, methods=["POST"])])


def fastmcp(token: Path) -> Any:
    provider = import_module("fastmcp.server.auth.providers.jwt")
    keys = provider.RSAKeyPair.generate()
    verifier = provider.JWTVerifier(public_key=keys.public_key, issuer="https://idp.example.com", audience="bench")
    server = import_module("fastmcp").FastMCP("bench", auth=verifier)
    server.tool(echo)
    token.write_text(keys.create_token(issuer="https://idp.example.com", audience="bench", subject="bench"))
    return server


def ours(package: str) -> Any:
    settings = import_module(f"{package}.core.command.environment").load()
    return import_module(f"{package}.app").create_app(settings)


def serve(kind: str, port: int, rest: list[str]) -> None:
    if kind == "bare":
        bare().run("streamable-http", host="127.0.0.1", port=port, stateless_http=True)
    elif kind == "fastmcp":
        options = {"show_banner": False, "stateless_http": True, "log_level": "warning"}
        fastmcp(Path(rest[0])).run("http", host="127.0.0.1", port=port, **options)
    else:
        uvicorn = import_module("uvicorn")
        uvicorn.run(raw(), host="127.0.0.1", port=port, log_level="warning", access_log=False)


def made(kind: str) -> Any:
    known = {"bare": lambda: bare().streamable_http_app(stateless_http=True), "raw": raw}
    return known.get(kind, lambda: ours(kind))()


def count(kind: str, requests: Path) -> None:
    marks = partial(os.getpriority, os.PRIO_PROCESS, 0)
    asyncio.run(called(made(kind), json.loads(requests.read_text()), CALLS, marks, marks))


def profile(kind: str, requests: Path) -> None:
    """Print as JSON the share of the time of each module of the package `kind`, and of each library."""
    profiler = cProfile.Profile(builtins=False)  # what a builtin takes belongs to its caller
    asyncio.run(called(made(kind), json.loads(requests.read_text()), PROFILED, profiler.enable, profiler.disable))
    spent: Counter[str] = Counter()
    for (path, _, _), (_, _, own, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        spent[module(path, kind)] += own
    whole = sum(spent.values())
    print(json.dumps({name: own / whole for name, own in spent.most_common()}))


def module(path: str, package: str) -> str:
    """The name in a profile: a file of a connector, a library, or the directory of a package of the library."""
    parts = Path(path).parts
    if package in parts:
        return "/".join(parts[parts.index(package) :])
    if "site-packages" in parts:
        return "/".join(parts[parts.index("site-packages") + 1 :][:2]).removesuffix(".py")
    folder, file = Path(path).parent.name, Path(path).stem
    return f"Python: {folder}/{file}" if folder in ("asyncio", "json", "logging") else f"Python: {file}"


async def called(
    app: Any, requests: list[dict[str, Any]], calls: int, begin: Callable[[], object], end: Callable[[], object]
) -> None:
    async with app.router.lifespan_context(app):
        for request in requests:
            body = request["body"].encode()
            headers = [(name.lower().encode(), value.encode()) for name, value in request["headers"]]
            for number in range(WARM + calls):
                if number == WARM:
                    gc.collect()
                    gc.freeze()
                    begin()
                # A task for each request, as uvicorn makes one.
                status = await asyncio.create_task(call(app, list(headers), body))
                if status != 200:
                    sys.exit(f"status {status}")
            end()


async def call(app: Any, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
    incoming = [{"type": "http.request", "body": body, "more_body": False}]
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        if not incoming:
            await asyncio.sleep(3600)
        return incoming.pop()

    async def send(message: dict[str, Any]) -> None:
        if "status" in message:
            statuses.append(message["status"])

    scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST"}
    scope |= {"scheme": "http"}
    scope |= {"path": "/mcp", "raw_path": b"/mcp", "root_path": "", "query_string": b"", "headers": headers}
    scope |= {"server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 5000), "state": {}}
    await app(scope, receive, send)
    return statuses[0]


if __name__ == "__main__":
    what, first, *others = sys.argv[1:]
    if what in ("count", "profile"):
        {"count": count, "profile": profile}[what](first, Path(others[0]))
    else:
        serve(what, int(first), others)
