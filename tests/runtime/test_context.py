"""What a handler may ask and say."""

import asyncio

import pytest

from kxmsg.errors import LeaseLost, Poison
from kxmsg.ports import Delivery
from kxmsg.runtime.context import Context
from kxmsg.runtime.held import Held
from kxmsg.testing.virtual import run
from tests.runtime.fakes import FakeQueue

GROUPS = ["a", "b", "a", "b", "a"]


def make(groups: list[str]) -> tuple[Context, list[Held]]:
    batch = [
        Held(Delivery(str(order), b"", "r", 1, 0.0, group or None), order, group, 0.0, 30.0, 15.0)
        for order, group in enumerate(groups)
    ]
    return Context(None, asyncio.Event(), FakeQueue("work"), batch), batch


def test_what_follows_a_failed_message_of_its_group_is_blocked() -> None:
    """Not what comes before it, nor another group."""

    async def scenario() -> None:
        context, _ = make(GROUPS)
        context.fail(2, ValueError())
        assert [context.blocked(index) for index in range(5)] == [False, False, False, False, True]

    run(scenario())


def test_a_standard_queue_blocks_nothing() -> None:
    """Its messages have no order."""

    async def scenario() -> None:
        context, _ = make(["", "", ""])
        context.fail(0, ValueError())
        assert not any(context.blocked(index) for index in range(3))

    run(scenario())


def test_indexes_are_those_of_what_was_handed_over() -> None:
    """Also where something could not be decoded."""

    async def scenario() -> None:
        context, batch = make(GROUPS)
        context.keep(["m1", "m2", "m4"], {0: Poison("x"), 3: Poison("x")})
        assert [delivery.id for delivery in context.deliveries] == ["1", "2", "4"]
        context.fail(1, ValueError("mine"))
        assert context.blocked(2)
        batch[4].lost = True
        context.check_lease(0)
        with pytest.raises(LeaseLost, match="message 4"):
            context.check_lease(2)
        context.fail_rest(ValueError("all"))
        assert {position: str(error) for position, error in context.failures.items()} == {2: "mine", 1: "all", 4: "all"}

    run(scenario())


def test_a_lease_is_over_when_its_time_is() -> None:
    """Even before anybody has noticed."""

    async def scenario() -> None:
        context, _ = make(["", ""])
        await asyncio.sleep(29)
        context.check_lease()
        await asyncio.sleep(2)
        with pytest.raises(LeaseLost):
            context.check_lease()

    run(scenario())
