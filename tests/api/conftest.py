"""The product's API, served over an app in memory."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from kxmsg.api.app import create_app
from kxmsg.api.routes import ROUTERS
from kxmsg.api.server import ApiServer
from kxmsg.bootstrap import App, memory_app
from kxmsg.codecs.envelope import decode_parcel
from kxmsg.model.envelope import Envelope
from kxmsg.settings import Settings
from kxmsg.topology import EVENTS
from tests.product import CONFIG


@dataclass
class Reply:
    """An answer: its status, its JSON and its headers."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> Any:
        """The code of an error."""
        return self.body["error"]["code"]


class Api:
    """Calls of the API, and what it left in the queues."""

    def __init__(self, session: aiohttp.ClientSession, app: App) -> None:
        self._session = session
        self.app = app

    async def call(self, method: str, path: str, user: str, *roles: str, tenant: str = "acme", **options: Any) -> Reply:
        """One request of ``user``, a member unless roles are named."""
        settings = self.app.settings
        token = self.app.secrets.mint(
            user, tenant, roles or ("member",), 60, settings.issuer, settings.audience, name=user.title()
        )
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        return await self.raw(method, path, headers=headers, **options)

    async def raw(self, method: str, path: str, **options: Any) -> Reply:
        """One request as it is."""
        async with self._session.request(method, path, **options) as answer:
            return Reply(answer.status, await answer.json(), answer.headers)

    async def events(self) -> list[dict[str, Any]]:
        """The events that reached the path."""
        return [orjson.loads(body) for body in await self._bodies(EVENTS)]

    async def entered(self, ordering: str) -> list[Envelope]:
        """The envelopes that wait to be numbered."""
        queue = self.app.entrances["fifo" if ordering == "fifo" else "standard"]
        return [one for body in await self._bodies(queue.name) for one in decode_parcel(body).envelopes]

    async def _bodies(self, name: str) -> list[bytes]:
        return [delivery.body for delivery in await self.app.queue(name).receive(10, wait=0, visibility=30)]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    app = memory_app(settings=Settings(data=tmp_path, config=CONFIG))
    server = ApiServer(create_app(app, ROUTERS), host="127.0.0.1", port=0)
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            yield Api(session, app)
    finally:
        await server.stop(1)
        await app.close()
