"""WorkerHarness: send a worker messages and see what becomes of them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self, cast

import orjson
from pydantic import BaseModel

from kxmsg.bootstrap import App, memory_app
from kxmsg.codecs.envelope import encode_bundle, encode_parcel
from kxmsg.codecs.job import encode_chunk, encode_render_job
from kxmsg.embedded.backend import EmbeddedBackend
from kxmsg.model.envelope import Bundle, Parcel
from kxmsg.model.event import Event
from kxmsg.model.job import Chunk, RenderJob
from kxmsg.ports import Delivery, Failure, Outgoing, Queue, Topic
from kxmsg.retry import Jitter
from kxmsg.settings import Settings
from kxmsg.telemetry import SystemClock
from kxmsg.testing.virtual import VirtualClock, VirtualTimeLoop
from kxmsg.topology import TOPOLOGY, Topology
from kxmsg.transport import send_all

MARK: Final = "harness"
"""Attribute by which the harness knows its messages."""

_ENCODERS: Final[Sequence[tuple[type, Callable[[Any], bytes]]]] = (
    (bytes, bytes),
    (str, str.encode),
    (BaseModel, lambda model: model.model_dump_json(by_alias=True).encode()),
    (Event, lambda event: orjson.dumps(event.as_dict())),
    (Parcel, encode_parcel),
    (Bundle, encode_bundle),
    (RenderJob, encode_render_job),
    (Chunk, encode_chunk),
    (object, orjson.dumps),
)


class Runnable(Protocol):
    """A :class:`kxmsg.Worker`."""

    @property
    def queues(self) -> list[str]: ...

    def topology(self, base: Topology) -> Topology: ...

    async def run(self, app: App, stop: asyncio.Event, *, rng: Jitter) -> None: ...


@dataclass(eq=False, slots=True)
class Sent:
    """A message that the harness sent. ``outcome`` is None until the worker has come to an end with it.

    ``receives``: how often it was handed out, more than 1 where it was retried. ``reason``: why it was dead-lettered.
    """

    queue: str
    receives: int = 0
    outcome: Literal["acknowledged", "dead-lettered"] | None = None
    reason: str | None = None


class WorkerHarness:
    """Runs ``worker`` on an app in memory while inside.

    ``topology``: what the worker's own queue is added to. ``aws_like``: a seed; the broker is then as unkind as AWS may
    be, repeatably. ``seed`` decides the back-off. ``app`` is for what a test wants to prepare or to look at.
    """

    def __init__(
        self,
        worker: Runnable,
        *,
        topology: Topology = TOPOLOGY,
        settings: Settings | None = None,
        aws_like: int | None = None,
        seed: int = 0,
    ) -> None:
        self._worker = worker
        self._topology = worker.topology(topology)
        self._settings = settings
        self._aws_like = aws_like
        self._rng = Random(seed)
        self._stop = asyncio.Event()
        self._watch = _Watch()
        self._ending = AsyncExitStack()
        self.app: App

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        clock = VirtualClock(loop) if isinstance(loop, VirtualTimeLoop) else SystemClock()
        self.app = memory_app(topology=self._topology, clock=clock, aws_like=self._aws_like, settings=self._settings)
        self.app.backend = cast(
            "EmbeddedBackend", _WatchedBackend(cast("EmbeddedBackend", self.app.backend), self._watch)
        )
        self._ending.push_async_callback(self.app.close)
        self._running = asyncio.create_task(self._worker.run(self.app, self._stop, rng=self._rng))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._ending:
            await self.stop()

    async def stop(self) -> None:
        """Let the worker drain and end; raises what it ended with."""
        self._stop.set()
        await self._running

    async def send(
        self,
        message: object,
        *,
        queue: str | None = None,
        group: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> Sent:
        """Send ``message``, encoded by its type, to ``queue``: by default the only one that the worker serves.

        ``group`` orders on a FIFO queue.
        """
        if queue is None:
            (queue,) = self._worker.queues
        sent = Sent(queue)
        mark = self._watch.add(sent)
        port = self._watch.unwatched(self.app.backend.queue(queue))
        outgoing = Outgoing(
            _encode(message),
            group=(group or "harness") if port.fifo else group,
            dedup=mark if port.fifo else None,
            attributes={**(attributes or {}), MARK: mark},
        )
        for failure in await send_all(port, [outgoing]):
            raise ValueError(f"queue {queue} refused the message: {failure.code}: {failure.message}")
        return sent

    async def settled(self, *, within: float = 3600) -> None:
        """Wait until every message sent has an outcome; raises TimeoutError after ``within`` seconds."""
        waiting = asyncio.create_task(self._watch.settled())
        try:
            done, _ = await asyncio.wait({waiting, self._running}, timeout=within, return_when="FIRST_COMPLETED")
        finally:
            waiting.cancel()
        if self._running in done:
            await self._running
            if not waiting.done():
                raise RuntimeError("the worker has ended before its messages were settled")
        if not done:
            raise TimeoutError(f"messages are not settled after {within:g} s")

    def sent(self, name: str) -> list[Outgoing]:
        """What the worker has sent to the queue, or published to the topic, of that name."""
        return self._watch.outgoing.get(name, [])


def _encode(message: object) -> bytes:
    return next(encode(message) for kind, encode in _ENCODERS if isinstance(message, kind))


@dataclass(slots=True)
class _Watch:
    """What the ports were seen doing."""

    outgoing: dict[str, list[Outgoing]] = field(default_factory=dict)
    _marked: dict[str, Sent] = field(default_factory=dict)
    _receipts: dict[tuple[str, str], Sent] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, sent: Sent) -> str:
        mark = str(len(self._marked))
        self._marked[mark] = sent
        return mark

    def unwatched(self, queue: Queue) -> Queue:
        return queue.inner if isinstance(queue, _WatchedQueue) else queue

    def received(self, name: str, delivery: Delivery) -> None:
        sent = self._marked.get(delivery.attributes.get(MARK, ""))
        if sent is not None:
            sent.receives = delivery.receives
            self._receipts[name, delivery.receipt] = sent

    def went_out(self, name: str, messages: Sequence[Outgoing], failures: Sequence[Failure]) -> None:
        failed = {failure.index for failure in failures}
        kept = [message for index, message in enumerate(messages) if index not in failed]
        self.outgoing.setdefault(name, []).extend(kept)
        for message in kept:
            sent = self._marked.get(message.attributes.get(MARK, ""))
            if sent is not None and message.attributes.get("sourceQueue") == sent.queue:
                sent.reason = message.attributes.get("reason")

    def deleted(self, name: str, receipts: Sequence[str], failures: Sequence[Failure]) -> None:
        failed = {failure.index for failure in failures}
        for index, receipt in enumerate(receipts):
            if index not in failed and (sent := self._receipts.get((name, receipt))) is not None:
                sent.outcome = "acknowledged" if sent.reason is None else "dead-lettered"
        self._changed.set()

    async def settled(self) -> None:
        while any(sent.outcome is None for sent in self._marked.values()):
            self._changed.clear()
            await self._changed.wait()


class _WatchedBackend:
    def __init__(self, inner: EmbeddedBackend, watch: _Watch) -> None:
        self._inner = inner
        self._watch = watch
        self._queues: dict[str, _WatchedQueue] = {}

    def queue(self, name: str) -> Queue:
        if name not in self._queues:
            self._queues[name] = _WatchedQueue(self._inner.queue(name), self._watch)
        return self._queues[name]

    def topic(self, name: str) -> Topic:
        return _WatchedTopic(self._inner.topic(name), self._watch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _WatchedQueue:
    def __init__(self, inner: Queue, watch: _Watch) -> None:
        self.inner = inner
        self._watch = watch

    async def send(self, messages: Sequence[Outgoing]) -> list[Failure]:
        failures = await self.inner.send(messages)
        self._watch.went_out(self.inner.name, messages, failures)
        return failures

    async def receive(self, limit: int, *, wait: float, visibility: float) -> list[Delivery]:
        deliveries = await self.inner.receive(limit, wait=wait, visibility=visibility)
        for delivery in deliveries:
            self._watch.received(self.inner.name, delivery)
        return deliveries

    async def delete(self, receipts: Sequence[str]) -> list[Failure]:
        failures = await self.inner.delete(receipts)
        self._watch.deleted(self.inner.name, receipts, failures)
        return failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _WatchedTopic:
    def __init__(self, inner: Topic, watch: _Watch) -> None:
        self._inner = inner
        self._watch = watch

    async def publish(self, messages: Sequence[Outgoing]) -> list[Failure]:
        failures = await self._inner.publish(messages)
        self._watch.went_out(self._inner.name, messages, failures)
        return failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
