"""Pool: the connections to one endpoint."""

import asyncio
from collections import deque
from typing import TypeAlias

from kxmsg.aws.wire.connection import Connection, NoAnswer
from kxmsg.aws.wire.dialer import Dialer
from kxmsg.aws.wire.endpoint import Endpoint
from kxmsg.aws.wire.http1 import Answer

Grant: TypeAlias = Connection | None
"""What somebody who waited is given: a connection, or the place to open one."""


class Pool:
    """At most ``limit`` connections; who finds none waits in line. Idle ones end after ``idle`` seconds.

    The connection that was used last is used next, so that those that a burst needed end soon after it.
    """

    def __init__(self, endpoint: Endpoint, dialer: Dialer, *, limit: int, idle: float) -> None:
        self._endpoint = endpoint
        self._dialer = dialer
        self._limit = limit
        self._idle_seconds = idle
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[Grant]] = deque()
        self._connections: set[Connection] = set()
        self._places = 0
        """Taken by connections, and by those who are opening one."""

    async def exchange(self, request: bytes, deadline: float, *, safe: bool) -> Answer:
        """Send a request and wait for its answer, until ``deadline`` in the loop's time. Raises :class:`NoAnswer`.

        ``safe`` says that doing it twice does no harm: then a request whose connection was closed as it was sent is
        sent once more, on a new connection (RFC 9110, section 9.2.2, allows that for idempotent requests alone).
        """
        connection = self._take() or await self._place(deadline)
        try:
            try:
                return await connection.send(request, deadline)
            except NoAnswer as error:
                if not (safe and error.stale):
                    raise
                connection = await self._dial(deadline)
                return await connection.send(request, deadline)
        finally:
            self._release(connection)

    async def close(self) -> None:
        """End every connection; requests in flight lose their answers. New ones are then the dialer's to refuse."""
        connections = list(self._connections)
        for connection in connections:
            connection.abort()
        if connections:
            await asyncio.wait([connection.lost for connection in connections])

    # ------------------------------------------------------------------------------------------------------ places

    def _take(self) -> Connection | None:
        """The idle connection that was used last. One that ended leaves the list by itself."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            self._vacate()
        return None

    async def _place(self, deadline: float) -> Connection:
        """A connection, opened or waited for."""
        if self._places < self._limit:
            self._places += 1
        else:
            connection = await self._wait(deadline)
            if connection is not None and connection.usable:
                return connection
        try:
            return await self._dial(deadline)
        except BaseException:
            self._vacate()
            raise

    async def _wait(self, deadline: float) -> Grant:
        waiter: asyncio.Future[Grant] = self._loop.create_future()
        self._waiting.append(waiter)
        # A tenth of what asyncio.timeout_at costs, and under load most calls wait here.
        timer = self._loop.call_at(deadline, self._expire, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())
            raise
        finally:
            timer.cancel()

    def _expire(self, waiter: asyncio.Future[Grant]) -> None:
        if not waiter.done():
            message = f"all {self._limit} connections to {self._endpoint.authority} were in use"
            waiter.set_exception(NoAnswer("Timeout", message, sent=False))

    async def _dial(self, deadline: float) -> Connection:
        connection = await self._dialer.dial(self._endpoint, deadline, self._forget)
        self._connections.add(connection)
        return connection

    def _release(self, connection: Connection) -> None:
        """Take back a connection, whatever became of its request."""
        if not connection.usable:
            connection.abort()
            self._vacate()
        elif waiter := self._next():
            waiter.set_result(connection)
        else:
            self._idle.append(connection)
            connection.rest(self._loop.time() + self._idle_seconds)

    def _pass_on(self, grant: Grant) -> None:
        if grant is None:
            self._vacate()
        else:
            self._release(grant)

    def _vacate(self) -> None:
        """A place is free: for the next in line, who opens a connection of his own."""
        if waiter := self._next():
            waiter.set_result(None)
        else:
            self._places -= 1

    def _next(self) -> asyncio.Future[Grant] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    def _forget(self, connection: Connection) -> None:
        """A connection has ended; one that is in use is given back by its user."""
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
            self._vacate()
