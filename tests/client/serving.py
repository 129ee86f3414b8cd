"""Servers for tests of the client: one that answers by a script, and the product's own doors."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from kxmsg.api.app import create_app
from kxmsg.api.routes import ROUTERS
from kxmsg.api.server import ApiServer
from kxmsg.bootstrap import App, memory_app
from kxmsg.client import Client
from kxmsg.gateway.app import GatewayServer
from kxmsg.gateway.integration import HttpIntegration
from kxmsg.settings import Settings
from tests.product import CONFIG


@dataclass
class Asked:
    """One request, as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


Script = Callable[[Asked], web.Response | None]
"""What to answer; None: hang up."""


@dataclass
class Scripted:
    """A server whose ``script`` answers, and what it was asked."""

    script: Script = lambda asked: web.json_response({"success": True})
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def answers(self, *answers: web.Response | None) -> None:
        """Answer with each in turn."""
        left = list(answers)
        self.script = lambda asked: left.pop(0)


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    server = Scripted()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        path = request.raw_path.partition("?")[0]
        server.asked.append(Asked(request.method, path, dict(request.query), dict(request.headers), body))
        answer = server.script(server.asked[-1])
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def error(status: int, code: str, message: str = "no", **headers: str) -> web.Response:
    """A refusal in the one shape."""
    body = {"success": False, "error": {"code": code, "message": message, "details": {}}, "correlationId": "c"}
    return web.json_response(body, status=status, headers=headers)


@dataclass
class Doors:
    """The API and the gateway of an app in memory."""

    app: App
    api: str
    integration: HttpIntegration
    server: GatewayServer

    @property
    def gateway(self) -> str:
        return f"ws://127.0.0.1:{self.server.port}/"

    def token(self, user: str, *roles: str) -> str:
        settings = self.app.settings
        return self.app.secrets.mint(user, "acme", roles or ("employee",), 60, settings.issuer, settings.audience)

    def client(self, user: str, *roles: str) -> Client:
        return Client(self.api, self.token(user, *roles), gateway_url=self.gateway)

    def cut(self) -> None:
        """End every connection, as a line that breaks does."""
        for socket in tuple(self.server._registry._sockets):
            socket.abort()

    async def restart(self) -> None:
        """Stop the gateway, and begin another in its place."""
        await self.server.stop(budget=1)
        self.server = _gateway(self.app, self.integration, self.server.port)
        await self.server.start()


def _gateway(app: App, integration: HttpIntegration, port: int) -> GatewayServer:
    return GatewayServer(integration, [app.management_credentials], name="local", host="127.0.0.1", port=port)


@asynccontextmanager
async def doors(data: Path) -> AsyncIterator[Doors]:
    app = memory_app(settings=Settings(data=data, config=CONFIG))
    api = ApiServer(create_app(app, ROUTERS), host="127.0.0.1", port=0)
    await api.start()
    async with HttpIntegration(f"http://127.0.0.1:{api.port}", app.gateway_secrets[0]) as integration:
        product = Doors(app, f"http://127.0.0.1:{api.port}", integration, _gateway(app, integration, 0))
        await product.server.start()
        app.settings = app.settings.model_copy(update={"gateway_port": product.server.port})
        try:
            yield product
        finally:
            await product.server.stop(budget=1)
            await api.stop(budget=1)
            await app.close()
