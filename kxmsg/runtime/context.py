"""Context: what a handler may know and say about the call it is in."""

import asyncio
from collections.abc import Sequence
from typing import Any, Generic, Protocol

import structlog
from typing_extensions import TypeVar

from kxmsg.errors import LeaseLost, Poison
from kxmsg.ports import BlobStore, Clock, Queue, Topic
from kxmsg.runtime.held import Held
from kxmsg.runtime.trace import trace_of
from kxmsg.settings import Settings
from kxmsg.telemetry import get_logger
from kxmsg.topology import Topology


class App(Protocol):
    """What the runtime needs of the composition root."""

    @property
    def settings(self) -> Settings: ...
    @property
    def topology(self) -> Topology: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def blobs(self) -> BlobStore: ...

    def queue(self, name: str) -> Queue:
        """The queue of that logical name."""
        ...

    def topic(self, name: str) -> Topic:
        """The topic of that logical name."""
        ...


AppT = TypeVar("AppT", default=Any)
"""The composition root, as far as a handler knows it: ``Context[App]`` for kxmsg's own, or anything with its parts."""


class Context(Generic[AppT]):
    """One call of a handler, with one message or, for a batch handler, several; of a periodic task, with none.

    ``app``: the composition root, with its queues, topics, tables, clock, settings. ``deliveries`` and ``messages``:
    the messages as they were sent and as decoded, position by position. ``trace``: the ``traceparent`` to send on.
    ``failures`` and ``undecodable``: what failed so far, in the handler and before it, by position among what was
    received.
    """

    __slots__ = (
        "_batch",
        "_positions",
        "_queue",
        "_stop",
        "app",
        "deliveries",
        "failures",
        "messages",
        "trace",
        "undecodable",
    )

    def __init__(self, app: AppT, stop: asyncio.Event, queue: Queue | None = None, batch: Sequence[Held] = ()) -> None:
        self.app = app
        self.deliveries = [held.delivery for held in batch]
        self.messages: Sequence[Any] = ()
        self.trace = trace_of(self.deliveries)
        self.failures: dict[int, BaseException] = {}
        self.undecodable: dict[int, Poison] = {}
        self._queue = queue
        self._batch = batch
        self._positions: Sequence[int] = range(len(batch))
        self._stop = stop

    @property
    def queue(self) -> Queue:
        """Where the messages came from; a periodic task has none, which raises LookupError."""
        if self._queue is None:
            raise LookupError("a periodic task is called for no queue")
        return self._queue

    @property
    def stopping(self) -> bool:
        """The worker is about to end: finish soon, begin nothing long."""
        return self._stop.is_set()

    @property
    def log(self) -> structlog.stdlib.BoundLogger:
        """A logger whose lines tell worker, queue, message and trace."""
        return get_logger("kxmsg.worker")

    def fail(self, index: int, error: BaseException) -> None:
        """The message at ``index`` was not handled: it is retried or dead-lettered, as if ``error`` had been raised.

        On a FIFO queue what follows it in its group goes back and must not be handled in this call: see
        :meth:`blocked`.
        """
        self.failures.setdefault(self._positions[index], error)

    def blocked(self, index: int) -> bool:
        """On a FIFO queue: an earlier message of the same group has failed in this call."""
        position = self._positions[index]
        group = self._batch[position].group
        return bool(group) and any(failed < position and self._batch[failed].group == group for failed in self.failures)

    def check_lease(self, index: int | None = None) -> None:
        """Call before what can't be undone. Raises :class:`~kxmsg.errors.LeaseLost` where somebody else has it now.

        ``index`` asks about one message, None about all of them.
        """
        positions = self._positions if index is None else [self._positions[index]]
        now = asyncio.get_running_loop().time()
        for position in positions:
            held = self._batch[position]
            if held.lost or now >= held.expires:
                raise LeaseLost(f"message {held.delivery.id} went back to {self.queue.name}")

    def withhold(self, index: int, error: BaseException) -> None:
        """The message at ``index`` can't be handed out now: it fails before the call, and so does what follows it in
        its group."""
        group = self._batch[index].group
        for position in range(index, len(self._batch)):
            if position == index or (group and self._batch[position].group == group):
                self.failures.setdefault(position, error)

    def keep(self, messages: Sequence[Any], undecodable: dict[int, Poison]) -> None:
        """These messages were decoded, in order; the others could not be, or not even be read, and are not part of the
        call any more."""
        self.messages = messages
        if undecodable or self.failures:
            self.undecodable = undecodable
            without = undecodable.keys() | self.failures.keys()
            self._positions = [position for position in self._positions if position not in without]
            self.deliveries = [self._batch[position].delivery for position in self._positions]

    def fail_rest(self, error: BaseException) -> None:
        """Every message that has not failed for a reason of its own has failed with ``error``."""
        for position in self._positions:
            self.failures.setdefault(position, error)
