"""Leases: one scheduler per consumer extends the visibility of everything in hand."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kxmsg.ports import Queue
from kxmsg.runtime.batches import LEASE_LOST, attempt, chunks
from kxmsg.runtime.held import Held
from kxmsg.telemetry import get_logger

LONGEST: Final = 43_200.0
"""Seconds from its receipt after which SQS lets no message be held (Amazon SQS visibility timeout)."""

PARALLEL: Final = 8
"""Extension calls at once."""

_log = get_logger("kxmsg.runtime")


class Leases:
    """Everything in hand that is neither handled nor given back yet.

    A lease is renewed when half of it is over. All are of one length, so ``_fresh`` is sorted by when they are due
    without any sorting; what could not be renewed at its time is in ``_late``, which is small.
    """

    def __init__(self, queue: Queue, visibility: float) -> None:
        self._queue = queue
        self._visibility = visibility
        self._loop = asyncio.get_running_loop()
        self._fresh: dict[Held, None] = {}
        self._late: dict[Held, None] = {}
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._fresh) + len(self._late)

    def __iter__(self) -> Iterator[Held]:
        yield from self._late
        yield from self._fresh

    def add(self, messages: Iterable[Held]) -> None:
        """These were received just now."""
        self._fresh.update(dict.fromkeys(messages))
        self._some.set()

    def remove(self, messages: Iterable[Held]) -> None:
        """These need no lease any longer."""
        for held in messages:
            self._fresh.pop(held, None)
            self._late.pop(held, None)

    async def run(self) -> None:
        """Extend until cancelled. With nothing in hand it sleeps."""
        while True:
            if not len(self):
                self._some.clear()
                await self._some.wait()
            wait = self._next() - self._loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            else:
                await self._extend()

    def _next(self) -> float:
        soonest = min((held.renew_at for held in self._late), default=float("inf"))
        first = next(iter(self._fresh), None)
        return soonest if first is None else min(soonest, first.renew_at)

    async def _extend(self) -> None:
        """Extend what is due, and what will be soon, so that it shares the call."""
        now = self._loop.time()
        changes: list[tuple[Held, float]] = []
        for held in self._due(now + self._visibility / 20):
            seconds = min(self._visibility, held.received + LONGEST - now)
            if now >= held.expires:
                self._lose(held, "it could not be extended in time")
            elif now + seconds <= held.expires:  # the longest lease there is: it may only run out
                self._postpone(held, held.expires)
            else:
                changes.append((held, seconds))
        parts = list(chunks(changes, self._queue.batch_limit))
        for wave in chunks(parts, PARALLEL):
            await asyncio.gather(*map(self._change, wave))

    def _due(self, soon: float) -> list[Held]:
        due = [held for held in self._late if held.renew_at <= soon]
        for held in self._fresh:
            if held.renew_at > soon:
                break
            due.append(held)
        return due

    async def _change(self, changes: Sequence[tuple[Held, float]]) -> None:
        now = self._loop.time()
        entries = [(held.delivery.receipt, seconds) for held, seconds in changes]
        failures = {failure.index: failure for failure in await attempt(self._queue.change_visibility, entries)}
        for index, (held, seconds) in enumerate(changes):
            if held not in self._fresh and held not in self._late:
                continue  # handled meanwhile
            failure = failures.get(index)
            if failure is None:
                self.remove([held])
                held.expires = now + seconds
                held.renew_at = now + seconds / 2
                (self._fresh if seconds == self._visibility else self._late)[held] = None
            elif failure.code == LEASE_LOST:
                self._lose(held, failure.message or failure.code)
            else:
                self._postpone(held, min(held.expires, self._loop.time() + self._visibility / 10))

    def _postpone(self, held: Held, until: float) -> None:
        self.remove([held])
        held.renew_at = until
        self._late[held] = None

    def _lose(self, held: Held, why: str) -> None:
        self.remove([held])
        held.lost = True
        _log.warning("lease lost", messageId=held.delivery.id, error=why)
