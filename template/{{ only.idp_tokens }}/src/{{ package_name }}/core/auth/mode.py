"""OAuth with the identity provider's own tokens: this connector checks them, and issues none."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mcp.server import MCPServer
from starlette.middleware import Middleware

from ... import auth, dev
from ...settings import Settings
from ...tokens import create_verifier
from .. import outbound
from ..edge.public import PublicDocuments
from ..edge.state_keys import token_owner
from ..parts import Auth
from .probe import challenged

guarded = True
caller = token_owner
check = auth.check
stand_in = dev.credentials


def protect(settings: Settings, server: MCPServer[Any]) -> Auth:
    verify = create_verifier(settings)
    protected = auth.ResourceServer(settings, server, verify)
    return Auth(
        authenticate=protected.authenticate,
        authorize=protected.authorize,
        routes=protected.routes(settings.oauth_issuer),
        middleware=[Middleware(PublicDocuments)],
        running=lambda: verify,
        ready=verify.ready,
        fault=protected.tools.problem,
    )


def add_commands(_: Any) -> None:
    """There are none."""


def probes() -> Mapping[str, Callable[[str], object]]:
    outbound.prepare()
    return {"Without credentials": partial(challenged, fits=fits)}


def fits(issuer: str, server: Mapping[str, Any]) -> None:
    """Say what strict clients miss; another client may not."""
    if "S256" not in (server.get("code_challenge_methods_supported") or []):
        print(f"{issuer} does not name S256, so strict clients refuse to log in there; ", end="")
