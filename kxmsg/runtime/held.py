"""What a consumer has in hand, and how much of it it may have."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from kxmsg.ports import Delivery


@dataclass(eq=False, slots=True)
class Held:
    """A message in hand. Times are the event loop's, in seconds.

    ``order`` counts up as messages arrive. ``group`` is empty on a standard queue. ``alone``: it has failed before, so
    it shares a call with no other. ``lost``: its lease ran out, what its handler does counts no more.
    ``gone``: its permit was given back.
    """

    delivery: Delivery
    order: int
    group: str
    received: float
    expires: float
    renew_at: float
    alone: bool = False
    lost: bool = False
    gone: bool = False


def in_order(messages: Iterable[Held]) -> list[Held]:
    """As they arrived."""
    return sorted(messages, key=lambda held: held.order)


class Permits:
    """How many messages may be in hand. A poll takes permits first, so nothing is received that has to wait."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.free = limit
        self._some = asyncio.Event()

    async def take(self, most: int) -> int:
        """Wait until one is free, then take as many as are, up to ``most``."""
        while not self.free:
            self._some.clear()
            await self._some.wait()
        taken = min(self.free, most)
        self.free -= taken
        return taken

    def release(self, number: int) -> None:
        """Give back what was taken."""
        self.free += number
        if self.free > self.limit:
            raise RuntimeError(f"{self.free - self.limit} permits were given back twice")
        if self.free:
            self._some.set()
