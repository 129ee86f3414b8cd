"""Proxy: stands between the product and the emulator, and lets calls fail as their fates have it."""

import asyncio
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

from tests.aws.chaos.fates import CHANCE, Call, Fate, draw, refusal

LONGEST_HANG: Final = 1.0
"""Seconds after which a hanging connection is cut: a poll, for which a caller waits 25 s, would last too long."""

_ACTION: Final = re.compile(rb"(?:^|&)Action=(\w+)")
_SCOPE: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
_CONNECTION: Final = re.compile(r"/@connections/([^/]+)")
_HOP_BY_HOP: Final = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"))


@dataclass(slots=True)
class Proxy:
    """``seed`` and ``chance`` decide on fates while ``on``.

    ``calls`` counts by call and fate, ``frames`` keeps what was pushed to each connection.
    """

    seed: int
    upstream: str
    chance: float = CHANCE
    url: str = ""
    on: bool = False
    calls: Counter[tuple[Call, Fate]] = field(default_factory=Counter)
    frames: dict[str, list[bytes]] = field(default_factory=dict)
    _numbers: Counter[Call] = field(default_factory=Counter)

    def fate(self, call: Call) -> Fate:
        """Of this call, which is counted."""
        fate = Fate.PASS
        if self.on:
            self._numbers[call] += 1
            fate = draw(self.seed, call, self._numbers[call], self.chance)
            self.calls[call, fate] += 1
        return fate

    @property
    def total(self) -> int:
        """Calls so far."""
        return self.calls.total()


@asynccontextmanager
async def between(seed: int, upstream: str, chance: float = CHANCE) -> AsyncIterator[Proxy]:
    """A proxy to ``upstream``, on a port of its own, while inside."""
    proxy = Proxy(seed, upstream, chance)
    connector = TCPConnector(limit=0, keepalive_timeout=60)
    async with ClientSession(
        connector=connector, timeout=ClientTimeout(total=60), auto_decompress=False, cookie_jar=DummyCookieJar()
    ) as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            return await _handle(proxy, session, request)

        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{tail:.*}", handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield proxy
        finally:
            await runner.cleanup()


async def _handle(proxy: Proxy, session: ClientSession, request: web.Request) -> web.StreamResponse:
    body = await request.read()
    call = call_of(request, body)
    fate = proxy.fate(call)
    match fate:
        case Fate.HANG:
            await asyncio.sleep(LONGEST_HANG)  # cancelled when the caller gives up
            return _cut(request)
        case Fate.THROTTLED | Fate.TOO_MANY | Fate.INTERNAL | Fate.UNAVAILABLE:
            refused = refusal(fate, call.service)
            return web.Response(status=refused.status, body=refused.body, content_type=refused.content_type)
    status, headers, answer = await _execute(proxy, session, request, body)
    match fate:
        case Fate.LOST:
            return _cut(request)
        case Fate.TORN:
            return await _tear(request, status, headers, answer)
    return web.Response(status=status, headers=headers, body=answer)


def call_of(request: web.Request, body: bytes) -> Call:
    """Which call a request is, in the JSON protocols, the Query protocol, and API Gateway's Management API."""
    if request.path.startswith("/@connections/"):
        return Call("execute-api", {"POST": "PostToConnection", "DELETE": "DeleteConnection"}[request.method])
    scope = _SCOPE.search(request.headers.get("authorization", ""))
    service = scope[1] if scope else "unsigned"
    target = request.headers.get("x-amz-target")
    if target is not None:
        return Call(service, target.rpartition(".")[2])
    action = _ACTION.search(body)
    return Call(service, action[1].decode() if action else f"{request.method} {request.path}")


async def _execute(
    proxy: Proxy, session: ClientSession, request: web.Request, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    if pushed := _CONNECTION.match(request.path):  # which the emulator doesn't know
        if request.method == "POST":
            proxy.frames.setdefault(unquote(pushed[1]), []).append(body)
        return 200, {}, b""
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    url = proxy.upstream + request.raw_path
    async with session.request(request.method, url, headers=headers, data=body) as answer:
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        return answer.status, kept, await answer.read()


def _cut(request: web.Request) -> web.Response:
    """A TCP reset; what is returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _tear(request: web.Request, status: int, headers: dict[str, str], answer: bytes) -> web.StreamResponse:
    """The head and half of the body, then a reset."""
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = max(1, len(answer))
    await response.prepare(request)
    await response.write(answer[: len(answer) // 2])
    _cut(request)
    return response
