"""Batch calls."""

import asyncio
from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kxmsg.errors import Permanent, Transient
from kxmsg.ports import Failure
from kxmsg.runtime.batches import CALL_LIMIT, attempt, repeat
from kxmsg.testing.virtual import run


@given(st.integers(0, 40), st.integers(1, 10), st.integers(0, 2**32))
def test_everything_is_done_once_when_only_parts_fail(count: int, limit: int, seed: int) -> None:
    """What failed is repeated alone; what succeeded is not."""
    done: list[int] = []

    async def scenario() -> dict[int, Failure]:
        rng = Random(seed)

        async def call(part: Sequence[int]) -> list[Failure]:
            assert 0 < len(part) <= limit
            failed = [index for index in range(len(part)) if rng.random() < 0.4]
            done.extend(entry for index, entry in enumerate(part) if index not in failed)
            return [Failure(index, "busy") for index in failed]

        return await repeat(call, range(count), limit=limit, until=1e6, rng=rng)

    assert run(scenario()) == {}
    assert sorted(done) == list(range(count))


def test_what_is_at_fault_itself_is_not_repeated() -> None:
    """It is told, by position."""
    calls: list[list[str]] = []

    async def scenario() -> dict[int, Failure]:
        async def call(part: Sequence[str]) -> list[Failure]:
            calls.append(list(part))
            return [Failure(1, "invalid", retryable=False)] if len(part) == 2 else []

        return await repeat(call, ["a", "b", "c"], limit=2, until=100, rng=Random(1))

    assert {position: failure.code for position, failure in run(scenario()).items()} == {1: "invalid"}
    assert calls == [["a", "b"], ["c"]]


def test_repeating_ends_in_time() -> None:
    """With what is still undone."""

    async def scenario() -> None:
        async def call(part: Sequence[str]) -> list[Failure]:
            raise Transient("down")

        failed = await repeat(call, ["a", "b"], limit=10, until=20, rng=Random(1))
        assert sorted(failed) == [0, 1]
        assert asyncio.get_running_loop().time() < 20

    run(scenario())


def test_what_a_call_raises_is_a_failure_of_every_entry() -> None:
    """A permanent one is not worth repeating; a hung call is cut."""

    async def scenario() -> None:
        async def permanent(part: Sequence[str]) -> list[Failure]:
            raise Permanent("denied")

        async def hung(part: Sequence[str]) -> list[Failure]:
            await asyncio.Event().wait()
            return []

        assert [(f.index, f.retryable) for f in await attempt(permanent, ["a", "b"])] == [(0, False), (1, False)]
        assert [(f.code, f.retryable) for f in await attempt(hung, ["a"])] == [("timeout", True)]
        assert asyncio.get_running_loop().time() == CALL_LIMIT

    run(scenario())
