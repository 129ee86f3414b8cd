"""kxmsg.api.server: beside others in one process."""

import asyncio
import contextlib
import signal
import socket

import aiohttp
import pytest
from starlette.types import Receive, Scope, Send

from kxmsg.api import server as module
from kxmsg.api.server import ApiServer
from kxmsg.errors import StartError


class SlowApp:
    """Answers when it is allowed to."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def _get(port: int) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as response:
        return await response.text()


async def test_signals_stay_the_processs() -> None:
    """Neither starting nor stopping touches their handlers."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    app = SlowApp()
    app.go.set()
    server = ApiServer(app, host="127.0.0.1", port=0)
    await server.start()
    assert server.port
    assert await _get(server.port) == "ok"
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    await server.stop(1)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_stop_lets_requests_finish() -> None:
    """The one in hand is answered, the next finds nobody."""
    app = SlowApp()
    server = ApiServer(app, host="127.0.0.1", port=0)
    await server.start()
    request = asyncio.create_task(_get(server.port))
    await app.entered.wait()
    stopping = asyncio.create_task(server.stop(5))
    await asyncio.sleep(0)
    app.go.set()
    assert await request == "ok"
    await stopping
    assert not app.cancelled
    with pytest.raises(aiohttp.ClientConnectorError):
        await _get(server.port)


async def test_stop_keeps_to_its_budget() -> None:
    """What hangs is cancelled, and its caller told."""
    app = SlowApp()
    server = ApiServer(app, host="127.0.0.1", port=0)
    await server.start()
    request = asyncio.create_task(_get(server.port))
    await app.entered.wait()
    await server.stop(0.02)
    assert app.cancelled
    assert await request == "Internal Server Error"


async def test_stop_cuts_what_does_not_end_when_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that ignores its cancellation loses its connection."""
    monkeypatch.setattr(module, "CANCEL_SECONDS", 0.02)
    entered, over = asyncio.Event(), asyncio.Event()

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    server = ApiServer(stubborn, host="127.0.0.1", port=0)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await entered.wait()
    await server.stop(0.02)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    over.set()
    writer.close()


async def test_answers_are_not_held_back() -> None:
    """TCP_NODELAY is set: an answer's head and body go out at once, not after the client's delayed ACK."""
    app = SlowApp()
    server = ApiServer(app, host="127.0.0.1", port=0)
    await server.start()
    request = asyncio.create_task(_get(server.port))
    await app.entered.wait()
    (connection,) = server._server.server_state.connections
    assert connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    app.go.set()
    await request
    await server.stop(1)


async def test_foreign_address_is_a_start_error() -> None:
    """An address that is not this machine's (RFC 5737, for documentation)."""
    with pytest.raises(StartError, match="KXMSG_HOST"):
        await ApiServer(SlowApp(), host="192.0.2.1", port=0).start()


async def test_stop_without_start_and_twice_is_fine() -> None:
    """Whoever cleans up need not know how far the start got."""
    server = ApiServer(SlowApp(), host="127.0.0.1", port=0)
    await server.stop(1)
    await server.start()
    await server.stop(1)
    await server.stop(1)


async def test_taken_port_is_a_start_error() -> None:
    """Which names the address and the setting; the process is not exited."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"127.0.0.1:{port}.*KXMSG_API_PORT"):
            await ApiServer(SlowApp(), host="127.0.0.1", port=port).start()
