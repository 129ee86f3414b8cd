"""The small repositories: batch writes, what was asked once, what is due, what is owed to the bus."""

import asyncio
from collections.abc import Sequence

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Conflict, Permanent, TransactionCancelled, Transient
from kxmsg.model.event import OWN_SOURCE, Event
from kxmsg.ports import ABSENT, Delete, Failure, Key, Put
from kxmsg.storage.due import LEASE, SHARDS, Due, DueItem
from kxmsg.storage.once import LIFE, Once
from kxmsg.storage.outbox import GRACE, Outbox
from kxmsg.storage.writes import ATTEMPTS, transact, write_all
from kxmsg.topology import CHANNELS
from tests.product import RecordingBus, envelope, simulate


def put(ident: str) -> Put:
    return Put(CHANNELS, {"pk": ident, "sk": "x"})


def test_batch_writes_end_complete_although_tables_leave_some_undone() -> None:
    async def scenario(app: App) -> None:
        await write_all(app.tables, CHANNELS, [put(str(n)) for n in range(60)])
        items = await app.tables.get_many(CHANNELS, [Key(str(n), "x") for n in range(60)], consistent=True)
        assert all(items)

    simulate(scenario, seed=1, unprocessed=0.5)


def test_batch_writes_tell_what_stays_undone() -> None:
    class Stubborn:
        def __init__(self, retryable: bool) -> None:
            self.retryable, self.calls = retryable, 0

        async def write_many(self, writes: Sequence[Put | Delete]) -> list[Failure]:
            self.calls += 1
            return [Failure(0, "no", retryable=self.retryable)]

    async def scenario(_: App) -> None:
        busy, broken = Stubborn(True), Stubborn(False)
        with pytest.raises(Transient, match="table channels: 1 writes stayed unprocessed"):
            await write_all(busy, CHANNELS, [put("a"), put("b")])  # type: ignore[arg-type] # one method of many
        assert busy.calls == ATTEMPTS
        with pytest.raises(Permanent, match="table channels: no"):
            await write_all(broken, CHANNELS, [put("a")])  # type: ignore[arg-type] # as above
        assert broken.calls == 1

    simulate(scenario)


def test_a_transaction_outlives_conflicts_but_not_a_condition() -> None:
    async def scenario(app: App) -> None:
        for n in range(20):
            await transact(app.tables, [put(f"a{n}"), put(f"b{n}")])
        with pytest.raises(TransactionCancelled) as caught:
            await transact(app.tables, [Put(CHANNELS, {"pk": "a1", "sk": "x"}, ABSENT), put("c")])
        assert [reason.code for reason in caught.value.reasons] == ["condition", "none"]

    simulate(scenario, seed=3, conflict=0.4, throttle=0.2)


# ---------------------------------------------------------------------------------------------------------- once


def test_what_was_asked_once_keeps_its_first_answer_for_a_day() -> None:
    async def scenario(app: App) -> None:
        once = Once(app.tables, app.clock)
        answers = await asyncio.gather(*(once.ident("acme", "ana", "desk#1", f"fresh{n}", b"hi") for n in range(10)))
        assert len(set(answers)) == 1
        for who in (("acme", "bob", "desk#1"), ("globex", "ana", "desk#1"), ("acme", "ana", "desk#2")):
            assert await once.ident(*who, "other", b"hi") == "other"
        await asyncio.sleep(LIFE - 1)
        assert await once.ident("acme", "ana", "desk#1", "late", b"hi") == answers[0]
        await asyncio.sleep(2)  # expired, not swept
        assert await once.ident("acme", "ana", "desk#1", "next", b"hi") == "next"
        assert await once.ident("acme", "ana", "desk#1", "again", b"hi") == "next"

    simulate(scenario, seed=2)


def test_an_id_that_was_used_for_something_else_is_refused() -> None:
    """A client that counts from 1 again must not lose what it says."""

    async def scenario(app: App) -> None:
        once = Once(app.tables, app.clock)
        await once.ident("acme", "ana", "desk#1", "first", b"hello")
        with pytest.raises(Conflict) as caught:
            await once.ident("acme", "ana", "desk#1", "second", b"good-bye")
        assert caught.value.code == "id_reused"

    simulate(scenario)


# ----------------------------------------------------------------------------------------------------------- due


def test_what_is_due_is_ripe_in_its_order_until_it_is_done() -> None:
    async def scenario(app: App) -> None:
        now = app.clock.now()
        envelopes = [envelope(str(n)) for n in range(20)]
        for _ in range(2):  # repeated, as after a crash
            for n, one in enumerate(envelopes):
                await app.due.put(now + 100 - n, [one])

        async def in_shard(shard: int) -> list[DueItem]:
            return [item for item in await app.due.ripe(shard) if isinstance(item, DueItem)]

        async def ripe() -> set[str]:
            shards = [await in_shard(shard) for shard in range(SHARDS)]
            for items in shards:
                assert [item.key.sk for item in items] == sorted(item.key.sk for item in items)
            return {item.envelope.id for items in shards for item in items}

        assert await ripe() == set()
        await asyncio.sleep(90)
        assert await ripe() == {str(n) for n in range(10, 20)}
        await asyncio.sleep(10)
        assert await ripe() == {str(n) for n in range(20)}
        for shard in range(SHARDS):
            await app.due.done(await in_shard(shard))
        assert await ripe() == set()

    simulate(scenario, seed=5)


@pytest.mark.parametrize("seed", range(6))
def test_one_scheduler_at_a_time_has_a_shard(seed: int) -> None:
    async def scenario(app: App) -> None:
        schedulers = {name: Due(app.tables, app.clock) for name in "abcd"}
        taken = await asyncio.gather(*(due.lease(0, name) for name, due in schedulers.items()))
        assert sum(taken) == 1
        (owner,) = [name for name, mine in zip(schedulers, taken, strict=True) if mine]
        assert await schedulers[owner].lease(0, owner)
        others = [name for name in schedulers if name != owner]
        assert not await schedulers[others[0]].lease(0, others[0])
        await schedulers[others[0]].release(0, others[0])
        assert not await schedulers[others[0]].lease(0, others[0]), "only the owner releases"
        await schedulers[owner].release(0, owner)
        assert await schedulers[others[0]].lease(0, others[0])
        await asyncio.sleep(LEASE + 1)
        assert await schedulers[owner].lease(0, owner)
        assert not await schedulers[others[0]].lease(0, others[0])

    simulate(scenario, seed=seed)


def test_a_lease_is_had_and_given_back_although_replies_are_lost() -> None:
    async def scenario(app: App) -> None:
        due = Due(app.tables, app.clock)
        for owner in ("a", "b"):
            assert [await due.lease(shard, owner) for shard in range(SHARDS)] == [True] * SHARDS
            assert [await due.lease(shard, owner) for shard in range(SHARDS)] == [True] * SHARDS
            for shard in range(SHARDS):
                await due.release(shard, owner)

    simulate(scenario, seed=1, lost_reply=0.3, throttle=0.1)


# -------------------------------------------------------------------------------------------------------- outbox


def owed_event(number: int) -> Event:
    return Event(OWN_SOURCE, "x", {"eventId": f"event-{number}"})


def test_an_event_is_published_by_the_sweep_where_its_writer_died_and_not_before_its_grace() -> None:
    async def scenario(app: App) -> None:
        bus = RecordingBus()
        outbox = Outbox(app.tables, bus, app.clock)
        puts, _ = outbox.owe([owed_event(n) for n in range(25)])
        await app.tables.transact(puts)
        await asyncio.sleep(GRACE - 1)
        assert await outbox.sweep() == 0
        assert bus.events == []
        await asyncio.sleep(1)
        assert await outbox.sweep() == 25
        assert {event.detail["eventId"] for event in bus.events} == {f"event-{n}" for n in range(25)}
        assert await outbox.sweep() == 0

    simulate(scenario, seed=1)


def test_what_the_bus_does_not_take_stays_owed_and_harms_nobody() -> None:
    async def scenario(app: App) -> None:
        bus = RecordingBus(lambda event: Failure(0, "down") if event.detail["eventId"] == "event-1" else None)
        outbox = Outbox(app.tables, bus, app.clock)
        puts, owed = outbox.owe([owed_event(n) for n in range(3)])
        await app.tables.transact(puts)
        assert await outbox.publish(owed) == 0
        bus.refuse = lambda _: None
        await asyncio.sleep(GRACE)
        assert await outbox.sweep() == 3
        assert {event.detail["eventId"] for event in bus.events} == {"event-0", "event-1", "event-2"}

    simulate(scenario)
