"""The FastAPI application: error shape, middleware, health and documentation. Routes of the product join it."""

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.middleware import Middleware

from kxmsg import __version__
from kxmsg.api import docs, health
from kxmsg.api.context import App
from kxmsg.api.errors import HANDLERS, RESPONSES
from kxmsg.api.middleware import BodyLimit, RequestContext


def create_app(app: App, routers: Iterable[APIRouter] = ()) -> FastAPI:
    """The API of ``app``, with ``routers`` for the product's routes."""
    api = FastAPI(
        title="kxmsg",
        version=__version__,
        description="Notifications and messaging.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=RESPONSES,
        exception_handlers=HANDLERS,
        middleware=[Middleware(RequestContext), Middleware(BodyLimit)],
    )
    api.state.app = app
    api.include_router(health.routes(app))
    for router in routers:
        api.include_router(router)

    @api.get("/docs", include_in_schema=False)
    async def documentation(request: Request) -> HTMLResponse:
        headers = {"Content-Security-Policy": docs.CONTENT_SECURITY_POLICY}
        return HTMLResponse(docs.page(request.app.openapi(), "/openapi.json"), headers=headers)

    return api
