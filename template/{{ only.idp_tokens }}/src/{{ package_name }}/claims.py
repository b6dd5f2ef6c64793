"""How the issuer words who calls, in a token or about one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mcp.server.auth.provider import AccessToken

if TYPE_CHECKING:
    from .settings import Settings

# ID, refresh and logout tokens are meant for others; one bound to a key is not a bearer token (RFC 9449, RFC 8705).
OTHER_KINDS = {"id", "id_token", "refresh", "refresh_token", "offline", "logout", "dpop"}
OTHER_CLAIMS = {"nonce", "at_hash", "c_hash", "s_hash", "cnf"}


def caller(token: str, claims: dict[str, Any], settings: "Settings") -> AccessToken:
    """Who calls, as tools see it: `get_access_token()` of the SDK gives it."""
    subject = claims.get("sub")
    client = claims.get("client_id") or claims.get("azp") or claims.get("cid") or subject or ""
    return AccessToken(
        token=token,
        client_id=str(client),
        subject=None if subject is None else str(subject),
        scopes=scopes(claims, settings.oauth_scope_claim),
        expires_at=int(claims["exp"]) + settings.oauth_leeway if claims.get("exp") is not None else None,
        resource=settings.audience,
        claims=claims,
    )


def is_subject(value: object) -> bool:
    """Whether a `sub` names someone: text, or a whole number as some issuers write it. A token may lack it."""
    return value is None or isinstance(value, str) or type(value) is int


def is_other_kind(claims: Mapping[str, Any]) -> bool:
    """Whether claims are those of something else than a bearer access token."""
    kinds = {str(claims.get(name, "")).lower() for name in ("typ", "token_use", "token_type")}
    return bool(kinds & OTHER_KINDS) or any(claims.get(name) is not None for name in OTHER_CLAIMS)


def scopes(claims: Mapping[str, Any], claim: str) -> list[str]:
    """`scope` is one string in most tokens (RFC 9068 §2.2.3); Okta and Entra put a list or a string into `scp`."""
    granted = claims.get(claim or "scope")
    if granted is None and not claim:
        granted = claims.get("scp")
    if isinstance(granted, str):
        return granted.split()
    return [scope for scope in granted if isinstance(scope, str)] if isinstance(granted, list) else []
