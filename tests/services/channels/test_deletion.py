"""Destroying channels."""

import asyncio
from typing import Any

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Conflict, Forbidden, NotFound, Poison, Transient, Unavailable
from kxmsg.keys import channel_key, log_key, member_key
from kxmsg.model.connection import Place
from kxmsg.model.target import Target
from kxmsg.ports import Query
from kxmsg.storage import purge
from kxmsg.storage.writes import ATTEMPTS
from kxmsg.topology import CHANNELS, LOGS
from tests.product import DESK, caller, connection, envelope, simulate
from tests.services.channels.furnishing import ADMIN, desk, frames, repeated, watched


async def rows(app: App, table: str, pk: str) -> list[dict[str, Any]]:
    return (await app.tables.query(table, Query(pk, consistent=True))).items


async def talked(app: App, count: int) -> None:
    for n in range(0, count, 10):
        await app.logs.append("acme", DESK, [envelope(f"m{i}", DESK) for i in range(n, min(n + 10, count))])


def test_nothing_is_left_of_it_but_the_tombstone_of_its_log() -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        await app.connections.open(connection("c1"), [Place("acme", Target("user", "ana"))])
        await desk(app, ["ana", "bob"])
        await app.membership.leave(caller("bob"), "desk")
        await talked(app, 25)
        await frames(app)
        done = await app.channel_deletion.destroy(ADMIN, ["desk"])
        assert (done.done, done.failed, done.messages, done.participants) == (["desk"], [], 25, 2)
        assert await rows(app, CHANNELS, channel_key("acme", "desk")) == []
        assert await rows(app, CHANNELS, member_key("acme", "ana")) == []
        (head,) = await rows(app, LOGS, log_key("acme", DESK))
        assert head["deleted"]
        assert await app.logs.find([("acme", f"m{n}") for n in range(25)]) == [None] * 25
        assert (await app.sets.get("acme", ["ana"])).channels == ()
        assert await app.connections.subscribers(Place("acme", DESK)) == ([], None)
        (told,) = await frames(app)
        assert (told["type"], told["targetKey"], told["deletedBy"]) == ("channel.deleted", "user#ana", "root")
        assert bus.events[-1].detail_type == "channel.deleted"
        assert (bus.events[-1].detail["channelId"], bus.events[-1].detail["deletedBy"]) == ("desk", "root")
        with pytest.raises(Poison):
            await app.logs.append("acme", DESK, [envelope("late", DESK)])
        with pytest.raises(Conflict):
            await app.channel_service.create(ADMIN, "group", [], ident="desk")
        with pytest.raises(NotFound):
            await app.channel_service.enter_thread(caller("ana"), "desk")

    simulate(scenario)


@pytest.mark.parametrize("seed", range(6))
def test_what_a_death_left_half_done_is_gone_on_with(seed: int) -> None:
    """Wherever the process dies, the channel answers as missing, and a repeat destroys the rest, once."""

    async def scenario(app: App) -> None:
        bus = watched(app)
        await repeated(lambda: desk(app, [f"u{n}" for n in range(8)]))
        await talked(app, 12)
        transact, write_many, left = app.tables.transact, app.tables.write_many, [seed + 1]

        def step() -> None:
            left[0] -= 1
            if left[0] == 0:
                raise asyncio.CancelledError

        async def dying(items: Any) -> None:
            step()
            await transact(items)

        async def dying_batch(writes: Any) -> Any:
            step()
            return await write_many(writes)

        app.backend.tables.transact = dying  # type: ignore[method-assign] # the process ends here, or there
        app.backend.tables.write_many = dying_batch  # type: ignore[method-assign] # as above
        with pytest.raises(asyncio.CancelledError):
            await app.channel_deletion.destroy(ADMIN, ["desk"])
        if seed:
            assert await app.channels.get("acme", "desk") is None
            assert not await app.channels.exists("acme", "desk")
            with pytest.raises(NotFound):
                await app.membership.join(caller("max", "employee"), "desk")
        await app.channel_deletion.destroy(ADMIN, ["desk"])
        again = await app.channel_deletion.destroy(ADMIN, ["desk"])
        assert [refusal.code for _, refusal in again.failed] == ["channel_not_found"]
        assert await rows(app, CHANNELS, channel_key("acme", "desk")) == []
        assert await rows(app, CHANNELS, member_key("acme", "u1")) == []
        assert len(await rows(app, LOGS, log_key("acme", DESK))) == 1
        await app.outbox.sweep()
        assert bus.kinds.count("channel.deleted") == 1

    simulate(scenario)


@pytest.mark.parametrize("seed", range(4))
def test_fifty_who_destroy_it_at_once_destroy_it_once(seed: int) -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        await repeated(lambda: desk(app, ["ana"]))
        await talked(app, 10)

        async def destroy(n: int) -> None:
            await repeated(lambda: app.channel_deletion.destroy(caller(f"a{n}", "admin"), ["desk"]))

        await asyncio.gather(*map(destroy, range(50)))
        assert await rows(app, CHANNELS, channel_key("acme", "desk")) == []
        assert len(await rows(app, LOGS, log_key("acme", DESK))) == 1
        await asyncio.sleep(10)
        await app.outbox.sweep()
        assert {event.detail["eventId"] for event in bus.events if event.detail_type == "channel.deleted"}
        assert bus.kinds.count("channel.deleted") == 1

    simulate(scenario, seed=seed, conflict=0.05, lost_reply=0.02)


def test_more_than_one_call_deletes_takes_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "MAX_ITEMS", 10)
    monkeypatch.setattr(purge, "_PAGE", 5)

    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["ana"])
        await talked(app, 23)
        counts = []
        while True:
            done = await app.channel_deletion.destroy(ADMIN, ["desk"])
            counts.append(done.messages)
            if done.done:
                break
            ((ident, refusal),) = done.failed
            assert (ident, refusal.code, type(refusal)) == ("desk", "unfinished", Unavailable)
        assert (sum(counts), len(counts)) == (23, 3)

    simulate(scenario)


def test_it_is_for_admins_and_one_that_fails_keeps_no_other() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["ana"])
        for who in (caller("ana"), caller("max", "employee")):
            with pytest.raises(Forbidden):
                await app.channel_deletion.destroy(who, ["desk"])
        done = await app.channel_deletion.destroy(ADMIN, ["none", "desk", "none"])
        assert (done.done, [ident for ident, _ in done.failed]) == (["desk"], ["none"])

    simulate(scenario)


def test_a_part_that_is_away_is_told_and_a_repeat_goes_on() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["ana"])
        write, away = app.tables.write, [True] * ATTEMPTS

        async def flaky(one: Any) -> Any:
            if away:
                away.pop()
                raise Transient("the table is away")
            return await write(one)

        app.backend.tables.write = flaky  # type: ignore[method-assign, assignment] # the network
        with pytest.raises(Transient):
            await app.channel_deletion.destroy(ADMIN, ["desk"])
        assert (await app.channel_deletion.destroy(ADMIN, ["desk"])).done == ["desk"]

    simulate(scenario)
