"""Starting and stopping: the port, the drain within its budget, the signals."""

import asyncio
import contextlib
import resource
import signal
import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus

from kxmsg import telemetry
from kxmsg.errors import StartError
from kxmsg.gateway.app import GatewayServer, _allow_files, serve
from kxmsg.gateway.integration import Answer
from kxmsg.gateway.limits import Limits
from kxmsg.settings import Settings
from tests.gateway.conftest import Start
from tests.gateway.fakes import KEYS, Event, FakeIntegration, Gateway, answering, upgrade


async def test_stopping_closes_1001_and_reports_everybody(gateway: Gateway) -> None:
    clients = [await gateway.opened() for _ in range(50)]
    await gateway.server.stop(budget=5)
    for client, _ in clients:
        await client.wait_closed()
        assert (client.close_code, client.close_reason) == (1001, "Going away")
    reported = [gateway.integration.disconnects.get_nowait()["requestContext"] for _ in clients]
    assert {context["connectionId"] for context in reported} == {name for _, name in clients}
    assert {context["disconnectStatusCode"] for context in reported} == {1001}


async def test_stopping_reports_with_bounded_concurrency(start: Start) -> None:
    gateway = await start(disconnects=3)
    at_once, most = 0, 0

    async def count(event: Event) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        for _ in range(5):
            await asyncio.sleep(0)
        at_once -= 1

    gateway.integration.disconnect = count  # type: ignore[method-assign]  # what this test is about
    for _ in range(20):
        await gateway.opened()
    await gateway.server.stop(budget=5)
    assert most == 3


async def test_a_stopped_server_takes_no_connections(gateway: Gateway) -> None:
    await gateway.server.stop(budget=1)
    with pytest.raises(ConnectionRefusedError):
        await gateway.raw()


async def test_stopping_lets_messages_in_hand_finish(gateway: Gateway) -> None:
    release = asyncio.Event()
    finished: list[str] = []

    async def held(event: Event) -> Answer:
        await release.wait()
        finished.append(event["body"])
        return Answer(200)

    gateway.integration.on_message = held
    client, _ = await gateway.opened()
    await client.send("in hand")
    await gateway.integration.messages.get()
    stopping = asyncio.create_task(gateway.server.stop(budget=5))
    await client.wait_closed()
    release.set()
    await stopping
    assert finished == ["in hand"]
    assert (await gateway.integration.disconnected())[0] == 1001


async def test_stopping_does_not_outlast_its_budget(gateway: Gateway) -> None:
    async def stuck(event: Event) -> None:
        await asyncio.Event().wait()

    gateway.integration.disconnect = stuck  # type: ignore[method-assign]  # what this test is about
    _, writer, _ = await gateway.upgraded()
    async with asyncio.timeout(2):
        await gateway.server.stop(budget=0.05)
    writer.close()


async def test_a_client_accepted_while_stopping_is_refused_and_reported(gateway: Gateway) -> None:
    release = asyncio.Event()

    async def later(event: Event) -> Answer:
        await release.wait()
        return Answer(200)

    gateway.integration.on_connect = later
    opening = asyncio.create_task(gateway.client().__aenter__())
    await gateway.integration.connects.get()
    stopping = asyncio.create_task(gateway.server.stop(budget=5))
    await asyncio.sleep(0)
    release.set()
    with pytest.raises(InvalidStatus) as caught:
        await opening
    assert caught.value.response.status_code == 503
    await stopping
    assert (await gateway.integration.disconnected())[0] == 1001


async def test_a_client_cut_while_opening_is_reported_once_it_is_accepted(start: Start) -> None:
    gateway = await start(closing=0.02)
    release = asyncio.Event()

    async def later(event: Event) -> Answer:
        await release.wait()
        return Answer(200)

    gateway.integration.on_connect = later
    reader, writer = await gateway.raw()
    writer.write(upgrade())
    await gateway.integration.connects.get()
    stopping = asyncio.create_task(gateway.server.stop(budget=5))
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    release.set()
    await stopping
    writer.close()
    assert (await gateway.integration.disconnected())[0] == 1006


async def test_a_request_in_hand_is_answered_before_the_end(gateway: Gateway) -> None:
    reader, writer = await gateway.raw()
    writer.write(
        b"POST /@connections/x HTTP/1.1\r\nhost: a\r\nauthorization: Credential=AKIDTEST/x\r\n"
        b"content-length: 2\r\n\r\na"
    )
    while not gateway.server._http.tasks:  # noqa: ASYNC110  there is no event for it
        await asyncio.sleep(0)
    stopping = asyncio.create_task(gateway.server.stop(budget=5))
    await asyncio.sleep(0)
    writer.write(b"b")
    assert (await reader.read()).startswith(b"HTTP/1.1 403 ")
    await stopping
    writer.close()


async def test_a_port_in_use_is_a_start_error_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"127.0.0.1:{port}.*KXMSG_GATEWAY_PORT"):
            await GatewayServer(FakeIntegration(), [KEYS], port=port).start()


async def test_open_connections_and_frames_are_counted(gateway: Gateway) -> None:
    def value(name: str, **labels: str) -> float:
        registry: CollectorRegistry = telemetry.REGISTRY
        return registry.get_sample_value(name, labels) or 0

    before = value("kxmsg_connections")
    received, sent = (value("kxmsg_frames_total", direction=way) for way in ("in", "out"))
    gateway.integration.on_message = answering(200, b"reply")
    client, name = await gateway.opened()
    assert value("kxmsg_connections") == before + 1
    await client.send("hello")
    await client.recv()
    await gateway.request("POST", f"/@connections/{name}", b"push")
    assert value("kxmsg_frames_total", direction="in") == received + 1
    assert value("kxmsg_frames_total", direction="out") == sent + 2
    await client.close()
    await gateway.integration.disconnected()
    assert value("kxmsg_connections") == before


@pytest.mark.parametrize(("hard", "allowed"), [(4096, 4096), (resource.RLIM_INFINITY, 11_024)])
def test_as_many_files_are_allowed_as_connections_need(
    monkeypatch: pytest.MonkeyPatch, hard: int, allowed: int
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: asked.append(limits))
    with capture_logs() as logs:
        _allow_files(Limits())
    assert asked == [(allowed, hard)]
    assert len(logs) == (1 if allowed == 4096 else 0)


@pytest.mark.parametrize("how", ["event", "signal"])
async def test_serve_runs_until_it_is_told_to_stop(how: str, unused_tcp_port: int) -> None:
    stop = asyncio.Event() if how == "event" else None
    settings = Settings(gateway_port=unused_tcp_port, api_url="http://127.0.0.1:1")
    running = asyncio.create_task(serve(settings, secret="s", credentials=[KEYS], stop=stop))
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with aiohttp.ClientSession() as session:
        while not running.done():
            try:
                async with session.get(f"{url}/health") as response:
                    assert response.status == 200
                    break
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0)
        async with session.get(url, headers=_upgrade_headers()) as response:
            assert response.status == 503
    if stop is None:
        signal.raise_signal(signal.SIGTERM)
    else:
        stop.set()
    async with asyncio.timeout(5):
        await running


def _upgrade_headers() -> dict[str, str]:
    lines = upgrade().decode().split("\r\n")[2:-2]
    return dict(line.split(": ", 1) for line in lines)
