"""The contract of ``Topic``."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import pytest

from kxmsg.ports import Outgoing, Queue, Topic
from tests.contracts.queue_suite import QueueSuite, bodies, delete, insist

MakeTopic: TypeAlias = Callable[[str, list[Mapping[str, tuple[str, ...]]]], Awaitable[tuple[Topic, list[Queue]]]]
"""Makes a topic of about that name (FIFO if it ends so) and, for each filter, an empty queue subscribed with it."""


class TopicContract(QueueSuite):
    """Subclasses give the fixture ``make_topic``."""

    @pytest.fixture
    async def make_topic(self) -> MakeTopic:
        raise NotImplementedError

    async def test_every_subscribed_queue_gets_its_copy(self, make_topic: MakeTopic) -> None:
        topic, queues = await make_topic("topic", [{}, {}])
        assert await insist(topic.publish, [Outgoing(b"m", attributes={"kind": "message"})]) == []
        for queue in queues:
            found = await self.drain(queue)
            assert set(bodies(found)) == {b"m"}
            assert found[0].attributes == {"kind": "message"}

    async def test_a_filter_passes_only_the_values_that_it_lists(self, make_topic: MakeTopic) -> None:
        topic, (sockets, urgent) = await make_topic(
            "topic",
            [{"targetChannel": ("WebSocket", "Push")}, {"targetChannel": ("WebSocket",), "priority": ("urgent",)}],
        )
        messages = [
            Outgoing(b"low", attributes={"targetChannel": "WebSocket", "priority": "low"}),
            Outgoing(b"urgent", attributes={"targetChannel": "WebSocket", "priority": "urgent"}),
            Outgoing(b"push", attributes={"targetChannel": "Push", "priority": "urgent"}),
            Outgoing(b"mail", attributes={"targetChannel": "Email"}),
            Outgoing(b"none"),
        ]
        assert await insist(topic.publish, messages) == []
        assert set(bodies(await self.drain(sockets))) == {b"low", b"urgent", b"push"}
        assert set(bodies(await self.drain(urgent))) == {b"urgent"}

    async def test_a_fifo_topic_keeps_groups_in_order(self, make_topic: MakeTopic) -> None:
        topic, (queue,) = await make_topic("topic.fifo", [{}])
        for body in (b"0", b"1", b"2"):
            await insist(topic.publish, [Outgoing(body, group="g", dedup=body.decode())])
        found = []
        while batch := await self.receive(queue):
            assert {delivery.group for delivery in batch} == {"g"}
            found += bodies(batch)
            await delete(queue, batch)
        assert found == [b"0", b"1", b"2"]

    async def test_a_fifo_topic_drops_duplicates(self, make_topic: MakeTopic) -> None:
        topic, (queue,) = await make_topic("topic.fifo", [{}])
        for _ in range(2):
            await insist(topic.publish, [Outgoing(b"m", group="g", dedup="id")])
        taken = await self.receive(queue)
        assert bodies(taken) == [b"m"]
        await delete(queue, taken)
        assert await self.receive(queue) == []
