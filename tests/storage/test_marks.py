"""Marks under simultaneous writers, on tables that do what DynamoDB may do."""

import asyncio
from collections.abc import Sequence

import pytest

from kxmsg.audience import inbox
from kxmsg.bootstrap import App
from kxmsg.errors import Transient
from kxmsg.keys import mark_key
from kxmsg.model.connection import Place
from kxmsg.model.event import Event
from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from kxmsg.ports import Key
from kxmsg.storage.marks import ATTEMPTS, Box, Decision, Marks
from kxmsg.storage.outbox import Outbox
from kxmsg.testing.virtual import START
from kxmsg.topology import LOGS
from tests.product import USER, RecordingBus, envelope, simulate

CLIENT = Target("client", "acme")
PLACES = inbox("acme", "ana")


def of(app: App, bus: RecordingBus) -> tuple[Marks, Outbox]:
    outbox = Outbox(app.tables, bus, app.clock, LOGS)
    return Marks(app.tables, app.logs, outbox, app.clock, 90), outbox


def told(number: int) -> Event:
    return Event("test", "read", {"eventId": f"e{number}"})


async def fill(app: App, count: int, target: Target = USER) -> None:
    await app.logs.append("acme", target, [envelope(f"{target.type}{n}", target) for n in range(1, count + 1)])


@pytest.mark.parametrize("seed", range(10))
def test_simultaneous_marks_are_all_kept_each_told_of_once(seed: int) -> None:
    async def scenario(app: App) -> None:
        bus = RecordingBus()
        marks, outbox = of(app, bus)
        while True:
            try:
                await fill(app, 40)
                break
            except Transient:
                continue

        async def mark(number: int) -> None:
            def decide(boxes: Sequence[Box]) -> Decision | None:
                view = boxes[0].view
                if view.status(number) == "read":
                    return None
                return Decision([view.mark.marked([number], "read"), None, None], [told(number)], {0: [number]})

            while True:
                try:
                    return await marks.change("acme", "ana", PLACES, decide)
                except Transient:
                    continue

        await asyncio.gather(*map(mark, range(1, 31)))
        (box, *_) = await marks.look("acme", "ana", PLACES)
        assert (box.view.unread, box.view.mark.version) == (10, 30)
        while len({event.detail["eventId"] for event in bus.events}) < 30:
            await asyncio.sleep(10)
            await outbox.sweep()
        times = await marks.read_times("acme", "ana", [(PLACES[0], number) for number in range(29, 33)])
        assert [time is not None for time in times] == [True, True, False, False]

    simulate(scenario, seed=seed, conflict=0.2, lost_reply=0.15, throttle=0.05)


def test_several_marks_are_written_together_or_not_at_all() -> None:
    async def scenario(app: App) -> None:
        marks, _ = of(app, RecordingBus())
        await fill(app, 3)
        await fill(app, 3, CLIENT)

        def all_read(boxes: Sequence[Box]) -> Decision:
            return Decision([box.view.mark.all_read(box.view.last, 1) for box in boxes])

        async def refuse(*_: object) -> None:
            raise Transient("down")

        transact = app.backend.tables.transact
        app.backend.tables.transact = refuse  # type: ignore[method-assign, assignment] # an outage
        with pytest.raises(Transient, match=f"{ATTEMPTS} changes in a row"):
            await marks.change("acme", "ana", PLACES, all_read)
        app.backend.tables.transact = transact  # type: ignore[method-assign] # it is over
        assert [box.view.unread for box in await marks.look("acme", "ana", PLACES)] == [3, 0, 0]
        await marks.change("acme", "ana", PLACES, all_read)
        assert [box.view.unread for box in await marks.look("acme", "ana", PLACES)] == [0, 0, 0]

    simulate(scenario)


@pytest.mark.parametrize("seed", range(4))
def test_first_contact_is_remembered_once_whoever_else_comes(seed: int) -> None:
    async def scenario(app: App) -> None:
        marks, _ = of(app, RecordingBus())
        await fill(app, 3, CLIENT)
        boxes = await marks.look("acme", "ana", PLACES)
        await asyncio.gather(*(marks.meet("acme", "ana", boxes) for _ in range(5)))
        await fill(app, 5, CLIENT)
        boxes = await marks.look("acme", "ana", PLACES)
        await marks.meet("acme", "ana", boxes)
        assert [box.view.unread for box in boxes] == [0, 2, 0]
        pk = mark_key("acme", "ana")
        stored = await app.tables.get_many(
            LOGS, [Key(pk, "user#ana"), Key(pk, "client#acme"), Key(pk, "broadcast")], consistent=True
        )
        assert [item is not None for item in stored] == [False, True, True]

    simulate(scenario, seed=seed)


def test_times_of_reading_end_with_what_they_tell_of() -> None:
    async def scenario(app: App) -> None:
        marks, _ = of(app, RecordingBus())
        await fill(app, 2)
        await marks.change(
            "acme", "ana", PLACES[:1], lambda boxes: Decision([boxes[0].view.mark.marked([1], "read")], (), {0: [1]})
        )
        page = await app.tables.get(LOGS, Key(mark_key("acme", "ana"), "user#ana#T#0"), consistent=True)
        assert page is not None
        assert (page["t1"], page["expiresAt"]) == (int(START * 1000), int(START) + 90 * 86_400)
        await marks.change(
            "acme",
            "ana",
            PLACES[:1],
            lambda boxes: Decision([boxes[0].view.mark.marked([1], "unread")], (), {}, {0: [1]}),
        )
        assert await marks.read_times("acme", "ana", [(PLACES[0], 1)]) == [None]
        assert await marks.read_times("acme", "ana", [(Place(EVERYBODY, BROADCAST), 1)]) == [None]
        assert await marks.read_times("acme", "ana", []) == []

    simulate(scenario)
