"""Pushing frames through kxmsg's own gateways: :class:`~kxmsg.ports.ConnectionGateway` over their batch request."""

import asyncio
import io
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from kxmsg.embedded import batch
from kxmsg.ports import Outcome, Post
from kxmsg.sigv4 import Credentials, sign
from kxmsg.telemetry import get_logger

RECIPIENTS: Final = 5000
"""Most frames that one request makes a gateway write; bounds the time it takes."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One frame on its way; ``outcomes`` is settled by the sender."""

    connections: Sequence[str]
    data: bytes
    entry: bytes
    outcomes: asyncio.Future[list[Outcome]]


class GatewayClient:
    """Posts to the gateways of the allow-list, ``gateways``: name to base URL.

    Calls made while a request is in flight go together in the next one; each gateway has one in flight, which keeps
    the frames of a connection in order. A request that takes longer than ``push_timeout`` seconds has failed.
    Close with :meth:`close`.
    """

    def __init__(
        self,
        gateways: Mapping[str, str],
        credentials: Credentials,
        region: str = "local",
        *,
        push_timeout: float = 1.0,
    ) -> None:
        self._senders = {
            name: _Sender(name, url.rstrip("/"), credentials, region, push_timeout) for name, url in gateways.items()
        }

    async def post(self, posts: Sequence[Post]) -> list[list[Outcome]]:
        waiting = [self._enqueue(post) for post in posts]
        return [list(chain.from_iterable([await part for part in parts])) for parts in waiting]

    async def disconnect(self, gateway: str, connection: str) -> Outcome:
        sender = self._senders.get(gateway)
        if sender is None:
            _log.error("post to a gateway that is not on the allow-list", gateway=gateway)
            return "failed"
        return await sender.disconnect(connection)

    async def close(self) -> None:
        """End the connections; what is still waiting has failed."""
        for sender in self._senders.values():
            await sender.close()

    def _enqueue(self, post: Post) -> list[asyncio.Future[list[Outcome]]]:
        sender = self._senders.get(post.gateway)
        if sender is None:
            _log.error("post to a gateway that is not on the allow-list", gateway=post.gateway)
        elif len(post.data) > batch.DATA_LIMIT:
            _log.error("frame too large to push", size=len(post.data), limit=batch.DATA_LIMIT)
        else:
            return [sender.put(part, post.data) for part in _split(post.connections)]
        failed: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        failed.set_result(["failed"] * len(post.connections))
        return [failed]


class _Sender:
    """What is waiting for one gateway, and the task that sends it."""

    def __init__(self, name: str, url: str, credentials: Credentials, region: str, push_timeout: float) -> None:
        self._name = name
        self._url = url
        self._credentials = credentials
        self._region = region
        self._push_timeout = push_timeout
        self._waiting: deque[_Piece] = deque()
        self._task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    def put(self, connections: Sequence[str], data: bytes) -> asyncio.Future[list[Outcome]]:
        loop = asyncio.get_running_loop()
        piece = _Piece(connections, data, batch.entry(connections, len(data)), loop.create_future())
        self._waiting.append(piece)
        if self._task is None:
            self._task = loop.create_task(self._send())
        return piece.outcomes

    async def disconnect(self, connection: str) -> Outcome:
        status, _ = await self._request("DELETE", f"{batch.PATH}/{quote(connection, safe='')}", b"")
        match status:
            case 204:
                return "ok"
            case 410:
                return "gone"
        return "failed"

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self) -> None:
        """Send until nothing waits, as much at a time as a request may hold."""
        pieces: list[_Piece] = []
        try:
            while self._waiting:
                pieces = self._take()
                for piece, outcomes in zip(pieces, await self._push(pieces), strict=True):
                    _settle(piece, outcomes)
        finally:
            self._task = None
            for piece in chain(pieces, self._waiting):
                _settle(piece, _failed(piece))
            self._waiting.clear()

    def _take(self) -> list[_Piece]:
        size, recipients = batch.OVERHEAD, 0
        pieces: list[_Piece] = []
        while self._waiting:
            piece = self._waiting[0]
            size += len(piece.entry) + 1 + len(piece.data)
            recipients += len(piece.connections)
            if pieces and (size > batch.BODY_LIMIT or recipients > RECIPIENTS):
                break
            pieces.append(self._waiting.popleft())
        return pieces

    async def _push(self, pieces: Sequence[_Piece]) -> list[list[Outcome]]:
        body = batch.assemble([piece.entry for piece in pieces], [piece.data for piece in pieces])
        status, answer = await self._request("POST", batch.PATH, body)
        if status == 200:
            try:
                return batch.parse_outcomes(answer, [len(piece.connections) for piece in pieces])
            except ValueError as error:
                _log.error("gateway's answer makes no sense", gateway=self._name, error=str(error))
        return [_failed(piece) for piece in pieces]

    async def _request(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the signed request's answer; status 0 where there is none."""
        url = URL(self._url + path, encoded=True)
        host = {"host": url.raw_authority}
        headers = sign(
            self._credentials,
            method,
            url.raw_path,
            "",
            host,
            body,
            region=self._region,
            service="execute-api",
            now=time.time(),
        )
        try:
            async with self._connected().request(
                method, url, data=io.BytesIO(body), headers=host | headers, allow_redirects=False
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("gateway unreachable", gateway=self._name, error=type(error).__name__)
            return 0, b""
        if response.status == 403:
            _log.error(
                "gateway refused the signature: give both sides the same credentials and region, and set the clocks",
                gateway=self._name,
                reason=response.headers.get("x-amzn-errortype"),
            )
        elif response.status not in (200, 204, 410):
            _log.error("gateway refused the request", gateway=self._name, status=response.status)
        return response.status, answer

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # Shorter than the gateway keeps an idle connection, so that a POST never meets one just being closed.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                timeout=aiohttp.ClientTimeout(total=self._push_timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _split(connections: Sequence[str]) -> Iterator[Sequence[str]]:
    """At most :data:`RECIPIENTS` at a time."""
    for start in range(0, len(connections), RECIPIENTS):
        yield connections[start : start + RECIPIENTS]


def _failed(piece: _Piece) -> list[Outcome]:
    return ["failed"] * len(piece.connections)


def _settle(piece: _Piece, outcomes: list[Outcome]) -> None:
    if not piece.outcomes.done():  # its caller may have been cancelled
        piece.outcomes.set_result(outcomes)
