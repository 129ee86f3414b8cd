"""Watchdog: whether the event loop and the loops on it still move."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from kxmsg.runtime.health import BEAT, sweep
from kxmsg.telemetry import LOOP_LAG, get_logger

TICK: Final = 0.5
"""Seconds between two measurements of the event loop's lag."""

SEVERE: Final = 1.0
"""Seconds of lag that are worth a log line: something blocks the loop."""

_log = get_logger("kxmsg.runtime")


class Pulse:
    """One loop's promise to be heard of again."""

    def __init__(self) -> None:
        self.due = float("inf")

    def expect(self, seconds: float) -> None:
        """The loop does something now that is over after ``seconds`` at most."""
        self.due = asyncio.get_running_loop().time() + seconds

    def rest(self) -> None:
        """The loop waits for something that may take any time."""
        self.due = float("inf")


class Watchdog:
    """Measures the loop's lag and, where ``heartbeat`` is given, touches that file while every pulse keeps its word."""

    def __init__(self, heartbeat: Path | None = None) -> None:
        self._heartbeat = heartbeat
        self._pulses: set[Pulse] = set()
        self._stuck = False

    def pulse(self) -> Pulse:
        """A pulse to watch until :meth:`forget`."""
        pulse = Pulse()
        self._pulses.add(pulse)
        return pulse

    def forget(self, pulse: Pulse) -> None:
        """Its loop has ended."""
        self._pulses.discard(pulse)

    async def run(self) -> None:
        """Watch until cancelled; then the heartbeat's file is removed."""
        loop = asyncio.get_running_loop()
        beat = self._start()
        try:
            while True:
                asleep = loop.time()
                await asyncio.sleep(TICK)
                now = loop.time()
                lag = max(0.0, now - asleep - TICK)
                LOOP_LAG.observe(lag)
                if lag > SEVERE:
                    _log.warning("the event loop was blocked", seconds=round(lag, 3))
                if now >= beat and self._moves(now):
                    self._touch()
                    beat = now + BEAT
        finally:
            if self._heartbeat is not None:
                self._heartbeat.unlink(missing_ok=True)

    def _start(self) -> float:
        # Two system calls on the loop, then one every few seconds: cheaper than the thread that would spare them.
        if self._heartbeat is None:
            return float("inf")
        self._heartbeat.parent.mkdir(parents=True, exist_ok=True)
        sweep(self._heartbeat)
        self._heartbeat.touch()
        return asyncio.get_running_loop().time() + BEAT

    def _touch(self) -> None:
        if self._heartbeat is not None:
            with suppress(
                OSError
            ):  # a full disk or a removed folder: the heartbeat goes stale, which is what it is for
                os.utime(self._heartbeat)

    def _moves(self, now: float) -> bool:
        stuck = any(pulse.due < now for pulse in self._pulses)
        if stuck and not self._stuck:
            _log.error("a loop does not move any more")
        self._stuck = stuck
        return not stuck
