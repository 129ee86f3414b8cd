"""Virtual time: what waits costs nothing, what hangs is told, and a seed decides the interleaving."""

import asyncio
import socket
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from kxmsg.testing.virtual import START, Deadlock, VirtualClock, VirtualTimeLoop, run

HOUR = 3600.0


async def now() -> float:
    return asyncio.get_running_loop().time()


def test_an_hour_passes_at_once_and_the_clock_shows_it() -> None:
    async def main() -> tuple[float, float]:
        clock = VirtualClock(asyncio.get_running_loop())
        before = clock.now()
        await asyncio.sleep(HOUR)
        return before, clock.now()

    began = time.monotonic()
    assert run(main()) == (START, START + HOUR)
    assert time.monotonic() - began < HOUR / 100


def test_a_clock_starts_where_it_is_told() -> None:
    async def main() -> float:
        clock = VirtualClock(asyncio.get_running_loop(), start=100.0)
        await asyncio.sleep(7 * 24 * HOUR)  # longer than asyncio waits at a stretch
        return clock.now()

    assert run(main()) == pytest.approx(100.0 + 7 * 24 * HOUR)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_timers_run_in_the_order_of_their_times(seed: int | None) -> None:
    async def main() -> list[tuple[float, float]]:
        ran: list[tuple[float, float]] = []

        async def wait(delay: float) -> None:
            await asyncio.sleep(delay)
            ran.append((delay, await now()))

        await asyncio.gather(*map(wait, (3.0, 1.0, 2.0, 0.1, 2.5)))
        return ran

    ran = run(main(), seed=seed)
    assert [delay for delay, _ in ran] == [0.1, 1.0, 2.0, 2.5, 3.0]
    assert [at for _, at in ran] == pytest.approx([0.1, 1.0, 2.0, 2.5, 3.0])


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_timeouts_end_at_their_time(seed: int | None) -> None:
    async def main() -> list[float]:
        times = []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(HOUR)
        times.append(await now())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 5)
        times.append(await now())
        assert await asyncio.wait_for(asyncio.sleep(4, "done"), 5) == "done"
        times.append(await now())
        return times

    assert run(main(), seed=seed) == [5.0, 10.0, 14.0]


def test_a_task_group_cancels_the_rest_at_the_time_of_the_failure() -> None:
    async def fail() -> None:
        await asyncio.sleep(2)
        raise ValueError("it failed")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(HOUR))
            group.create_task(fail())

    async def timed() -> float:
        with pytest.raises(ExceptionGroup):
            await main()
        return await now()

    assert run(timed()) == 2.0


def test_time_advanced_by_hand_makes_timers_due() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        sleeper = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        loop.advance(100)
        await sleeper
        return await now()

    assert run(main()) == 100.0


def test_waiting_for_what_never_comes_is_a_deadlock_that_names_who_waits() -> None:
    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.sleep(3)
        await asyncio.create_task(wait_for_ever(), name="patience")

    with pytest.raises(Deadlock, match=r"at 3 s: .*patience waits in .*wait_for_ever"):
        run(main())


def test_a_deadlock_still_runs_the_clean_up() -> None:
    cleaned = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(Deadlock):
        run(main())
    assert cleaned == [True]


def test_awaited_io_is_no_deadlock() -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            received = asyncio.create_task(loop.sock_recv(ours, 10))
            await asyncio.sleep(1)
            await loop.sock_sendall(theirs, b"hello")
            return await received

    assert run(main()) == b"hello"


def test_work_for_other_threads_runs_here_at_once() -> None:
    async def main() -> tuple[int, float]:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)
        return await asyncio.to_thread(int, "7"), await now()

    assert run(main()) == (7, 0.0)


async def interleaving() -> list[int]:
    """The order in which eight tasks take their three turns."""
    turns: list[int] = []

    async def take(n: int) -> None:
        for _ in range(3):
            turns.append(n)
            await asyncio.sleep(0)

    await asyncio.gather(*map(take, range(8)))
    return turns


async def cancelled_order() -> list[int]:
    """The order in which a failing group's tasks, which it keeps in a set, see their cancellation."""
    order: list[int] = []

    async def wait(n: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            order.append(n)

    async def fail_together() -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(20):
                group.create_task(wait(n))
            await asyncio.sleep(1)
            raise ValueError("the group fails")

    with pytest.raises(ExceptionGroup):
        await fail_together()
    return order


@pytest.mark.parametrize("scenario", [interleaving, cancelled_order])
def test_a_seed_decides_the_interleaving(scenario: Any) -> None:
    def story(seed: int | None) -> list[int]:
        coro: Coroutine[Any, Any, list[int]] = scenario()
        return run(coro, seed=seed)

    orders = {seed: story(seed) for seed in (None, *range(5))}
    assert {seed: story(seed) for seed in orders} == orders
    assert len({tuple(order) for order in orders.values()}) == len(orders)
    assert all(sorted(order) == sorted(orders[None]) for order in orders.values())


def test_without_a_seed_tasks_take_turns() -> None:
    assert run(interleaving()) == list(range(8)) * 3


def test_a_race_that_fair_turns_hide_is_found_by_some_seed() -> None:
    async def main() -> int:
        value = 0

        async def increment(turns: int) -> None:
            nonlocal value
            for _ in range(turns):
                await asyncio.sleep(0)
            seen = value
            await asyncio.sleep(0)
            value = seen + 1

        await asyncio.gather(increment(0), increment(3))
        return value

    assert run(main()) == 2
    assert 1 in {run(main(), seed=seed) for seed in range(20)}
