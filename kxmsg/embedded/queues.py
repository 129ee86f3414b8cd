"""EmbeddedQueue: the Queue port on a file of its own."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from sqlite3 import Connection
from typing import Final, TypeVar

import orjson

from kxmsg.embedded.engine import Engine
from kxmsg.embedded.fifo import FifoMessages
from kxmsg.embedded.messages import LEASE_LOST, RETENTION, TOO_LONG
from kxmsg.embedded.records import Entry, Receipt, Taken
from kxmsg.embedded.standard import StandardMessages
from kxmsg.embedded.wake import Wake
from kxmsg.embedded.whims import BATCH_LIMIT as AWS_BATCH_LIMIT
from kxmsg.embedded.whims import Whims
from kxmsg.errors import BackendError
from kxmsg.ports import Clock, Delivery, Depth, Failure, Outgoing
from kxmsg.telemetry import get_logger
from kxmsg.topology import DLQ_SUFFIX, QueueSpec

T = TypeVar("T")

BATCH_LIMIT: Final = 100
LARGEST: Final = 1 << 20
"""Bytes of body and attributes together (SQS: "Amazon SQS message quotas")."""
MOST_ATTRIBUTES: Final = 10
LONGEST_DELAY: Final = 900.0
LONGEST_ID: Final = 128
SHORTEST_PAUSE: Final = 0.001
"""Seconds to wait at least for a message that comes back: wall clock and event loop don't agree to the last bit."""

_log = get_logger(__name__)

_MESSAGES: Final = {
    LEASE_LOST: "the message is not in flight under this receipt",
    TOO_LONG: "a message may be in flight for 12 hours in all",
}


class EmbeddedQueue:
    """SQS semantics on SQLite; see :class:`~kxmsg.ports.Queue`.

    ``wake`` is shared by the queues of a process. With ``aws_like`` the queue takes batches of 10 and does what AWS
    seldom does: :class:`~kxmsg.embedded.whims.Whims`, repeatable by ``seed``. A dead-letter queue is like any other,
    but has none itself.
    """

    def __init__(
        self, engine: Engine, spec: QueueSpec, clock: Clock, wake: Wake, *, aws_like: bool = False, seed: int = 0
    ) -> None:
        is_last = spec.name.removesuffix(".fifo").endswith(DLQ_SUFFIX)
        kind = FifoMessages if spec.fifo else StandardMessages
        self.name = spec.name
        self.fifo = spec.fifo
        self.batch_limit = AWS_BATCH_LIMIT if aws_like else BATCH_LIMIT
        self.dead_letters = None if is_last else EmbeddedQueue(engine, QueueSpec(spec.dlq), clock, wake)
        self._engine = engine
        self._clock = clock
        self._wake = wake
        self._whims = Whims(seed) if aws_like else None
        self._file = f"queue-{spec.name}"
        self._drained: asyncio.Event | None = None
        self._messages = kind(spec.name, clock, max_receives=None if is_last else spec.max_receives, whims=self._whims)
        engine.register(self._file, kind.SCHEMA)

    async def send(self, messages: Sequence[Outgoing]) -> list[Failure]:
        self._check_size(messages)
        failures = [
            Failure(index, *wrong, retryable=False)
            for index, message in enumerate(messages)
            if (wrong := _wrong(message, fifo=self.fifo))
        ]
        failures += self._whimsical(len(messages), failures)
        failed = {failure.index for failure in failures}
        entries = [_entry(message, fifo=self.fifo) for index, message in enumerate(messages) if index not in failed]
        if entries:
            await self._alter(partial(self._messages.put, entries=entries), durable=True)
        return failures

    async def receive(self, limit: int, *, wait: float, visibility: float) -> list[Delivery]:
        if limit < 1:
            raise ValueError(f"{self.name}: a receive takes at least one message, not {limit}")
        limit = min(limit, self.batch_limit)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            woken = self._wake.listen(self._file)
            if woken is self._drained:  # the last look took what there was, and nobody has rung since
                self._drained = None
                await self._wait(woken, deadline, None)
                continue
            taken = await self._take_safely(limit, visibility)
            if taken.deliveries:
                if len(taken.deliveries) + len(taken.dead) < limit and self._wake.poll is not None:
                    self._drained = woken
                return taken.deliveries
            if taken.dead:
                continue
            if loop.time() >= deadline:
                return []
            await self._wait(woken, deadline, taken.next_at)

    async def delete(self, receipts: Sequence[str]) -> list[Failure]:
        self._check_size(receipts)
        parsed, failures = self._parse(receipts)
        if parsed:
            await self._alter(partial(self._messages.delete, receipts=list(parsed.values())), durable=False)
        return failures

    async def change_visibility(self, changes: Sequence[tuple[str, float]]) -> list[Failure]:
        self._check_size(changes)
        parsed, failures = self._parse([receipt for receipt, _ in changes])
        if parsed:
            work = partial(
                self._messages.change, changes=[(receipt, changes[index][1]) for index, receipt in parsed.items()]
            )
            _, wrong = await self._alter(work, durable=False, wakes=itemgetter(0))
            failures += [
                Failure(index, code, _MESSAGES[code], retryable=False)
                for index, code in zip(parsed, wrong, strict=True)
                if code
            ]
        return failures

    async def depth(self) -> Depth:
        return await self._engine.read(self._file, self._messages.depth)

    async def purge(self) -> None:
        await self._engine.write(self._file, self._messages.clear)

    async def peek(self, limit: int, after: str | None = None) -> list[Delivery]:
        """Up to ``limit`` messages as they stand, in the order of their sending, after the one with that receipt.

        Nothing changes by it. A receipt seen here deletes the message as long as nobody receives it.
        """
        start = Receipt.parse(after) if after else None
        return await self._engine.read(self._file, partial(self._messages.peek, limit=limit, after=start))

    async def bury(self, entries: Sequence[Entry]) -> None:
        """As a dead-letter queue, take over messages of another; those that it has had before are ignored."""
        await self._alter(partial(self._messages.put, entries=entries, remember=RETENTION), durable=True)

    # ---------------------------------------------------------------------------------------------- receiving

    async def _take_safely(self, limit: int, visibility: float) -> Taken:
        """Take; if the caller is cancelled meanwhile, what was taken goes back at once."""
        taking = asyncio.ensure_future(self._take(limit, visibility))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(self._give_back(taking)))
            raise

    async def _take(self, limit: int, visibility: float) -> Taken:
        work = partial(self._messages.take, limit=limit, visibility=visibility)
        taken = await self._engine.write(self._file, work, durable=False)
        if taken.dead:
            await self._dead_letter(taken.dead)
        return taken

    async def _give_back(self, taking: "asyncio.Future[Taken]") -> None:
        try:
            receipts = [Receipt.parse(delivery.receipt) for delivery in (await taking).deliveries]
            if receipts:
                await self._alter(partial(self._messages.give_back, receipts=receipts), durable=False)
        except BackendError as error:
            _log.warning("messages come back only when their visibility ends", queue=self.name, error=str(error))

    async def _wait(self, woken: asyncio.Event, deadline: float, next_at: float | None) -> None:
        """Until there may be something: a wake-up, a message that comes back, the deadline, or a look of one's own."""
        loop = asyncio.get_running_loop()
        until = deadline
        if next_at is not None:
            until = min(until, loop.time() + max(next_at - self._clock.now(), SHORTEST_PAUSE))
        while (pause := until - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if self._wake.poll is None else min(pause, self._wake.poll)):
                    await woken.wait()
                    return
            if await self._engine.read(self._file, self._messages.ready):
                return

    async def _dead_letter(self, dead: Sequence[Delivery]) -> None:
        """Move messages to the dead-letter queue, which knows their ids: repeated after a crash, it moves them once."""
        assert self.dead_letters is not None  # noqa: S101 - without one, none are dead
        receipts = [Receipt.parse(message.receipt) for message in dead]
        try:
            await self.dead_letters.bury([_burial(message, self.name) for message in dead])
            await self._alter(partial(self._messages.delete, receipts=receipts), durable=False)
        except BackendError as error:
            _log.warning("dead-lettering failed, will be repeated", queue=self.name, error=str(error))
        else:
            _log.warning("dead-lettered by the broker", queue=self.name, ids=[message.id for message in dead])

    # ------------------------------------------------------------------------------------------------ helpers

    async def _alter(self, work: Callable[[Connection], T], *, durable: bool, wakes: Callable[[T], bool] = bool) -> T:
        """Write, and wake the waiting if the result says so, also where the caller is cancelled before."""

        def announce(done: "asyncio.Future[T]") -> None:
            if not done.cancelled() and done.exception() is None and wakes(done.result()):
                self._wake.notify(self._file)

        future = self._engine.submit(self._file, work, durable=durable)
        future.add_done_callback(announce)
        return await asyncio.shield(future)

    def _check_size(self, batch: Sequence[object]) -> None:
        if len(batch) > self.batch_limit:
            raise ValueError(f"{self.name} takes batches of at most {self.batch_limit}, not {len(batch)}")

    def _parse(self, receipts: Sequence[str]) -> tuple[dict[int, Receipt], list[Failure]]:
        """The receipts by position, and what failed at the outset."""
        parsed, failures = {}, []
        for index, text in enumerate(receipts):
            try:
                parsed[index] = Receipt.parse(text)
            except ValueError:
                failures.append(Failure(index, "invalid_receipt", f"{text!r} is no receipt", retryable=False))
        for failure in self._whimsical(len(receipts), failures):
            failures.append(failure)
            del parsed[failure.index]
        return parsed, failures

    def _whimsical(self, entries: int, failures: Sequence[Failure]) -> list[Failure]:
        if self._whims is None:
            return []
        failed = {failure.index for failure in failures}
        return [
            Failure(index, "internal", "as AWS may") for index in self._whims.failed(entries) if index not in failed
        ]


def _entry(message: Outgoing, *, fifo: bool) -> Entry:
    attributes = orjson.dumps(dict(message.attributes)).decode() if message.attributes else None
    key = (message.dedup or hashlib.sha256(message.body).hexdigest()) if fifo else None
    return Entry(message.body, message.group, key, message.delay, attributes)


def _burial(message: Delivery, queue: str) -> Entry:
    reason = f"received {message.receives} times without being acknowledged"
    attributes = orjson.dumps({**message.attributes, "reason": reason, "sourceQueue": queue}).decode()
    return Entry(message.body, message.group, message.id, 0, attributes, message.id, message.sent_at)


def _wrong(message: Outgoing, *, fifo: bool) -> tuple[str, str] | None:
    """Code and text of what is wrong with a message, None for nothing."""
    size = len(message.body)
    if message.attributes:
        size += sum(len(f"{name}{value}".encode()) for name, value in message.attributes.items())
        if len(message.attributes) > MOST_ATTRIBUTES:
            return "invalid", f"a message may have {MOST_ATTRIBUTES} attributes, not {len(message.attributes)}"
    if size > LARGEST:
        return "too_large", f"a message may have {LARGEST} bytes, not {size}"
    if not message.body:
        return "invalid", "a message needs a body"
    if not (_fits(message.group) and _fits(message.dedup)):
        return "invalid", f"group and dedup must be 1 to {LONGEST_ID} ASCII characters"
    if fifo and message.group is None:
        return "invalid", "a FIFO queue needs a group"
    if message.delay and (fifo or not 0 < message.delay <= LONGEST_DELAY):
        return "invalid", f"delay may be up to {LONGEST_DELAY:g} seconds, on standard queues only"
    return None


def _fits(ident: str | None) -> bool:
    return ident is None or (0 < len(ident) <= LONGEST_ID and ident.isascii())
