"""What a connector is composed of: the interface of auth modes, and that of sources."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from mcp.server import MCPServer
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from ..settings import Settings

Running = Callable[[], AbstractAsyncContextManager[Any]]  # entered before the first request, left after the last
Report = Callable[[], Awaitable[Mapping[str, str]]]  # a `status`, and what else is known


class NotReady(Exception):
    """Why a command cannot start, in one sentence without its full stop."""


def unguarded(app: ASGIApp) -> ASGIApp:
    return app


async def always() -> bool:
    return True


async def no_fault() -> str | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Auth:
    """Who may call one application: first by headers alone, then, inside the limits, by the body."""

    authenticate: Callable[[ASGIApp], ASGIApp] = unguarded  # refuses before a byte of the body is read
    authorize: Callable[[ASGIApp], ASGIApp] = unguarded  # gets the request as `scope["mcp.request"]`
    routes: Sequence[BaseRoute] = ()  # public documents, and what a login needs
    middleware: Sequence[Middleware] = ()
    running: Running = nullcontext
    ready: Callable[[], Awaitable[bool]] = always  # whether callers can be checked now
    fault: Callable[[], Awaitable[str | None]] = no_fault  # why `serve` must not start with these tools, or None
    # For metrics, as Unix times: when the issuer last answered, and when the first credential expires if any does.
    answered: Callable[[], float] | None = None
    expires: Callable[[], float | None] | None = None


class AuthMode(Protocol):
    """The module `core.auth.mode`: each auth mode has its own."""

    guarded: bool  # whether a caller needs a credential

    def protect(self, settings: Settings, server: MCPServer[Any], /) -> Auth: ...

    def caller(self) -> object:
        """The identity of the caller who is being answered, in JSON types, or None."""

    def act_as(self, headers: Mapping[str, str], /) -> None:
        """For `call`: the caller whom tools in this context see, unchecked. Names of headers are in lower case."""

    async def check(self, settings: Settings, /) -> None:
        """What `serve` asks before it listens; an outage is only logged. Raises NotReady."""

    def stand_in(self, missing: Set[str], /) -> Mapping[str, str]:
        """Set what is missing in the environment, for `dev` and the tests. The headers of a first caller.

        Without headers, a caller of a guarded connector logs in.
        """

    def add_commands(self, commands: Any, /) -> None:
        """Add subcommands, as argparse has them."""

    def probes(self) -> Mapping[str, Callable[[str], object]]:
        """What else `smoke` checks, each given the URL. Raises NotReady."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the tools of one application call."""

    opened: Running = nullcontext  # once; tools find what it yields as `ctx.request_context.lifespan_context`
    reports: Mapping[str, Report] = field(default_factory=dict)  # shown beside readiness, which they never change
    withheld: Collection[Callable[..., Any]] = ()  # tools that these settings do not offer, even if they are registered


class SourceKind(Protocol):
    """The module `core.source.connect`: each source has its own."""

    def connect(self, settings: Settings, /) -> Source: ...

    def check(self, settings: Settings, /) -> None:
        """What `serve` and `dev` ask before they listen. Raises NotReady."""

    def stand_in(self, missing: Set[str], /) -> None:
        """Set what is missing in the environment, so that `connect` opens a stand-in."""
