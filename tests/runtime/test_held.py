"""Permits."""

import asyncio
from random import Random

import pytest

from kxmsg.runtime.held import Permits
from kxmsg.testing.virtual import run


def test_as_many_as_are_free_are_taken() -> None:
    """And never more than there are."""

    async def scenario() -> None:
        permits = Permits(15)
        assert [await permits.take(10), await permits.take(10)] == [10, 5]

    run(scenario())


def test_giving_back_twice_is_an_error() -> None:
    """It would let more in than there may be."""
    permits = Permits(1)
    with pytest.raises(RuntimeError, match="twice"):
        permits.release(1)


@pytest.mark.parametrize("seed", range(20))
def test_no_permit_is_lost_when_takers_are_cancelled(seed: int) -> None:
    """In any interleaving of taking, giving back and being cancelled while waiting."""

    async def scenario() -> None:
        rng = Random(seed)
        permits = Permits(5)

        async def work() -> None:
            taken = await permits.take(rng.randint(1, 5))
            try:
                await asyncio.sleep(rng.random())
            finally:
                permits.release(taken)

        tasks = [asyncio.create_task(work()) for _ in range(30)]
        for task in tasks:
            if rng.random() < 0.5:
                await asyncio.sleep(rng.random() / 10)
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert permits.free == 5

    run(scenario(), seed=seed)
