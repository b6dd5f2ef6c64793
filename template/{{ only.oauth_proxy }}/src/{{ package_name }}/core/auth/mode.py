"""OAuth with this connector as a proxy: clients register with it, and people log in at the identity provider."""

from collections.abc import AsyncIterator, Callable, Mapping, Set
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from mcp.server import MCPServer
from starlette.middleware import Middleware

from ...settings import Settings
from .. import outbound
from ..asking import Failed
from ..edge.protocol import token_owner
from ..edge.public import PublicDocuments
from ..parts import Auth, NotReady
from .guard import NO_DEVELOPMENT, ResourceServer, check_issuer
from .probe import challenged
from .scopes import act_as_developer
from .tokens import create_verifier

guarded = True
caller = token_owner
act_as = act_as_developer
check = check_issuer


def protect(settings: Settings, server: MCPServer[Any]) -> Auth:
    verify = create_verifier(settings)
    protected = ResourceServer(settings, server, verify)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with verify:
            verify.proxy.offer(await protected.offered())
            yield

    return Auth(
        authenticate=protected.authenticate,
        authorize=protected.authorize,
        routes=[*protected.routes(settings.public_url), *verify.routes],
        middleware=[Middleware(PublicDocuments, ["/register", "/token"])],
        running=running,
        ready=verify.ready,
        fault=protected.tools.problem,
        answered=verify.http.answered,
    )


def stand_in(missing: Set[str]) -> Mapping[str, str]:
    """No headers: a caller logs in, as the proxy alone issues tokens."""
    outbound.prepare()
    try:
        from ..dev.login import replace
    except ModuleNotFoundError as error:
        raise NotReady(NO_DEVELOPMENT) from error
    replace(missing)
    return {}


def add_commands(_: Any) -> None:
    """This mode has no commands."""


def probes() -> Mapping[str, Callable[[str], object]]:
    outbound.prepare()
    return {"Without credentials": partial(challenged, fits=fits)}


def fits(issuer: str, server: Mapping[str, Any]) -> str | None:
    """Fail where a client could not log in."""
    if "S256" not in (server.get("code_challenge_methods_supported") or []):
        raise Failed(f"{issuer} does not name S256, and clients then refuse to log in there")
    if "registration_endpoint" not in server:
        raise Failed(f"{issuer} names no registration_endpoint, and clients then cannot register themselves")
    return None
