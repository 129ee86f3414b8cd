"""Poller: permits first, then polls, as many at once as the load asks for."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from kxmsg.errors import BackendError
from kxmsg.ports import Delivery, Queue
from kxmsg.retry import Backoff, Jitter
from kxmsg.runtime.drain import Scope, pause
from kxmsg.runtime.faults import describe, trail
from kxmsg.runtime.held import Permits
from kxmsg.runtime.pace import Circuit, Pace
from kxmsg.runtime.watchdog import Watchdog
from kxmsg.telemetry import get_logger

WAIT: Final = 20.0
"""Seconds that a poll waits for a message: the longest that SQS allows."""

HUNG: Final = 10.0
"""Seconds beyond :data:`WAIT` after which a poll is taken for hung, cut and repeated."""

MOST_POLLS: Final = 4
"""Polls at once under load."""

_BACKOFF: Final = Backoff(base=0.5, cap=30.0)
_BRIEF: Final = 0.05
"""An empty answer within this many seconds did not wait, and must not make a busy loop."""

_log = get_logger("kxmsg.runtime")


class Poller:
    """The polls of one queue. ``deliver`` gets what was received, and with it the permits."""

    def __init__(
        self,
        queue: Queue,
        scope: Scope,
        permits: Permits,
        circuit: Circuit,
        deliver: Callable[[Sequence[Delivery]], None],
        *,
        visibility: float,
        watchdog: Watchdog,
        rng: Jitter,
    ) -> None:
        self._queue = queue
        self._scope = scope
        self._permits = permits
        self._circuit = circuit
        self._deliver = deliver
        self._visibility = visibility
        self._watchdog = watchdog
        self._rng = rng
        self._pace = Pace(MOST_POLLS)
        self._closed = asyncio.Event()
        self._failures = 0
        self._running = 0
        self._stopping = False

    def start(self) -> None:
        """Bring the number of polls up to what is wanted."""
        while self._running < self._pace.wanted and not self._stopping:
            self._running += 1
            self._scope.start(self._poll())

    def circuit_opened(self) -> None:
        """From now on one poll at a time, for one message, after the circuit's delay."""
        self._pace.calm()
        self._closed.clear()

    def circuit_closed(self) -> None:
        """Go on at once."""
        self._closed.set()

    async def stop(self, seconds: float) -> bool:
        """Receive nothing more; False if a poll resisted for ``seconds``."""
        self._stopping = True
        return await self._scope.end(seconds)

    async def _poll(self) -> None:
        pulse = self._watchdog.pulse()
        try:
            # Nothing is awaited between this check and the count below, so one poll always goes on.
            while self._running <= self._pace.wanted and not self._stopping:
                pulse.rest()
                if self._circuit.is_open:
                    await pause(self._closed, self._circuit.delay(self._rng))
                    if self._circuit.is_open and not self._circuit.wants_probe:
                        continue
                taken = await self._permits.take(1 if self._circuit.is_open else self._queue.batch_limit)
                got = 0
                try:
                    pulse.expect(WAIT + HUNG + _BACKOFF.cap)
                    deliveries = await self._receive(taken)
                    got = len(deliveries)
                    if got:
                        self._deliver(deliveries)
                finally:
                    self._permits.release(taken - got)
                self._pace.polled(taken, got, free=self._permits.free)
                self.start()
        finally:
            self._running -= 1
            self._watchdog.forget(pulse)

    async def _receive(self, limit: int) -> Sequence[Delivery]:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(WAIT + HUNG):
                deliveries = await self._queue.receive(limit, wait=WAIT, visibility=self._visibility)
        except TimeoutError:
            await self._failed("a poll hung and was cut")
            return ()
        except BackendError as error:
            await self._failed(describe(error))
            return ()
        except Exception as error:  # an adapter's fault must not end the worker; but it is told with its origin
            await self._failed(trail(error))
            return ()
        if self._failures:
            _log.info("receiving again", failures=self._failures)
            self._failures = 0
        if not deliveries and loop.time() - started < _BRIEF:
            await asyncio.sleep(_BACKOFF.base)
        return deliveries

    async def _failed(self, error: str) -> None:
        """Hold back; one log line when it begins, not one each time."""
        if not self._failures:
            _log.error("can't receive; trying on", error=error)
        self._failures += 1
        await asyncio.sleep(_BACKOFF.delay(self._failures - 1, self._rng))
