"""What the gateway's tests stand on: an integration that records, and ways to be a client."""

import asyncio
import base64
import io
import os
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

from kxmsg.gateway.app import GatewayServer
from kxmsg.gateway.integration import Answer
from kxmsg.gateway.protocol import Connection
from kxmsg.sigv4 import Credentials, sign

KEYS = Credentials("AKIDTEST", "secret")
Event = dict[str, Any]


class FakeIntegration:
    """Records every event; ``on_connect`` and ``on_message`` decide the answers."""

    def __init__(self) -> None:
        self.connects: asyncio.Queue[Event] = asyncio.Queue()
        self.messages: asyncio.Queue[Event] = asyncio.Queue()
        self.disconnects: asyncio.Queue[Event] = asyncio.Queue()
        self.on_connect: Callable[[Event], Awaitable[Answer]] = accept
        self.on_message: Callable[[Event], Awaitable[Answer]] = accept

    async def connect(self, event: Event) -> Answer:
        self.connects.put_nowait(event)
        return await self.on_connect(event)

    async def message(self, event: Event) -> Answer:
        self.messages.put_nowait(event)
        return await self.on_message(event)

    async def disconnect(self, event: Event) -> None:
        self.disconnects.put_nowait(event)

    async def disconnected(self) -> tuple[int, str]:
        """Code and reason of the next disconnection."""
        context = (await self.disconnects.get())["requestContext"]
        return context["disconnectStatusCode"], context["disconnectReason"]


async def accept(event: Event) -> Answer:
    return Answer(200)


def answering(status: int, body: bytes = b"", subprotocol: str | None = None) -> Callable[[Event], Awaitable[Answer]]:
    async def answer(event: Event) -> Answer:
        return Answer(status, body, subprotocol)

    return answer


class Gateway:
    """A running server, its integration and shorthands."""

    def __init__(self, server: GatewayServer, integration: FakeIntegration) -> None:
        self.server = server
        self.integration = integration

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def client(self, path: str = "/", **options: Any) -> connect:
        """An unopened ``websockets`` client, without compression or keep-alive pings of its own."""
        defaults: dict[str, Any] = {"compression": None, "ping_interval": None, "proxy": None}
        return connect(f"ws://127.0.0.1:{self.server.port}{path}", **(defaults | options))

    async def opened(self, path: str = "/", **options: Any) -> tuple[ClientConnection, str]:
        """An open client and its connection id."""
        client = await self.client(path, **options)
        event = await self.integration.connects.get()
        return client, event["requestContext"]["connectionId"]

    def connection(self, name: str) -> Connection:
        """The server's side of an open connection."""
        found = self.server._registry.get(name)
        assert found is not None
        return found

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare TCP connection."""
        return await asyncio.open_connection("127.0.0.1", self.server.port)

    async def upgraded(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        """A bare TCP connection after its upgrade, and its connection id."""
        reader, writer = await self.raw()
        writer.write(upgrade())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        event = await self.integration.connects.get()
        return reader, writer, event["requestContext"]["connectionId"]

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        keys: Credentials | None = KEYS,
        region: str = "local",
        age: float = 0,
    ) -> tuple[int, bytes, str | None]:
        """Status, body and error type of a management request, signed unless ``keys`` is None."""
        headers = {"host": f"127.0.0.1:{self.server.port}"}
        if keys is not None:
            headers |= sign(
                keys, method, path, "", headers, body, region=region, service="execute-api", now=time.time() - age
            )
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, data=io.BytesIO(body), headers=headers) as response,
        ):
            return response.status, await response.read(), response.headers.get("x-amzn-errortype")


async def until(condition: Callable[[], bool]) -> None:
    """Turn the event loop until ``condition`` holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  what is waited for is a state of the kernel's buffers
            await asyncio.sleep(0)


def upgrade(path: str = "/", **headers: str) -> bytes:
    """A good upgrade request, with ``headers`` (underscores for dashes) added or replaced."""
    fields = {
        "host": "localhost",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
    }
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def frame(opcode: int, data: bytes, *, fin: bool = True, masked: bool = True) -> bytes:
    """A client's frame, masked with zeros (RFC 6455, section 5.2)."""
    mask = 0x80 if masked else 0
    size = len(data)
    if size < 126:
        length = bytes((mask | size,))
    elif size < 65_536:
        length = struct.pack("!BH", mask | 126, size)
    else:
        length = struct.pack("!BQ", mask | 127, size)
    return bytes(((0x80 if fin else 0) | opcode,)) + length + (bytes(4) if masked else b"") + data
