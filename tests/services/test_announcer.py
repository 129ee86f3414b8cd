"""What the bus is told, and to whom."""

from typing import Any

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Permanent, Transient
from kxmsg.model.channel import Channel, Participant
from kxmsg.model.envelope import Change
from kxmsg.model.preferences import Moment
from kxmsg.model.target import BROADCAST, Target
from kxmsg.ports import Failure
from kxmsg.services.announcer import ONE_BY_ONE, Announcer
from kxmsg.testing.virtual import START
from tests.product import DESK, USER, RecordingBus, bundle, caller, envelope, simulate

CLIENT = Target("client", "acme")
NOW = Moment(START)


def announcer(app: App, bus: RecordingBus, mode: Any = "all") -> Announcer:
    return Announcer(bus, app.directory, app.channels, app.readers, mode)


def told(bus: RecordingBus) -> list[tuple[str, str, str]]:
    return sorted((one.detail_type, one.detail["tenantId"], one.detail.get("userId", "")) for one in bus.events)


async def furnish(app: App) -> None:
    for tenant, user in [("acme", "ana"), ("acme", "bob"), ("globex", "eve")]:
        await app.directory.touch(caller(user, tenant=tenant))
    people = (Participant("ana", "member", ""), Participant("gone", "member", "", is_active=False))
    await app.channels.create(Channel("desk", "acme", "group", "", "root", participants=people))


@pytest.mark.parametrize(
    ("target", "tenant", "expected"),
    [
        (USER, "acme", []),
        (DESK, "acme", [("chat.message.available", "acme", "ana")]),
        (CLIENT, "acme", [("client.notification.available", "acme", user) for user in ("ana", "bob")]),
        (
            BROADCAST,
            "*",
            [
                ("broadcast.notification.available", tenant, user)
                for tenant, user in [("acme", "ana"), ("acme", "bob"), ("globex", "eve")]
            ],
        ),
    ],
    ids=["user", "channel", "client", "broadcast"],
)
def test_everybody_who_may_read_an_entry_is_told(
    target: Target, tenant: str, expected: list[tuple[str, str, str]]
) -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        bus = RecordingBus()
        await announcer(app, bus).available(bundle(target, [envelope("I", target)], tenant=tenant), [], 0, NOW)
        assert told(bus) == expected

    simulate(scenario)


def test_only_the_connected_are_told_or_nobody_where_so_set() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        bus, committed = RecordingBus(), bundle(CLIENT, [envelope("I", CLIENT)])
        await announcer(app, bus, "none").available(committed, [("acme", "ana")], 0, NOW)
        assert bus.events == []
        await announcer(app, bus, "connected").available(committed, [("acme", "bob"), ("acme", "bob")], 0, NOW)
        assert told(bus) == [("client.notification.available", "acme", "bob")]

    simulate(scenario)


def test_more_than_a_thousand_are_told_in_one_event() -> None:
    async def scenario(app: App) -> None:
        bus, committed = RecordingBus(), bundle(CLIENT, [envelope("I", CLIENT)])
        crowd = [("acme", f"u{n}") for n in range(ONE_BY_ONE + 1)]
        await announcer(app, bus, "connected").available(committed, crowd[:-1], 0, NOW)
        assert len(bus.events) == ONE_BY_ONE
        bus.events.clear()
        await announcer(app, bus, "connected").available(committed, crowd, 0, NOW)
        (event,) = bus.events
        assert event.detail["userCount"] == ONE_BY_ONE + 1

    simulate(scenario)


def test_what_no_rule_wants_is_not_made() -> None:
    class Deaf(RecordingBus):
        def matches(self, source: str, detail_type: str) -> bool:
            return False

    async def scenario(app: App) -> None:
        bus = Deaf()
        await announcer(app, bus).stored([bundle(USER, [envelope("I")])])
        await announcer(app, bus).available(bundle(CLIENT, [envelope("I", CLIENT)]), [], 0, NOW)
        assert bus.events == []

    simulate(scenario)


@pytest.mark.parametrize(("retryable", "error"), [(True, Transient), (False, Permanent)])
def test_a_bus_that_does_not_take_an_event_is_an_error(retryable: bool, error: type[Exception]) -> None:
    async def scenario(app: App) -> None:
        bus = RecordingBus(lambda _: Failure(0, "no", retryable=retryable))
        with pytest.raises(error):
            await announcer(app, bus).stored([bundle(USER, [envelope("I")])])

    simulate(scenario)


def test_what_was_changed_was_available_before() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        bus = RecordingBus()
        changed = bundle(CLIENT, [envelope("n", CLIENT)], change=Change("updated", 1))
        await announcer(app, bus).available(changed, [], 0, NOW)
        assert bus.events == []

    simulate(scenario)
