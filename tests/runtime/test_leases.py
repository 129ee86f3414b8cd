"""Leases, apart from what a consumer does with them."""

import asyncio

from kxmsg.ports import Outgoing
from kxmsg.runtime.held import Held
from kxmsg.runtime.leases import LONGEST, Leases
from kxmsg.testing.virtual import run
from tests.runtime.fakes import FakeQueue


async def receive(queue: FakeQueue, count: int, visibility: float) -> list[Held]:
    await queue.send([Outgoing(str(number).encode()) for number in range(count)])
    now = asyncio.get_running_loop().time()
    return [
        Held(delivery, order, "", now, now + visibility, now + visibility / 2)
        for order, delivery in enumerate(await queue.receive(10, wait=0, visibility=visibility))
    ]


def test_a_lease_ends_after_twelve_hours() -> None:
    """SQS allows no more; then the message is told to be lost, not before."""

    async def scenario() -> None:
        queue = FakeQueue("work")
        leases = Leases(queue, visibility=600)
        (held,) = await receive(queue, 1, 600)
        leases.add([held])
        keeper = asyncio.create_task(leases.run())
        lost = []
        for seconds in (LONGEST - 1, 2):
            await asyncio.sleep(seconds)
            lost.append(held.lost)
        assert lost == [False, True]
        assert held.expires == LONGEST
        assert len(leases) == 0
        keeper.cancel()
        await asyncio.wait([keeper])

    run(scenario())


def test_extensions_are_batched() -> None:
    """What is due at about the same time shares a call."""

    async def scenario() -> None:
        queue = FakeQueue("work", batch_limit=10)
        leases = Leases(queue, visibility=30)
        keeper = asyncio.create_task(leases.run())
        for _ in range(3):
            leases.add(await receive(queue, 3, 30))
            await asyncio.sleep(0.1)
        await asyncio.sleep(16)
        assert [len(call) for call in queue.holding("change_visibility")] == [9]
        keeper.cancel()
        await asyncio.wait([keeper])

    run(scenario())


def test_what_was_removed_is_not_extended() -> None:
    """Nor does the scheduler wake for it more than once."""

    async def scenario() -> None:
        queue = FakeQueue("work")
        leases = Leases(queue, visibility=30)
        keeper = asyncio.create_task(leases.run())
        held = await receive(queue, 2, 30)
        leases.add(held)
        leases.remove(held)
        await asyncio.sleep(100)
        assert queue.holding("change_visibility") == []
        keeper.cancel()
        await asyncio.wait([keeper])

    run(scenario())


def test_the_twelve_hours_of_each_message_are_its_own() -> None:
    """One that must end is told in time, whatever else is in hand."""

    async def scenario() -> None:
        queue = FakeQueue("work")
        leases = Leases(queue, visibility=600)
        keeper = asyncio.create_task(leases.run())
        (old,) = await receive(queue, 1, 600)
        leases.add([old])
        await asyncio.sleep(LONGEST - 350)  # its last lease will be a short one
        leases.add(await receive(queue, 3, 600))
        lost = []
        for seconds in (349, 2):
            await asyncio.sleep(seconds)
            lost.append(old.lost)
        assert lost == [False, True]
        assert len(leases) == 3
        keeper.cancel()
        await asyncio.wait([keeper])

    run(scenario())


def test_what_is_handled_while_it_is_being_extended_stays_handled() -> None:
    """It is neither lost nor extended for ever."""

    async def scenario() -> None:
        queue = FakeQueue("work")
        leases = Leases(queue, visibility=30)
        keeper = asyncio.create_task(leases.run())
        held = await receive(queue, 2, 30)
        leases.add(held)
        gate = asyncio.Event()
        queue.fault("change_visibility", gate.wait)
        await asyncio.sleep(16)
        leases.remove(held)
        await queue.delete([held[0].delivery.receipt])
        gate.set()
        await asyncio.sleep(100)
        assert len(leases) == 0
        assert not any(one.lost for one in held)
        assert len(queue.holding("change_visibility")) == 1
        keeper.cancel()
        await asyncio.wait([keeper])

    run(scenario())
