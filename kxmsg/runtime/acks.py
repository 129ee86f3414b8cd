"""Acknowledgements: in batches, what failed repeated until the lease ends."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from kxmsg.ports import Queue
from kxmsg.retry import Jitter
from kxmsg.runtime.batches import repeat
from kxmsg.runtime.drain import Scope
from kxmsg.runtime.held import Held
from kxmsg.telemetry import get_logger

LINGER: Final = 0.025
"""Seconds that a batch waits to be filled; of a FIFO queue none does, since its groups wait for it."""

_log = get_logger("kxmsg.runtime")


class Acks:
    """Deletes what was handled. ``done`` is told of messages when nothing more will be done about them."""

    def __init__(self, queue: Queue, scope: Scope, done: Callable[[Sequence[Held]], None], rng: Jitter) -> None:
        self._queue = queue
        self._scope = scope
        self._done = done
        self._rng = rng
        self._waiting: list[Held] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, messages: Sequence[Held]) -> None:
        """These were handled. They are deleted as soon as a batch is full, else after a short linger."""
        self._waiting += messages
        limit = self._queue.batch_limit
        while len(self._waiting) >= limit:
            self._send(limit)
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER, self.flush)

    def flush(self) -> None:
        """Send what waits: there is nothing to wait for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._send(self._queue.batch_limit)

    def _send(self, limit: int) -> None:
        batch, self._waiting = self._waiting[:limit], self._waiting[limit:]
        self._scope.start(self._delete(batch))

    async def _delete(self, batch: Sequence[Held]) -> None:
        try:
            failed = await repeat(
                self._queue.delete,
                [held.delivery.receipt for held in batch],
                limit=len(batch),
                until=min(held.expires for held in batch),
                rng=self._rng,
            )
        finally:
            self._done(batch)
        for position, failure in failed.items():
            _log.warning(
                "not acknowledged, it will come again",
                messageId=batch[position].delivery.id,
                code=failure.code,
                error=failure.message,
            )
