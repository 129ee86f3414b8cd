"""Changing what is stored, and telling of it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from kxmsg.bootstrap import App
from kxmsg.codecs.envelope import decode_bundle
from kxmsg.errors import Permanent, Transient
from kxmsg.model.envelope import Bundle, Change, Entry, Envelope
from kxmsg.model.event import Event
from kxmsg.ports import Failure, Outgoing
from kxmsg.services.amender import Amender
from kxmsg.storage.outbox import Outbox
from kxmsg.testing.virtual import START
from kxmsg.topology import LOGS
from tests.product import DESK, USER, RecordingBus, envelope, simulate

ABOUT = Change("updated", int(START * 1000), "ana", origin="c1")
TOLD = Event("test", "changed", {"eventId": "e1"})


class FakeTopic:
    batch_limit = 10

    def __init__(self, name: str, failure: Failure | None = None) -> None:
        self.name = name
        self.failure = failure
        self.published: list[Bundle] = []

    async def publish(self, messages: Sequence[Outgoing]) -> list[Failure]:
        if self.failure is not None:
            return [self.failure]
        self.published += [decode_bundle(message.body) for message in messages]
        return []


class Parts:
    def __init__(self, app: App, failure: Failure | None = None) -> None:
        self.fifo, self.standard = FakeTopic("outbound.fifo", failure), FakeTopic("outbound", failure)
        self.bus = RecordingBus()
        outbox = Outbox(app.tables, self.bus, app.clock, LOGS)
        self.amender = Amender(app.logs, {"fifo": self.fifo, "standard": self.standard}, outbox)


def shouting(entry: Entry) -> Envelope:
    return replace(entry.envelope, payload={"content": "NEW"})


def test_a_change_goes_out_after_it_by_the_way_of_its_entry_and_is_told_to_the_bus() -> None:
    async def scenario(app: App) -> None:
        parts = Parts(app)
        await app.logs.create("acme", DESK)
        await app.logs.append("acme", DESK, [envelope("m", DESK)])
        await app.logs.append("acme", USER, [envelope("n")])
        amended = await parts.amender.amend("acme", DESK, "m", shouting, ABOUT, [TOLD])
        assert amended is not None
        assert parts.fifo.published == [amended.bundle]
        assert amended.bundle.change == ABOUT
        assert parts.bus.events == [TOLD]
        deleted = await parts.amender.amend("acme", USER, 1, lambda _: None, ABOUT)
        assert deleted is not None
        assert parts.standard.published == [deleted.bundle]

    simulate(scenario)


def test_what_is_not_there_is_told_to_nobody() -> None:
    async def scenario(app: App) -> None:
        parts = Parts(app)
        assert await parts.amender.amend("acme", USER, "n", shouting, ABOUT, [TOLD]) is None
        assert (parts.standard.published, parts.bus.events) == ([], [])

    simulate(scenario)


def test_what_could_not_be_told_is_told_by_a_repeat_and_made_once() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("n")])
        parts = Parts(app, Failure(0, "down"))
        with pytest.raises(Transient):
            await parts.amender.amend("acme", USER, "n", shouting, ABOUT)
        parts.standard.failure = None
        amended = await parts.amender.amend("acme", USER, "n", shouting, ABOUT)
        assert amended is not None
        assert (amended.changed, amended.entry.revision) == (False, 1)
        assert parts.standard.published == [amended.bundle]

    simulate(scenario)


def test_what_a_topic_can_not_take_is_raised() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("n")])
        parts = Parts(app, Failure(0, "too_large", retryable=False))
        with pytest.raises(Permanent, match="outbound: too_large"):
            await parts.amender.amend("acme", USER, "n", shouting, ABOUT)

    simulate(scenario)
