"""SqsQueue: the contract over HTTP at the emulator, and by a script what AWS does and the emulator doesn't."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from kxmsg.aws.errors import AwsError
from kxmsg.aws.names import Names
from kxmsg.aws.queues import ANSWER_TIME, LARGEST, LONGEST_WAIT, SqsQueue
from kxmsg.aws.retrying import ATTEMPTS, Retrying
from kxmsg.errors import Permanent, Transient
from kxmsg.ports import Delivery, Failure, Outgoing, Queue
from kxmsg.runtime.poller import HUNG, WAIT
from kxmsg.testing.virtual import run
from kxmsg.topology import QueueSpec
from tests.aws.making import make_queue
from tests.aws.scripted import NAMES, Answer, Losing, Scripted, done, failed, retrying
from tests.contracts.queue import FifoQueueContract, StandardQueueContract
from tests.contracts.queue_suite import MakeQueue, QueueSuite, bodies, cancel, delete, insist, send

THROTTLED = AwsError("sqs", "SendMessageBatch", "RequestThrottled", status=400)


class AtEmulator(QueueSuite):
    """Hooks for the contract. Time passes by putting the emulator's clock forward."""

    wait: float = 0

    @pytest.fixture(autouse=True)
    def _forward(self, forward: Callable[[float], None]) -> None:
        self.forward = forward

    async def tick(self, seconds: float) -> None:
        self.forward(seconds)

    async def receive(self, queue: Queue, limit: int = 10, visibility: float = 30) -> list[Delivery]:
        return await queue.receive(limit, wait=self.wait, visibility=visibility)

    @pytest.fixture
    async def make(self, api: Retrying, names: Names, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeQueue]:
        monkeypatch.setattr("kxmsg.aws.queues.LINGER", 0.1)
        made: list[SqsQueue] = []

        async def make(name: str) -> tuple[Queue, Queue]:
            spec = QueueSpec(name, max_receives=self.max_receives)
            await make_queue(api, names, spec)
            made.extend(SqsQueue(api, names, each) for each in (spec.name, spec.dlq))
            return made[-2], made[-1]

        yield make
        for queue in made:
            await queue.close()


class TestStandard(AtEmulator, StandardQueueContract):
    async def test_a_message_arrives_as_it_was_sent(self, make: MakeQueue) -> None:
        """Without the attribute ``é``, which AWS does not allow (SQS API, MessageAttributeValue: names)."""
        queue, _ = await make("queue")
        attributes = {"kind": "message", "trace-1.x": "\t'\"é✓"}
        await send(queue, Outgoing("grüße ✓".encode(), group="tenant-1", attributes=attributes))
        (delivery,) = await self.drain(queue)
        assert (delivery.body, delivery.attributes) == ("grüße ✓".encode(), attributes)
        assert (delivery.group, delivery.receives) == ("tenant-1", 1)
        assert delivery.sent_at > 1_700_000_000
        assert delivery.id

    async def test_deleting_twice_succeeds(self, make: MakeQueue) -> None:
        """The emulator errs: AWS succeeds (SQS API, DeleteMessage), as a script shows below."""
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        taken = await self.drain(queue)
        await delete(queue, taken)
        assert [failure.code for failure in await queue.delete([taken[0].receipt])] == ["lease_lost"]

    async def test_changing_a_lease_that_ran_out_fails_for_good(self, make: MakeQueue) -> None:
        """The emulator allows it until another has the message, AWS doesn't (SQS API, ChangeMessageVisibility)."""
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        (lost,) = await self.drain(queue, visibility=1)
        await self.tick(1.5)
        assert await self.drain(queue)
        assert [failure.code for failure in await queue.change_visibility([(lost.receipt, 5)])] == ["lease_lost"]

    async def test_in_flight_is_at_most_twelve_hours(self, make: MakeQueue) -> None:
        """The emulator knows no such limit ("Amazon SQS visibility timeout"); the script below does."""
        queue, _ = await make("queue")
        await send(queue, Outgoing(b"m"))
        (taken,) = await self.drain(queue)
        assert await queue.change_visibility([(taken.receipt, 43_200)]) == []
        await self.tick(43_199)
        assert await self.drain(queue) == []

    @pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp, from 1 MiB on
    async def test_the_largest_message_passes(self, make: MakeQueue) -> None:
        await super().test_the_largest_message_passes(make)

    async def test_a_cancelled_receive_takes_nothing_with_it(self, make: MakeQueue) -> None:
        """Whoever gets the message meanwhile, the receive that goes on unseen gives it back."""
        self.wait = 1
        await super().test_a_cancelled_receive_takes_nothing_with_it(make)

    async def test_a_send_whose_answer_was_lost_is_repeated(self, make: MakeQueue, api: Retrying, names: Names) -> None:
        await make("queue")
        queue = SqsQueue(retrying(Losing(api, "SendMessageBatch")), names, "queue")
        assert await queue.send([Outgoing(b"m")]) == []
        assert set(bodies(await self.drain(queue))) == {b"m"}


class TestFifo(AtEmulator, FifoQueueContract):
    async def test_purge_leaves_nothing_and_locks_nothing(self, make: MakeQueue) -> None:
        """Without deleting what the purge has deleted, where the emulator errs: see above."""
        queue, _ = await make("queue.fifo")
        await send(queue, Outgoing(b"0", group="g"), Outgoing(b"1", group="g"))
        assert await self.receive(queue, limit=1)
        await queue.purge()
        await send(queue, Outgoing(b"2", group="g"))
        assert bodies(await self.receive(queue)) == [b"2"]

    async def test_leases_that_ran_out_together_come_again_in_order(self, make: MakeQueue) -> None:
        queue, _ = await make("queue.fifo")
        await send(queue, *(Outgoing(b"%d" % number, group="g") for number in range(3)))
        assert bodies(await self.receive(queue, visibility=1)) == [b"0", b"1", b"2"]
        await self.tick(1.5)
        assert bodies(await self.receive(queue)) == [b"0", b"1", b"2"]

    async def test_a_send_whose_answer_was_lost_adds_no_second_message(
        self, make: MakeQueue, api: Retrying, names: Names
    ) -> None:
        await make("queue.fifo")
        queue = SqsQueue(retrying(Losing(api, "SendMessageBatch")), names, "queue.fifo")
        assert await queue.send([Outgoing(b"m", group="g")]) == []
        taken = await self.receive(queue)
        assert bodies(taken) == [b"m"]
        await delete(queue, taken)
        assert await self.receive(queue) == []


async def test_a_queue_that_is_missing_is_named_with_the_remedy(api: Retrying, names: Names) -> None:
    with pytest.raises(Permanent, match=rf"queue {names.prefix}-render: .*QueueDoesNotExist.*kxmsg provision"):
        await SqsQueue(api, names, "render").depth()


# ----------------------------------------------------------------------------------------------------- by script


def scripted(*answers: Answer, name: str = "render") -> tuple[SqsQueue, Scripted]:
    api = Scripted(*answers)
    return SqsQueue(retrying(api), NAMES, name), api


def message(body: str = "m", **attributes: str) -> dict[str, Any]:
    """As ReceiveMessage answers it."""
    return {
        "MessageId": "id-" + body,
        "ReceiptHandle": "receipt-" + body,
        "Body": body,
        "Attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1750000000123", **attributes},
    }


async def test_entries_that_fail_are_told_by_position_and_by_whose_fault_it_is() -> None:
    queue, api = scripted(
        {
            "Successful": done(1),
            "Failed": [
                failed(0, "InternalError"),
                failed(2, "InvalidMessageContents", "no", blamed=True),
                failed(3, "KmsThrottled", blamed=True),
            ],
        }
    )
    failures = await queue.send([Outgoing(b""), *(Outgoing(b"m") for _ in range(4))])
    assert [(failure.index, failure.code, failure.retryable) for failure in failures] == [
        (0, "invalid", False),
        (1, "InternalError", True),
        (3, "InvalidMessageContents", False),
        (4, "KmsThrottled", True),
    ]
    assert [entry["Id"] for entry in api.payloads[0]["Entries"]] == ["0", "1", "2", "3"]


async def test_an_entry_that_the_answer_leaves_out_is_to_be_repeated() -> None:
    queue, _ = scripted({"Successful": done(0)})
    (failure,) = await queue.send([Outgoing(b"a"), Outgoing(b"b")])
    assert (failure.index, failure.retryable) == (1, True)


async def test_a_batch_is_cut_so_that_no_call_has_more_than_a_mebibyte() -> None:
    queue, api = scripted({"Successful": done(0, 1)}, {"Failed": [failed(0, "InternalError")]})
    body = b"x" * (LARGEST // 2)
    failures = await queue.send([Outgoing(body), Outgoing(body), Outgoing(b"y")])
    assert [len(payload["Entries"]) for payload in api.payloads] == [2, 1]
    assert [failure.index for failure in failures] == [2]


async def test_where_a_later_call_of_a_batch_fails_what_it_held_is_to_be_repeated() -> None:
    body = b"x" * (LARGEST // 2 + 1)
    denied = AwsError("sqs", "SendMessageBatch", "AccessDenied", status=403)
    queue, api = scripted({"Successful": done(0)}, denied)
    failures = await queue.send([Outgoing(body), Outgoing(body), Outgoing(body)])
    assert [(failure.index, failure.retryable) for failure in failures] == [(1, True), (2, True)]
    assert len(api.operations) == 2


async def test_a_throttle_is_repeated_and_then_told() -> None:
    queue, _ = scripted(THROTTLED, {"Successful": done(0)})
    assert await queue.send([Outgoing(b"m")]) == []
    queue, api = scripted(*([THROTTLED] * ATTEMPTS))
    with pytest.raises(Transient, match=r"queue kx-render: .*RequestThrottled"):
        await queue.send([Outgoing(b"m")])
    assert api.answers == []


async def test_a_denial_is_not_repeated_and_names_queue_and_permission() -> None:
    queue, api = scripted(AwsError("sqs", "SendMessageBatch", "AccessDenied", status=403))
    with pytest.raises(Permanent, match=r"queue kx-render: .*allow sqs:SendMessage"):
        await queue.send([Outgoing(b"m")])
    assert len(api.operations) == 1


async def test_an_entry_has_what_the_message_has_and_no_more() -> None:
    queue, api = scripted({"Successful": done(0, 1)})
    await queue.send([Outgoing(b"a"), Outgoing(b"b", group="t", dedup="d", delay=0.2, attributes={"kind": "k"})])
    assert api.payloads[0]["Entries"] == [
        {"Id": "0", "MessageBody": "a"},
        {
            "Id": "1",
            "MessageBody": "b",
            "DelaySeconds": 1,
            "MessageGroupId": "t",
            "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "k"}},
        },
    ]


async def test_on_fifo_a_message_without_id_is_told_from_others_by_its_body() -> None:
    queue, api = scripted({"Successful": done(0, 1, 2)}, name="render.fifo")
    await queue.send([Outgoing(b"a", group="g"), Outgoing(b"a", group="g"), Outgoing(b"b", group="g", dedup="d")])
    first, second, third = [entry["MessageDeduplicationId"] for entry in api.payloads[0]["Entries"]]
    assert first == second
    assert len(first) == 64
    assert third == "d"


@pytest.mark.parametrize(("name", "delay"), [("render", 901), ("render", -1), ("render.fifo", 1)])
async def test_a_delay_that_sqs_has_not_is_refused(name: str, delay: float) -> None:
    queue, api = scripted(name=name)
    (failure,) = await queue.send([Outgoing(b"m", group="g", delay=delay)])
    assert (failure.code, failure.retryable) == ("invalid", False)
    assert api.operations == []


async def test_deleting_what_is_deleted_succeeds() -> None:
    """SQS API, DeleteMessage: with an old receipt handle, the request succeeds."""
    queue, _ = scripted({"Successful": done(0)})
    assert await queue.delete(["old"]) == []


@pytest.mark.parametrize("operation", ["delete", "change_visibility"])
@pytest.mark.parametrize(
    "code", ["ReceiptHandleIsInvalid", "AWS.SimpleQueueService.MessageNotInflight", "InvalidParameterValue"]
)
async def test_a_receipt_that_is_no_longer_ours_is_a_lost_lease(operation: str, code: str) -> None:
    text = "Value R for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for "
    queue, _ = scripted({"Successful": done(0), "Failed": [failed(1, code, text, blamed=True)]})
    if operation == "delete":
        failures = await queue.delete(["A", "R"])
    else:
        failures = await queue.change_visibility([("A", 5), ("R", 5)])
    assert failures == [Failure(1, "lease_lost", "the message is not in flight under this receipt", retryable=False)]


async def test_a_lease_beyond_twelve_hours_is_not_taken_for_lost() -> None:
    text = "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message"
    queue, _ = scripted({"Failed": [failed(0, "InvalidParameterValue", text, blamed=True)]})
    (failure,) = await queue.change_visibility([("R", 43_200)])
    assert (failure.code, failure.retryable) == ("too_long", False)


async def test_a_change_that_failed_on_sqs_side_is_to_be_repeated() -> None:
    queue, _ = scripted({"Failed": [failed(0, "InternalError")], "Successful": done(1)})
    (failure,) = await queue.change_visibility([("A", 5), ("B", 5)])
    assert (failure.index, failure.code, failure.retryable) == (0, "InternalError", True)


async def test_leases_are_whole_seconds_rounded_up_to_twelve_hours_at_most() -> None:
    queue, api = scripted({"Successful": done(0, 1, 2)})
    await queue.change_visibility([("A", 0), ("B", 0.1), ("C", 99_999)])
    assert [entry["VisibilityTimeout"] for entry in api.payloads[0]["Entries"]] == [0, 1, 43_200]


@pytest.mark.parametrize(("lasted", "polls"), [(1, 2), (20, 1)])
def test_a_poll_is_repeated_only_where_it_ends_before_its_caller_takes_it_for_hung(lasted: float, polls: int) -> None:
    async def lost() -> dict[str, Any]:
        await asyncio.sleep(lasted)
        raise AwsError("sqs", "ReceiveMessage", "Reset", unclear=True)

    async def empty() -> dict[str, Any]:
        await asyncio.sleep(LONGEST_WAIT + ANSWER_TIME)
        return {}

    async def main() -> int:
        queue, api = scripted(lost, empty)
        async with asyncio.timeout(WAIT + HUNG):
            with suppress(Transient):
                assert await queue.receive(10, wait=WAIT, visibility=30) == []
        return len(api.operations)

    assert run(main()) == polls


async def test_a_receive_asks_in_whole_seconds_and_gives_the_answer_time() -> None:
    queue, api = scripted({}, {})
    assert await queue.receive(50, wait=60, visibility=0.5) == []
    assert await queue.receive(1, wait=0.5, visibility=30) == []
    asked = [
        (payload["MaxNumberOfMessages"], payload["WaitTimeSeconds"], payload["VisibilityTimeout"])
        for payload in api.payloads
    ]
    assert asked == [(10, 20, 1), (1, 1, 30)]
    assert api.timeouts == [25, 6]
    assert "AttributeNames" not in api.payloads[0]


async def test_deliveries_keep_the_order_of_the_answer() -> None:
    attributes = {
        "kind": {"DataType": "String", "StringValue": "k"},
        "raw": {"DataType": "Binary", "BinaryValue": "AA"},
    }
    queue, _ = scripted(
        {"Messages": [message("b", MessageGroupId="g"), {**message("a"), "MessageAttributes": attributes}]}
    )
    assert await queue.receive(10, wait=0, visibility=30) == [
        Delivery("id-b", b"b", "receipt-b", 3, 1_750_000_000.123, "g"),
        Delivery("id-a", b"a", "receipt-a", 3, 1_750_000_000.123, None, {"kind": "k"}),
    ]


async def test_a_fifo_receive_whose_answer_was_lost_is_repeated_as_the_same_attempt() -> None:
    """SQS API, ReceiveMessage: ReceiveRequestAttemptId gives the same messages again."""
    lost = AwsError("sqs", "ReceiveMessage", "Timeout", unclear=True)
    queue, api = scripted(lost, {"Messages": [message()]}, {}, name="sequence.fifo")
    assert len(await queue.receive(10, wait=20, visibility=30)) == 1
    await queue.receive(10, wait=20, visibility=30)
    first, again, other = [payload["ReceiveRequestAttemptId"] for payload in api.payloads]
    assert first == again != other


async def test_a_cancelled_receive_ends_at_once_and_what_it_brings_is_released() -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def later() -> dict[str, Any]:
        asked.set()
        await answered.wait()
        return {"Messages": [message("a"), message("b")]}

    queue, api = scripted(later, {"Successful": done(0, 1)})
    waiting = asyncio.create_task(queue.receive(10, wait=20, visibility=30))
    await asked.wait()
    await cancel(waiting)
    answered.set()
    await queue.close()
    assert api.payloads[1]["Entries"] == [
        {"Id": "0", "ReceiptHandle": "receipt-a", "VisibilityTimeout": 0},
        {"Id": "1", "ReceiptHandle": "receipt-b", "VisibilityTimeout": 0},
    ]


@pytest.mark.parametrize("limit", ["LINGER", "LONGEST_POLL"])
async def test_a_cancelled_receive_that_hangs_is_cut(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By :meth:`SqsQueue.close`, and before that after the time that a poll may take."""
    monkeypatch.setattr(f"kxmsg.aws.queues.{limit}", 0.01)
    asked, cut = asyncio.Event(), asyncio.Event()

    async def hang() -> dict[str, Any]:
        asked.set()
        try:
            return await asyncio.Future()
        finally:
            cut.set()

    queue, _ = scripted(hang)
    waiting = asyncio.create_task(queue.receive(10, wait=20, visibility=30))
    await asked.wait()
    await cancel(waiting)
    async with asyncio.timeout(5):
        if limit == "LINGER":
            await queue.close()
        await cut.wait()
    await queue.close()


@pytest.mark.parametrize(
    "release",
    [{"Failed": [failed(0, "InternalError")]}, AwsError("sqs", "ChangeMessageVisibilityBatch", "AccessDenied")],
)
async def test_a_release_that_fails_leaves_the_messages_to_their_visibility(
    release: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    async def later() -> dict[str, Any]:
        return {"Messages": [message()]}

    queue, _ = scripted(later, release)
    waiting = asyncio.create_task(queue.receive(10, wait=20, visibility=30))
    await asyncio.sleep(0)
    await cancel(waiting)
    await queue.close()
    assert "when their visibility ends" in capsys.readouterr().out


async def test_depth_is_of_the_three_counts() -> None:
    counts = {"": "7", "NotVisible": "2", "Delayed": "1"}
    queue, _ = scripted({"Attributes": {f"ApproximateNumberOfMessages{name}": each for name, each in counts.items()}})
    depth = await queue.depth()
    assert (depth.visible, depth.in_flight, depth.delayed) == (7, 2, 1)


async def test_a_second_purge_within_a_minute_says_so() -> None:
    queue, _ = scripted(AwsError("sqs", "PurgeQueue", "AWS.SimpleQueueService.PurgeQueueInProgress", status=403))
    with pytest.raises(Transient, match="kx-render: purged less than 60 s ago"):
        await queue.purge()


async def test_a_purge_that_is_denied_is_no_purge_in_progress() -> None:
    queue, _ = scripted(AwsError("sqs", "PurgeQueue", "AccessDenied", status=403))
    with pytest.raises(Permanent, match="sqs:PurgeQueue"):
        await queue.purge()


async def test_nothing_to_do_is_no_call() -> None:
    queue, api = scripted()
    assert [await queue.send([]), await queue.delete([]), await queue.change_visibility([])] == [[], [], []]
    assert api.operations == []


async def test_limits_of_the_port_are_the_callers_fault() -> None:
    queue, _ = scripted()
    with pytest.raises(ValueError, match="at most 10"):
        await queue.send([Outgoing(b"m")] * 11)
    with pytest.raises(ValueError, match="at most 10"):
        await queue.delete(["r"] * 11)
    with pytest.raises(ValueError, match="at least one"):
        await queue.receive(0, wait=0, visibility=30)


async def test_the_url_is_asked_for_once(api: Retrying, names: Names) -> None:
    await make_queue(api, names, QueueSpec("queue"))
    asked: list[str] = []

    class Counting(Losing):
        async def call(self, service: Any, operation: str, payload: Any, **options: Any) -> dict[str, Any]:
            asked.append(operation)
            return await super().call(service, operation, payload, **options)

    queue = SqsQueue(retrying(Counting(api)), names, "queue")
    assert await insist(queue.send, [Outgoing(b"m")]) == []
    await queue.depth()
    assert asked == ["GetQueueUrl", "SendMessageBatch", "GetQueueAttributes"]
