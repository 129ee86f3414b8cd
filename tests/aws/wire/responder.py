"""Responder: an HTTP server that plays what a test tells it, good and bad; and an account that leads to it."""

import asyncio
import ssl
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET

import orjson

from kxmsg.sigv4 import Credentials, verify

KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token+==")
REGION = "eu-central-1"


class FixedAccount:
    """Credentials that a test may change; every service is at ``url``."""

    def __init__(self, url: str, credentials: Credentials = KEYS) -> None:
        self.region = REGION
        self.url = url
        self.current = credentials
        self.asked = 0

    async def credentials(self) -> Credentials:
        self.asked += 1
        return self.current

    def endpoint(self, service: str) -> str:
        return self.url


@dataclass(slots=True)
class Request:
    """A request as it came. ``connection`` counts the connections from 1."""

    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def verify(self, service: str, now: float, keys: Credentials = KEYS) -> None:
        """Raises :class:`~kxmsg.sigv4.SignatureRefused` if it isn't signed with the keys."""
        known = {keys.access_key: keys}
        options = {"credentials": known, "region": REGION, "service": service, "now": now}
        verify(self.method, self.path, "", self.headers, self.body, **options)  # type: ignore[arg-type] # by name


@dataclass(slots=True)
class Talk:
    """One request, and the connection to answer it on."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    over: bool = field(default=False)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hung_up(self) -> None:
        """Wait until the client ends the connection."""
        await self.reader.read()

    def end(self) -> None:
        """Close the connection in good order."""
        self.writer.close()
        self.over = True

    def reset(self) -> None:
        """Close the connection with an RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.over = True


Step = Callable[[Talk], Awaitable[None]]


class Responder:
    """Each request, on whichever connection, takes the next step; bytes are an answer; the last one repeats."""

    def __init__(self, *steps: Step | bytes) -> None:
        self._steps = deque(steps)
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheme = "http"
        self.requests: list[Request] = []
        self.connections = 0
        self.open = 0
        self.closed = asyncio.Condition()

    async def start(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls, limit=2**21)
        self._scheme = "https" if tls else "http"

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{self._scheme}://{'localhost' if self._scheme == 'https' else '127.0.0.1'}:{self.port}"

    async def all_closed(self) -> None:
        """Wait until the peers have ended every connection."""
        async with self.closed:
            await self.closed.wait_for(lambda: not self.open)

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.open += 1
        number = self.connections
        try:
            while (request := await _read(reader, number)) is not None:
                self.requests.append(request)
                step = self._steps.popleft() if len(self._steps) > 1 else self._steps[0]
                talk = Talk(request, reader, writer)
                if isinstance(step, bytes):
                    await talk.write(step)
                else:
                    await step(talk)
                if talk.over:
                    break
        except (ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass  # the client hung up, or the test is over
        finally:
            writer.close()
            self.open -= 1
            async with self.closed:
                self.closed.notify_all()


async def _read(reader: asyncio.StreamReader, connection: int) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.rstrip("\r\n").split("\r\n")
        method, path, version = line.split(" ")
        assert version == "HTTP/1.1"
        headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in fields)}
        return Request(connection, method, path, headers, await reader.readexactly(int(headers["content-length"])))
    except asyncio.IncompleteReadError:
        return None


def answer(body: object = None, *, status: int = 200, close: bool = False) -> bytes:
    """An answer with a JSON body, or with given bytes, after which the connection is to be closed or not."""
    data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    fields = "Connection: close\r\n" if close else ""
    return f"HTTP/1.1 {status} Some Phrase\r\n{fields}Content-Length: {len(data)}\r\n\r\n".encode() + data


OK = answer({})


async def until(condition: Callable[[], object]) -> None:
    """Wait for what there is no event for."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - a condition of any kind
            await asyncio.sleep(0)


async def hang(talk: Talk) -> None:
    """Never answer."""
    await talk.hung_up()


def then_hang(data: bytes) -> Step:
    """Answer in part, and no further."""

    async def step(talk: Talk) -> None:
        await talk.write(data)
        await talk.hung_up()

    return step


def then_end(data: bytes) -> Step:
    """Answer, whole or in part, and close the connection in good order."""

    async def step(talk: Talk) -> None:
        await talk.write(data)
        talk.end()

    return step


def then_reset(data: bytes) -> Step:
    """Answer in part, and reset the connection once the client has taken that."""

    async def step(talk: Talk) -> None:
        await talk.write(data)
        talk.reset()

    return step
