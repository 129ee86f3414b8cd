"""The example worker, tested as a user would test it."""

from examples.audit_worker import seen, worker
from kxmsg.model.envelope import Bundle, Entry, Envelope
from kxmsg.model.target import Target
from kxmsg.testing import WorkerHarness, run
from kxmsg.topology import OUTBOUND, TOPOLOGY
from kxmsg.transport import bundle_messages

ANA = Target("user", "ana")


def bundle(tenant: str, *idents: str) -> Bundle:
    return Bundle(
        tenant,
        ANA,
        "standard",
        "epoch",
        tuple(
            Entry(number, Envelope(ident, tenant, ANA, "notification", "standard", {}, 1_750_000_000_000))
            for number, ident in enumerate(idents, start=1)
        ),
    )


def test_entries_are_counted_by_tenant() -> None:
    """What is sent to its queue is handled and acknowledged."""

    async def scenario() -> None:
        async with WorkerHarness(worker) as harness:
            first = await harness.send(bundle("acme", "1", "2"))
            second = await harness.send(bundle("globex", "3"))
            await harness.settled()
            assert (first.outcome, second.outcome) == ("acknowledged", "acknowledged")

    run(scenario())
    assert seen == {"acme": 2, "globex": 1}


def test_it_is_subscribed_to_what_goes_out() -> None:
    """A notification published to the outbound topic reaches it, and nobody gets less for it."""

    async def scenario() -> None:
        async with WorkerHarness(worker) as harness:
            await harness.app.topic(OUTBOUND).publish(bundle_messages(bundle("acme", "1", "2", "3")))
            while not seen:
                await harness.app.queue("audit").depth()
            assert (await harness.app.queue("fanout").depth()).visible == 1

    run(scenario())
    assert seen == {"acme": 3}


def test_what_is_no_bundle_is_dead_lettered() -> None:
    """With the reason."""

    async def scenario() -> None:
        async with WorkerHarness(worker) as harness:
            wrong = await harness.send({"hello": "world"})
            await harness.settled()
            assert wrong.outcome == "dead-lettered"
            assert "not a bundle" in (wrong.reason or "")

    run(scenario())


def test_its_queue_has_a_dead_letter_queue_like_any_other() -> None:
    """The topology is extended, not changed."""
    topology = worker.topology(TOPOLOGY)
    assert topology.queue("audit").dlq == "audit-dlq"
    assert set(TOPOLOGY.queues) < set(topology.queues)
