"""Events: a WebSocket that connects again when it is cut, and sends that are known to have arrived."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import count
from secrets import token_hex
from types import TracebackType
from typing import Any, Final, Self, TypeAlias
from urllib.parse import quote, urlencode

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from kxmsg.client.http import Credentials, refusal
from kxmsg.client.positions import Position
from kxmsg.client.records import Frame
from kxmsg.client.resumption import Resumption
from kxmsg.errors import Forbidden, InvalidInput, NotFound, Refusal, StartError, TooLarge
from kxmsg.retry import Backoff

Connected: TypeAlias = Callable[[], None]
"""Called each time that a connection stands."""

Lost: TypeAlias = Callable[[Exception], None]
"""Called when a connection ended, or could not be had, before it is tried again."""

PING_EVERY: Final = 60.0
"""Seconds between pings, which find out what was lost; a gateway closes what is silent for 10 minutes."""

PONG_WITHIN: Final = 20.0

SEND_WITHIN: Final = 30.0

MAX_WAITING: Final = 10_000
"""Frames that wait to be taken; with more, whoever takes them is too slow, and the connection is cut."""

_BACKOFF: Final = Backoff(base=0.2, cap=10.0)

_ANSWERS: Final = frozenset({"ack", "error", "pong", "history"})

_RECONNECT: Final = frozenset({"unknown_connection", "token_expired"})

_KINDS: Final[dict[str, type[Refusal]]] = {
    **{kind.code: kind for kind in Refusal.__subclasses__()},
    "channel_not_found": NotFound,
    "log_not_found": NotFound,
    "foreign_sender": Forbidden,
    "invalid_id": InvalidInput,
    "malformed": InvalidInput,
    "too_large": TooLarge,
}


class Events:
    """Frames as they come, each entry once, and what came between two connections before what comes then.

    Use with ``async with``, and iterate, in one task. ``query`` names channels, as ``{"threadId": …}``. ``positions``
    are those of an earlier program, to go on from. The iteration ends with a :class:`~kxmsg.errors.Refusal` where the
    gateway refuses, else never. What was missed and can't be told comes as ``{"type": "resync", "targetKey",
    "reason"}``: read anew what you show of that log.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        query: Mapping[str, str] | None = None,
        positions: Mapping[str, Position] | None = None,
        connected: Connected | None = None,
        lost: Lost | None = None,
        ping_every: float = PING_EVERY,
    ) -> None:
        self._url = f"{url}?{urlencode(query, quote_via=quote)}" if query else url
        self._credentials = credentials
        self._connected = connected
        self._lost = lost
        self._ping_every = ping_every
        self._resumption = Resumption(self._give, self._look, positions)
        self._frames: deque[Frame] = deque()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._looking = asyncio.Event()
        self._pending: dict[str, tuple[str, asyncio.Future[Frame]]] = {}
        self._pings = count(1)
        self._socket: ClientConnection | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name="kxmsg events")
        self._running.add_done_callback(lambda _: self._arrived.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        for _, future in self._pending.values():
            future.cancel()

    async def __aiter__(self) -> AsyncIterator[Frame]:
        while True:
            while self._frames:
                self._taken.set()
                yield self._frames.popleft()
            if self._running is None or self._running.done():
                if self._running is not None and not self._running.cancelled():
                    self._running.result()
                return
            self._arrived.clear()
            await self._arrived.wait()

    @property
    def positions(self) -> dict[str, Position]:
        """Up to where the program misses nothing, by target key: a later one can go on from here."""
        return self._resumption.positions.before(self._frames)

    async def send(
        self, channel: str, text: str, *, metadata: Mapping[str, Any] | None = None, within: float = SEND_WITHIN
    ) -> Frame:
        """Say something in a channel; the ``ack``, with its ``messageId``. As :meth:`ask`."""
        fields: dict[str, Any] = {"action": "message.send", "threadId": channel, "text": text}
        return await self.ask({**fields, "metadata": dict(metadata)} if metadata else fields, within=within)

    async def subscribe(self, channel: str, *, within: float = SEND_WITHIN) -> None:
        """Get a channel's frames too, from now on and on each later connection. As :meth:`ask`."""
        page = await self.ask({"action": "subscribe", "channelId": channel}, within=within)
        self._resumption.subscribed(page["targetKey"], page)

    async def unsubscribe(self, channel: str, *, within: float = SEND_WITHIN) -> None:
        """Get no more of a channel's frames; one that the next connection is for brings them again. As :meth:`ask`."""
        await self.ask({"action": "unsubscribe", "channelId": channel}, within=within)
        self._resumption.positions.forget(f"channel#{channel}")

    async def ask(self, frame: Mapping[str, Any], *, within: float = SEND_WITHIN) -> Frame:
        """Send a frame and return its answer. It is sent again, under the same id, on each new connection until then.

        Raises the :class:`~kxmsg.errors.Refusal` that is answered, and TimeoutError after ``within`` seconds: then it
        may or may not have been done.
        """
        ident = str(frame.get("id") or token_hex(12))
        text = orjson.dumps({**frame, "id": ident}).decode()
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._pending[ident] = text, future
        try:
            async with asyncio.timeout(within):
                for attempt in count():
                    await self._send(text)
                    answer = await self._answer(future)
                    if answer["type"] != "error":
                        return answer
                    if answer.get("code") != "unavailable":
                        code = str(answer.get("code"))
                        raise _KINDS.get(code, Refusal)(str(answer.get("message")), code=code)
                    await asyncio.sleep(_BACKOFF.delay(attempt))
                    future = asyncio.get_running_loop().create_future()
                    self._pending[ident] = text, future
        finally:
            self._pending.pop(ident, None)
        raise AssertionError("count() has no end")

    async def _answer(self, future: "asyncio.Future[Frame]") -> Frame:
        """The answer, or what ended the connections for good."""
        if self._running is None:
            raise RuntimeError("use Events with 'async with'")
        either: set[asyncio.Future[Any]] = {future, self._running}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if future.done():
            return future.result()
        self._running.result()
        raise asyncio.CancelledError

    async def _send(self, text: str) -> None:
        """Where there is no connection now, the next one sends it."""
        if self._socket is not None:
            try:
                await self._socket.send(text)
            except ConnectionClosed:
                return

    # --------------------------------------------------------------------------------------------- the connection

    async def _run(self) -> None:
        attempt = 0
        renewed = False
        while True:
            await self._room()
            try:
                headers = await self._credentials.header()
                async with connect(
                    self._url, additional_headers=headers, compression=None, ping_interval=None
                ) as socket:
                    attempt, renewed = 0, False
                    await self._talk(socket)
            except InvalidStatus as refused:
                status, body = refused.response.status_code, bytes(refused.response.body or b"")
                if status < 500:
                    if status != 401 or renewed or not self._credentials.renewable:
                        raise refusal(status, body) from refused
                    renewed = True
                    continue
                failure: Exception = refused
            except InvalidHandshake as error:
                if not isinstance(error.__cause__, EOFError):
                    raise StartError(f"what answers at {_bare(self._url)} is no gateway of kxmsg ({error})") from error
                failure = error  # it ended before it had answered
            except (OSError, ConnectionClosed, TimeoutError) as error:
                failure = error
            finally:
                self._socket = None
            if self._lost is not None:
                self._lost(failure)
            await asyncio.sleep(_BACKOFF.delay(attempt))
            attempt += 1

    async def _talk(self, socket: ClientConnection) -> None:
        """Until the connection ends, which raises ConnectionClosed, or TimeoutError where it is dead."""
        self._resumption.connected()
        self._socket = socket
        if self._connected is not None:
            self._connected()
        tasks = {asyncio.create_task(part) for part in (self._read(socket), self._keep_up(socket))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)  # neither ends but by raising
            for task in done:
                task.result()
        except TimeoutError:  # nobody is there, or nobody takes what comes: no leave is taken
            socket.transport.abort()
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            frame = orjson.loads(await socket.recv())
            if not isinstance(frame, dict):
                continue
            if frame.get("type") in _ANSWERS:
                self._settle(frame, socket)
                continue
            self._resumption.arrived(frame)
            if len(self._frames) + self._resumption.waiting > MAX_WAITING:
                raise TimeoutError(f"{MAX_WAITING} frames wait to be taken")

    async def _keep_up(self, socket: ClientConnection) -> None:
        """Send what is pending, then ask at once and ever again where the logs stand, and for what was missed."""
        for text, _ in list(self._pending.values()):
            await socket.send(text)
        while True:
            self._looking.clear()
            pong = await self._ask_soon({"action": "ping", "id": f"ping-{next(self._pings)}"})
            await self._resumption.catch_up(pong["heads"], self._ask_soon, self._room)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ping_every):
                    await self._looking.wait()

    async def _ask_soon(self, frame: Frame) -> Frame:
        """As :meth:`ask`; where no answer comes soon, the connection is dead."""
        return await self.ask(frame, within=PONG_WITHIN)

    async def _room(self) -> None:
        """Until the program has taken enough for more to be asked for."""
        while len(self._frames) > MAX_WAITING // 2:
            self._taken.clear()
            await self._taken.wait()

    def _look(self) -> None:
        self._looking.set()

    def _give(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._arrived.set()

    def _settle(self, frame: Frame, socket: ClientConnection) -> None:
        if frame.get("code") in _RECONNECT:  # what is pending is sent again on the next connection
            socket.transport.abort()
            return
        if frame["type"] == "ack":
            self._resumption.acknowledged(frame)
        _, future = self._pending.get(str(frame.get("id")), ("", None))
        if future is not None and not future.done():
            future.set_result(frame)


def _bare(url: str) -> str:
    return url.partition("?")[0]
