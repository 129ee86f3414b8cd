"""Every connection of one gateway, and the single task that watches their times."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from kxmsg.gateway.events import Peer
from kxmsg.gateway.integration import Integration
from kxmsg.gateway.limits import Limits
from kxmsg.telemetry import CONNECTIONS, get_logger

GOING_AWAY: Final = (1001, "Going away")
_log = get_logger(__name__)


class Socket(Protocol):
    """What the registry asks of a connection."""

    @property
    def peer(self) -> Peer: ...
    def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...
    def expire(self, now: float) -> None: ...


S = TypeVar("S", bound=Socket)


class Registry(Generic[S]):
    """Connections by id, and all sockets: those still opening or closing as well. ``name`` is the gateway's."""

    def __init__(self, name: str, integration: Integration, limits: Limits) -> None:
        self.name = name
        self.integration = integration
        self.limits = limits
        self.stopping = False
        self.disconnects = asyncio.Semaphore(limits.disconnects)
        self._open: dict[str, S] = {}
        self._sockets: set[S] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._open)

    @property
    def full(self) -> bool:
        return len(self._sockets) > self.limits.connections

    def get(self, connection: str) -> S | None:
        """The connection, if its ``$connect`` was answered and it has not begun to close."""
        return self._open.get(connection)

    def attach(self, connection: S) -> None:
        self._sockets.add(connection)
        self._empty.clear()

    def opened(self, connection: S) -> None:
        self._open[connection.peer.connection] = connection
        CONNECTIONS.inc()

    def closed(self, connection: S) -> None:
        if self._open.pop(connection.peer.connection, None) is not None:
            CONNECTIONS.dec()

    def detach(self, connection: S) -> None:
        self._sockets.discard(connection)
        if not self._sockets:
            self._empty.set()

    def spawn(self, connection: S, work: Coroutine[Any, Any, None]) -> None:
        """Run a connection's work, which :meth:`drain` waits for. Should it raise, the connection is cut."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, connection))

    def _done(self, connection: S, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("connection cut: its work failed", exc_info=error)
            connection.abort()

    async def sweep(self) -> None:
        """Close what is idle, old or stalled, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.sweep)
            now = loop.time()
            for connection in tuple(self._sockets):
                connection.expire(now)

    async def drain(self, budget: float) -> None:
        """Close every connection with 1001 and see its disconnection reported, within ``budget`` seconds."""
        self.stopping = True
        for connection in tuple(self._sockets):
            connection.close(*GOING_AWAY)
        try:
            async with asyncio.timeout(budget):
                await self._gone(min(self.limits.closing, budget / 2))
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            _log.warning("stopped before every disconnection was reported", unfinished=len(self._tasks))
            for task in tuple(self._tasks):
                task.cancel()

    async def _gone(self, patience: float) -> None:
        """Wait until every socket is closed, cutting after ``patience`` seconds those that are not."""
        try:
            async with asyncio.timeout(patience):
                await self._empty.wait()
        except TimeoutError:
            for connection in tuple(self._sockets):
                connection.abort()
            await self._empty.wait()
