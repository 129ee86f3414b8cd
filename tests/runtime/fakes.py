"""A queue with SQS semantics in a few lines, whose faults a test decides."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from kxmsg.embedded.blobs import EmbeddedBlobs
from kxmsg.ports import Delivery, Depth, Failure, Outgoing, Queue
from kxmsg.runtime.consumer import Consumer, Options
from kxmsg.runtime.context import Context
from kxmsg.runtime.drain import Budget
from kxmsg.runtime.watchdog import Watchdog
from kxmsg.settings import Settings
from kxmsg.testing.virtual import VirtualClock
from kxmsg.topology import TOPOLOGY, Topology

LOST = Failure(0, "lease_lost", "not in flight under this receipt", retryable=False)


@dataclass(eq=False)
class Stored:
    id: str
    outgoing: Outgoing
    sent_at: float
    visible_at: float
    receives: int = 0
    receipt: str | None = None


class FakeQueue:
    """In memory; time is the event loop's. ``script`` holds faults: each call takes the next of its operation.

    A fault is an exception to raise, a list of positions to fail, or a coroutine function to await first.
    """

    def __init__(self, name: str, *, batch_limit: int = 10, dlq: "FakeQueue | None" = None, max_receives: int = 10):
        self.name = name
        self.fifo = name.endswith(".fifo")
        self.batch_limit = batch_limit
        self.messages: list[Stored] = []
        self.deleted: list[str] = []
        self.calls: list[tuple[str, Any]] = []
        self.polling = 0
        self.most_polling = 0
        self.script: dict[str, list[Any]] = {}
        self._dlq = dlq
        self._max_receives = max_receives
        self._sent: dict[str, float] = {}
        self._count = 0
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def fault(self, operation: str, *faults: Any) -> None:
        """The next calls of ``operation`` meet these."""
        self.script.setdefault(operation, []).extend(faults)

    async def send(self, messages: Sequence[Outgoing]) -> list[Failure]:
        failed = await self._begin("send", messages)
        now = self._loop.time()
        for index, message in enumerate(messages):
            if index in failed:
                continue
            if message.dedup is not None:
                if now - self._sent.get(message.dedup, -1e9) < 300:
                    continue
                self._sent[message.dedup] = now
            self._count += 1
            self.messages.append(Stored(f"{self.name}/{self._count}", message, now, now + message.delay))
        self._changed.set()
        return [Failure(index, "fault") for index in sorted(failed)]

    async def receive(self, limit: int, *, wait: float, visibility: float) -> list[Delivery]:
        self.polling += 1
        self.most_polling = max(self.most_polling, self.polling)
        try:
            await self._begin("receive", limit)
            deadline = self._loop.time() + wait
            while not (taken := self._take(min(limit, self.batch_limit), visibility)):
                now = self._loop.time()
                if now >= deadline:
                    return []
                soonest = min((stored.visible_at for stored in self.messages if stored.visible_at > now), default=1e9)
                self._changed.clear()
                try:
                    async with asyncio.timeout_at(min(deadline, soonest)):
                        await self._changed.wait()
                except TimeoutError:
                    pass
            return taken
        finally:
            self.polling -= 1

    async def delete(self, receipts: Sequence[str]) -> list[Failure]:
        failed = await self._begin("delete", receipts)
        for index, receipt in enumerate(receipts):
            stored = self._holder(receipt)
            if index not in failed and stored is not None:
                self.messages.remove(stored)
                self.deleted.append(stored.id)
        self._changed.set()
        return [Failure(index, "fault") for index in sorted(failed)]

    async def change_visibility(self, changes: Sequence[tuple[str, float]]) -> list[Failure]:
        failed = await self._begin("change_visibility", changes)
        failures = [Failure(index, "fault") for index in sorted(failed)]
        now = self._loop.time()
        for index, (receipt, seconds) in enumerate(changes):
            stored = self._holder(receipt)
            if index in failed:
                continue
            if stored is None or stored.visible_at <= now:
                failures.append(Failure(index, "lease_lost", "gone", retryable=False))
            else:
                stored.visible_at = now + seconds
        self._changed.set()
        return failures

    async def depth(self) -> Depth:
        await self._begin("depth", None)
        now = self._loop.time()
        flying = sum(stored.visible_at > now for stored in self.messages)
        return Depth(len(self.messages) - flying, flying, 0)

    async def purge(self) -> None:
        self.messages.clear()

    def steal(self, ident: str) -> None:
        """Somebody else has this message from now on."""
        for stored in self.messages:
            if stored.id == ident:
                stored.receipt = "somebody else's"

    def bodies(self) -> list[bytes]:
        return [stored.outgoing.body for stored in self.messages]

    def holding(self, operation: str) -> list[Any]:
        """What ``operation`` was called with, call by call."""
        return [given for name, given in self.calls if name == operation]

    async def _begin(self, operation: str, given: Any) -> set[int]:
        self.calls.append((operation, list(given) if isinstance(given, Sequence) else given))
        assert not isinstance(given, Sequence) or 0 < len(given) <= self.batch_limit
        await asyncio.sleep(0)
        faults = self.script.get(operation)
        if not faults:
            return set()
        fault = faults.pop(0)
        if isinstance(fault, BaseException):
            raise fault
        if callable(fault):
            await fault()
            return set()
        return set(fault)

    def _holder(self, receipt: str) -> Stored | None:
        return next((stored for stored in self.messages if stored.receipt == receipt), None)

    def _take(self, limit: int, visibility: float) -> list[Delivery]:
        now = self._loop.time()
        locked = {stored.outgoing.group for stored in self.messages if self.fifo and stored.visible_at > now}
        taken: list[Delivery] = []
        for stored in list(self.messages):
            if len(taken) == limit:
                break
            if stored.visible_at > now or (self.fifo and stored.outgoing.group in locked):
                continue
            stored.receives += 1
            if self._dlq is not None and stored.receives > self._max_receives:
                self.messages.remove(stored)
                self._dlq.messages.append(Stored(stored.id, stored.outgoing, stored.sent_at, now))
                continue
            stored.receipt = f"{stored.id}#{stored.receives}"
            stored.visible_at = now + visibility
            message = stored.outgoing
            taken.append(
                Delivery(
                    stored.id,
                    message.body,
                    stored.receipt,
                    stored.receives,
                    1_750_000_000.0 + stored.sent_at,
                    message.group,
                    message.attributes,
                )
            )
        return taken


class FakeApp:
    """What the runtime needs of an app."""

    def __init__(self, *queues: Queue, settings: Settings | None = None, topology: Topology = TOPOLOGY) -> None:
        self.settings = settings or Settings(_env_file=None)
        self.topology = topology
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.blobs = EmbeddedBlobs(None, self.clock)
        self._queues = {queue.name: queue for queue in queues}

    def queue(self, name: str) -> Queue:
        return self._queues[name]

    def topic(self, name: str) -> Any:
        raise KeyError(name)


@dataclass
class Rig:
    """A consumer at work on a fake queue, and what its handler was called with."""

    queue: FakeQueue
    dlq: FakeQueue
    consumer: Consumer
    stop: asyncio.Event
    budget: float
    _drained: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, *bodies: str, group: str | None = None) -> None:
        group = group or ("g" if self.queue.fifo else None)
        for start in range(0, len(bodies), self.queue.batch_limit):
            part = bodies[start : start + self.queue.batch_limit]
            await self.queue.send([Outgoing(body.encode(), group=group) for body in part])

    async def until(self, condition: Callable[[], object], *, within: float = 10_000) -> None:
        """Let virtual time pass, in steps of a hundredth of what has passed, until ``condition`` holds."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - virtual time, and a condition of any kind
                await asyncio.sleep(max(0.01, (loop.time() - started) / 100))

    async def empty(self, *, within: float = 10_000) -> None:
        await self.until(lambda: not self.queue.messages, within=within)

    async def drain(self) -> None:
        self.stop.set()
        await self._drained.wait()


@asynccontextmanager
async def consuming(
    handle: Callable[[Context[Any]], Awaitable[None]],
    *,
    name: str = "work",
    budget: float = 25.0,
    batch_limit: int = 10,
    watchdog: Watchdog | None = None,
    seed: int = 1,
    **options: Any,
) -> AsyncIterator[Rig]:
    """A consumer of a fake queue, drained at the end, when all of its permits must be back."""
    dlq = FakeQueue("work-dlq.fifo" if name.endswith(".fifo") else "work-dlq", batch_limit=batch_limit)
    queue = FakeQueue(name, batch_limit=batch_limit, dlq=dlq, max_receives=options.get("max_receives", 10))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        consumer = Consumer(
            group,
            FakeApp(queue, dlq),
            queue,
            dlq,
            handle,
            Options("tester", **options),
            stop=stop,
            watchdog=watchdog or Watchdog(),
            rng=Random(seed),
        )
        rig = Rig(queue, dlq, consumer, stop, budget)

        async def drain() -> None:
            await stop.wait()
            await consumer.drain(Budget(budget))
            rig._drained.set()

        group.create_task(drain())
        consumer.start()
        yield rig
        stop.set()
    assert consumer.permits.free == consumer.permits.limit


def bodies(context: Context[Any]) -> list[str]:
    """What a call was given."""
    return [delivery.body.decode() for delivery in context.deliveries]
