"""Embedded topics: the port's contract, and how failures of several queues come together."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.embedded.engine import Engine
from kxmsg.embedded.queues import EmbeddedQueue
from kxmsg.embedded.topics import EmbeddedTopic, accepts
from kxmsg.embedded.wake import Wake
from kxmsg.errors import StorageFull
from kxmsg.ports import Failure, Outgoing, Queue, Topic
from kxmsg.topology import QueueSpec, TopicSpec
from tests.contracts.queue_suite import bodies
from tests.contracts.topic import MakeTopic, TopicContract
from tests.embedded.conftest import MakeQueue, ManualClock


async def making(engine: Engine, wake: Wake, clock: ManualClock, *, aws_like: bool = False) -> AsyncIterator[MakeTopic]:
    async def make(name: str, filters: list[Mapping[str, tuple[str, ...]]]) -> tuple[Topic, list[Queue]]:
        ending = ".fifo" if name.endswith(".fifo") else ""
        specs = [QueueSpec(f"queue-{number}{ending}") for number in range(len(filters))]
        queues = [EmbeddedQueue(engine, spec, clock, wake, aws_like=aws_like, seed=5) for spec in specs]
        return EmbeddedTopic(TopicSpec(name), lambda: list(zip(queues, filters, strict=True))), list(queues)

    yield make
    await wake.close()
    await engine.close()


class TestOnFiles(TopicContract):
    @pytest.fixture
    async def make_topic(self, tmp_path: Path, clock: ManualClock) -> AsyncIterator[MakeTopic]:
        async for make in making(Engine(tmp_path, durability="normal"), Wake(tmp_path), clock):
            yield make


class TestAwsLike(TopicContract):
    @pytest.fixture
    async def make_topic(self, clock: ManualClock) -> AsyncIterator[MakeTopic]:
        async for make in making(Engine(None, inline=True), Wake(None), clock, aws_like=True):
            yield make


class Broken(EmbeddedQueue):
    """Fails as it is told."""

    outcome: list[Failure] | Exception

    async def send(self, messages: Sequence[Outgoing]) -> list[Failure]:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def broken(memory: Engine, clock: ManualClock) -> Broken:
    return Broken(memory, QueueSpec("broken"), clock, Wake(None))


async def test_failures_are_told_by_position_among_the_messages_published(
    make_queue: MakeQueue, broken: Broken
) -> None:
    whole = make_queue()
    broken.outcome = [Failure(1, "internal")]
    topic = EmbeddedTopic(TopicSpec("topic"), lambda: [(whole, {}), (broken, {"to": ("broken",)})])
    attributes = {"to": "broken"}
    messages = [Outgoing(b"0"), Outgoing(b"1", attributes=attributes), Outgoing(b"2", attributes=attributes)]
    assert await topic.publish(messages) == [Failure(2, "internal")]
    assert len(await whole.receive(10, wait=0, visibility=30)) == 3


async def test_a_position_is_worth_repeating_if_it_is_for_one_queue(make_queue: MakeQueue, broken: Broken) -> None:
    broken.outcome = [Failure(0, "internal", retryable=True)]
    topic = EmbeddedTopic(TopicSpec("topic"), lambda: [(make_queue(), {}), (broken, {})])
    (failure,) = await topic.publish([Outgoing(b"x" * ((1 << 20) + 1))])
    assert (failure.code, failure.retryable) == ("internal", True)


async def test_a_queue_that_can_not_be_reached_fails_the_call_after_the_others_are_served(
    make_queue: MakeQueue, broken: Broken
) -> None:
    whole = make_queue()
    broken.outcome = StorageFull("no room")
    topic = EmbeddedTopic(TopicSpec("topic"), lambda: [(broken, {}), (whole, {})])
    with pytest.raises(StorageFull, match="no room"):
        await topic.publish([Outgoing(b"m")])
    assert bodies(await whole.receive(10, wait=0, visibility=30)) == [b"m"]


async def test_nobody_subscribed_is_no_failure() -> None:
    assert await EmbeddedTopic(TopicSpec("topic"), list).publish([Outgoing(b"m")]) == []


names = st.sampled_from(["a", "b", "c"])


@given(st.dictionaries(names, st.lists(names).map(tuple)), st.dictionaries(names, names))
def test_a_filter_accepts_exactly_if_every_attribute_it_names_has_a_listed_value(
    wanted: dict[str, tuple[str, ...]], attributes: dict[str, str]
) -> None:
    expected = True
    for name, values in wanted.items():
        if name not in attributes or attributes[name] not in values:
            expected = False
    assert accepts(wanted, attributes) is expected
