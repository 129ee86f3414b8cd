"""Number and store, then tell the world."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from kxmsg.bootstrap import App
from kxmsg.codecs.envelope import decode_bundle
from kxmsg.errors import Poison, Transient
from kxmsg.model.envelope import Bundle, Change, Envelope, Parcel
from kxmsg.model.target import Target
from kxmsg.ports import Failure, Outgoing
from kxmsg.services.announcer import Announcer
from kxmsg.services.recorder import Recorder
from tests.product import DESK, USER, RecordingBus, envelope, simulate

BOB = Target("user", "bob")


class FakeTopic:
    """Keeps what is published, but for what ``refuse`` names."""

    name = "outbound"
    batch_limit = 10

    def __init__(self, refuse: Callable[[Bundle], Failure | None] = lambda _: None) -> None:
        self.refuse = refuse
        self.published: list[Bundle] = []

    async def publish(self, messages: Sequence[Outgoing]) -> list[Failure]:
        await asyncio.sleep(0.01)
        failures = []
        for index, message in enumerate(messages):
            made = decode_bundle(message.body)
            refusal = self.refuse(made)
            if refusal is None:
                self.published.append(made)
            else:
                failures.append(Failure(index, refusal.code, retryable=refusal.retryable))
        return failures

    @property
    def numbers(self) -> dict[str, list[tuple[int, str]]]:
        """What arrived, by target."""
        return {
            one.target.key: [(entry.sequence, entry.envelope.id) for entry in one.entries] for one in self.published
        }


def recorder(app: App, topic: FakeTopic, bus: RecordingBus) -> Recorder:
    return Recorder(app.logs, topic, Announcer(bus, app.directory, app.channels, app.readers, "all"))


def parcel(target: Target, *idents: str) -> Parcel:
    inside: tuple[Envelope, ...] = tuple(envelope(ident, target) for ident in idents)
    return Parcel("acme", target, "standard", inside)


def test_what_is_recorded_is_stored_published_and_announced() -> None:
    async def scenario(app: App) -> None:
        topic, bus = FakeTopic(), RecordingBus()
        parcels = [parcel(USER, "a"), parcel(BOB, "b"), parcel(USER, "c", "d")]
        assert await recorder(app, topic, bus).record(parcels) == [None, None, None]
        assert topic.numbers == {"user#ana": [(1, "a"), (2, "c"), (3, "d")], "user#bob": [(1, "b")]}
        assert bus.kinds == ["notification.created"] * 4
        assert (await app.logs.head("acme", USER)).seq == 3

    simulate(scenario)


def test_a_log_that_takes_nothing_fails_its_parcels_alone() -> None:
    async def scenario(app: App) -> None:
        topic = FakeTopic()
        outcomes = await recorder(app, topic, RecordingBus()).record([parcel(USER, "a"), parcel(DESK, "b")])
        assert outcomes[0] is None
        assert isinstance(outcomes[1], Poison)
        assert topic.numbers == {"user#ana": [(1, "a")]}

    simulate(scenario)


def test_what_a_topic_can_not_take_fails_its_parcels_alone() -> None:
    async def scenario(app: App) -> None:
        topic = FakeTopic(lambda made: Failure(0, "too_large", retryable=False) if made.target == USER else None)
        parcels = [parcel(USER, "a"), parcel(BOB, "b"), parcel(USER, "c")]
        first, second, third = await recorder(app, topic, RecordingBus()).record(parcels)
        assert isinstance(first, Poison)
        assert "stored, but not published: too_large" in str(first)
        assert second is None
        assert third is first or isinstance(third, Poison)

    simulate(scenario)


@pytest.mark.parametrize("fails", ["topic", "bus"])
def test_a_publish_that_fails_is_told_and_a_repeat_publishes_the_same_numbers(fails: str) -> None:
    async def scenario(app: App) -> None:
        down = Failure(0, "down")
        topic = FakeTopic((lambda _: down) if fails == "topic" else (lambda _: None))
        bus = RecordingBus((lambda _: down) if fails == "bus" else (lambda _: None))
        parts, parcels = recorder(app, topic, bus), [parcel(USER, "a", "b"), parcel(DESK, "x"), parcel(BOB, "c")]
        outcomes = await parts.record(parcels)
        assert [type(outcome) for outcome in outcomes] == [Transient, Poison, Transient]
        await app.logs.append("acme", USER, [envelope("later")])
        topic.refuse = lambda _: None
        bus.refuse = lambda _: None
        topic.published.clear()
        assert [outcome and type(outcome) for outcome in await parts.record(parcels)] == [None, Poison, None]
        assert topic.numbers == {"user#ana": [(1, "a"), (2, "b")], "user#bob": [(1, "c")]}
        told = {event.detail["notificationId"] for event in bus.events}
        assert told == {"a", "b", "c"}

    simulate(scenario)


def test_nothing_is_published_before_it_is_stored() -> None:
    async def scenario(app: App) -> None:
        async def down(*_: object) -> None:
            raise Transient("down")

        app.backend.tables.transact = down  # type: ignore[method-assign, assignment] # an outage
        topic, bus = FakeTopic(), RecordingBus()
        (outcome,) = await recorder(app, topic, bus).record([parcel(USER, "a")])
        assert isinstance(outcome, Transient)
        assert (topic.published, bus.events) == ([], [])

    simulate(scenario)


def test_what_was_deleted_since_is_not_told_again_by_a_repeat() -> None:
    async def scenario(app: App) -> None:
        topic, bus = FakeTopic(), RecordingBus()
        await app.logs.append("acme", USER, [envelope("a")])
        await app.logs.amend("acme", USER, "a", lambda _: None, Change("updated", 1))
        assert await recorder(app, topic, bus).record([parcel(USER, "a"), parcel(BOB, "b")]) == [None, None]
        assert topic.numbers == {"user#bob": [(1, "b")]}
        assert {event.detail["notificationId"] for event in bus.events} == {"b"}

    simulate(scenario)
