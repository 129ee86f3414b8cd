"""What the contract suites of ``Queue`` share: an adapter's hooks, calls that repeat partial failures."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, TypeAlias, TypeVar

import pytest

from kxmsg.ports import Delivery, Failure, Outgoing, Queue

MakeQueue: TypeAlias = Callable[[str], Awaitable[tuple[Queue, Queue]]]
"""Makes an empty queue of about that name (FIFO if it ends so), and its dead-letter queue, with ``max_receives``."""

T = TypeVar("T")


class QueueSuite:
    """Subclasses give the fixture ``make`` and :meth:`tick`."""

    max_receives: ClassVar[int] = 2
    patience: ClassVar[float] = 0
    """Seconds of ``wait`` after which a receive that comes back empty is believed."""
    jumps: ClassVar[bool] = True
    """Whether :meth:`tick` takes no real time."""

    @pytest.fixture
    async def make(self) -> MakeQueue:
        raise NotImplementedError

    async def tick(self, seconds: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    async def receive(self, queue: Queue, limit: int = 10, visibility: float = 30) -> list[Delivery]:
        return await queue.receive(limit, wait=self.patience, visibility=visibility)

    async def drain(self, queue: Queue, visibility: float = 30) -> list[Delivery]:
        """Receive until nothing is left to receive."""
        found: list[Delivery] = []
        while batch := await self.receive(queue, visibility=visibility):
            found += batch
        return found


async def send(queue: Queue, *messages: Outgoing) -> None:
    """Send one by one, so that a repeated failure can't change the order."""
    for message in messages:
        await insist(queue.send, [message])


async def delete(queue: Queue, deliveries: Sequence[Delivery]) -> None:
    receipts = [delivery.receipt for delivery in deliveries]
    for start in range(0, len(receipts), queue.batch_limit):
        await insist(queue.delete, receipts[start : start + queue.batch_limit])


async def change(queue: Queue, deliveries: Sequence[Delivery], seconds: float) -> list[Failure]:
    """Change the visibility of them all; returns the failures that repeating doesn't help."""
    return await insist(queue.change_visibility, [(delivery.receipt, seconds) for delivery in deliveries])


async def insist(call: Callable[[list[T]], Awaitable[list[Failure]]], batch: Sequence[T]) -> list[Failure]:
    """Repeat a batch call with what failed for no fault of its own. Positions of failures are those of the batch."""
    lasting: list[Failure] = []
    pending = list(range(len(batch)))
    while pending:
        failures = await call([batch[index] for index in pending])
        lasting += [
            Failure(pending[failure.index], failure.code, failure.message, False)
            for failure in failures
            if not failure.retryable
        ]
        pending = [pending[failure.index] for failure in failures if failure.retryable]
    return lasting


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    return [delivery.body for delivery in deliveries]


async def cancel(task: "asyncio.Task[Any]") -> None:
    """Cancel the task and wait until it has ended."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
