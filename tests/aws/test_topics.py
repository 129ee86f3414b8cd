"""SnsTopic: the contract over HTTP at the emulator, and by a script what AWS does and the emulator doesn't."""

from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from kxmsg.aws.errors import AwsError
from kxmsg.aws.names import Names
from kxmsg.aws.queues import SqsQueue
from kxmsg.aws.retrying import Retrying
from kxmsg.aws.topics import LARGEST, SnsTopic
from kxmsg.errors import Permanent
from kxmsg.ports import Outgoing, Queue, Topic
from kxmsg.topology import QueueSpec
from tests.aws.making import make_queue, make_topic, subscribe
from tests.aws.scripted import NAMES, Answer, Losing, Scripted, done, failed, retrying
from tests.contracts.queue_suite import bodies
from tests.contracts.topic import MakeTopic, TopicContract


class TestAtEmulator(TopicContract):
    @pytest.fixture(autouse=True)
    def _forward(self, forward: Callable[[float], None]) -> None:
        self.forward = forward

    async def tick(self, seconds: float) -> None:
        self.forward(seconds)

    @pytest.fixture
    async def make_topic(self, api: Retrying, names: Names) -> AsyncIterator[MakeTopic]:
        made: list[SqsQueue] = []

        async def make(name: str, filters: list[Mapping[str, tuple[str, ...]]]) -> tuple[Topic, list[Queue]]:
            topic = SnsTopic(api, names, name)
            await make_topic(api, names, name)
            for number, wanted in enumerate(filters):
                queue = SqsQueue(api, names, f"queue-{number}{'.fifo' if topic.fifo else ''}")
                await make_queue(api, names, QueueSpec(queue.name))
                await subscribe(api, names, name, queue.name, wanted)
                made.append(queue)
            return topic, list(made)

        yield make
        for queue in made:
            await queue.close()

    async def test_a_fifo_publish_whose_answer_was_lost_adds_no_second_message(
        self, make_topic: MakeTopic, api: Retrying, names: Names
    ) -> None:
        _, (queue,) = await make_topic("topic.fifo", [{}])
        topic = SnsTopic(retrying(Losing(api, "PublishBatch")), names, "topic.fifo")
        assert await topic.publish([Outgoing(b"m", group="g")]) == []
        assert bodies(await self.drain(queue)) == [b"m"]


async def test_a_topic_that_is_missing_is_named_with_the_remedy(api: Retrying, names: Names) -> None:
    with pytest.raises(Permanent, match=rf"topic {names.prefix}-outbound: .*NotFound.*kxmsg provision"):
        await SnsTopic(api, names, "outbound").publish([Outgoing(b"m")])


# ----------------------------------------------------------------------------------------------------- by script


def scripted(*answers: Answer, name: str = "outbound") -> tuple[SnsTopic, Scripted]:
    api = Scripted(*answers)
    return SnsTopic(retrying(api), NAMES, name), api


async def test_an_entry_has_what_the_message_has_and_no_more() -> None:
    """The group too, which SNS, not the emulator, hands on to standard queues (SNS API, PublishBatchRequestEntry)."""
    topic, api = scripted({"Successful": done(0, 1)})
    await topic.publish([Outgoing(b"a"), Outgoing(b"b", group="t", dedup="d", attributes={"kind": "k"})])
    assert api.payloads == [
        {
            "TopicArn": "arn:aws:sns:eu-central-1:123456789012:kx-outbound",
            "PublishBatchRequestEntries": [
                {"Id": "0", "Message": "a"},
                {
                    "Id": "1",
                    "Message": "b",
                    "MessageGroupId": "t",
                    "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "k"}},
                },
            ],
        }
    ]


async def test_on_fifo_group_and_deduplication_id_go_along() -> None:
    topic, api = scripted({"Successful": done(0)}, name="outbound.fifo")
    await topic.publish([Outgoing(b"b", group="g", dedup="d")])
    (entry,) = api.payloads[0]["PublishBatchRequestEntries"]
    assert (entry["MessageGroupId"], entry["MessageDeduplicationId"]) == ("g", "d")


async def test_entries_that_fail_are_told_by_position_and_by_whose_fault_it_is() -> None:
    topic, _ = scripted(
        {"Successful": done(1), "Failed": [failed(0, "InternalError"), failed(2, "InvalidParameter", blamed=True)]}
    )
    failures = await topic.publish([Outgoing(b"m")] * 3)
    assert [(failure.index, failure.code, failure.retryable) for failure in failures] == [
        (0, "InternalError", True),
        (2, "InvalidParameter", False),
    ]


async def test_a_batch_is_cut_so_that_no_call_has_more_than_256_kib() -> None:
    topic, api = scripted({"Successful": done(0)}, {"Successful": done(0)})
    failures = await topic.publish([Outgoing(b"x" * LARGEST), Outgoing(b"x" * (LARGEST + 1)), Outgoing(b"y")])
    assert [(failure.index, failure.code, failure.retryable) for failure in failures] == [(1, "too_large", False)]
    assert [len(payload["PublishBatchRequestEntries"]) for payload in api.payloads] == [1, 1]


async def test_a_topic_can_not_delay() -> None:
    topic, api = scripted()
    (failure,) = await topic.publish([Outgoing(b"m", delay=1)])
    assert (failure.code, failure.retryable) == ("invalid", False)
    assert api.operations == []


async def test_a_denial_names_topic_and_permission() -> None:
    topic, _ = scripted(AwsError("sns", "PublishBatch", "AuthorizationError", status=403))
    with pytest.raises(Permanent, match=r"topic kx-outbound: .*allow sns:Publish"):
        await topic.publish([Outgoing(b"m")])


async def test_more_than_a_batch_is_the_callers_fault() -> None:
    topic, _ = scripted()
    with pytest.raises(ValueError, match="at most 10"):
        await topic.publish([Outgoing(b"m")] * 11)
