"""WebSocket clients that cost next to nothing: they count frames and, where asked, note when each came."""

import asyncio
import base64
import os
import time
from collections.abc import Callable

from kxmsg.embedded.secrets import LocalSecrets
from kxmsg.settings import Settings


class Client(asyncio.Protocol):
    """One connection. ``on_frame`` gets each text frame and when it came (``time.perf_counter``)."""

    def __init__(self, on_frame: Callable[[bytes, float], None]) -> None:
        self._on_frame = on_frame
        self._buffer = bytearray()
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._upgraded = False

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if not self._upgraded:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head:
                self.open.set_exception(ConnectionError(head.decode()))
                return
            self._upgraded = True
            self._buffer = rest
            self.open.set_result(None)
        self._frames(now)

    def _frames(self, now: float) -> None:
        buffer, start = self._buffer, 0
        while len(buffer) - start >= 2:  # RFC 6455, section 5.2; a server's frames are not masked
            size, head = buffer[start + 1], 2
            if size == 126:
                size, head = int.from_bytes(buffer[start + 2 : start + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(buffer[start + 2 : start + 10], "big"), 10
            end = start + head + size
            if len(buffer) < end:
                break
            if buffer[start] == 0x81:
                self._on_frame(bytes(buffer[start + head : end]), now)
            start = end
        del buffer[:start]


async def connect(
    settings: Settings, user: str, tenant: str, on_frame: Callable[[bytes, float], None]
) -> asyncio.Transport:
    """Open one connection as ``user``; returns once it is upgraded."""
    token = LocalSecrets(settings.data).mint(user, tenant, ["member"], 3600, settings.issuer, settings.audience)
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(lambda: Client(on_frame), settings.host, settings.gateway_port)
    shake_hands(transport, settings.host, f"Authorization: Bearer {token}\r\n")
    await asyncio.wait_for(client.open, 30)
    return transport


def shake_hands(transport: asyncio.WriteTransport, host: str, headers: str = "") -> None:
    """Ask for the upgrade."""
    key = base64.b64encode(os.urandom(16)).decode()
    transport.write(
        f"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n".encode()
    )
