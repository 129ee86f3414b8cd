"""Connection: one keep-alive connection, one request in flight, a deadline for each."""

import asyncio
from collections.abc import Callable
from typing import Literal, cast

from kxmsg.aws.wire.http1 import Answer, AnswerReader, MalformedAnswer, TruncatedAnswer

Loss = Literal["Timeout", "Unreachable", "Reset", "BadAnswer"]


class NoAnswer(Exception):
    """A request that got no answer.

    ``sent`` tells that the peer may have got and executed it. ``stale`` tells that the connection had served before and
    ended without a byte of this answer: the peer was most likely closing it already.
    """

    def __init__(self, code: Loss, message: str, *, sent: bool, stale: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.sent = sent
        self.stale = stale


class Connection(asyncio.BufferedProtocol):
    """Sends one request after the other; ``on_lost`` is told once it has ended, for whatever reason.

    What is received goes through ``buffer``, which the connections of one event loop may share: it is emptied as soon
    as it was filled. (asyncio.Protocol has 256 KB allocated for every read over TLS, which takes 10 µs more an answer.)

    One timer serves every deadline: it is set again only when it goes off too early, or where a deadline comes before
    it. Time is the event loop's.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, buffer: memoryview, on_lost: "Callable[[Connection], None]"
    ) -> None:
        self._loop = loop
        self._buffer = buffer
        self._on_lost = on_lost
        self._reader = AnswerReader()
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[Answer] | None = None
        self._served = False
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self.lost = loop.create_future()
        """Done once the connection has ended."""

    @property
    def usable(self) -> bool:
        """Whether a request can be sent: no answer is owed, nothing has been said against another one."""
        return (
            self._waiter is None
            and self._reader.keep_alive
            and not self._transport.is_closing()
            # An answer before the whole request was out: the rest of it would come before the next one.
            and not self._transport.get_write_buffer_size()
        )

    def send(self, request: bytes, deadline: float) -> asyncio.Future[Answer]:
        """The answer to come. It raises :class:`NoAnswer` where none does by ``deadline``, in the loop's time.

        Whoever stops waiting for it calls :meth:`abort`: a connection that owes an answer can't be used again.
        """
        self._waiter = waiter = self._loop.create_future()
        self._until(deadline)
        self._transport.write(request)
        return waiter

    def rest(self, until: float) -> None:
        """Lie idle, and end then, in the loop's time."""
        self._until(until)

    def abort(self) -> None:
        """End at once. An answer that is owed is lost."""
        self._fail("Reset", "the connection was closed")

    # ---------------------------------------------------------------------------------------- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        waiter = self._waiter
        if waiter is None:
            # RFC 9112, section 9.2: without a request this is no answer, and nothing can be told from it.
            self._transport.abort()
            return
        try:
            answer = self._reader.feed(data)
        except MalformedAnswer as error:
            self._fail("BadAnswer", str(error))
            return
        if answer is not None:
            self._waiter = None
            self._served = True
            if not waiter.done():
                waiter.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        waiter = self._waiter
        if waiter is not None:
            stale = self._served and not self._reader.started
            try:
                if exc is not None:
                    raise TruncatedAnswer("the connection was reset")
                answer = self._reader.finish()
            except TruncatedAnswer as error:
                self._settle(NoAnswer("Reset", str(error), sent=True, stale=stale))
            else:
                self._waiter = None
                if not waiter.done():
                    waiter.set_result(answer)
        self.lost.set_result(None)
        self._on_lost(self)

    # ---------------------------------------------------------------------------------------------------- deadlines

    def _until(self, deadline: float) -> None:
        self._deadline = deadline
        if self._timer is None or deadline < self._timer_at:
            self._set_timer(deadline)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        if self._loop.time() < self._deadline:
            self._set_timer(self._deadline)
        else:
            self._fail("Timeout", "no answer in time")

    def _fail(self, code: Loss, message: str) -> None:
        self._settle(NoAnswer(code, message, sent=True))
        self._transport.abort()

    def _settle(self, error: NoAnswer) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
            waiter.exception()  # or asyncio would log it where nobody waits any more
