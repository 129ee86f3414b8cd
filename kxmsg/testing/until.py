"""Waiting for what other processes do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")

INTERVAL = 0.03


async def until(look: Callable[[], Awaitable[_T]], seconds: float = 30.0) -> _T:
    """What ``look`` gives once that is true; raises TimeoutError if it never is.

    Nobody tells us of what happens in another process: that is what looking again is for.
    """
    async with asyncio.timeout(seconds):
        while not (seen := await look()):  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(INTERVAL)
        return seen
