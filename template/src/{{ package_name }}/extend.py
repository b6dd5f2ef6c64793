"""Yours: settings, routes, middleware, what starts and stops with the connector, commands, and what you accept.

An update adds this file where it is missing, and otherwise never touches it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic_settings import BaseSettings
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from .settings import Settings

# What `tests/test_platforms.py` finds and you accept, such as "search: description", or "all tools: too-many".
ACCEPTED: Sequence[str] = ()


class Own(BaseSettings):
    """Settings of your own, read like those of the connector. `Own()` gives them, also to tools.

    With a default for each, `dev` and the tests need no configuration.
    """

    model_config = Settings.model_config


def routes(settings: Settings) -> Sequence[BaseRoute]:
    """More paths. Everyone may request them. None replaces a path of the connector, but for `/`, which has its page."""
    return []


def middleware(settings: Settings) -> Sequence[Middleware]:
    """Around every request, the first one outermost. Use pure ASGI middleware, because answers are streams."""
    return []


@asynccontextmanager
async def lifespan(settings: Settings) -> AsyncIterator[None]:
    """Before `yield`, what to start before the first request; after it, what to end after the last one."""
    yield


def add_commands(commands: Any) -> None:
    """More commands, as argparse has them: `commands.add_parser("reindex").set_defaults(run=reindex)`.

    `load` of `core.command.environment` gives a command the settings, or ends it with a line for each wrong one.
    """
