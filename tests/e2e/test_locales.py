"""One notification in its readers' languages: from the event to WebSockets and REST, in one process."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect

from kxmsg.api.app import create_app
from kxmsg.api.routes import ROUTERS
from kxmsg.api.server import ApiServer
from kxmsg.bootstrap import App, memory_app, open_app
from kxmsg.embedded.connections import GatewayClient
from kxmsg.gateway.app import GatewayServer
from kxmsg.gateway.integration import HttpIntegration
from kxmsg.model.event import Event
from kxmsg.services.identity import StaticKeys, TokenVerifier
from kxmsg.settings import Settings
from kxmsg.testing.stack import Stack
from tests.api.serving import JWKS, token
from tests.e2e.clients import frame
from workers import event_consumer, fanout, storage_writer, template_renderer

SUBSCRIPTION = """
eventSubscriptions:
  - name: greetings
    eventPattern: {source: [com.acme.greetings]}
    notificationMapping:
      greeting:
        targetType: user
        userId: "{{ detail.user }}"
        title: {en: "Hello {{ detail.name }}", de: "Hallo {{ detail.name }}"}
        content: {en: "Welcome", de-AT: "Servus", fr: "Bienvenue"}
"""

GREETING = Event("com.acme.greetings", "greeting", {"tenantId": "acme", "user": "ana", "name": "Ana"})


@dataclass(frozen=True)
class Running:
    """An app with its workers, and the ports of its two servers."""

    app: App
    api: int
    gateway: int

    def headers(self, locale: str | None, accepted: str | None) -> dict[str, str]:
        """What ana's client sends: a token, which may name a locale, and what it accepts."""
        bearer = token(sub="ana", tenantId="acme", roles=["member"], exp=int(time.time()) + 60, locale=locale)
        return {"Authorization": f"Bearer {bearer}"} | ({"Accept-Language": accepted} if accepted else {})

    def socket(self, query: str = "", *, locale: str | None = None, accepted: str | None = None) -> connect:
        """An open WebSocket of ana."""
        headers = self.headers(locale, accepted)
        return connect(f"ws://127.0.0.1:{self.gateway}/{query}", additional_headers=headers, compression=None)

    async def inbox(self, *, locale: str | None = None, accepted: str | None = None) -> list[dict[str, Any]]:
        """What ``GET /notifications`` shows ana."""
        url = f"http://127.0.0.1:{self.api}/notifications"
        async with aiohttp.ClientSession() as session, session.get(url, headers=self.headers(locale, accepted)) as got:
            body: dict[str, Any] = orjson.loads(await got.read())
            shown: list[dict[str, Any]] = body["notifications"]
            return shown


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[App]:
    """The app: embedded in memory, else with all that ``kxmsg provision`` makes for it."""
    if settings.backend == "embedded":
        app = memory_app(settings=settings)
        try:
            yield app
        finally:
            await app.close()
        return
    status, _, err = await Stack(settings.data, settings.config, commands={}).run("provision")
    assert (status, err) == (0, "")
    async with open_app(settings) as app:
        await app.load_secrets()
        yield app


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    """Everything between an event and its readers."""
    (folder / "greetings.yaml").write_text(SUBSCRIPTION)
    async with AsyncExitStack() as ending:
        app = await ending.enter_async_context(opened(Settings(data=folder / "data", config=folder)))
        app.verifier = TokenVerifier(StaticKeys(JWKS), issuer="i", audience="a", clock=app.clock)
        api = ApiServer(create_app(app, ROUTERS), host="127.0.0.1", port=0)
        await api.start()
        ending.push_async_callback(api.stop, 1)
        integration = HttpIntegration(f"http://127.0.0.1:{api.port}", app.gateway_secrets[0])
        await ending.enter_async_context(integration)
        server = GatewayServer(integration, [app.management_credentials])
        await server.start()
        ending.push_async_callback(server.stop, 1)
        client = GatewayClient({"local": f"http://127.0.0.1:{server.port}"}, app.management_credentials)
        app.gateway = client
        ending.push_async_callback(client.close)
        stop = asyncio.Event()
        group = await ending.enter_async_context(asyncio.TaskGroup())
        ending.callback(stop.set)
        for module in (event_consumer, template_renderer, storage_writer, fanout):
            group.create_task(module.worker.run(app, stop))
        yield Running(app, api.port, server.port)


def texts(shown: dict[str, Any]) -> tuple[str, str]:
    """What a frame or a record says."""
    assert "variants" not in shown
    return shown["title"], shown["content"]


@pytest.mark.usefixtures("backend")
async def test_each_device_and_each_request_gets_the_texts_of_its_own_locale(tmp_path: Path) -> None:
    async with running(tmp_path) as stack, AsyncExitStack() as sockets:

        async def device(*query: str, **options: str) -> ClientConnection:
            return await sockets.enter_async_context(stack.socket(*query, **options))

        devices = {
            await device(): ("Hello Ana", "Welcome"),
            await device("?locale=de-AT", locale="fr", accepted="it"): ("Hallo Ana", "Servus"),
            await device(locale="it", accepted="fr;q=0.5, de;q=0.9"): ("Hallo Ana", "Welcome"),
            await device("?locale=klingon", locale="fr"): ("Hello Ana", "Bienvenue"),
        }
        await stack.app.bus.put([GREETING])
        for connection, said in devices.items():
            assert texts(await frame(connection)) == said
        for (locale, accepted), said in {
            (None, None): ("Hello Ana", "Welcome"),
            ("fr", "de-AT, en;q=0.5"): ("Hallo Ana", "Servus"),
            ("fr", "*"): ("Hello Ana", "Bienvenue"),
        }.items():
            (record,) = await stack.inbox(locale=locale, accepted=accepted)
            assert texts(record) == said
