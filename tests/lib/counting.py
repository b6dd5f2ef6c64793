"""A connector as `serve` runs it that says, at `/reached`, what the requests since the last look at it have reached.

    python counting.py acme_crm

Models are those of pydantic, in the protocol layer and for the arguments of tools; a tool is counted when its
function is called.
"""

import sys
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from pydantic import BaseModel, TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

reached: Counter[str] = Counter()


def counted(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def count(*given: Any, **named: Any) -> Any:
        reached[what] += 1
        return function(*given, **named)

    return count


async def look(_: Request) -> Response:
    answer = JSONResponse(dict(reached))
    reached.clear()
    return answer


def main(package: str) -> None:
    serve: Any = import_module(f"{package}.core.command.serve")
    create_app = serve.create_app

    def with_look(*given: Any, **named: Any) -> Starlette:
        app: Starlette = create_app(*given, **named)
        app.router.routes.insert(0, Route("/reached", look))
        return app

    serve.create_app = with_look
    model: Any = BaseModel
    model.model_validate = classmethod(counted("models", model.model_validate.__func__))
    for owner, name, what in [(TypeAdapter, "validate_python", "models"), (FuncMetadata, "call_fn", "tools")]:
        setattr(owner, name, counted(what, getattr(owner, name)))
    sys.argv = ["connector", "serve"]
    import_module(f"{package}.core.command.cli").main()


if __name__ == "__main__":
    main(sys.argv[1])
