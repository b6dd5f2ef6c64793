"""What a page of any web origin may read and use: the documents and endpoints with which clients log in."""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

DOCUMENTS = "/.well-known/"  # RFC 8615


class PublicDocuments:
    """Middleware that answers preflights of any origin, with any headers, for documents and these endpoints.

    Browsers send no cookie with such requests, so a page learns and does no more than any program on the internet.
    """

    def __init__(self, app: ASGIApp, endpoints: Collection[str] = ()) -> None:
        self.app, self.endpoints = app, endpoints
        self.open = CORSMiddleware(app, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        public = path.startswith(DOCUMENTS) or path in self.endpoints
        await (self.open if public else self.app)(scope, receive, send)
