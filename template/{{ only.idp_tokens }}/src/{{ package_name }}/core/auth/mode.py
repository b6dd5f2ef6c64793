"""OAuth with the identity provider's own tokens: this connector checks them, and issues none."""

from collections.abc import Callable, Mapping, Set
from functools import partial
from typing import Any

from mcp.server import MCPServer
from starlette.middleware import Middleware

from ...settings import Settings
from .. import outbound
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
    return Auth(
        authenticate=protected.authenticate,
        authorize=protected.authorize,
        routes=protected.routes(settings.oauth_issuer),
        middleware=[Middleware(PublicDocuments)],
        running=lambda: verify,
        ready=verify.ready,
        fault=protected.tools.problem,
        answered=verify.http.answered,
    )


def stand_in(missing: Set[str]) -> Mapping[str, str]:
    """Where no issuer is set, the development identity provider takes its place, and gives a token."""
    outbound.prepare()
    if "oauth_issuer" not in missing:
        return {"Authorization": "Bearer YOUR_TOKEN"}
    try:
        from ..dev.login import credentials
    except ModuleNotFoundError as error:
        raise NotReady(NO_DEVELOPMENT) from error
    return credentials()


def add_commands(_: Any) -> None:
    """This mode has no commands."""


def probes() -> Mapping[str, Callable[[str], object]]:
    outbound.prepare()
    return {"Without credentials": partial(challenged, fits=fits)}


def fits(issuer: str, server: Mapping[str, Any]) -> str | None:
    """What strict clients miss; another client may not."""
    if "S256" not in (server.get("code_challenge_methods_supported") or []):
        return f"{issuer} does not name S256, so strict clients refuse to log in there"
    return None
