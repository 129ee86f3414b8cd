"""EmbeddedTopic: a copy of each message to every subscribed queue that accepts it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from kxmsg.ports import Failure, Outgoing, Queue
from kxmsg.topology import TopicSpec

Filter: TypeAlias = Mapping[str, tuple[str, ...]]
"""The values that attributes may have; a message lacks none of these attributes."""


class EmbeddedTopic:
    """SNS semantics; see :class:`~kxmsg.ports.Topic`. A FIFO topic's group and dedup pass on to its queues.

    ``subscriptions`` is asked at each publish, since a worker of a user's may subscribe at any time.
    """

    def __init__(self, spec: TopicSpec, subscriptions: Callable[[], Sequence[tuple[Queue, Filter]]]) -> None:
        self.name = spec.name
        self.batch_limit = min((queue.batch_limit for queue, _ in subscriptions()), default=100)
        self._subscriptions = subscriptions

    async def publish(self, messages: Sequence[Outgoing]) -> list[Failure]:
        return await distribute(
            (queue, {index: message for index, message in enumerate(messages) if accepts(wanted, message.attributes)})
            for queue, wanted in self._subscriptions()
        )


def accepts(wanted: Filter, attributes: Mapping[str, str]) -> bool:
    """Whether a filter lets a message with these attributes through (SNS: "filter policies", exact values)."""
    return all(attributes.get(name) in values for name, values in wanted.items())


async def distribute(shares: Iterable[tuple[Queue, Mapping[int, Outgoing]]]) -> list[Failure]:
    """Send each queue its messages, at the same time. Keys are positions; one fails if any queue refuses it.

    Raises what a queue raised, after all are through: the caller can't know then what was done.
    """
    owed = [(queue, list(share), list(share.values())) for queue, share in shares if share]
    results = await asyncio.gather(*(queue.send(messages) for queue, _, messages in owed), return_exceptions=True)
    failures: dict[int, Failure] = {}
    for (_, positions, _), result in zip(owed, results, strict=True):
        if isinstance(result, BaseException):
            raise result
        for failure in result:
            index = positions[failure.index]
            if index not in failures or failure.retryable:
                failures[index] = Failure(index, failure.code, failure.message, failure.retryable)
    return [failures[index] for index in sorted(failures)]
