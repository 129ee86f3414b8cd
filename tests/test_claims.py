"""Claim check: what is too large for a message, on both sides of a queue."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.bootstrap import App, memory_app
from kxmsg.claims import CLAIM, MAX_BODY, MAX_CLAIM, CheckedQueue, opened
from kxmsg.codecs.envelope import decode_bundle, decode_parcel
from kxmsg.embedded.blobs import EmbeddedBlobs
from kxmsg.errors import BackendError, Permanent, Poison, StorageFull, Transient
from kxmsg.model.envelope import MAX_PAYLOAD, Envelope
from kxmsg.model.event import Event
from kxmsg.ports import BlobStore, Delivery, Outgoing, Queue
from kxmsg.runtime.deadletter import look
from kxmsg.settings import Settings
from kxmsg.telemetry import SystemClock
from kxmsg.testing.virtual import VirtualClock, run
from kxmsg.topology import CLAIMS, EVENTS, FANOUT, FANOUT_FIFO, OUTBOUND, OUTBOUND_FIFO, RENDER, SEQUENCE, STORAGE
from kxmsg.transport import bundle_messages, parcel_messages, publish_all, put_all, send_all
from tests.product import DESK, USER, bundle, envelope, simulate
from tests.runtime.fakes import FakeQueue
from tests.workers import config
from workers import event_consumer, template_renderer

LARGE = b"x" * (MAX_BODY + 1)
OUTBOUND_ATTRIBUTES = {"targetChannel": "WebSocket", "kind": "message"}

sizes = st.lists(
    st.sampled_from([1, MAX_BODY - 1, MAX_BODY, MAX_BODY + 1, 2 * MAX_BODY, 5 * MAX_BODY]), min_size=1, max_size=6
)


async def received(queue: Queue, count: int) -> list[Delivery]:
    """So many messages, acknowledged, in the order of their coming."""
    found: list[Delivery] = []
    while len(found) < count:
        part = await queue.receive(10, wait=20, visibility=30)
        found += part
        left = [one.receipt for one in part]
        while left:
            left = [left[failure.index] for failure in await queue.delete(left)]
    return found


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("name", [RENDER, SEQUENCE])
@hypothesis.settings(max_examples=25)
@given(sizes=sizes)
def test_what_is_sent_comes_out_the_same_whatever_its_size(seed: int | None, name: str, sizes: list[int]) -> None:
    sent = [Outgoing(b"%d" % n * size, "g", str(n), attributes={"n": str(n)}) for n, size in enumerate(sizes)]

    async def scenario(app: App) -> None:
        assert await send_all(app.queue(name), sent) == []
        raw = await received(app.queue(name), len(sent))
        assert all(len(one.body) <= MAX_BODY for one in raw)
        got = {one.attributes["n"]: await opened(one, app.blobs) for one in raw}
        assert {(n, one.body) for n, one in got.items()} == {(one.attributes["n"], one.body) for one in sent}
        assert all(set(one.attributes) == {"n"} for one in got.values()), "the claim itself is gone"

    simulate(scenario, seed=seed)


@pytest.mark.parametrize(("topic", "queue"), [(OUTBOUND, FANOUT), (OUTBOUND_FIFO, FANOUT_FIFO)])
def test_a_topic_carries_claims_past_its_filters(topic: str, queue: str) -> None:
    async def scenario(app: App) -> None:
        message = Outgoing(LARGE, "g", "1", attributes=OUTBOUND_ATTRIBUTES)
        assert await publish_all(app.topic(topic), [message]) == []
        (delivery,) = await received(app.queue(queue), 1)
        assert await opened(delivery, app.blobs) == replace(delivery, body=LARGE, attributes=OUTBOUND_ATTRIBUTES)

    simulate(scenario)


def test_many_entries_of_the_largest_size_go_out_and_come_in() -> None:
    """They are cut where they can be; a claim is for what can't."""
    entries = [envelope(str(n), DESK, payload={"content": "x" * (MAX_PAYLOAD - 20)}) for n in range(10)]
    unordered = [replace(one, ordering="standard") for one in entries]

    async def scenario(app: App) -> None:
        for port, messages, decode in (
            (
                app.queue(STORAGE),
                parcel_messages(unordered),
                decode_parcel,
            ),
            (app.queue(SEQUENCE), parcel_messages(entries), decode_parcel),
            (app.queue(FANOUT_FIFO), bundle_messages(bundle(DESK, entries)), decode_bundle),
        ):
            assert await send_all(port, messages) == []
            got = [decode(one.body) for one in await received(port, len(messages))]
            assert sum(len(getattr(one, "envelopes", ()) or getattr(one, "entries", ())) for one in got) == 10

    simulate(scenario)


def test_what_fits_needs_no_store() -> None:
    class NoStore:
        """Any use of it is a mistake."""

    async def scenario() -> None:
        queue = FakeQueue("work")
        checked = CheckedQueue(queue, NoStore())  # type: ignore[arg-type] # half a store
        assert await checked.send([Outgoing(b"x" * MAX_BODY)]) == []
        (delivery,) = await checked.receive(1, wait=0, visibility=1)
        assert await opened(delivery, NoStore()) is delivery  # type: ignore[arg-type] # as above

    run(scenario())


class Broken(EmbeddedBlobs):
    """Puts fail with ``error``."""

    def __init__(self, error: BackendError) -> None:
        super().__init__(None, SystemClock())
        self._error = error

    async def put(self, key: str, data: bytes, *, content_type: str = "") -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "retryable"), [(Transient("busy"), True), (StorageFull("no room"), True), (Permanent("denied"), False)]
)
def test_a_body_that_can_not_be_stored_fails_alone(error: BackendError, retryable: bool) -> None:
    async def scenario() -> None:
        inner = FakeQueue("work")
        queue = CheckedQueue(inner, Broken(error))
        inner.fault("send", [1])
        failures = await queue.send([Outgoing(b"0"), Outgoing(LARGE), Outgoing(b"2"), Outgoing(b"3")])
        assert sorted((one.index, one.code, one.retryable) for one in failures) == [
            (1, "claim", retryable),
            (2, "fault", True),
        ], "each by its own position"
        assert [one.outgoing.body for one in inner.messages] == [b"0", b"3"]

    run(scenario())


def test_what_no_memory_should_hold_is_refused() -> None:
    async def scenario(app: App) -> None:
        (failure,) = await app.queue(EVENTS).send([Outgoing(b"x" * (MAX_CLAIM + 1))])
        assert (failure.code, failure.retryable) == ("too_large", False)

    simulate(scenario)


async def rendered(app: App, event: Event) -> Envelope:
    """What two stages make of an event for one user."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for worker in (event_consumer.worker, template_renderer.worker):
            group.create_task(worker.run(app, stop))
        assert await put_all(app.bus, [event]) == []
        (delivery,) = await received(app.queue(STORAGE), 1)
        stop.set()
    (envelope,) = decode_parcel(delivery.body).envelopes
    return envelope


def largest_event() -> Event:
    """One of :mod:`tests.workers.config` that is as large as EventBridge takes them, and its job larger than that."""
    detail = {"tenantId": "acme", "customer": "ana", "order": "A-1", "lines": "x" * 250 * 1024}
    return Event("com.acme.orders", "shipped", detail)


def test_the_largest_event_is_rendered(tmp_path: Path) -> None:
    async def scenario() -> None:
        settings = Settings(config=config.write(tmp_path), data=tmp_path)
        app = memory_app(clock=VirtualClock(asyncio.get_running_loop()), settings=settings)
        envelope = await rendered(app, largest_event())
        assert (envelope.target, envelope.payload) == (USER, {"content": "Order A-1"})
        await app.close()

    run(scenario())


# ---------------------------------------------------------------------------------------------- whose, and whether


async def claims(blobs: BlobStore, messages: Sequence[Outgoing]) -> list[Delivery]:
    queue = FakeQueue("work")
    assert await CheckedQueue(queue, blobs).send(messages) == []
    return await queue.receive(10, wait=0, visibility=1)


def test_one_groups_claim_is_not_anothers() -> None:
    """The key is derived from the group, which is the tenant's or the target's, and from the content."""

    async def scenario() -> None:
        blobs = EmbeddedBlobs(None, SystemClock())
        mine, again, other, none = await claims(
            blobs, [Outgoing(LARGE, "acme"), Outgoing(LARGE, "acme"), Outgoing(LARGE, "globex"), Outgoing(LARGE)]
        )
        assert mine.attributes == again.attributes
        assert len({one.attributes[CLAIM] for one in (mine, other, none)}) == 3
        assert mine.body == again.body != other.body, "what deduplicates by content still does"

    run(scenario())


async def forged(blobs: BlobStore) -> Delivery:
    await blobs.put("secret", b"of others")
    (delivery,) = await claims(blobs, [Outgoing(LARGE)])
    return replace(delivery, attributes={CLAIM: "../secret"})


async def changed(blobs: BlobStore) -> Delivery:
    (delivery,) = await claims(blobs, [Outgoing(LARGE)])
    await blobs.put(CLAIMS + delivery.attributes[CLAIM], LARGE[:-1] + b"y")
    return delivery


async def gone(blobs: BlobStore) -> Delivery:
    (delivery,) = await claims(blobs, [Outgoing(LARGE)])
    await blobs.delete(CLAIMS + delivery.attributes[CLAIM])
    return delivery


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (forged, "its attribute kxmsgClaim is no claim"),
        (changed, "its body is lost: claims/.* does not hold what was sent"),
        (gone, "its body is lost: the blob store has no claims/"),
    ],
)
def test_a_claim_to_what_was_not_sent_is_poison(make: object, reason: str) -> None:
    async def scenario() -> None:
        blobs = EmbeddedBlobs(None, SystemClock())
        with pytest.raises(Poison, match=reason):
            await opened(await make(blobs), blobs)  # type: ignore[operator] # one of the three above

    run(scenario())


def test_a_body_that_looks_like_a_claim_is_none() -> None:
    """What others wrote is never taken for a key."""

    async def scenario() -> None:
        blobs = EmbeddedBlobs(None, SystemClock())
        (claim,) = await claims(blobs, [Outgoing(LARGE)])
        (copy,) = await claims(blobs, [Outgoing(claim.body)])
        assert await opened(copy, blobs) is copy

    run(scenario())


def test_dead_letters_are_looked_at_where_they_are() -> None:
    async def scenario(app: App) -> None:
        queue = app.queue(RENDER)
        await queue.send([Outgoing(b"1"), Outgoing(b"2")])
        assert [one.body for one in await look(queue, 10)] == [b"1", b"2"]
        assert {one.receives for one in await queue.receive(10, wait=0, visibility=1)} == {1}, "looking is no receive"

    simulate(scenario)
