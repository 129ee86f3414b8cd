"""``kxmsg listen``, against an API and a gateway in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from kxmsg.api.app import create_app
from kxmsg.api.routes import ROUTERS
from kxmsg.api.server import ApiServer
from kxmsg.bootstrap import App, open_app
from kxmsg.cli.listen import Listener
from kxmsg.errors import Forbidden, StartError, Unauthenticated
from kxmsg.gateway.app import GatewayServer
from kxmsg.gateway.integration import HttpIntegration
from kxmsg.model.connection import Place
from kxmsg.model.target import Target
from kxmsg.settings import Settings
from kxmsg.testing.until import until
from tests.product import CONFIG, USER, bundle, caller, envelope


@asynccontextmanager
async def product(tmp_path: Path) -> AsyncIterator[tuple[App, Settings]]:
    """The doors of the product, and the settings by which a client finds them."""
    settings = Settings(data=tmp_path, config=CONFIG, durability="normal", api_port=0, gateway_port=0)
    async with open_app(settings) as app:
        api = ApiServer(create_app(app, ROUTERS), host=settings.host, port=0)
        await api.start()
        async with HttpIntegration(f"http://{settings.host}:{api.port}", app.gateway_secrets[0]) as integration:
            gateway = GatewayServer(integration, [app.management_credentials], name="local", host=settings.host, port=0)
            await gateway.start()
            ports = {"api_port": api.port, "gateway_port": gateway.port}
            app.settings = settings.model_copy(update=ports)
            try:
                yield app, app.settings
            finally:
                await gateway.stop(budget=1)
                await api.stop(budget=1)


def listener(settings: Settings, *, count: int, raw: bool = True, token: str | None = None) -> Listener:
    return Listener(settings, "ana", "acme", ["employee"], token=token, raw=raw, count=count)


async def subscribed(app: App, target: Target) -> bool:
    return bool((await app.connections.subscribers(Place("acme", target)))[0])


async def test_it_joins_or_makes_each_channel_and_hears_all_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that exists, and two that are made by connecting to them."""
    async with product(tmp_path) as (app, settings):
        await app.channel_service.create(caller("adam", "admin"), "group", [], ident="old")
        targets = [Target("channel", name) for name in ("old", "new", "a/b ?")]
        running = asyncio.create_task(listener(settings, count=3).run([target.id for target in targets]))
        for target in targets:
            await until(lambda target=target: subscribed(app, target))  # type: ignore[misc] # mypy infers no default
        said = [await app.logs.append("acme", target, [envelope(target.id, target)]) for target in targets]
        await app.delivery.deliver(said)
        await asyncio.wait_for(running, 10)
    frames = [orjson.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {frame["targetKey"] for frame in frames} == {target.key for target in targets}


async def test_an_entry_that_is_pushed_twice_is_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with product(tmp_path) as (app, settings):
        running = asyncio.create_task(listener(settings, count=2, raw=False).run([]))
        await until(lambda: subscribed(app, USER))
        first = bundle(USER, [envelope("n1", payload={"title": "One", "content": "first", "priority": "urgent"})])
        await app.delivery.deliver([first])
        await app.delivery.deliver([first])
        await app.delivery.deliver([bundle(USER, [envelope("n2", payload={"content": "second"})], first=2)])
        await asyncio.wait_for(running, 10)
    lines = [line for line in capsys.readouterr().out.splitlines() if " notification user#ana #" in line]
    assert ["One — first" in lines[0], "[urgent]" in lines[0], "second" in lines[1], len(lines)] == [True] * 3 + [2]


async def test_a_token_that_is_refused_ends_it_with_the_reason(tmp_path: Path) -> None:
    async with product(tmp_path) as (_, settings):
        with pytest.raises(Unauthenticated, match="refused with 401: "):
            await listener(settings, count=1, token="nonsense").run([])
        with pytest.raises(Unauthenticated, match="refused with 401: "):
            await listener(settings, count=1, token="nonsense").run(["desk"])


async def test_a_channel_of_others_ends_it_with_the_reason(tmp_path: Path) -> None:
    async with product(tmp_path) as (app, settings):
        await app.channel_service.create(caller("adam", "admin"), "group", [], ident="private")
        member = app.secrets.mint("ana", "acme", ["member"], 60, settings.issuer, settings.audience)
        with pytest.raises(Forbidden, match="refused with 403: "):
            await listener(settings, count=1, token=member).run(["private"])


async def test_without_an_api_there_is_nothing_to_join(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="make dev"):
        await listener(Settings(data=tmp_path, api_port=1), count=1).run(["desk"])


async def test_what_is_no_gateway_is_told(tmp_path: Path) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"hello\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        settings = Settings(data=tmp_path, gateway_port=server.sockets[0].getsockname()[1])
        with pytest.raises(StartError, match="no gateway of kxmsg"):
            await listener(settings, count=1).run([])
