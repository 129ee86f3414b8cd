"""Drain: the scopes in which a consumer's tasks are ended one after the other, and the time there is for it."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Final

RESERVE: Final = 5.0
"""Seconds before SIGKILL that belong to the end of the process: what the drain leaves over."""


class Scope:
    """Tasks that are waited for and cancelled together. A crash of one brings down the task group, loudly."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None], context: Context | None = None) -> asyncio.Task[None]:
        """Run ``work`` in a task of this scope."""
        task = self._group.create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, seconds: float) -> bool:
        """Wait until every task has ended, those too that start meanwhile; False if some have not in time."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._tasks:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            await asyncio.wait(self._tasks, timeout=left)
        return True

    async def end(self, seconds: float) -> bool:
        """Cancel every task and wait for it; False if some resisted for ``seconds``."""
        for task in self._tasks:
            task.cancel()
        return await self.finish(seconds)


class Budget:
    """One time-out for all the steps of a drain; counts from when it is made."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + seconds

    def left(self) -> float:
        """Seconds that are left, never negative."""
        return max(0.0, self._ends - self._loop.time())


async def pause(event: asyncio.Event, seconds: float) -> bool:
    """Wait for ``event`` at most ``seconds``; tells whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
