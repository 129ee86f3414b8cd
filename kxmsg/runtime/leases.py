"""Leases: one scheduler per consumer extends the visibility of everything in hand."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from kxmsg.ports import Failure, Queue
from kxmsg.runtime.batches import LEASE_LOST, attempt, chunks
from kxmsg.runtime.held import Held
from kxmsg.telemetry import get_logger

LONGEST: Final = 43_200.0
"""Seconds from its receipt after which SQS lets no message be held (Amazon SQS visibility timeout)."""

PARALLEL: Final = 8
"""Extension calls at once."""

_log = get_logger("kxmsg.runtime")


class Leases:
    """Everything in hand that is not yet acknowledged or given back.

    A lease is renewed when half of it is over. Since all are of one length, ``_fresh`` stays sorted by when they are due
    without any sorting; what could not be renewed at its time is in ``_late``, which is small.
    """

    def __init__(self, queue: Queue, visibility: float) -> None:
        self._queue = queue
        self._visibility = visibility
        self._loop = asyncio.get_running_loop()
        self._fresh: dict[Held, None] = {}
        self._late: set[Held] = set()
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._fresh) + len(self._late)

    def __iter__(self) -> "Iterable[Held]":
        yield from self._fresh
        yield from self._late

    def add(self, messages: Iterable[Held]) -> None:
        """These were received just now."""
        for held in messages:
            self._fresh[held] = None
        self._some.set()

    def remove(self, messages: Iterable[Held]) -> None:
        """These need no lease any longer."""
        for held in messages:
            self._fresh.pop(held, 0)
            self._late.discard(held)

    async def run(self) -> None:
        """Extend until cancelled. Without anything in hand it sleeps."""
        while True:
            if not len(self):
                self._some.clear()
                await self._some.wait()
            now = self._loop.time()
            due = self._due(now)
            if due:
                await self._extend(due)
            else:
                await asyncio.sleep(max(0.0, self._next() - now))

    def _next(self) -> float:
        times = [held.renew_at for held in self._late]
        times += [held.renew_at for held in self._fresh][:1]
        return min(times)

    def _due(self, now: float) -> list[Held]:
        """What is to be extended now, and what would be very soon, so that it shares a call."""
        soon = now + self._visibility / 20
        if not any(held.renew_at <= now for held in self._late) and not any(
            held.renew_at <= now for held in list(self._fresh)[:1]
        ):
            return []
        due = [held for held in self._late if held.renew_at <= soon]
        for held in self._fresh:
            if held.renew_at > soon:
                break
            due.append(held)
        return due

    async def _extend(self, due: Sequence[Held]) -> None:
        now = self._loop.time()
        ...
