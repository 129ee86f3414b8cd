"""How far users have read."""

import asyncio

import pytest

from kxmsg.bootstrap import App
from kxmsg.model.target import BROADCAST, Target
from kxmsg.own_events import message_read
from kxmsg.ports import Query
from kxmsg.storage.outbox import SHARDS
from kxmsg.storage.read_cursors import Standing
from kxmsg.topology import CHANNELS
from tests.product import DESK, USER, simulate
from tests.services.test_entrance import furnish


@pytest.mark.parametrize("seed", range(10))
def test_of_many_moves_at_once_the_furthest_holds_and_each_that_moved_told_it(seed: int) -> None:
    async def scenario(app: App) -> None:
        await furnish(app)

        async def move(to: int) -> tuple[int, bool]:
            puts, _ = app.outbox.owe([message_read("acme", "ana", f"m{to}", "desk", 1.0)])
            advance = await app.read_cursors.advance("acme", "ana", DESK, to, puts)
            assert advance.standing.read >= to
            return to, advance.moved

        moved = {f"m{to}" for to, moved in await asyncio.gather(*map(move, [3, 9, 1, 7, 9, 2])) if moved}
        assert await app.read_cursors.at("acme", "ana", [DESK]) == [Standing(9, inside=True)]
        owed = set()
        for shard in range(SHARDS):
            page = await app.tables.query(CHANNELS, Query(f"OUTBOX#{shard}", consistent=True))
            owed |= {item["detail"]["messageId"] for item in page.items}
        assert moved <= owed
        assert "m9" in moved

    simulate(scenario, seed=seed, conflict=0.2, throttle=0.05, lost_reply=0.1)


def test_it_stays_with_a_membership_that_ends_and_moves_no_more() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        cursors = app.read_cursors
        await cursors.advance("acme", "ana", DESK, 4)
        assert (await app.channels.participant("acme", "desk", "ana")) is not None
        assert not (await cursors.advance("acme", "eve", DESK, 4)).standing.inside
        assert await cursors.at("acme", "eve", [DESK]) == [Standing(0, inside=False)]

    simulate(scenario)


def test_each_log_of_an_inbox_has_its_own() -> None:
    async def scenario(app: App) -> None:
        cursors = app.read_cursors
        assert (await cursors.advance("acme", "ana", USER, 5)).moved
        assert (await cursors.advance("acme", "ana", BROADCAST, 2)).moved
        assert not (await cursors.advance("acme", "ana", BROADCAST, 1)).moved
        found = await cursors.at("acme", "ana", [BROADCAST, Target("client", "acme"), USER])
        assert [one.read for one in found] == [2, 0, 5]
        assert [one.read for one in await cursors.at("globex", "ana", [BROADCAST])] == [0]

    simulate(scenario)
