"""Scopes and budgets."""

import asyncio
from contextlib import suppress

import pytest

from kxmsg.runtime.drain import Budget, Scope, pause
from kxmsg.testing.virtual import run


def test_a_scope_waits_for_what_starts_meanwhile() -> None:
    """A task may start another one at its end."""

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            scope = Scope(group)

            async def first() -> None:
                await asyncio.sleep(1)
                scope.start(asyncio.sleep(1))

            scope.start(first())
            assert await scope.finish(5)
            assert asyncio.get_running_loop().time() == 2

    run(scenario())


def test_a_scope_tells_what_does_not_end() -> None:
    """In time, nor when it is cancelled."""

    async def scenario() -> None:
        async def stubborn() -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
            await asyncio.sleep(50)

        async with asyncio.TaskGroup() as group:
            scope = Scope(group)
            scope.start(stubborn())
            assert not await scope.finish(3)
            assert not await scope.end(2)
            assert asyncio.get_running_loop().time() == 5
            assert len(scope) == 1

    run(scenario())


def test_a_crash_in_a_scope_brings_the_group_down() -> None:
    """It is not swallowed."""

    async def scenario() -> None:
        async def crash() -> None:
            raise RuntimeError("bug")

        async with asyncio.TaskGroup() as group:
            Scope(group).start(crash())
            await asyncio.sleep(100)

    with pytest.raises(ExceptionGroup) as raised:
        run(scenario())
    assert str(raised.value.exceptions[0]) == "bug"


def test_a_budget_runs_out() -> None:
    """And is never negative."""

    async def scenario() -> None:
        budget = Budget(10)
        await asyncio.sleep(4)
        assert budget.left() == 6
        await asyncio.sleep(40)
        assert budget.left() == 0

    run(scenario())


def test_a_pause_ends_with_its_event() -> None:
    """Or with its time."""

    async def scenario() -> None:
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        assert not await pause(event, 5)
        loop.call_later(2, event.set)
        assert await pause(event, 5)
        assert loop.time() == 7

    run(scenario())
