"""Dead letters: messages that were given up, with the reason attached, and what can be done about them."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from kxmsg.ports import Clock, Delivery, Outgoing, Peekable, Queue
from kxmsg.retry import Jitter
from kxmsg.runtime.batches import chunks, repeat
from kxmsg.runtime.held import Held
from kxmsg.runtime.trace import ATTRIBUTE
from kxmsg.runtime.verdict import Sentence
from kxmsg.telemetry import DEAD, current_trace, get_logger
from kxmsg.times import iso

ABOUT: Final = ("reason", "worker", "sourceQueue", "sourceId", "failures", "receives", "failedAt")
"""Attributes that tell about the failure, beside ``traceparent``."""

FOLDED: Final = "attributes"
"""Attribute that holds, as JSON, those of the message that found no room: SQS takes 10 in all."""

MAX_ATTRIBUTES: Final = 10

PATIENCE: Final = 10.0
"""Seconds that sending a message to or from a dead-letter queue is tried."""

_log = get_logger("kxmsg.runtime")


def seal(attributes: Mapping[str, str], about: Mapping[str, str]) -> dict[str, str]:
    """``about`` and as many of the message's own attributes as there is room for; the rest folded into one."""
    room = MAX_ATTRIBUTES - len(about)
    own = [name for name in attributes if name not in ABOUT and name != FOLDED]
    if len(own) != len(attributes) or len(own) > room:
        own = own[: room - 1]
    sealed = {name: attributes[name] for name in own} | dict(about)
    rest = {name: value for name, value in attributes.items() if name not in own}
    return sealed | {FOLDED: orjson.dumps(rest).decode()} if rest else sealed


def unseal(attributes: Mapping[str, str]) -> dict[str, str]:
    """The message's own attributes again."""
    own = {name: value for name, value in attributes.items() if name not in ABOUT and name != FOLDED}
    return own | orjson.loads(attributes[FOLDED]) if FOLDED in attributes else own


class DeadLetters:
    """Sends what a worker gives up to the queue's dead-letter queue.

    The message is deleted only afterwards. A crash in between repeats the send: on a FIFO queue the deduplication id
    (the message's id) drops it, on a standard one the message may then stand there twice.
    """

    def __init__(self, dlq: Queue, *, worker: str, source: str, clock: Clock, rng: Jitter) -> None:
        self._dlq = dlq
        self._worker = worker
        self._source = source
        self._clock = clock
        self._rng = rng
        self._count = DEAD.labels(worker, source)

    async def bury(self, dead: Sequence[tuple[Held, Sentence]]) -> set[int]:
        """Send these, at most one of each FIFO group; returns the positions of those that could not be sent."""
        failed = await repeat(
            self._dlq.send,
            [self._letter(held, sentence) for held, sentence in dead],
            limit=self._dlq.batch_limit,
            until=asyncio.get_running_loop().time() + PATIENCE,
            rng=self._rng,
        )
        for position, (held, sentence) in enumerate(dead):
            about = {"messageId": held.delivery.id, "reason": sentence.reason, "failures": sentence.failures}
            if position in failed:
                failure = failed[position]
                _log.error("could not be dead-lettered", **about, code=failure.code, error=failure.message)
            else:
                self._count.inc()
                _log.error("dead-lettered", **about, receives=held.delivery.receives)
        return set(failed)

    def _letter(self, held: Held, sentence: Sentence) -> Outgoing:
        delivery = held.delivery
        about = {
            "reason": sentence.reason,
            "worker": self._worker,
            "sourceQueue": self._source,
            "sourceId": delivery.id,
            "failures": str(sentence.failures),
            "receives": str(delivery.receives),
            "failedAt": iso(self._clock.now()),
        }
        trace = current_trace()
        own = {ATTRIBUTE: trace, **delivery.attributes} if trace else delivery.attributes
        return Outgoing(
            delivery.body,
            group=delivery.group,
            dedup=delivery.id if self._dlq.fifo else None,
            attributes=seal(own, about),
        )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What stands in a dead-letter queue. What the broker itself buried, after too many receives, has no ``about``."""

    id: str
    body: bytes
    group: str | None
    sent_at: float
    attributes: Mapping[str, str]
    about: Mapping[str, str]

    @classmethod
    def of(cls, delivery: Delivery) -> "DeadLetter":
        about = {name: value for name, value in delivery.attributes.items() if name in ABOUT}
        own = unseal(delivery.attributes)
        return cls(delivery.id, delivery.body, delivery.group, delivery.sent_at, own, about)


async def look(dlq: Queue, limit: int) -> list[DeadLetter]:
    """Up to ``limit`` dead letters, left where they are.

    A queue that can't be peeked at is received from and everything released again; of a FIFO group that tells the
    first ten at most.
    """
    if isinstance(dlq, Peekable):
        return [DeadLetter.of(delivery) for delivery in await dlq.peek(limit)]
    taken: list[Delivery] = []
    try:
        while len(taken) < limit:
            part = await dlq.receive(min(dlq.batch_limit, limit - len(taken)), wait=1.0, visibility=30.0)
            if not part:
                break
            taken += part
    finally:
        await _release(dlq, taken)
    return [DeadLetter.of(delivery) for delivery in taken]


async def find(dlq: Queue, ident: str, *, among: int = 10_000) -> DeadLetter | None:
    """The dead letter with this id, sought among the first ``among``."""
    return next((letter for letter in await look(dlq, among) if letter.id == ident), None)


@dataclass(frozen=True, slots=True)
class Redriven:
    """How many messages went back to their queue, and how many could not be sent and stay."""

    moved: int
    stayed: int


async def redrive(
    dlq: Queue, source: Queue, *, limit: int | None = None, rate: float = 500.0, rng: Jitter = random
) -> Redriven:
    """Send dead letters back to ``source``, at most ``limit`` and ``rate`` a second, as they were before they failed.

    The order of each group is kept. It moves no more than stood there at first, so that what fails again does not go
    round and round. At least once: a message is deleted after it was sent. On a FIFO queue its deduplication id is a
    new one, or it would vanish for 5 minutes, yet the same if a crash makes this be repeated.
    """
    loop = asyncio.get_running_loop()
    depth = (await dlq.depth()).visible
    total = depth if limit is None else min(limit, depth)
    moved = stayed = 0
    while moved + stayed < total:
        started = loop.time()
        taken = await dlq.receive(min(dlq.batch_limit, total - moved - stayed), wait=1.0, visibility=60.0)
        if not taken:
            break
        sent = await _resend(source, taken, rng)
        await repeat(
            dlq.delete,
            [delivery.receipt for delivery in taken if delivery.id in sent],
            limit=dlq.batch_limit,
            until=loop.time() + PATIENCE,
            rng=rng,
        )
        left = [delivery for delivery in taken if delivery.id not in sent]
        await _release(dlq, left)
        moved += len(sent)
        stayed += len(left)
        await asyncio.sleep(max(0.0, len(taken) / rate - (loop.time() - started)))
    return Redriven(moved, stayed)


async def _resend(source: Queue, taken: Sequence[Delivery], rng: Jitter) -> set[str]:
    """Ids of what was sent. Of each FIFO group one message at a time; after one that fails the group stays."""
    groups: dict[str, list[Delivery]] = {}
    for delivery in taken:
        groups.setdefault((source.fifo and delivery.group) or delivery.id, []).append(delivery)
    sent: set[str] = set()
    while groups:
        wave = {group: waiting.pop(0) for group, waiting in groups.items()}
        failed = await repeat(
            source.send,
            [
                Outgoing(
                    delivery.body,
                    group=delivery.group,
                    dedup=f"redrive-{delivery.id}" if source.fifo else None,
                    attributes=unseal(delivery.attributes),
                )
                for delivery in wave.values()
            ],
            limit=source.batch_limit,
            until=asyncio.get_running_loop().time() + PATIENCE,
            rng=rng,
        )
        stuck = {group for position, group in enumerate(wave) if position in failed}
        sent.update(delivery.id for group, delivery in wave.items() if group not in stuck)
        groups = {group: waiting for group, waiting in groups.items() if waiting and group not in stuck}
    return sent


async def _release(queue: Queue, taken: Sequence[Delivery]) -> None:
    for part in chunks([(delivery.receipt, 0.0) for delivery in taken], queue.batch_limit):
        await queue.change_visibility(part)
