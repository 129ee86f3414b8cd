"""The embedded bus: the port's contract, groups, copies."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from kxmsg.embedded.bus import EmbeddedBus
from kxmsg.embedded.engine import Engine
from kxmsg.embedded.queues import EmbeddedQueue
from kxmsg.embedded.wake import Wake
from kxmsg.matching import Pattern
from kxmsg.model.event import Event
from kxmsg.ports import EventBus, Queue
from kxmsg.topology import QueueSpec, Rule
from tests.contracts.bus import BusContract, MakeBus, rule
from tests.embedded.conftest import MakeQueue, ManualClock


async def making(engine: Engine, wake: Wake, clock: ManualClock, *, aws_like: bool = False) -> AsyncIterator[MakeBus]:
    async def make(rules: Sequence[Rule]) -> tuple[EventBus, dict[str, Queue]]:
        queues: dict[str, Queue] = {
            one.queue: EmbeddedQueue(engine, QueueSpec(one.queue), clock, wake, aws_like=aws_like) for one in rules
        }
        return EmbeddedBus(rules, queues, clock), queues

    yield make
    await wake.close()
    await engine.close()


class TestOnFiles(BusContract):
    @pytest.fixture
    async def make_bus(self, tmp_path: Path, clock: ManualClock) -> AsyncIterator[MakeBus]:
        async for make in making(Engine(tmp_path, durability="normal"), Wake(tmp_path), clock):
            yield make


class TestAwsLike(BusContract):
    @pytest.fixture
    async def make_bus(self, clock: ManualClock) -> AsyncIterator[MakeBus]:
        async for make in making(Engine(None, inline=True), Wake(None), clock, aws_like=True):
            yield make


async def test_rules_that_share_a_queue_bring_an_event_once(make_queue: MakeQueue, clock: ManualClock) -> None:
    queue = make_queue("events")
    bus = EmbeddedBus([rule("one", "acme"), rule("two", "acme", "T")], {"events": queue}, clock)
    assert await bus.put([Event("acme", "T", {})]) == []
    assert len(await queue.receive(10, wait=0, visibility=30)) == 1


async def test_every_event_gets_an_id_of_its_own_and_the_time_of_the_clock(
    make_queue: MakeQueue, clock: ManualClock
) -> None:
    queue = make_queue("events")
    bus = EmbeddedBus([rule("r", "acme")], {"events": queue}, clock)
    await bus.put([Event("acme", "T", {}, id="mine"), Event("acme", "T", {}, id="mine")])
    events = [orjson.loads(delivery.body) for delivery in await queue.receive(10, wait=0, visibility=30)]
    assert len({event["id"] for event in events} - {"mine"}) == 2
    assert {event["time"] for event in events} == {"2025-06-15T15:06:40Z"}


@pytest.mark.parametrize(
    ("detail", "group"),
    [
        ({"tenantId": "t1", "clientId": "c1"}, "t1"),
        ({"clientId": "c1"}, "c1"),
        ({"tenantId": 7, "clientId": "c1"}, "c1"),
        ({"tenantId": 7}, None),
        ({}, None),
    ],
)
async def test_the_tenant_is_the_group(
    make_queue: MakeQueue, clock: ManualClock, detail: dict[str, Any], group: str | None
) -> None:
    queue = make_queue("events")
    await EmbeddedBus([rule("r", "acme")], {"events": queue}, clock).put([Event("acme", "T", detail)])
    assert [delivery.group for delivery in await queue.receive(10, wait=0, visibility=30)] == [group]


@pytest.mark.parametrize("tenant", ["t" * 200, "München"])
async def test_a_tenant_that_is_no_group_id_is_hashed(make_queue: MakeQueue, clock: ManualClock, tenant: str) -> None:
    queue = make_queue("events")
    bus = EmbeddedBus([rule("r", "acme")], {"events": queue}, clock)
    assert await bus.put([Event("acme", "T", {"tenantId": tenant})]) == []
    (delivery,) = await queue.receive(10, wait=0, visibility=30)
    assert delivery.group
    assert len(delivery.group) == 64


async def test_a_detail_that_is_not_json_is_malformed(make_queue: MakeQueue, clock: ManualClock) -> None:
    bus = EmbeddedBus([rule("r", "acme")], {"events": make_queue("events")}, clock)
    (failure,) = await bus.put([Event("acme", "T", {"when": object()})])
    assert (failure.code, failure.retryable) == ("malformed", False)


# ---------------------------------------------------------------------------------------------- rules with patterns


def full(queue: str, pattern: dict[str, Any]) -> Rule:
    """The rule of a subscription's target."""
    return Rule(queue, frozenset(), frozenset(), queue, Pattern(pattern))


async def bodies(queue: Queue) -> list[dict[str, Any]]:
    return [orjson.loads(delivery.body) for delivery in await queue.receive(10, wait=0, visibility=30)]


async def test_a_rule_with_a_pattern_takes_what_it_matches(make_queue: MakeQueue, clock: ManualClock) -> None:
    events, audit = make_queue("events"), make_queue("audit")
    rules = [rule("r", "acme"), full("audit", {"source": [{"prefix": "ac"}], "detail": {"n": [{"numeric": [">", 1]}]}})]
    bus = EmbeddedBus(rules, {"events": events, "audit": audit}, clock)
    assert (
        await bus.put([Event("acme", "T", {"n": 1}), Event("acme", "T", {"n": 2}), Event("bcme", "T", {"n": 3})]) == []
    )
    (two,) = await bodies(audit)
    assert (two["detail"], two["detail-type"]) == ({"n": 2}, "T")
    assert [event["detail"]["n"] for event in await bodies(events)] == [1, 2]


async def test_a_queue_that_comes_later_gets_what_comes_after(make_queue: MakeQueue, clock: ManualClock) -> None:
    """Until then its events are dropped, and nobody else's."""
    events, audit = make_queue("events"), make_queue("audit")
    brought: dict[str, Queue] = {}
    rules = [rule("r", "acme"), full("audit", {"source": ["acme"]})]
    bus = EmbeddedBus(rules, {"events": events}, clock, find=brought.get)
    assert await bus.put([Event("acme", "T", {"n": 1})]) == []
    brought["audit"] = audit
    assert await bus.put([Event("acme", "T", {"n": 2})]) == []
    assert [event["detail"]["n"] for event in await bodies(events)] == [1, 2]
    assert [event["detail"]["n"] for event in await bodies(audit)] == [2]


@pytest.mark.parametrize(("detail", "group"), [({"tenantId": "t1"}, "t1"), ({}, "events")])
async def test_a_fifo_queue_always_gets_a_group(
    make_queue: MakeQueue, clock: ManualClock, detail: dict[str, Any], group: str
) -> None:
    queue = make_queue("audit.fifo")
    bus = EmbeddedBus([full("audit.fifo", {"source": ["acme"]})], {"audit.fifo": queue}, clock)
    assert await bus.put([Event("acme", "T", detail)]) == []
    assert [delivery.group for delivery in await queue.receive(10, wait=0, visibility=30)] == [group]


async def test_matches_is_false_only_where_no_pattern_can_take_it(make_queue: MakeQueue, clock: ManualClock) -> None:
    pattern = {"source": [{"prefix": "ac"}], "detail-type": [{"anything-but": "U"}], "detail": {"n": [1]}}
    bus = EmbeddedBus([full("audit", pattern)], {"audit": make_queue("audit")}, clock)
    assert bus.matches("acme", "T")
    assert not bus.matches("acme", "U")
    assert not bus.matches("bcme", "T")
    bus.replace([full("audit", {"detail": {"n": [1]}})])
    assert bus.matches("bcme", "U")
    bus.replace([])
    assert not bus.matches("bcme", "U")


async def test_matches_tells_whether_any_rule_wants_it(make_queue: MakeQueue, clock: ManualClock) -> None:
    bus = EmbeddedBus([rule("r", "acme", "T")], {"events": make_queue("events")}, clock)
    assert bus.matches("acme", "T")
    assert not bus.matches("acme", "U")
    assert not bus.matches("other", "T")
