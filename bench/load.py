"""HTTP load: one request after another on each of some connections that stay open, at next to no cost of its own."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and the status that the answer must have."""

    method: str
    path: str
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] | None = None

    def encoded(self) -> bytes:
        """As it goes over the wire."""
        body = b"" if self.body is None else orjson.dumps(self.body)
        headers = {"Host": HOST, **(self.headers or {})}
        if body:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: how long each answer took, in milliseconds, ascending; and the last answer's body."""

    taken: list[float]
    seconds: float
    body: bytes

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.taken) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        return self.taken[int(len(self.taken) * share)]


class _Caller(asyncio.Protocol):
    """Asks again as soon as it is answered, until ``end`` (``time.perf_counter``)."""

    def __init__(self, request: Request, end: float) -> None:
        self._request = request.encoded()
        self._status = f"HTTP/1.1 {request.status} ".encode()
        self._end = end
        self._buffer = b""
        self.taken: list[float] = []
        self.body = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        now = time.perf_counter()
        if not head.startswith(self._status):
            self.done.set_exception(ConnectionError(self._buffer.decode()))
            self._transport.abort()
            return
        self.taken.append((now - self._asked) * 1000)
        self.body, self._buffer = body, b""
        if now < self._end:
            self._ask()
        else:
            self.done.set_result(None)
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))


async def load(port: int, request: Request, *, at_once: int = 1, seconds: float = 0.0) -> Load:
    """Ask at least once on each of ``at_once`` connections, for so long.

    Raises :class:`ConnectionError` for an answer with another status.
    """
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    callers = [
        (await loop.create_connection(lambda: _Caller(request, began + seconds), HOST, port))[1] for _ in range(at_once)
    ]
    await asyncio.wait_for(asyncio.gather(*(caller.done for caller in callers)), seconds + 30)
    taken = sorted(one for caller in callers for one in caller.taken)
    return Load(taken, time.perf_counter() - began, callers[0].body)
