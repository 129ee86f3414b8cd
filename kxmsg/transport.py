"""What stands between the product and a queue or topic: batches, partial failures, sizes, attributes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from kxmsg.claims import MAX_BODY
from kxmsg.codecs.envelope import encode_bundle, encode_parcel
from kxmsg.codecs.job import encode_chunk
from kxmsg.errors import Permanent, Transient
from kxmsg.keys import derived_id, group_id, tenant_group
from kxmsg.model.envelope import Bundle, Envelope, Parcel
from kxmsg.model.event import Event
from kxmsg.model.job import Chunk
from kxmsg.model.target import Target
from kxmsg.ports import EventBus, Failure, Outgoing, Queue, Topic
from kxmsg.retry import Backoff

T = TypeVar("T")

ATTEMPTS: Final = 5

_BACKOFF: Final = Backoff(base=0.02, cap=1.0)


def parcel_messages(envelopes: Sequence[Envelope]) -> list[Outgoing]:
    """Envelopes of one ordering on their way to be numbered: those of one target together, in order."""
    targets: dict[tuple[str, Target], list[Envelope]] = {}
    for envelope in envelopes:
        targets.setdefault((envelope.tenant, envelope.target), []).append(envelope)
    return [message for part in targets.values() for message in _parcels(part)]


def _parcels(envelopes: Sequence[Envelope]) -> list[Outgoing]:
    first = envelopes[0]
    body = encode_parcel(Parcel(first.tenant, first.target, first.ordering, tuple(envelopes)))
    if len(body) > MAX_BODY and len(envelopes) > 1:
        half = len(envelopes) // 2
        return [*_parcels(envelopes[:half]), *_parcels(envelopes[half:])]
    attributes = {} if first.trace is None else {"traceparent": first.trace}
    if first.ordering == "fifo":
        dedup = derived_id(0, *(envelope.id for envelope in envelopes))
        return [Outgoing(body, group_id(first.tenant, first.target), dedup, attributes=attributes)]
    return [Outgoing(body, tenant_group(first.tenant), attributes=attributes)]


def bundle_messages(bundle: Bundle) -> list[Outgoing]:
    """A committed bundle on its way out: one message, or as many as its size demands."""
    body = encode_bundle(bundle)
    if len(body) > MAX_BODY and len(bundle.entries) > 1:
        half = len(bundle.entries) // 2
        first, second = bundle.only(bundle.entries[:half]), bundle.only(bundle.entries[half:])
        return [*bundle_messages(first), *bundle_messages(second)]
    first_entry = bundle.entries[0]
    attributes = {
        "targetChannel": "WebSocket",
        "tenantId": bundle.tenant,
        "kind": first_entry.envelope.kind,
        "priority": str(first_entry.envelope.payload.get("priority", "medium")),
    }
    if first_entry.envelope.trace is not None:
        attributes["traceparent"] = first_entry.envelope.trace
    if bundle.ordering == "fifo":
        dedup = derived_id(0, *bundle.unique)
        return [Outgoing(body, group_id(bundle.tenant, bundle.target), dedup, attributes=attributes)]
    return [Outgoing(body, tenant_group(bundle.tenant), attributes=attributes)]


def chunk_message(chunk: Chunk) -> Outgoing:
    """A chunk on its way to fan-out: in order with the others of its shard."""
    bundle, moment = chunk.bundle, chunk.moment
    group = derived_id(0, group_id(bundle.tenant, bundle.target), chunk.shard)
    again = () if moment is None or moment.until is None else (moment.until,)
    return Outgoing(encode_chunk(chunk), group, derived_id(0, group, *bundle.unique, *again))


async def send_all(queue: Queue, messages: Sequence[Outgoing]) -> list[Failure]:
    """Send any number of messages; what failed and may succeed is repeated. Returns what failed for good.

    On a FIFO queue a message waits for its predecessor in the group. Raises
    :class:`~kxmsg.errors.Transient` where some stayed undone.
    """
    return await _deliver(queue.send, f"queue {queue.name}", queue.batch_limit, messages)


async def publish_all(topic: Topic, messages: Sequence[Outgoing]) -> list[Failure]:
    """Publish any number of messages; as :func:`send_all`."""
    return await _deliver(topic.publish, f"topic {topic.name}", topic.batch_limit, messages)


async def put_all(bus: EventBus, events: Sequence[Event]) -> list[Failure]:
    """Put any number of events on the bus; as :func:`send_all`."""
    return await _deliver(bus.put, "the event bus", bus.batch_limit, events)


async def send(queue: Queue, messages: Sequence[Outgoing]) -> None:
    """Send messages that came from one request; raises Permanent where the queue can't take one at all."""
    for failure in await send_all(queue, messages):
        raise Permanent(f"queue {queue.name}: {failure.code}: {failure.message}")


async def _deliver(
    send_batch: Callable[[Sequence[T]], Awaitable[list[Failure]]],
    name: str,
    limit: int,
    messages: Sequence[T],
) -> list[Failure]:
    lost: list[Failure] = []
    waiting = list(range(len(messages)))
    fruitless = 0
    while waiting:
        part, rest = _next_batch(messages, waiting, limit)
        failures = await send_batch([messages[position] for position in part])
        again = {part[failure.index] for failure in failures if failure.retryable}
        lost += [replace(failure, index=part[failure.index]) for failure in failures if not failure.retryable]
        waiting = sorted([*again, *rest])
        if again:
            fruitless = fruitless + 1 if len(again) == len(part) else 0
            if fruitless == ATTEMPTS:
                raise Transient(f"{name}: {len(waiting)} messages were not taken in {ATTEMPTS} tries")
            await asyncio.sleep(_BACKOFF.delay(fruitless))
    return lost


def _next_batch(messages: Sequence[T], waiting: Sequence[int], limit: int) -> tuple[list[int], list[int]]:
    """Positions to send now, and the rest: of what is ordered, one message of each group at a time."""
    part: list[int] = []
    rest: list[int] = []
    groups: set[str] = set()
    for position in waiting:
        message = messages[position]
        ordered = message.group if isinstance(message, Outgoing) and message.dedup is not None else None
        if len(part) == limit or ordered in groups:
            rest.append(position)
            if ordered is not None:
                groups.add(ordered)
            continue
        if ordered is not None:
            groups.add(ordered)
        part.append(position)
    return part, rest
