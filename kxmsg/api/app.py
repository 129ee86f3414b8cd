"""The FastAPI application: error shape, middleware, health and documentation. Routes of the product join it."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.middleware import Middleware

from kxmsg import __version__
from kxmsg.api import docs, health, openapi
from kxmsg.api.context import App
from kxmsg.api.cors import Cors
from kxmsg.api.errors import HANDLERS
from kxmsg.api.idempotency import IdempotentRequests
from kxmsg.api.limits import RateLimits
from kxmsg.api.middleware import BodyLimit, RequestContext
from kxmsg.api.paths import BasePaths, MovedPaths, moved


def create_app(app: App, routers: Iterable[APIRouter] = ()) -> FastAPI:
    """The API of ``app``, with ``routers`` for the product's routes.

    Raises :class:`~kxmsg.errors.ConfigError` for base paths that can't be.
    """
    paths = BasePaths(app.settings)
    api = _Api(
        paths,
        title="kxmsg",
        version=__version__,
        description="Notifications and messaging.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=openapi.RESPONSES,
        exception_handlers=HANDLERS,
        middleware=[
            Middleware(Cors, app.settings.origins),
            Middleware(RequestContext),
            *([Middleware(MovedPaths, paths)] if paths else []),
            Middleware(IdempotentRequests),
            Middleware(BodyLimit),
        ],
    )
    api.state.app = app
    api.state.limits = RateLimits(app.settings)
    api.include_router(health.routes(app))
    for router in routers:
        api.include_router(router)

    @api.get("/docs", include_in_schema=False)
    async def documentation(request: Request) -> HTMLResponse:
        headers = {"Content-Security-Policy": docs.CONTENT_SECURITY_POLICY}
        return HTMLResponse(docs.page(request.app.openapi(), "/openapi.json"), headers=headers)

    if paths:
        paths.check(api.declared()["paths"])
    return api


class _Api(FastAPI):
    """Tells in its OpenAPI document what FastAPI does not know of."""

    def __init__(self, paths: BasePaths, **options: Any) -> None:
        self._paths = paths
        super().__init__(**options)

    def declared(self) -> dict[str, Any]:
        """The document as FastAPI makes it, of the routes as they are declared."""
        return super().openapi()

    def openapi(self) -> dict[str, Any]:
        return self._document

    @cached_property
    def _document(self) -> dict[str, Any]:
        return moved(self._paths, openapi.completed(self.declared()))
