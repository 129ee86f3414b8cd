"""Periodic: what a worker does every so often, besides its queues."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from kxmsg.retry import Backoff, Jitter
from kxmsg.runtime.context import Context
from kxmsg.runtime.drain import pause
from kxmsg.runtime.faults import describe, trail
from kxmsg.telemetry import HANDLED, HANDLING, bind_log, get_logger, new_trace, set_trace

Task = Callable[[Context[Any]], Awaitable[None]]

_BACKOFF: Final = Backoff(base=1.0, cap=60.0)

_log = get_logger("kxmsg.runtime")


async def repeat_every(
    seconds: float, task: Task, context: Callable[[], Context[Any]], *, worker: str, stop: asyncio.Event, rng: Jitter
) -> None:
    """Run ``task``, then wait, until ``stop``; after failures longer. The run in work is always finished."""
    name = getattr(task, "__name__", "task")
    bind_log(worker=worker, task=name)
    labels = (worker, f"every:{name}")
    handling, ok, failed = HANDLING.labels(*labels), HANDLED.labels(*labels, "ok"), HANDLED.labels(*labels, "failed")
    loop = asyncio.get_running_loop()
    failures = 0
    while not stop.is_set():
        set_trace(new_trace())
        started = loop.time()
        try:
            await task(context())
        except Exception as error:  # a task may fail in any way; it is tried again
            failed.inc()
            _log.warning("a periodic task failed", failures=failures + 1, error=describe(error), origin=trail(error))
            wait = seconds + _BACKOFF.delay(failures, rng)
            failures += 1
        else:
            ok.inc()
            failures = 0
            wait = seconds
        handling.observe(loop.time() - started)
        await pause(stop, wait)
