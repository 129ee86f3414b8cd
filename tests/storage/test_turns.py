"""One after the other for each key, side by side for different ones."""

import asyncio

import pytest

from kxmsg.storage.turns import Turns


async def test_turns_of_one_key_come_one_after_the_other_in_the_order_of_asking() -> None:
    turns = Turns()
    running: list[int] = []
    done: list[int] = []

    async def work(number: int) -> None:
        async with turns.of("a"):
            running.append(number)
            await asyncio.sleep(0)
            assert running == [number]
            running.remove(number)
            done.append(number)

    await asyncio.gather(*(work(number) for number in range(5)))
    assert done == [0, 1, 2, 3, 4]


async def test_different_keys_do_not_wait_for_each_other() -> None:
    turns = Turns()
    async with turns.of("a"), turns.of("b"):
        pass


async def test_a_turn_ends_with_an_error_and_nothing_is_kept_of_it() -> None:
    turns = Turns()
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            async with turns.of("a"):
                raise ValueError("broken")
    assert not turns._locks
    assert not turns._wanted


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    turns = Turns()
    async with turns.of("a"):
        waiting = asyncio.create_task(turns.of("a").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with turns.of("a"):
        pass
    assert not turns._wanted
