"""Registration of clients (RFC 7591): each gets what is allowed of what it asks for, and is told what it got."""

import logging
import time
from collections.abc import Callable
from typing import Any, Literal
from uuid import uuid4

import pydantic_core
from fastmcp.server.auth.redirect_validation import is_redirect_uri_allowed_for_application_type
from mcp.server.auth.provider import RegistrationError
from mcp.shared.auth import OAuthClientInformationFull
from pydantic import AnyUrl, ValidationError

logger = logging.getLogger(__name__)

GRANT_TYPES = ["authorization_code", "refresh_token"]
MOST = 8  # redirect URIs of a client
LONGEST = 256  # characters of one
LONGEST_NAME = 100


def read(body: bytes, allows: Callable[[AnyUrl], bool], scope: str) -> OAuthClientInformationFull:
    """The client to register, with what is allowed of its wishes (RFC 7591 §3.2.1).

    `scope` has every scope, as it may need more later; a client has no secret, however it asks to authenticate.

    Raises:
        RegistrationError: Nothing that it could use is left.
    """
    try:
        sent = pydantic_core.from_json(body)
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        raise RegistrationError("invalid_client_metadata", "The body must be a JSON object.")
    for name, needed in (("grant_types", "authorization_code"), ("response_types", "code")):
        if (asked := sent.get(name)) and not (isinstance(asked, list) and needed in asked):
            raise RegistrationError("invalid_client_metadata", f"{name} must be a list with {needed}, or left out.")
    uris = redirect_uris(sent.get("redirect_uris"), allows)
    web = sent.get("application_type") == "web" and all(suits(uri, "web") for uri in uris)
    return OAuthClientInformationFull(
        client_id=str(uuid4()),
        client_id_issued_at=int(time.time()),
        client_name=shown(sent.get("client_name")),
        redirect_uris=uris,
        grant_types=GRANT_TYPES,
        response_types=["code"],
        scope=scope,
        token_endpoint_auth_method="none",  # noqa: S106
        application_type="web" if web else "native",
    )


def redirect_uris(sent: object, allows: Callable[[AnyUrl], bool]) -> list[AnyUrl]:
    """Those that OAUTH_REDIRECT_URIS allows."""
    if not isinstance(sent, list) or not sent:
        raise RegistrationError("invalid_redirect_uri", "redirect_uris must be a list of URLs.")
    found: list[AnyUrl] = []
    for text in sent:
        if not isinstance(text, str) or len(text) > LONGEST or len(found) == MOST:
            continue
        try:
            uri = AnyUrl(text)
        except ValidationError:
            continue
        if allows(uri) and suits(uri, "native"):
            found.append(uri)
    if not found:
        logger.info("a client was not registered: OAUTH_REDIRECT_URIS has none of %.500s", sent)
        raise RegistrationError(
            "invalid_redirect_uri",
            "None of redirect_uris is among OAUTH_REDIRECT_URIS, where the maintainer of this server can add them.",
        )
    return found


def suits(uri: AnyUrl, application_type: Literal["web", "native"]) -> bool:
    return is_redirect_uri_allowed_for_application_type(uri, application_type)


def shown(name: Any) -> str | None:
    """The name that people see when they are asked, without signs that change what they see."""
    return "".join(filter(str.isprintable, name))[:LONGEST_NAME] if isinstance(name, str) else None
