"""SqsQueue: the Queue port on Amazon SQS."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil, inf
from typing import Any, Final
from uuid import uuid4

from kxmsg.aws.batches import BATCH_LIMIT, admit, check_batch, entry, failures_in, in_parts, parts
from kxmsg.aws.errors import AwsError, to_backend_error
from kxmsg.aws.names import Names
from kxmsg.aws.retrying import Retrying
from kxmsg.errors import BackendError, Transient
from kxmsg.ports import Delivery, Depth, Failure, Outgoing
from kxmsg.telemetry import get_logger

LARGEST: Final = 1 << 20
"""Bytes of one message, and of all in one call (Amazon SQS API, SendMessageBatch)."""

LONGEST_DELAY: Final = 900
LONGEST_WAIT: Final = 20
LONGEST_LEASE: Final = 43_200
"""Seconds, in whole numbers ("Amazon SQS message quotas"); what kxmsg gives in fractions is rounded up."""

ANSWER_TIME: Final = 5.0
"""Seconds that an answer may take beyond the wait for a message."""

REPEAT_TIME: Final = 4.0
"""Seconds in which a poll that failed is repeated: later it would last longer than its caller waits for it."""

LONGEST_POLL: Final = LONGEST_WAIT + ANSWER_TIME
"""Seconds after which a receive that was cancelled is cut."""

LINGER: Final = 2.0
"""Seconds that :meth:`SqsQueue.close` gives receives that were cancelled."""

_SYSTEM_ATTRIBUTES: Final = ("ApproximateReceiveCount", "SentTimestamp", "MessageGroupId")
_DEPTH: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_INVALID: Final = "InvalidParameterValue"
_LOST: Final = ("ReceiptHandleIsInvalid", "MessageNotInflight", _INVALID)
_PURGING: Final = "PurgeQueueInProgress"

_log = get_logger(__name__)


class SqsQueue:
    """See :class:`~kxmsg.ports.Queue`; ``name`` is the topology's. Its URL is asked for at the first call.

    A receive that is cancelled goes on unseen, and what it brings is released at once: SQS keeps waiting on a
    connection that was cut, and hands the next messages to it (aws-sdk-js issue 2350, aws-sdk-java-v2 issue 1395),
    where they would stay until their visibility ends. :meth:`close` waits for such receives.

    Sending is repeated after an error that leaves unclear whether it was done: on a FIFO queue the deduplication id
    keeps that from sending twice, on a standard one a message may then be there twice.
    """

    def __init__(self, calls: Retrying, names: Names, name: str) -> None:
        self.name = name
        self.fifo = name.endswith(".fifo")
        self.batch_limit = BATCH_LIMIT
        self._resource = names.queue(name)
        self._calls = calls
        self._url: str | None = None
        self._releases: set[asyncio.Task[None]] = set()

    async def send(self, messages: Sequence[Outgoing]) -> list[Failure]:
        longest_delay = 0 if self.fifo else LONGEST_DELAY
        sizes, failures = admit(messages, fifo=self.fifo, largest=LARGEST, longest_delay=longest_delay)
        return failures + await in_parts(parts(sizes, LARGEST), partial(self._send, messages))

    async def receive(self, limit: int, *, wait: float, visibility: float) -> list[Delivery]:
        if limit < 1:
            raise ValueError(f"{self.name}: a receive takes at least one message, not {limit}")
        polling = asyncio.create_task(self._poll(min(limit, BATCH_LIMIT), wait, visibility))
        try:
            return await asyncio.shield(polling)
        except asyncio.CancelledError:
            release = asyncio.create_task(self._release(polling))
            self._releases.add(release)
            release.add_done_callback(self._releases.discard)
            raise

    async def delete(self, receipts: Sequence[str]) -> list[Failure]:
        check_batch(receipts)
        entries = [{"Id": str(ident), "ReceiptHandle": receipt} for ident, receipt in enumerate(receipts)]
        return await self._settle("DeleteMessageBatch", entries)

    async def change_visibility(self, changes: Sequence[tuple[str, float]]) -> list[Failure]:
        check_batch(changes)
        entries = [
            {"Id": str(ident), "ReceiptHandle": receipt, "VisibilityTimeout": _lease(seconds)}
            for ident, (receipt, seconds) in enumerate(changes)
        ]
        return await self._settle("ChangeMessageVisibilityBatch", entries)

    async def depth(self) -> Depth:
        answer = await self._call("GetQueueAttributes", {"AttributeNames": _DEPTH})
        return Depth(*(int(answer["Attributes"][name]) for name in _DEPTH))

    async def purge(self) -> None:
        """Delete everything; SQS takes up to 60 s for it, in which what is sent may be deleted too.

        Raises :class:`~kxmsg.errors.Transient` within 60 s of another purge.
        """
        try:
            await self._call("PurgeQueue", {})
        except BackendError as error:
            if isinstance(error.__cause__, AwsError) and error.__cause__.code.endswith(_PURGING):
                raise Transient(f"queue {self._resource}: purged less than 60 s ago; wait, then try again") from error
            raise

    async def close(self) -> None:
        """Let cancelled receives give back what they took; those that last are cut after :data:`LINGER` seconds."""
        if self._releases:
            _, late = await asyncio.wait(self._releases, timeout=LINGER)
            for release in late:
                release.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------- the calls

    async def _send(self, messages: Sequence[Outgoing], part: Sequence[int]) -> list[Failure]:
        entries = [self._entry(ident, messages[position]) for ident, position in enumerate(part)]
        answer = await self._call("SendMessageBatch", {"Entries": entries})
        return failures_in(answer, part, "sqs", "SendMessageBatch")

    def _entry(self, ident: int, message: Outgoing) -> dict[str, Any]:
        fields = entry(ident, message, fifo=self.fifo, body="MessageBody")
        if message.delay:
            fields["DelaySeconds"] = ceil(message.delay)
        return fields

    async def _poll(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
        payload: dict[str, Any] = {
            "MaxNumberOfMessages": limit,
            "WaitTimeSeconds": (seconds := min(ceil(wait), LONGEST_WAIT)),
            "VisibilityTimeout": _lease(visibility),
            "MessageSystemAttributeNames": _SYSTEM_ATTRIBUTES,
            "MessageAttributeNames": ("All",),
        }
        if self.fifo:  # a repeated call then gets what the first took, instead of finding the groups locked
            payload["ReceiveRequestAttemptId"] = uuid4().hex
        answer = await self._call("ReceiveMessage", payload, timeout=seconds + ANSWER_TIME, within=REPEAT_TIME)
        return [_delivery(message) for message in answer.get("Messages") or ()]

    async def _release(self, polling: "asyncio.Task[list[Delivery]]") -> None:
        try:
            async with asyncio.timeout(LONGEST_POLL):
                deliveries = await polling
            failures = await self.change_visibility([(delivery.receipt, 0) for delivery in deliveries])
        except (BackendError, TimeoutError) as error:
            _log.warning("messages may come back only when their visibility ends", queue=self.name, error=repr(error))
        else:
            if failures:
                codes = [failure.code for failure in failures]
                _log.warning("messages come back only when their visibility ends", queue=self.name, codes=codes)

    async def _settle(self, operation: str, entries: Sequence[dict[str, Any]]) -> list[Failure]:
        if not entries:
            return []
        answer = await self._call(operation, {"Entries": entries})
        failures = failures_in(answer, range(len(entries)), "sqs", operation)
        return [_of_receipt(failure) for failure in failures]

    async def _call(
        self, operation: str, payload: Mapping[str, Any], *, timeout: float | None = None, within: float = inf
    ) -> dict[str, Any]:
        try:
            if self._url is None:
                answer = await self._calls.call("sqs", "GetQueueUrl", {"QueueName": self._resource})
                self._url = answer["QueueUrl"]
            payload = {"QueueUrl": self._url, **payload}
            return await self._calls.call("sqs", operation, payload, timeout=timeout, within=within)
        except AwsError as error:
            raise to_backend_error(error, f"queue {self._resource}") from error


def _lease(seconds: float) -> int:
    return min(ceil(seconds), LONGEST_LEASE)


def _delivery(message: Mapping[str, Any]) -> Delivery:
    system = message["Attributes"]
    attributes = message.get("MessageAttributes") or {}
    return Delivery(
        id=message["MessageId"],
        body=message["Body"].encode(),
        receipt=message["ReceiptHandle"],
        receives=int(system["ApproximateReceiveCount"]),
        sent_at=int(system["SentTimestamp"]) / 1000,
        group=system.get("MessageGroupId"),
        attributes={name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value},
    )


def _of_receipt(failure: Failure) -> Failure:
    """The failure of a receipt, in the port's words; ``too_long`` is a lease beyond the 12 hours that remain."""
    if not failure.code.endswith(_LOST):
        return failure
    code, message = "lease_lost", "the message is not in flight under this receipt"
    if failure.code.endswith(_INVALID) and "parameter VisibilityTimeout" in failure.message:
        code, message = "too_long", "a message may be in flight for 12 hours in all"
    return Failure(failure.index, code, message, retryable=False)
