"""WorkerHarness: the kit that users test their workers with."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from kxmsg import Context, Worker
from kxmsg.errors import Transient
from kxmsg.model.event import Event
from kxmsg.ports import Outgoing
from kxmsg.testing import WorkerHarness, run


class Order(BaseModel):
    orderId: str  # noqa: N815 - as in the JSON


def shop() -> Worker:
    worker = Worker("shop", queue="orders")
    tries: dict[str, int] = {}

    @worker.handler
    async def handle(order: Order, context: Context) -> None:
        tries[order.orderId] = tries.get(order.orderId, 0) + 1
        if order.orderId == "never" or (order.orderId == "later" and tries["later"] == 1):
            raise ValueError("out of stock")
        await context.app.queue("render").send([Outgoing(order.orderId.encode())])
        await context.app.topic("outbound").publish([Outgoing(b"sold", attributes={"kind": "message"})])

    return worker


def test_the_outcome_of_each_message_is_seen() -> None:
    """Acknowledged, after a retry or at once, or dead-lettered and why."""

    async def scenario() -> None:
        async with WorkerHarness(shop()) as harness:
            sold = await harness.send(Order(orderId="7"))
            later = await harness.send({"orderId": "later"})
            never = await harness.send('{"orderId": "never"}')
            wrong = await harness.send(b"{}", attributes={"tenantId": "acme"})
            await harness.settled()
            assert (sold.outcome, sold.receives, sold.reason) == ("acknowledged", 1, None)
            assert (later.outcome, later.receives) == ("acknowledged", 2)
            assert (never.outcome, never.receives, never.reason) == ("dead-lettered", 3, "ValueError: out of stock")
            assert (wrong.outcome, wrong.reason) == ("dead-lettered", "not a Order: orderId: Field required")
            assert [message.body for message in harness.sent("render")] == [b"7", b"later"]
            assert len(harness.sent("outbound")) == 2
            assert harness.sent("storage") == []

    run(scenario())


def test_fifo_queues_are_served_in_order() -> None:
    """Of each group that is sent to."""
    seen: list[tuple[str, str]] = []
    worker = Worker("ordered", queue="ordered.fifo")

    @worker.handler
    async def handle(event: Event, context: Context) -> None:
        if event.id == "a1" and context.deliveries[0].receives == 1:
            raise ValueError("once more")
        seen.append((event.source, event.id))

    async def scenario() -> None:
        async with WorkerHarness(worker) as harness:
            for number in range(3):
                for source in "ab":
                    await harness.send(Event(source, "t", {}, id=f"{source}{number}"), group=source)
            await harness.settled()

    run(scenario())
    assert [ident for source, ident in seen if source == "a"] == ["a0", "a1", "a2"]
    assert [ident for source, ident in seen if source == "b"] == ["b0", "b1", "b2"]


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_worker_is_idempotent_enough_for_aws(seed: int) -> None:
    """With a broker as unkind as AWS may be, every message is handled at least once and none is lost."""
    seen: set[str] = set()
    worker = Worker("batch", queue="batch")

    @worker.handler(batch=10)
    async def handle(orders: list[Order], context: Context) -> None:
        for index, order in enumerate(orders):
            if context.deliveries[index].receives == 1 and order.orderId.endswith("3"):
                context.fail(index, Transient("a moment"))
            else:
                seen.add(order.orderId)

    async def scenario() -> None:
        async with WorkerHarness(worker, aws_like=seed, seed=seed) as harness:
            sent = [await harness.send(Order(orderId=str(number))) for number in range(40)]
            await harness.settled()
            assert {one.outcome for one in sent} == {"acknowledged"}

    run(scenario(), seed=seed)
    assert seen == {str(number) for number in range(40)}


def test_messages_that_never_settle_are_told() -> None:
    """After the time allowed."""
    worker = Worker("stuck", queue="stuck")

    @worker.handler
    async def handle(message: bytes) -> None:
        raise Transient("for ever")

    async def scenario() -> None:
        async with WorkerHarness(worker) as harness:
            await harness.send(b"x")
            with pytest.raises(TimeoutError, match="not settled after 60 s"):
                await harness.settled(within=60)

    run(scenario())


def test_a_worker_that_crashes_fails_the_test() -> None:
    """With its own error."""
    worker = shop()

    @worker.on_start
    async def begin(app: Any) -> None:
        raise OSError("no such table")

    async def scenario() -> None:
        async with WorkerHarness(worker) as harness:
            await harness.send(Order(orderId="7"))
            await harness.settled()

    with pytest.raises(OSError, match="no such table"):
        run(scenario())


@pytest.mark.parametrize("send", [lambda harness: harness.send(b"x", attributes={f"a{n}": "x" for n in range(11)})])
def test_a_message_that_the_queue_refuses_is_told(send: Callable[[WorkerHarness], Any]) -> None:
    """At once."""

    async def scenario() -> None:
        async with WorkerHarness(shop()) as harness:
            with pytest.raises(ValueError, match="queue orders refused the message"):
                await send(harness)

    run(scenario())
