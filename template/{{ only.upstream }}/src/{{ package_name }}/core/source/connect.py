"""The upstream API, or in `dev` and the tests the one in memory."""

import os
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager

import httpx2

from ... import stand_in as api
from ...settings import Settings
from ...upstream import Upstream
from .. import outbound
from ..parts import Source
from .credential import credential
from .report import Watch


def connect(settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> Source:
    """The API at UPSTREAM_URL; `transport` replaces the network."""
    if transport is None and settings.upstream_url == api.URL:
        transport = httpx2.ASGITransport(api.app)
    upstream = Upstream(settings, credential(settings), transport)
    watch = Watch(upstream.reachable)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Upstream]:
        async with upstream, watch:
            yield upstream

    return Source(opened=opened, reports={"upstream": watch.report})


def check(settings: Settings) -> None:
    credential(settings)
    if settings.upstream_url != api.URL:
        outbound.prepare()


def stand_in(missing: Set[str]) -> None:
    if "upstream_url" in missing:
        os.environ["UPSTREAM_URL"] = api.URL
