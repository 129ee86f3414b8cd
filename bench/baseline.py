"""What one would write by hand: a websockets server that broadcasts, with no store, no queue, no identity."""

import asyncio
import time
from dataclasses import dataclass

import orjson
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.clients import Client, shake_hands


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Frames a second, and CPU microseconds a frame of server and clients together."""

    frames: int
    seconds: float
    cpu: float


async def broadcasting(recipients: int, frames: int) -> Broadcast:
    """Send ``frames`` frames to ``recipients`` connections of this process."""
    connections: set[ServerConnection] = set()
    counted = 0
    enough = asyncio.Event()
    total = recipients * frames

    def on_frame(_: bytes, __: float) -> None:
        nonlocal counted
        counted += 1
        if counted == total:
            enough.set()

    async def accept(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()

    async with serve(accept, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        loop = asyncio.get_running_loop()
        transports = []
        for _ in range(recipients):
            transport, client = await loop.create_connection(lambda: Client(on_frame), "127.0.0.1", port)
            shake_hands(transport, "127.0.0.1")
            await client.open
            transports.append(transport)
        body = orjson.dumps({"type": "notification", "title": "Incident 1", "content": "x" * 150})
        started, cpu = time.perf_counter(), time.process_time()
        for sent in range(frames):
            broadcast(connections, body.decode())
            if sent % 20 == 0:
                await asyncio.sleep(0)
        await enough.wait()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        for transport in transports:
            transport.abort()
    return Broadcast(total, seconds, cpu / total * 1e6)
