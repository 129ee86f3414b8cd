"""The contract of ``EventBus``."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import orjson
import pytest

from kxmsg.model.event import Event
from kxmsg.ports import EventBus, Queue
from kxmsg.topology import Rule
from tests.contracts.queue_suite import QueueSuite, insist

MakeBus: TypeAlias = Callable[[Sequence[Rule]], Awaitable[tuple[EventBus, dict[str, Queue]]]]
"""Makes a bus with these rules and an empty queue for each name that they mention."""


def rule(name: str, source: str, *detail_types: str, queue: str = "events") -> Rule:
    return Rule(name, frozenset({source}), frozenset(detail_types), queue)


class BusContract(QueueSuite):
    """Subclasses give the fixture ``make_bus``."""

    @pytest.fixture
    async def make_bus(self) -> MakeBus:
        raise NotImplementedError

    async def events(self, queue: Queue) -> list[dict[str, Any]]:
        """The events on the queue, each once."""
        return list({event["id"]: event for event in map(orjson.loads, await self.bodies(queue))}.values())

    async def bodies(self, queue: Queue) -> list[bytes]:
        return [delivery.body for delivery in await self.drain(queue)]

    async def test_an_event_arrives_with_id_and_time(self, make_bus: MakeBus) -> None:
        bus, queues = await make_bus([rule("r", "acme.orders")])
        sent = Event("acme.orders", "Placed", {"n": 1, "s": "ü"}, resources=("arn:a",))
        assert await insist(bus.put, [sent]) == []
        (event,) = await self.events(queues["events"])
        assert event["source"] == "acme.orders"
        assert event["detail-type"] == "Placed"
        assert event["detail"] == {"n": 1, "s": "ü"}
        assert event["resources"] == ["arn:a"]
        assert len(event["id"]) == 36
        assert event["time"].endswith("Z")
        assert datetime.fromisoformat(event["time"]).microsecond == 0

    async def test_a_time_that_was_given_is_kept(self, make_bus: MakeBus) -> None:
        bus, queues = await make_bus([rule("r", "acme")])
        await insist(bus.put, [Event("acme", "T", {}, time="2024-05-01T12:00:00Z")])
        assert [event["time"] for event in await self.events(queues["events"])] == ["2024-05-01T12:00:00Z"]

    async def test_rules_choose_by_source_and_detail_type(self, make_bus: MakeBus) -> None:
        bus, queues = await make_bus(
            [rule("some", "acme", "Opened", "Closed"), rule("any", "bcme"), rule("other", "acme", queue="other")]
        )
        events = [
            Event(*kind, {}) for kind in [("acme", "Opened"), ("acme", "Moved"), ("bcme", "X"), ("ccme", "Opened")]
        ]
        assert await insist(bus.put, events) == []
        kinds = {(event["source"], event["detail-type"]) for event in await self.events(queues["events"])}
        assert kinds == {("acme", "Opened"), ("bcme", "X")}
        kinds = {(event["source"], event["detail-type"]) for event in await self.events(queues["other"])}
        assert kinds == {("acme", "Opened"), ("acme", "Moved")}

    async def test_a_malformed_event_fails_alone(self, make_bus: MakeBus) -> None:
        bus, queues = await make_bus([rule("r", "acme")])
        broken: Any = ["no object"]
        events = [Event("", "T", {}), Event("acme", "", {}), Event("acme", "T", broken), Event("acme", "T", {"ok": 1})]
        failures = await insist(bus.put, events)
        assert {(failure.index, failure.code) for failure in failures} == {(index, "malformed") for index in range(3)}
        assert [event["detail"] for event in await self.events(queues["events"])] == [{"ok": 1}]

    async def test_an_event_too_large_fails_alone(self, make_bus: MakeBus) -> None:
        bus, queues = await make_bus([rule("r", "acme")])
        events = [Event("acme", "T", {"text": "x" * 262_144}), Event("acme", "T", {"ok": 1})]
        (failure,) = await insist(bus.put, events)
        assert (failure.index, failure.code) == (0, "too_large")
        assert len(await self.events(queues["events"])) == 1
