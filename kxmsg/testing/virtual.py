"""Virtual time: an event loop whose clock jumps to the next timer, for tests that never sleep and repeat exactly."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from itertools import count
from random import Random
from selectors import DefaultSelector, SelectorKey
from typing import Any, Final, TypeVar

T = TypeVar("T")

START: Final = 1_750_000_000.0
"""Where a virtual clock starts unless told otherwise, in epoch seconds: 2025-06-15T15:06:40Z."""


class Deadlock(RuntimeError):
    """Nothing is ready, no timer is set and no I/O is awaited: what still waits will do so for ever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never sleeps: where nothing is ready, its time jumps to the next timer.

    Time starts at 0 and stands still while callbacks run. With a ``seed``, whatever is ready runs in a random order
    that the seed determines, to explore interleavings. I/O is polled but given no time while a timer is set. Work
    handed to an executor runs at once, on this thread: another one would bring in real time and real chance.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self))
        if seed is not None:
            self._ready = _ShuffledDeque(Random(seed))  # BaseEventLoop's queue of handles that are due
        numbers = count()
        self.set_task_factory(lambda loop, coro, **options: _NumberedTask(next(numbers), coro, loop=loop, **options))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass; the timers that fall due run at the loop's next turn."""
        self._now += seconds

    def run_in_executor(  # type: ignore[override] # typeshed's is generic over the arguments' types
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run ``func`` now; the executor is not used."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class VirtualClock:
    """The ``Clock`` port over a loop's time: wall-clock time is ``start`` (epoch seconds) plus the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, start: float = START) -> None:
        self._loop = loop
        self._start = start

    def now(self) -> float:
        return self._start + self._loop.time()


def run(coro: Coroutine[Any, Any, T], *, seed: int | None = None) -> T:
    """As :func:`asyncio.run`, in virtual time. Raises :class:`Deadlock`."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(seed)) as runner:
        return runner.run(coro)


class _JumpingSelector(DefaultSelector):
    """Lets virtual time pass where the loop would wait for its next timer."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        awaits_io = len(self.get_map()) > 1  # the loop's own wake-up pipe is always there
        if timeout is None and not awaits_io:
            raise Deadlock(_describe(self._loop))
        events = super().select(0 if timeout is not None else None)
        if timeout and not events:
            self._loop.advance(timeout)
        return events


class _ShuffledDeque(deque[asyncio.Handle]):
    """A queue whose next handle is any of those in it."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random

    def popleft(self) -> asyncio.Handle:
        offset = self._random.randrange(len(self))
        self.rotate(-offset)
        handle = super().popleft()
        self.rotate(offset)
        return handle


class _NumberedTask(asyncio.Task[Any]):
    """A task hashed by its number, not its address: sets of tasks, as in TaskGroup, are gone through alike each run."""

    def __init__(self, number: int, coro: Any, **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number


def _describe(loop: VirtualTimeLoop) -> str:
    lines = []
    for task in sorted(asyncio.all_tasks(loop), key=hash):
        frames = task.get_stack(limit=1)
        place = f"{frames[-1].f_code.co_qualname}, line {frames[-1].f_lineno}" if frames else "an unknown place"
        lines.append(f"{task.get_name()} waits in {place}")
    return f"deadlock at {loop.time():g} s: " + ("; ".join(lines) or "no task is left")
