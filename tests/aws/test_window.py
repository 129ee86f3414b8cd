"""How many calls may be under way."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.window import Window


async def test_no_more_than_its_size_are_under_way() -> None:
    window = Window(5)
    most = running = 0

    async def call() -> None:
        nonlocal most, running
        await window.enter()
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        window.leave()

    await asyncio.gather(*(call() for _ in range(50)))
    assert most == 5


async def test_who_waited_first_is_let_in_first() -> None:
    window = Window(4)
    for _ in range(4):
        await window.enter()
    order: list[int] = []

    async def call(number: int) -> None:
        await window.enter()
        order.append(number)

    tasks = [asyncio.create_task(call(number)) for number in range(4)]
    await asyncio.sleep(0)
    for _ in range(4):
        window.leave()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3]


async def test_who_is_cancelled_while_waiting_takes_no_place() -> None:
    """Neither before its turn nor in the moment that it comes."""
    window = Window(4)
    for _ in range(4):
        await window.enter()
    early, late = (asyncio.create_task(window.enter()) for _ in range(2))
    await asyncio.sleep(0)
    early.cancel()
    await asyncio.sleep(0)
    window.leave()
    late.cancel()  # it was let in, and does not know yet
    await asyncio.gather(early, late, return_exceptions=True)
    await asyncio.wait_for(window.enter(), 1)


def test_throttles_of_calls_that_were_under_way_together_count_once() -> None:
    window = Window(64)

    async def scenario() -> None:
        for _ in range(8):
            await window.enter()
        for _ in range(8):
            window.leave()
            window.narrow() if window.size == 64 else window.widen()

    asyncio.run(scenario())
    assert 32 <= window.size < 33


def test_while_all_are_throttled_it_shrinks_to_the_least() -> None:
    window = Window(64)
    for _ in range(10):
        window.narrow()
    assert window.size == 4


@given(st.lists(st.booleans(), max_size=300))
def test_it_stays_between_its_bounds(throttled: list[bool]) -> None:
    window = Window(64)
    for one in throttled:
        window.narrow() if one else window.widen()
    assert 4 <= window.size <= 64


def test_it_recovers() -> None:
    window = Window(16)
    window.narrow()
    for _ in range(400):
        window.widen()
    assert window.size == 16
