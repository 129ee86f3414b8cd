"""The scheduler alone: what is due is fired once, what is owed is published, what has expired is swept."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from kxmsg.bootstrap import App, memory_app
from kxmsg.codecs.envelope import decode_parcel
from kxmsg.embedded.backend import EmbeddedBackend
from kxmsg.errors import Transient
from kxmsg.keys import new_id, shard_of
from kxmsg.model.envelope import MAX_PAYLOAD, Envelope
from kxmsg.model.event import Event
from kxmsg.model.target import Target
from kxmsg.model.window import Kept, Window
from kxmsg.own_events import own_event
from kxmsg.ports import Key, Put
from kxmsg.runtime.drain import RESERVE
from kxmsg.settings import Settings
from kxmsg.storage.due import LEASE, SHARDS
from kxmsg.storage.outbox import GRACE
from kxmsg.storage.windows import Collected
from kxmsg.testing.virtual import START, VirtualClock, run
from kxmsg.topology import CHANNELS, STORAGE
from tests.product import DESK, USER, RecordingBus, envelope
from workers.scheduler import worker


def schedule(scenario: Callable[[list[App]], Awaitable[None]], settings: Settings, *, processes: int = 1) -> None:
    """Run ``scenario`` beside so many schedulers, each with an app of its own on one backend."""

    async def main() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        backend = memory_app(clock=clock).backend
        assert isinstance(backend, EmbeddedBackend)
        apps = [App(settings, backend, clock) for _ in range(processes)]
        for app in apps:
            app.bus = RecordingBus()
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number, app in enumerate(apps):
                group.create_task(worker.run(app, stop, rng=Random(number)))
            await scenario(apps)
            stop.set()
        await backend.close()

    run(main(), seed=1)


async def fired(app: App) -> list[Envelope]:
    """What has come out of the schedule, in both queues, in the order of sending."""
    found = []
    for queue in app.entrances.values():
        while got := await queue.receive(100, wait=0, visibility=3600):
            found += [one for delivery in got for one in decode_parcel(delivery.body).envelopes]
    return found


def waiting(number: int) -> Envelope:
    """An envelope with an id as they are in life, so that they spread over the shards."""
    return envelope(f"{new_id(START + number)}", **({"target": DESK} if number % 2 else {}))


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_due_is_fired_within_seconds_once_however_many_schedulers_there_are(
    settings: Settings, processes: int
) -> None:
    async def scenario(apps: list[App]) -> None:
        app = apps[0]
        envelopes = [waiting(number) for number in range(50)]
        await app.due.put(START + 60, envelopes)
        await asyncio.sleep(59)
        assert await fired(app) == []
        await asyncio.sleep(3)
        assert sorted(one.id for one in await fired(app)) == sorted(one.id for one in envelopes)
        await asyncio.sleep(60)
        assert await fired(app) == []

    schedule(scenario, settings, processes=processes)


def test_what_comes_out_is_what_went_in(settings: Settings) -> None:
    async def scenario(apps: list[App]) -> None:
        one = envelope("n1", expires_at=int(START) + 999, trace="00-x", hops=2, origin="c1")
        await apps[0].due.put(START + 1, [one])
        await asyncio.sleep(5)
        assert await fired(apps[0]) == [one]

    schedule(scenario, settings)


def test_the_shards_of_a_scheduler_that_died_are_another_ones_once_their_leases_have_ended(settings: Settings) -> None:
    async def scenario(apps: list[App]) -> None:
        one = waiting(0)
        app = apps[0]
        for shard in range(16):
            assert await app.due.lease(shard, "the dead one")
        await app.due.put(START, [one])
        await asyncio.sleep(LEASE - 2)
        assert await fired(app) == []
        await asyncio.sleep(4)
        assert [other.id for other in await fired(app)] == [one.id]

    schedule(scenario, settings)


def test_a_scheduler_that_ends_gives_its_shards_back(settings: Settings) -> None:
    async def scenario(apps: list[App]) -> None:
        app = apps[0]
        await app.due.put(START, [waiting(number) for number in range(50)])
        await asyncio.sleep(2)
        assert not await app.due.lease(0, "another")

    async def ended(apps: list[App]) -> None:
        await scenario(apps)
        stop = asyncio.Event()
        stop.set()
        await worker.run(apps[0], stop)
        assert await apps[0].due.lease(0, "another")

    schedule(ended, settings)


# -------------------------------------------------------------------------------------------------------- windows


DIGEST = Window("alarms.notification.raised[1]", "acme", Target("user", "chief"), "")
BROKEN = Window("alarms.notification.raised[2]", "acme", DESK, "h1")
GONE = Window("alarms.notification.raised[9]", "acme", USER, "")


def alarms(count: int, window: Window = DIGEST, **changes: Any) -> list[Kept]:
    """Entries for a digest, created long before it fires."""
    given = [{"payload": {"content": f"alarm {number}"}, **changes} for number in range(count)]
    return [Kept(envelope(f"{window.template}-{n}", window.target, **each), 3600) for n, each in enumerate(given)]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_digest_fires_once_with_one_entry_for_all(settings: Settings, processes: int) -> None:
    async def scenario(apps: list[App]) -> None:
        app = apps[0]
        await app.digests.collect(DIGEST, 600, alarms(2, trace="00-x"))
        await asyncio.sleep(300)
        await app.digests.collect(DIGEST, 600, alarms(3, hops=2))
        await asyncio.sleep(299)
        assert await fired(app) == []
        await asyncio.sleep(3)
        (one,) = await fired(app)
        assert one.payload == {
            "title": "3 alarms",
            "content": "alarm 0, alarm 1, alarm 2",
            "metadata": {"from": "alarm 0", "to": "alarm 2"},
        }
        assert (one.target, one.kind, one.ordering, one.hops) == (DIGEST.target, "notification", "standard", 2)
        assert (one.created_at, one.expires_at) == (int(START + 600) * 1000, int(START + 600 + 3600))
        await asyncio.sleep(600)
        assert await fired(app) == []

    schedule(scenario, settings, processes=processes)


def test_each_window_of_a_digest_becomes_an_entry_of_its_own(settings: Settings) -> None:
    async def scenario(apps: list[App]) -> None:
        app = apps[0]
        for number in range(3):
            await app.digests.collect(DIGEST, 5, alarms(number + 1)[number:])
            await asyncio.sleep(10)
        found = await fired(app)
        assert [one.payload["content"] for one in found] == ["alarm 0", "alarm 1", "alarm 2"]
        assert len({one.id for one in found}) == 3

    schedule(scenario, settings)


@pytest.mark.parametrize(
    ("window", "place"), [(GONE, "no such template with a digest"), (BROKEN, "subscriptions.yaml:")]
)
def test_a_digest_that_cannot_be_summed_up_loses_nothing_and_says_where(
    settings: Settings, window: Window, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its entries go out as they are, and what else is due in its shard as ever."""

    async def scenario(apps: list[App]) -> None:
        app = apps[0]
        entries = alarms(3, window)
        await app.digests.collect(window, 60, entries)
        await app.due.put(START + 61, [waiting(number) for number in range(50)])
        await asyncio.sleep(120)
        found = {one.id: one for one in await fired(app)}
        assert len(found) == 53
        for one in entries:
            assert found[one.envelope.id] == replace(one.envelope, expires_at=int(START) + 60 + 3600)

    schedule(scenario, settings)
    assert place in capsys.readouterr().out


def test_a_digest_larger_than_readers_can_take_is_not_sent_in_one(settings: Settings) -> None:
    async def scenario(apps: list[App]) -> None:
        app = apps[0]
        await app.digests.collect(DIGEST, 5, alarms(3, payload={"content": "x" * (MAX_PAYLOAD // 2)}))
        await asyncio.sleep(10)
        assert len(await fired(app)) == 3

    schedule(scenario, settings)


def test_a_scheduler_that_dies_between_sending_and_deleting_sends_the_same_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(apps: list[App]) -> None:
        app = apps[0]
        deaths = [RuntimeError("dead")] * 2
        forget = app.digests.forget

        async def dying(windows: Sequence[Collected]) -> None:
            if windows and deaths:
                raise deaths.pop()
            await forget(windows)

        monkeypatch.setattr(app.digests, "forget", dying)
        await app.digests.collect(DIGEST, 5, alarms(3))
        await asyncio.sleep(6)
        await app.digests.collect(DIGEST, 600, alarms(4))
        await asyncio.sleep(60)
        first, *others = await fired(app)
        assert others == [first, first]
        assert first.payload["title"] == "3 alarms"

    schedule(scenario, settings)


# ------------------------------------------------------------------------------------------------ outbox, expiry


def test_events_that_their_writer_could_not_publish_are_published_once(settings: Settings) -> None:
    async def scenario(apps: list[App]) -> None:
        app, bus = apps[0], apps[0].bus
        assert isinstance(bus, RecordingBus)
        events = [own_event("channel.created", "acme", START, [number], {}) for number in range(30)]
        puts, _ = app.outbox.owe(events)
        for put in puts:
            await app.tables.write(put)
        await asyncio.sleep(GRACE - 1)
        assert bus.events == []
        await asyncio.sleep(8)
        assert sorted(map(_ident, bus.events)) == sorted(map(_ident, events))
        await asyncio.sleep(30)
        assert len(bus.events) == 30

    schedule(scenario, settings)


def test_what_has_expired_is_deleted_within_minutes(settings: Settings) -> None:
    async def scenario(apps: list[App]) -> None:
        app = apps[0]
        for name, expires in (("old", START + 10), ("young", START + 9999)):
            await app.tables.write(Put(CHANNELS, {"pk": name, "sk": "x", "expiresAt": int(expires)}))
        await asyncio.sleep(130)
        left = [await app.tables.get(CHANNELS, key, consistent=True) for key in (_key("old"), _key("young"))]
        assert [item is not None for item in left] == [False, True]

    schedule(scenario, settings)


def test_a_queue_that_does_not_take_what_is_due_gets_it_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler tries again, and fires nothing twice but by its id."""

    async def scenario(apps: list[App]) -> None:
        app = apps[0]
        queue = app.queue(STORAGE)
        send = queue.send
        refusals = [OSError("down")] * 2

        async def failing(messages: object) -> object:
            if refusals:
                raise refusals.pop()
            return await send(messages)  # type: ignore[arg-type]

        monkeypatch.setattr(queue, "send", failing)
        one = envelope("n1")
        await app.due.put(START, [one])
        await asyncio.sleep(60)
        assert [other.id for other in await fired(app)] == ["n1"]

    schedule(scenario, settings)


@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
def test_a_shard_that_fails_or_hangs_holds_up_no_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    async def scenario(apps: list[App]) -> None:
        app = apps[0]
        lease = app.due.lease

        async def failing(shard: int, owner: str) -> bool:
            if shard == 0:
                await asyncio.sleep(10 if hangs else 0)
                raise Transient("down")
            return await lease(shard, owner)

        monkeypatch.setattr(app.due, "lease", failing)
        envelopes = [waiting(number) for number in range(50)]
        await app.due.put(START, envelopes)
        await asyncio.sleep(2)
        expected = {one.id for one in envelopes if shard_of(one.id, SHARDS)}
        assert {one.id for one in await fired(app)} == expected
        assert 0 < len(expected) < len(envelopes)

    schedule(scenario, settings)


def test_a_scheduler_ends_in_time_although_its_tables_hang(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(apps: list[App]) -> None:
        monkeypatch.setattr(apps[0].due, "release", lambda *_: asyncio.sleep(3600))
        stop = asyncio.Event()
        stop.set()
        async with asyncio.timeout(RESERVE):
            await worker.run(apps[0], stop)
        monkeypatch.undo()

    schedule(scenario, settings)


def _ident(event: Event) -> str:
    return str(event.detail["eventId"])


def _key(name: str) -> Key:
    return Key(name, "x")
