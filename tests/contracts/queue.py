"""The contract of ``Queue``: what any adapter keeps, standard and FIFO."""

import asyncio

import pytest

from kxmsg.ports import Outgoing
from tests.contracts.queue_suite import MakeQueue, QueueSuite, bodies, cancel, change, delete, insist, send

MIB = 1 << 20


class StandardQueueContract(QueueSuite):
    """At least once, in any order: assertions are about sets."""

    async def test_a_message_arrives_as_it_was_sent(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing("grüße ✓".encode(), group="tenant-1", attributes={"kind": "message", "é": "\t'\""}))
        (delivery, *_copies) = await self.drain(queue)
        assert delivery.body == "grüße ✓".encode()
        assert delivery.attributes == {"kind": "message", "é": "\t'\""}
        assert delivery.group == "tenant-1"
        assert delivery.receives == 1
        assert delivery.sent_at > 1_700_000_000
        assert delivery.id

    async def test_a_batch_arrives_whole(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        messages = [Outgoing(b"%d" % number) for number in range(queue.batch_limit)]
        assert await insist(queue.send, messages) == []
        assert set(bodies(await self.drain(queue))) == {message.body for message in messages}

    async def test_a_message_in_flight_is_hidden_until_its_visibility_ends(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        first = await self.drain(queue, visibility=2)
        assert await self.drain(queue) == []
        await self.tick(2.5)
        again = await self.drain(queue)
        assert set(bodies(again)) == {b"m"}
        assert {delivery.receives for delivery in again} == {2}
        assert {delivery.id for delivery in again} == {delivery.id for delivery in first}
        assert {delivery.receipt for delivery in again}.isdisjoint(delivery.receipt for delivery in first)

    async def test_a_deleted_message_never_comes_back(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        await delete(queue, await self.drain(queue, visibility=1))
        await self.tick(1.5)
        assert await self.drain(queue) == []

    async def test_deleting_twice_succeeds(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        taken = await self.drain(queue)
        await delete(queue, taken)
        assert await insist(queue.delete, [delivery.receipt for delivery in taken]) == []

    async def test_visibility_zero_releases_at_once(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        assert await change(queue, await self.drain(queue), 0) == []
        assert set(bodies(await self.drain(queue))) == {b"m"}

    async def test_visibility_can_be_extended(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        taken = await self.drain(queue, visibility=2)
        assert await change(queue, taken, 5) == []
        await self.tick(3)
        assert await self.drain(queue) == []
        await self.tick(3)
        assert set(bodies(await self.drain(queue))) == {b"m"}

    async def test_changing_a_lost_lease_fails_for_good(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        taken = await self.drain(queue)
        await delete(queue, taken)
        assert {failure.code for failure in await change(queue, taken, 5)} == {"lease_lost"}

    async def test_changing_a_lease_that_ran_out_fails_for_good(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        taken = await self.drain(queue, visibility=1)
        await self.tick(1.5)
        assert {failure.code for failure in await change(queue, taken, 5)} == {"lease_lost"}

    async def test_in_flight_is_at_most_twelve_hours(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        taken = await self.drain(queue)
        await self.tick(2)
        failures = await change(queue, taken, 43_199)
        assert len(failures) == len(taken)
        assert await self.drain(queue) == []

    async def test_a_delayed_message_comes_later(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"later", delay=2), Outgoing(b"now"))
        assert set(bodies(await self.drain(queue))) == {b"now"}
        await self.tick(2.5)
        assert set(bodies(await self.drain(queue))) == {b"later"}

    async def test_after_its_last_receive_a_message_is_a_dead_letter(self, make: MakeQueue) -> None:
        queue, dead_letters = await make("queue")
        await send(queue, Outgoing(b"poison", attributes={"kind": "message"}))
        for _ in range(self.max_receives):
            taken = await self.drain(queue)
            assert taken
            await change(queue, taken, 0)
        assert await self.drain(queue) == []
        dead = await self.drain(dead_letters)
        assert set(bodies(dead)) == {b"poison"}
        assert {delivery.id for delivery in dead} == {delivery.id for delivery in taken}
        assert dead[0].attributes["kind"] == "message"
        assert await self.drain(queue) == []

    async def test_a_message_too_large_fails_alone(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        (failure,) = await insist(queue.send, [Outgoing(b"a"), Outgoing(b"x" * (MIB + 1)), Outgoing(b"b")])
        assert (failure.index, failure.code, failure.retryable) == (1, "too_large", False)
        assert set(bodies(await self.drain(queue))) == {b"a", b"b"}

    async def test_the_largest_message_passes(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"x" * MIB))
        assert set(bodies(await self.drain(queue))) == {b"x" * MIB}

    async def test_a_waiting_receive_ends_with_the_first_message(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        waiting = asyncio.create_task(queue.receive(10, wait=20, visibility=30))
        await asyncio.sleep(0)
        await send(queue, Outgoing(b"m"))
        async with asyncio.timeout(15):
            assert bodies(await waiting) == [b"m"]

    async def test_a_cancelled_receive_takes_nothing_with_it(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        waiting = asyncio.create_task(queue.receive(10, wait=20, visibility=30))
        await asyncio.sleep(0)
        await cancel(waiting)
        await send(queue, Outgoing(b"m"))
        assert set(bodies(await self.drain(queue))) == {b"m"}

    async def test_depth_tells_waiting_flying_and_delayed_apart(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"f"))
        flying = await self.drain(queue)
        await send(queue, Outgoing(b"v"), Outgoing(b"d", delay=600))
        depth = await queue.depth()
        assert depth.in_flight == len(flying)
        assert depth.visible in (1, 2)
        assert depth.delayed in (1, 2)

    async def test_purge_leaves_nothing(self, make: MakeQueue) -> None:
        queue, _ = await make("queue")
        await send(queue, *(Outgoing(b"m") for _ in range(3)))
        await self.receive(queue, limit=1, visibility=1)
        await queue.purge()
        await self.tick(1.5)
        assert await self.drain(queue) == []


class FifoQueueContract(QueueSuite):
    """Exactly once within five minutes, in order within a group."""

    async def test_a_group_comes_in_the_order_of_sending(self, make: MakeQueue) -> None:
        queue, _ = await make("queue.fifo")
        await send(queue, *(Outgoing(b"%d" % number, group="g") for number in range(7)))
        found = []
        while batch := await self.receive(queue):
            found += bodies(batch)
            await delete(queue, batch)
        assert found == [b"%d" % number for number in range(7)]

    async def test_a_group_is_locked_while_one_of_it_is_in_flight(self, make: MakeQueue) -> None:
        queue, _ = await make("queue.fifo")
        await send(queue, Outgoing(b"a1", group="a"), Outgoing(b"a2", group="a"))
        first = await self.receive(queue, limit=1)
        assert bodies(first) == [b"a1"]
        assert await self.receive(queue) == []
        await send(queue, Outgoing(b"b1", group="b"))
        assert bodies(await self.receive(queue)) == [b"b1"]
        await delete(queue, first)
        assert bodies(await self.receive(queue)) == [b"a2"]

    async def test_a_group_stays_locked_until_all_of_a_batch_are_settled(self, make: MakeQueue) -> None:
        queue, _ = await make("queue.fifo")
        await send(queue, *(Outgoing(b"%d" % number, group="g") for number in range(3)))
        taken = await self.receive(queue)
        assert bodies(taken) == [b"0", b"1", b"2"][: len(taken)]
        await delete(queue, taken[:-1])
        assert await self.receive(queue) == []
        await delete(queue, taken[-1:])
        assert bodies(await self.receive(queue)) == [b"0", b"1", b"2"][len(taken) :]

    async def test_released_messages_come_again_in_order(self, make: MakeQueue) -> None:
        queue, _ = await make("queue.fifo")
        await send(queue, *(Outgoing(b"%d" % number, group="g") for number in range(3)))
        taken = await self.receive(queue)
        await change(queue, taken, 0)
        found = []
        while batch := await self.receive(queue):
            found += bodies(batch)
            await delete(queue, batch)
        assert found == [b"0", b"1", b"2"]

    async def test_a_visibility_that_ends_unlocks_the_group(self, make: MakeQueue) -> None:
        queue, _ = await make("queue.fifo")
        await send(queue, Outgoing(b"0", group="g"), Outgoing(b"1", group="g"))
        await self.receive(queue, limit=1, visibility=1)
        await self.tick(1.5)
        (again, *_) = await self.receive(queue)
        assert (again.body, again.receives) == (b"0", 2)

    @pytest.mark.parametrize("dedup", ["id", None])
    async def test_a_duplicate_succeeds_and_adds_nothing(self, make: MakeQueue, dedup: str | None) -> None:
        queue, _ = await make("queue.fifo")
        message = Outgoing(b"m", group="g", dedup=dedup)
        await send(queue, message, message)
        taken = await self.receive(queue)
        assert bodies(taken) == [b"m"]
        await delete(queue, taken)
        await send(queue, message)
        assert await self.receive(queue) == []

    async def test_a_duplicate_within_one_batch_adds_nothing(self, make: MakeQueue) -> None:
        queue, _ = await make("queue.fifo")
        await insist(queue.send, [Outgoing(body, group="g", dedup="same") for body in (b"0", b"1", b"2")])
        taken = await self.receive(queue)
        assert len(taken) == 1
        await delete(queue, taken)
        assert await self.receive(queue) == []

    async def test_after_five_minutes_a_duplicate_is_a_new_message(self, make: MakeQueue) -> None:
        if not self.jumps:
            pytest.skip("takes five minutes of real time here")
        queue, _ = await make("queue.fifo")
        message = Outgoing(b"m", group="g", dedup="id")
        await send(queue, message)
        await delete(queue, await self.receive(queue))
        await self.tick(299)
        await send(queue, message)
        assert await self.receive(queue) == []
        await self.tick(2)
        await send(queue, message)
        assert bodies(await self.receive(queue)) == [b"m"]

    async def test_a_dead_letter_makes_way_for_its_successors(self, make: MakeQueue) -> None:
        queue, dead_letters = await make("queue.fifo")
        await send(queue, Outgoing(b"poison", group="g"), Outgoing(b"1", group="g"), Outgoing(b"2", group="g"))
        for _ in range(self.max_receives):
            taken = await self.receive(queue, limit=1)
            assert bodies(taken) == [b"poison"]
            await change(queue, taken, 0)
        found = []
        while batch := await self.receive(queue):
            found += bodies(batch)
            await delete(queue, batch)
        assert found == [b"1", b"2"]
        (dead,) = await self.drain(dead_letters)
        assert (dead.body, dead.group) == (b"poison", "g")

    async def test_purge_leaves_nothing_and_locks_nothing(self, make: MakeQueue) -> None:
        queue, _ = await make("queue.fifo")
        await send(queue, Outgoing(b"0", group="g"), Outgoing(b"1", group="g"))
        taken = await self.receive(queue, limit=1)
        await queue.purge()
        assert await insist(queue.delete, [delivery.receipt for delivery in taken]) == []
        await send(queue, Outgoing(b"2", group="g"))
        assert bodies(await self.receive(queue)) == [b"2"]

    async def test_a_message_without_group_is_refused(self, make: MakeQueue) -> None:
        queue, _ = await make("queue.fifo")
        (failure,) = await insist(queue.send, [Outgoing(b"m")])
        assert not failure.retryable
        assert await self.receive(queue) == []
