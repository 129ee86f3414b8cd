"""Periodic tasks."""

import asyncio
from itertools import pairwise
from random import Random

from kxmsg.runtime.context import Context
from kxmsg.runtime.periodic import Task, repeat_every
from kxmsg.testing.virtual import run


async def working(task: Task, seconds: float, duration: float) -> None:
    """Run ``task`` every ``seconds`` for ``duration``, then stop."""
    stop = asyncio.Event()
    running = asyncio.create_task(
        repeat_every(seconds, task, lambda: Context(None, stop), worker="tester", stop=stop, rng=Random(1))
    )
    await asyncio.sleep(duration)
    stop.set()
    await running


def test_a_task_runs_then_waits() -> None:
    """It never overlaps itself, however long it takes."""
    starts: list[float] = []

    async def slow(context: Context) -> None:
        starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(7)

    run(working(slow, 5, 30))
    assert starts == [0, 12, 24]


def test_a_task_that_fails_is_tried_again_after_a_longer_wait() -> None:
    """And at its usual pace once it succeeds."""
    starts: list[float] = []

    async def failing(context: Context) -> None:
        starts.append(asyncio.get_running_loop().time())
        if len(starts) <= 5:
            raise RuntimeError("down")

    run(working(failing, 1, 200))
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert all(wait > 1 for wait in waits[:5])
    assert sum(waits[:5]) > 8
    assert all(abs(wait - 1) < 1e-6 for wait in waits[5:])


def test_the_run_in_work_is_finished_at_the_end() -> None:
    """The wait is not."""
    ends: list[float] = []

    async def slow(context: Context) -> None:
        await asyncio.sleep(10)
        assert context.stopping
        ends.append(asyncio.get_running_loop().time())

    run(working(slow, 1000, 3))
    assert ends == [10]
