"""The sequence processor and the storage writer alone: from parcels to numbered, stored, published bundles."""

from typing import Any

import pytest

from kxmsg import Worker
from kxmsg.codecs.envelope import decode_bundle
from kxmsg.keys import group_id
from kxmsg.model.envelope import Bundle, Parcel
from kxmsg.model.target import Target
from kxmsg.settings import Settings
from kxmsg.testing import Sent, WorkerHarness, run
from kxmsg.topology import OUTBOUND, OUTBOUND_FIFO
from tests.product import DESK, USER, envelope
from workers import sequence_processor, storage_writer

BOTH = pytest.mark.parametrize(
    ("worker", "topic"),
    [(sequence_processor.worker, OUTBOUND_FIFO), (storage_writer.worker, OUTBOUND)],
    ids=["sequence-processor", "storage-writer"],
)


def parcel(*idents: str, target: Target = USER, topic: str = OUTBOUND) -> Parcel:
    ordering: Any = "fifo" if topic == OUTBOUND_FIFO else "standard"
    return Parcel("acme", target, ordering, tuple(envelope(ident, target, ordering=ordering) for ident in idents))


def record(
    worker: Worker, topic: str, settings: Settings, *parcels: Any, channel: bool = False, **options: Any
) -> tuple[list[Bundle], list[str], list[Sent]]:
    """What was published, the ids in ana's log by number, and what became of the parcels."""

    async def scenario() -> tuple[list[Bundle], list[str], list[Sent]]:
        async with WorkerHarness(worker, settings=settings, **options) as harness:
            if channel:
                await harness.app.logs.create("acme", DESK)
            sent = [await harness.send(one, group=_group(one)) for one in parcels]
            await harness.settled()
            entries = await harness.app.logs.read("acme", DESK if channel else USER, limit=1000)
            assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
            bundles = [decode_bundle(message.body) for message in harness.sent(topic)]
            return bundles, [entry.envelope.id for entry in entries], sent

    return run(scenario())


def _group(message: Any) -> str | None:
    return group_id(message.tenant, message.target) if isinstance(message, Parcel) else None


@BOTH
def test_a_parcel_is_stored_and_then_published_with_its_numbers(worker: Worker, topic: str, settings: Settings) -> None:
    bundles, stored, (sent,) = record(worker, topic, settings, parcel("a", "b", topic=topic))
    assert stored == ["a", "b"]
    assert [(entry.sequence, entry.envelope.id) for entry in bundles[0].entries] == [(1, "a"), (2, "b")]
    assert sent.outcome == "acknowledged"


@BOTH
def test_what_comes_again_keeps_its_number_and_is_published_again(
    worker: Worker, topic: str, settings: Settings
) -> None:
    """A crash after the commit repeats the stage; whoever was not told then is told now."""
    bundles, stored, _ = record(worker, topic, settings, *[parcel("a", "b", topic=topic)] * 3)
    assert stored == ["a", "b"]
    numbers = {(entry.sequence, entry.envelope.id) for bundle in bundles for entry in bundle.entries}
    assert numbers == {(1, "a"), (2, "b")}


@BOTH
@pytest.mark.parametrize(
    ("wrong", "reason"), [(b"{}", "parcel"), (b"\xff", "parcel"), (b'{"v":9}', "version")], ids=str
)
def test_poison_is_dead_lettered_at_once_with_its_reason_and_harms_nobody_else(
    worker: Worker, topic: str, settings: Settings, wrong: bytes, reason: str
) -> None:
    _, stored, (poison, good) = record(worker, topic, settings, wrong, parcel("a", topic=topic))
    assert (poison.outcome, poison.receives) == ("dead-lettered", 1)
    assert reason in str(poison.reason)
    assert (stored, good.outcome) == (["a"], "acknowledged")


@BOTH
def test_a_channel_that_nobody_made_takes_no_message(worker: Worker, topic: str, settings: Settings) -> None:
    bundles, _, (lost, kept) = record(
        worker, topic, settings, parcel("a", target=DESK, topic=topic), parcel("b", topic=topic)
    )
    assert (lost.outcome, kept.outcome) == ("dead-lettered", "acknowledged")
    assert "channel" in str(lost.reason)
    assert [entry.envelope.id for bundle in bundles for entry in bundle.entries] == ["b"]


def test_the_sequence_processor_keeps_the_order_in_which_messages_were_sent(settings: Settings) -> None:
    parcels = [parcel(f"m{number:03}", target=DESK, topic=OUTBOUND_FIFO) for number in range(60)]
    worker = sequence_processor.worker
    bundles, stored, _ = record(worker, OUTBOUND_FIFO, settings, *parcels, channel=True, aws_like=5)
    assert stored == [f"m{number:03}" for number in range(60)]
    first_seen = list(dict.fromkeys(entry.sequence for bundle in bundles for entry in bundle.entries))
    assert first_seen == list(range(1, 61))


@BOTH
def test_a_backend_that_fails_now_and_then_stores_everything_once(
    worker: Worker, topic: str, settings: Settings
) -> None:
    parcels = [parcel(f"m{number}", topic=topic) for number in range(40)]
    bundles, stored, sent = record(worker, topic, settings, *parcels, aws_like=9)
    assert sorted(stored) == sorted(f"m{number}" for number in range(40))
    assert {entry.envelope.id for bundle in bundles for entry in bundle.entries} == set(stored)
    assert {one.outcome for one in sent} == {"acknowledged"}
