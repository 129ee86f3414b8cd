"""Batch calls to a queue: cut to its limit, each with a time limit, what failed repeated alone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

from kxmsg.errors import Permanent
from kxmsg.ports import Failure
from kxmsg.retry import Backoff, Jitter
from kxmsg.runtime.faults import describe
from kxmsg.telemetry import get_logger

CALL_LIMIT: Final = 10.0
"""Seconds after which a call is taken for hung and repeated."""

LEASE_LOST: Final = "lease_lost"
"""The failure code of a receipt that is no longer ours."""

_BACKOFF: Final = Backoff(base=0.1, cap=5.0)

_log = get_logger("kxmsg.runtime")
_Entry = TypeVar("_Entry")


def chunks(entries: Sequence[_Entry], limit: int) -> Iterator[Sequence[_Entry]]:
    """Cut into parts of up to ``limit``."""
    for start in range(0, len(entries), limit):
        yield entries[start : start + limit]


async def attempt(
    call: Callable[[Sequence[_Entry]], Awaitable[list[Failure]]], entries: Sequence[_Entry]
) -> list[Failure]:
    """One call of up to the queue's limit. What it raises is told as a failure of every entry."""
    try:
        async with asyncio.timeout(CALL_LIMIT):
            return await call(entries)
    except TimeoutError:
        code, text, retryable = "timeout", f"no answer in {CALL_LIMIT:g} s", True
    except Permanent as error:
        code, text, retryable = "permanent", describe(error), False
    except Exception as error:  # whatever an adapter lets through, the messages stay in hand and are tried again
        code, text, retryable = "error", describe(error), True
    return [Failure(index, code, text, retryable) for index in range(len(entries))]


async def repeat(
    call: Callable[[Sequence[_Entry]], Awaitable[list[Failure]]],
    entries: Sequence[_Entry],
    *,
    limit: int,
    until: float,
    rng: Jitter,
) -> dict[int, Failure]:
    """Call for all of ``entries``, in order, repeating alone what failed, until ``until`` (the loop's time).

    Returns what could not be done, by position.
    """
    loop = asyncio.get_running_loop()
    lasting: dict[int, Failure] = {}
    waiting: Sequence[int] = range(len(entries))
    tries = 0
    while waiting:
        again: dict[int, Failure] = {}
        for part in chunks(waiting, limit):
            for failure in await attempt(call, [entries[position] for position in part]):
                (again if failure.retryable else lasting)[part[failure.index]] = failure
        if not again:
            break
        delay = _BACKOFF.delay(tries, rng)
        if loop.time() + delay >= until:
            lasting |= again
            break
        if tries == 0:
            first = next(iter(again.values()))
            _log.debug("repeated in part", entries=len(again), code=first.code, error=first.message)
        tries += 1
        waiting = sorted(again)
        await asyncio.sleep(delay)
    return lasting
