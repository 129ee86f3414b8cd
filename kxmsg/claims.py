"""Claim check: a body that is too large for a message waits in the blob store, and the message carries the claim to it.

The sender's half stands around every queue and topic (:class:`CheckedQueue`, :class:`CheckedTopic`); the receiver's,
:func:`opened`, in the worker's runtime, before anything is decoded. In between a claim is a message like any other: it
is filtered, ordered, dead-lettered and redriven as it is.

The key is derived: from the message's group, that is its tenant or target, and from the content's hash. Both travel as
the attribute :data:`CLAIM`, never in a body, which others may have written; what is read is held against its hash. So
nobody can claim what they don't have already. A repeated send finds its blob there. Claims are not deleted when they
are read, since a topic's other subscribers and repeats want them too: they expire (:data:`~kxmsg.topology.CLAIM_DAYS`).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

import orjson

from kxmsg.errors import BackendError, Poison, Transient
from kxmsg.ports import BlobStore, Delivery, Failure, Outgoing, Peekable, Queue, Topic
from kxmsg.topology import CLAIMS

MAX_BODY: Final = 240 * 1024
"""Bytes of a body that goes without a claim: SNS takes 256 KiB with its attributes."""

MAX_CLAIM: Final = 16 << 20
"""Bytes of a body at all: it is in memory at once, on both sides."""

CLAIM: Final = "kxmsgClaim"
"""The attribute that makes a message a claim: hash of its group, hash of its content."""

_FORM: Final = re.compile(r"[0-9a-f]{16}/[0-9a-f]{64}")

Send = Callable[[Sequence[Outgoing]], Awaitable[list[Failure]]]


class CheckedQueue:
    """``queue``, which takes bodies of up to :data:`MAX_CLAIM` bytes. It gives claims as such: see :func:`opened`."""

    def __init__(self, queue: Queue, blobs: BlobStore) -> None:
        self.name = queue.name
        self.fifo = queue.fifo
        self.batch_limit = queue.batch_limit
        self.receive = queue.receive
        self.delete = queue.delete
        self.change_visibility = queue.change_visibility
        self.depth = queue.depth
        self.purge = queue.purge
        if isinstance(queue, Peekable):
            self.peek = queue.peek
        self._send = queue.send
        self._blobs = blobs

    async def send(self, messages: Sequence[Outgoing]) -> list[Failure]:
        return await _send(messages, self._send, self._blobs)


class CheckedTopic:
    """``topic``, which takes bodies of up to :data:`MAX_CLAIM` bytes."""

    def __init__(self, topic: Topic, blobs: BlobStore) -> None:
        self.name = topic.name
        self.batch_limit = topic.batch_limit
        self._publish = topic.publish
        self._blobs = blobs

    async def publish(self, messages: Sequence[Outgoing]) -> list[Failure]:
        return await _send(messages, self._publish, self._blobs)


async def _send(messages: Sequence[Outgoing], send: Send, blobs: BlobStore) -> list[Failure]:
    """Send, what is too large as a claim. A body that could not be stored fails alone."""
    large = [index for index, message in enumerate(messages) if len(message.body) > MAX_BODY]
    if not large:
        return await send(messages)
    outcomes = await asyncio.gather(*(_claim(index, messages[index], blobs) for index in large))
    ready = dict(enumerate(messages)) | dict(zip(large, outcomes, strict=True))
    failures = [one for one in ready.values() if isinstance(one, Failure)]
    sent = {index: one for index, one in ready.items() if isinstance(one, Outgoing)}
    if sent:
        positions = list(sent)
        failures += [replace(one, index=positions[one.index]) for one in await send(list(sent.values()))]
    return failures


async def _claim(index: int, message: Outgoing, blobs: BlobStore) -> Outgoing | Failure:
    """Store the body; the message that claims it, or why there is none."""
    size = len(message.body)
    if size > MAX_CLAIM:
        return Failure(index, "too_large", f"a message may have {MAX_CLAIM} bytes, not {size}", retryable=False)
    owner = sha256((message.group or "").encode()).hexdigest()[:16]
    claim = f"{owner}/{sha256(message.body).hexdigest()}"
    try:
        await blobs.put(CLAIMS + claim, message.body)
    except BackendError as error:
        return Failure(index, "claim", str(error), retryable=isinstance(error, Transient))
    body = orjson.dumps({"claim": claim, "bytes": size})
    return replace(message, body=body, attributes={**message.attributes, CLAIM: claim})


async def opened(delivery: Delivery, blobs: BlobStore) -> Delivery:
    """The delivery as it was sent, where it is a claim.

    Raises :class:`~kxmsg.errors.Poison` where the body is lost, :class:`~kxmsg.errors.BackendError` where it can't be
    read.
    """
    claim = delivery.attributes.get(CLAIM)
    if claim is None:
        return delivery
    if not _FORM.fullmatch(claim):
        raise Poison(f"its attribute {CLAIM} is no claim")
    key = CLAIMS + claim
    body = await blobs.get(key)
    if body is None:
        raise Poison(f"its body is lost: the blob store has no {key} (any more)")
    if not key.endswith(sha256(body).hexdigest()):
        raise Poison(f"its body is lost: {key} does not hold what was sent")
    own = {name: value for name, value in delivery.attributes.items() if name != CLAIM}
    return replace(delivery, body=body, attributes=own)
