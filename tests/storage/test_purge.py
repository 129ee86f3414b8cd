"""Emptying logs: what was in them is gone, also for what comes again."""

import asyncio

import pytest

from kxmsg.bootstrap import App
from kxmsg.keys import log_key, mark_key
from kxmsg.model.envelope import Change
from kxmsg.ports import Query
from kxmsg.storage import purge
from kxmsg.storage.purge import Purge
from kxmsg.testing.virtual import START
from kxmsg.topology import LOGS
from tests.product import USER, caller, envelope, simulate

LATER = int(START * 1000) + 60_000


async def items(app: App, partition: str) -> list[str]:
    page = await app.tables.query(LOGS, Query(partition, consistent=True))
    return [item["sk"] for item in page.items]


def test_an_erased_log_goes_on_empty_with_its_numbers_and_under_another_epoch() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope(f"n{number}") for number in range(5)])
        await app.logs.amend("acme", USER, "n1", lambda _: None, Change("updated", 1))
        before = await app.logs.head("acme", USER)
        assert (await Purge(app.tables).erase("acme", USER, START)) == purge.Purged(4, complete=True)
        assert await items(app, log_key("acme", USER)) == ["HEAD"]
        assert await app.logs.find([("acme", "n0")]) == [None]
        assert await app.inbox.unread(caller(), "ana") == {"user": 0, "client": 0, "broadcast": 0}
        await app.logs.append("acme", USER, [envelope("new", created_at=LATER)])
        (entry,) = await app.logs.read("acme", USER)
        assert (entry.sequence, entry.envelope.id) == (6, "new")
        assert (await app.logs.head("acme", USER)).epoch != before.epoch
        assert (await app.inbox.unread(caller(), "ana"))["user"] == 1

    simulate(scenario)


def test_what_comes_again_from_before_the_erasure_is_dropped() -> None:
    """As from a dead-letter queue: also in a process that knew the log as it was."""

    async def scenario(app: App) -> None:
        old, new = envelope("old"), envelope("new", created_at=LATER)
        await app.logs.append("acme", USER, [old])
        await Purge(app.tables).erase("acme", USER, START)
        assert (await app.logs.append("acme", USER, [old])).entries == ()
        bundle = await app.logs.append("acme", USER, [old, envelope("older"), new])
        assert [entry.envelope.id for entry in bundle.entries] == ["new"]
        assert [entry.envelope.id for entry in await app.logs.read("acme", USER)] == ["new"]

    simulate(scenario)


def test_a_log_that_is_not_there_or_closed_is_left_alone() -> None:
    async def scenario(app: App) -> None:
        erasing = Purge(app.tables)
        assert await erasing.erase("acme", USER, START) == purge.Purged(0, complete=True)
        assert await items(app, log_key("acme", USER)) == []
        await app.logs.append("acme", USER, [envelope("n")])
        await erasing.log("acme", USER)
        assert await erasing.erase("acme", USER, START) == purge.Purged(0, complete=True)
        assert (await app.logs.head("acme", USER)).deleted

    simulate(scenario)


def test_more_than_one_call_deletes_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "MAX_ITEMS", 10)
    monkeypatch.setattr(purge, "_PAGE", 5)

    async def scenario(app: App) -> None:
        for number in range(25):
            await app.logs.append("acme", USER, [envelope(f"n{number}")])
        results: list[purge.Purged] = []
        while not results or not results[-1].complete:
            results.append(await Purge(app.tables).erase("acme", USER, START))
        assert sum(result.count for result in results) == 25
        assert len(results) > 2
        assert await items(app, log_key("acme", USER)) == ["HEAD"]

    simulate(scenario)


@pytest.mark.parametrize("seed", range(8))
def test_entries_that_come_while_it_is_erased_are_whole_or_gone(seed: int) -> None:
    async def scenario(app: App) -> None:
        late = [envelope(f"late{number}", created_at=LATER) for number in range(5)]
        await app.logs.append("acme", USER, [envelope("old")])
        await asyncio.gather(
            Purge(app.tables).erase("acme", USER, START), *(app.logs.append("acme", USER, [one]) for one in late)
        )
        left = await app.logs.read("acme", USER)
        assert "old" not in [entry.envelope.id for entry in left]
        found = await app.logs.find([("acme", one.id) for one in late])
        assert {place.sequence for place in found if place} == {entry.sequence for entry in left}
        assert (await app.inbox.unread(caller(), "ana"))["user"] == len(left)

    simulate(scenario, seed=seed, conflict=0.1, throttle=0.1, lost_reply=0.1)


def test_a_partition_is_deleted_and_its_neighbours_stay() -> None:
    async def scenario(app: App) -> None:
        for user in ("ana", "ana-2"):
            await app.marks.greet("acme", user)
        await Purge(app.tables).partition(LOGS, mark_key("acme", "ana"))
        assert await items(app, mark_key("acme", "ana")) == []
        assert await items(app, mark_key("acme", "ana-2")) == ["broadcast", "client#acme"]

    simulate(scenario)
