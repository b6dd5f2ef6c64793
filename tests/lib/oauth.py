"""Rendered connectors of the OAuth modes, each with the certified identity provider where people log in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

from .rendering import Installed
from .serving import Running, identity_provider, issued_by, serving

MODES = ["oauth", "oauth-introspection", "oauth-proxy"]


class Pair(NamedTuple):
    """A connector and the identity provider that it trusts."""

    connector: Running
    idp: Running


@contextmanager
def both(
    installed: Installed,
    mode: str,
    *,
    registration: bool = True,
    lifetime: int = 3600,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Pair]:
    """A connector of this mode and its identity provider, with further settings of the former.

    The identity provider of a proxied connector has one client only, so nobody registers there.
    """
    offered = registration and mode != "oauth-proxy"
    with (
        identity_provider(registration=offered, opaque=mode == "oauth-introspection", lifetime=lifetime) as idp,
        protected(installed, idp, mode, **settings) as connector,
    ):
        yield Pair(connector, idp)


@contextmanager
def protected(installed: Installed, idp: Running, mode: str = "oauth", **settings: str) -> Iterator[Running]:
    """A connector of this mode that takes tokens of this identity provider."""
    project, env = installed({"auth_mode": mode, "hosting": "compose", "source": "rest-api"})
    with serving(project, env, **(issued_by(idp, mode) | settings)) as connector:
        yield connector
