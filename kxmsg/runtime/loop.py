"""Loop: a process's event loop, and what signals do to it."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import uvloop

from kxmsg.telemetry import get_logger

INTERRUPTED: Final = 130
"""Exit status of a process that was told twice to stop."""

SETTLED: Final = 1.0
"""Seconds after which a process has loaded what it needs."""

YOUNG: Final = 10_000
"""Objects made, and not freed, between two collections of the youngest; Python's 700 is for smaller heaps."""

_T = TypeVar("_T")

_log = get_logger("kxmsg.runtime")


def run(main: Callable[[asyncio.Event], Coroutine[Any, Any, _T]]) -> _T:
    """Run ``main(stop)`` to its end and return what it returns: on uvloop, unless a policy asks for another loop.

    SIGTERM and SIGINT set ``stop``; a second one cancels ``main`` and raises SystemExit.
    """
    usual = type(asyncio.get_event_loop_policy()) is asyncio.DefaultEventLoopPolicy
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if usual else None) as runner:
        try:
            return runner.run(_with_signals(main))
        except asyncio.CancelledError:
            raise SystemExit(INTERRUPTED) from None


def _settle_memory() -> None:
    """What the start left behind stays for good: without it a full garbage collection is short."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)


async def _with_signals(main: Callable[[asyncio.Event], Coroutine[Any, Any, _T]]) -> _T:
    loop = asyncio.get_running_loop()
    loop.call_later(SETTLED, _settle_memory)
    stop = asyncio.Event()
    working = asyncio.ensure_future(main(stop))

    def told(number: signal.Signals) -> None:
        if stop.is_set():
            _log.warning("told to stop again: ending at once", signal=number.name)
            working.cancel()
        else:
            _log.info("told to stop", signal=number.name)
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
    try:
        return await working
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
