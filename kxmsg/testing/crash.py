"""Crash points: a kxmsg process that kills itself, as ``kill -9`` would, when it has suspended so many times.

::

    python -m kxmsg.testing.crash 1234 worker fanout

Every ``await`` that suspends, in any task, counts; the same number meets the same place as far as the scheduling of the
process repeats. Nothing is flushed, closed or released: what survives is what was committed.
"""

import asyncio
import os
import runpy
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any

import uvloop


def kill() -> None:
    """End this process as ``kill -9`` does."""
    os.kill(os.getpid(), signal.SIGKILL)


class CrashPoint:
    """Counts suspensions; at the ``at``-th it crashes: kills the process, or what else ``crash`` does."""

    def __init__(self, at: int, crash: Callable[[], None] = kill) -> None:
        self._left = at
        self._crash = crash

    def passed(self) -> None:
        """One suspension more."""
        self._left -= 1
        if self._left == 0:
            self._crash()

    def make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        """For :meth:`asyncio.AbstractEventLoop.set_task_factory`."""
        return asyncio.Task(Counted(coro, self), loop=loop, **options)


class Counted(Coroutine[Any, Any, Any]):
    """A coroutine that tells a crash point of each of its suspensions."""

    def __init__(self, coro: Coroutine[Any, Any, Any], point: CrashPoint) -> None:
        self._coro = coro
        self._point = point

    def __await__(self) -> Generator[Any, None, Any]:
        return self._coro.__await__()

    def send(self, value: Any) -> Any:
        suspended_on = self._coro.send(value)
        self._point.passed()
        return suspended_on

    def throw(
        self, typ: Any, val: BaseException | object = None, tb: TracebackType | None = None
    ) -> Any:  # the base class's signature
        suspended_on = self._coro.throw(typ) if val is None else self._coro.throw(typ, val, tb)
        self._point.passed()
        return suspended_on

    def close(self) -> None:
        self._coro.close()


def main() -> None:
    """``crash AT COMMAND …``: run a kxmsg command up to the crash point."""
    point = CrashPoint(int(sys.argv[1]))
    new_event_loop = uvloop.new_event_loop

    def counted_loop() -> uvloop.Loop:
        loop = new_event_loop()
        loop.set_task_factory(point.make_task)
        return loop

    uvloop.new_event_loop = counted_loop
    sys.argv[1:] = sys.argv[2:]
    runpy.run_module("kxmsg.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
