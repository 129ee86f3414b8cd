"""HTTP callers that cost next to nothing: each sends one request again and again, on one connection."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final, cast

import orjson

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``status`` is what it must be answered."""

    method: str
    path: str
    status: int = 200
    body: bytes = b""
    headers: str = ""

    def encoded(self, port: int) -> bytes:
        """As it is sent."""
        kind = f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n" if self.body else ""
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{self.headers}{kind}\r\n"
        return head.encode() + self.body


class Caller(asyncio.Protocol):
    """One connection, which asks anew as soon as it is answered, ``count`` times; how long each took, in seconds."""

    def __init__(self, request: bytes, status: int, count: int) -> None:
        self._request = request
        self._expected = f"HTTP/1.1 {status} ".encode()
        self._left = count
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._asked = 0.0
        self.taken: list[float] = []
        self.body = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(_END)
        if not found:
            return
        at = head.lower().index(_LENGTH) + len(_LENGTH)
        length = int(head[at:].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self.taken.append(time.perf_counter() - self._asked)
        self.body, self._buffer = rest, b""
        if not head.startswith(self._expected):
            self._end(ConnectionError(f"{head.decode()}\n{rest.decode()}"))
        elif self._left:
            self._ask()
        else:
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("closed"))

    def _ask(self) -> None:
        assert self._transport is not None
        self._left -= 1
        self._asked = time.perf_counter()
        self._transport.write(self._request)

    def _end(self, error: Exception | None) -> None:
        assert self._transport is not None
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        self._transport.close()


async def called(port: int, call: Call, at_once: int, each: int) -> tuple[list[float], bytes]:
    """How long each of ``at_once`` × ``each`` calls took, in seconds; and the last answer's body."""
    loop = asyncio.get_running_loop()
    request = call.encoded(port)
    made = [
        await loop.create_connection(lambda: Caller(request, call.status, each), "127.0.0.1", port)
        for _ in range(at_once)
    ]
    callers = [caller for _, caller in made]
    await asyncio.gather(*(caller.done for caller in callers))
    return [seconds for caller in callers for seconds in caller.taken], callers[-1].body


def posting(path: str, status: int, body: object, headers: str = "") -> Call:
    """A POST of JSON."""
    return Call("POST", path, status, orjson.dumps(body), headers)
