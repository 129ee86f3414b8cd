"""Crash points: a kxmsg process that kills itself, as ``kill -9`` would, when it has suspended so many times.

::

    python -m kxmsg.testing.crash 1234 worker fanout

Every ``await`` that suspends, in any task, counts; the same number meets the same place as far as the scheduling of the
process repeats. Nothing is flushed, closed or released: what survives is what was committed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Generator
from contextvars import Context
from types import TracebackType
from typing import Any


class CrashPoint:
    """Counts suspensions and kills the process at the ``at``-th."""

    def __init__(self, at: int) -> None:
        self._left = at

    def passed(self) -> None:
        """One suspension more."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def task_factory(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], *, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        """For :meth:`asyncio.AbstractEventLoop.set_task_factory`."""
        return asyncio.Task(Counted(coro, self), loop=loop, context=context)


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


class _Policy(asyncio.DefaultEventLoopPolicy):
    """Loops whose tasks are counted, whoever makes them."""

    def __init__(self, point: CrashPoint) -> None:
        super().__init__()
        self._point = point

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        loop.set_task_factory(self._point.task_factory)
        return loop


def main() -> None:
    """``crash AT COMMAND …``: run a kxmsg command up to the crash point."""
    from kxmsg.cli.main import main as run

    at = int(sys.argv[1])
    sys.argv[1:] = sys.argv[2:]
    asyncio.set_event_loop_policy(_Policy(CrashPoint(at)))
    run()


if __name__ == "__main__":
    main()
