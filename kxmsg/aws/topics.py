"""SnsTopic: the Topic port on Amazon SNS."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from kxmsg.aws.batches import BATCH_LIMIT, admit, entry, failures_in, in_parts, parts
from kxmsg.aws.errors import AwsError, to_backend_error
from kxmsg.aws.names import Names
from kxmsg.aws.retrying import Retrying
from kxmsg.ports import Failure, Outgoing

LARGEST: Final = 256 * 1024
"""Bytes of one message, and of all in one call: a topic's ``MaximumMessageSize`` unless set (SNS API, PublishBatch)."""


class SnsTopic:
    """See :class:`~kxmsg.ports.Topic`; ``name`` is the topology's. Subscriptions are expected to deliver raw messages.

    Then attributes and group arrive with the message, on a standard queue too, where the group keeps it fair (SNS API,
    PublishBatchRequestEntry). Publishing is repeated as :class:`~kxmsg.aws.queues.SqsQueue` repeats sending.
    """

    def __init__(self, calls: Retrying, names: Names, name: str) -> None:
        self.name = name
        self.fifo = name.endswith(".fifo")
        self.batch_limit = BATCH_LIMIT
        self._resource = names.topic(name)
        self._arn = names.topic_arn(name)
        self._calls = calls

    async def publish(self, messages: Sequence[Outgoing]) -> list[Failure]:
        sizes, failures = admit(messages, fifo=self.fifo, largest=LARGEST)
        return failures + await in_parts(parts(sizes, LARGEST), partial(self._publish, messages))

    async def _publish(self, messages: Sequence[Outgoing], part: Sequence[int]) -> list[Failure]:
        entries = [
            entry(ident, messages[position], fifo=self.fifo, body="Message") for ident, position in enumerate(part)
        ]
        payload = {"TopicArn": self._arn, "PublishBatchRequestEntries": entries}
        try:
            answer = await self._calls.call("sns", "PublishBatch", payload)
        except AwsError as error:
            raise to_backend_error(error, f"topic {self._resource}") from error
        return failures_in(answer, part, "sns", "PublishBatch")
