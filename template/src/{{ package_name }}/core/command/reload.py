"""The application that `dev` serves, created again after each change.

While the code cannot be loaded, it answers every request with the reason. Without an answer, callers would wait.
"""

import logging

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

logger = logging.getLogger(__name__)


def app() -> Starlette:
    try:
        from .dev import dev_app

        return dev_app()
    except Exception as error:
        logger.exception("The connector cannot be loaded")
        return broken(f"{type(error).__name__}: {error}")
    except SystemExit as error:  # wrong settings
        logger.error("%s", error)
        return broken(str(error))


def broken(why: str) -> Starlette:
    answer = PlainTextResponse(f"The connector cannot be loaded. Correct this, and call again.\n{why}\n", 503)
    return Starlette(routes=[Route("/{path:path}", answer)])
