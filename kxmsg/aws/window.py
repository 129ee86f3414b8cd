"""Window: how many calls may be under way at once, by additive increase and multiplicative decrease.

AWS's throttles are of a whole account, so the right number can't be set: it is found, and found again as others come
and go (as in TCP's congestion avoidance, RFC 5681, section 3.1).
"""

import asyncio
from collections import deque
from typing import Final

_LEAST: Final = 4.0


class Window:
    """A limit on calls under way. ``most`` is where it begins, and what it never passes."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self.size = float(most)
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._spared = 0

    async def enter(self) -> None:
        """Wait until one more call may begin. Safe to cancel."""
        if self._running < self.size and not self._waiting:
            self._running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was let in just before
                self.leave()
            raise

    def leave(self) -> None:
        """A call has ended."""
        self._running -= 1
        while self._waiting and self._running < self.size:
            turn = self._waiting.popleft()
            if not turn.done():
                self._running += 1
                turn.set_result(None)

    def widen(self) -> None:
        """A call went well: one more is allowed for each windowful of those."""
        self._spared = max(0, self._spared - 1)
        self.size = min(self._most, self.size + 1 / self.size)

    def narrow(self) -> None:
        """A call was throttled. Those that were under way with it say the same, and count as one with it."""
        if self._spared > 0:
            self._spared -= 1
            return
        self.size = max(_LEAST, self.size / 2)
        self._spared = self._running
