"""Windows: throttles and digests count each id once, whatever the tables do and however many work on them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Transient
from kxmsg.keys import digest_key
from kxmsg.model.window import Kept, Window
from kxmsg.ports import Item, Query
from kxmsg.storage.due import SHARDS, DueWindow
from kxmsg.storage.windows import AT_ONCE, ATTEMPTS, MAX_BYTES, REMEMBERED, Collected, Digests, Throttles
from kxmsg.subscriptions.windows import MAX_ITEMS
from kxmsg.topology import SCHEDULE
from tests.product import DESK, USER, envelope, simulate

T = TypeVar("T")

WINDOW = Window("alarms.notification.raised[0]", "acme", USER, "")
UNKIND = {"conflict": 0.2, "throttle": 0.1, "lost_reply": 0.15, "unprocessed": 0.3}


def kept(*numbers: int, ttl: float | None = None, **changes: Any) -> list[Kept]:
    return [Kept(envelope(f"n{number}", **changes), ttl) for number in numbers]


async def insist(call: Callable[..., Awaitable[T]], *given: Any) -> T:
    """As a queue does: what failed for a while is repeated."""
    while True:
        try:
            return await call(*given)
        except Transient:
            continue


# ------------------------------------------------------------------------------------------------------ throttles


def test_a_throttle_lets_in_so_many_in_a_window_from_the_first() -> None:
    async def scenario(app: App) -> None:
        admit = app.throttles.admit
        assert await admit(WINDOW, 2, 60, ["a"]) == {"a"}
        await asyncio.sleep(59)
        assert await admit(WINDOW, 2, 60, ["b", "c"]) == {"b"}
        assert await admit(WINDOW, 2, 60, ["d"]) == set()
        await asyncio.sleep(1)
        assert await admit(WINDOW, 2, 60, ["e", "f", "g"]) == {"e", "f"}

    simulate(scenario)


def test_windows_of_other_logs_keys_and_templates_are_others() -> None:
    async def scenario(app: App) -> None:
        others = [
            Window("other", "acme", USER, ""),
            Window(WINDOW.template, "globex", USER, ""),
            Window(WINDOW.template, "acme", DESK, ""),
            Window(WINDOW.template, "acme", USER, "disk \ud800 #1"),
        ]
        for window in (WINDOW, *others):
            assert await app.throttles.admit(window, 1, 60, ["a", "b"]) == {"a"}

    simulate(scenario)


def test_an_id_that_was_let_in_still_is_windows_later_and_takes_no_room() -> None:
    async def scenario(app: App) -> None:
        admit = app.throttles.admit
        assert await admit(WINDOW, 1, 60, ["a"]) == {"a"}
        for _ in range(3):
            await asyncio.sleep(REMEMBERED / 4)
            await app.backend.sweep()
            assert await admit(WINDOW, 1, 60, ["a"]) == {"a"}
            fresh = str(app.clock.now())
            assert await admit(WINDOW, 1, 60, ["a", fresh, "late"]) == {"a", fresh}
            assert await admit(WINDOW, 1, 60, ["late"]) == set()

    simulate(scenario)


def test_a_throttle_that_was_lowered_meanwhile_lets_in_no_more() -> None:
    async def scenario(app: App) -> None:
        assert await app.throttles.admit(WINDOW, 5, 60, list("abcd")) == set("abcd")
        assert await app.throttles.admit(WINDOW, 2, 60, list("abcdxyz")) == set("abcd")

    simulate(scenario)


def test_many_ids_at_once_are_more_than_one_transaction() -> None:
    async def scenario(app: App) -> None:
        idents = [f"n{number}" for number in range(3 * AT_ONCE)]
        assert await app.throttles.admit(WINDOW, 2 * AT_ONCE + 5, 60, idents) == set(idents[: 2 * AT_ONCE + 5])
        assert await app.throttles.admit(WINDOW, 1000, 60, idents) == set(idents)

    simulate(scenario)


@pytest.mark.parametrize("seed", range(8))
def test_workers_that_repeat_themselves_never_let_in_more_and_always_as_many(seed: int) -> None:
    """On tables that conflict, throttle and lose replies."""

    async def scenario(app: App) -> None:
        throttles = [Throttles(app.tables, app.clock) for _ in range(4)]
        idents = [f"n{number}" for number in range(8)]
        first = await asyncio.gather(
            *(insist(one.admit, WINDOW, 3, 60, idents[n : n + 5]) for n, one in enumerate(throttles))
        )
        assert len(set().union(*first)) == 3
        again = await asyncio.gather(*(insist(one.admit, WINDOW, 3, 60, idents) for one in throttles))
        assert all(answer == set().union(*first) for answer in again)

    simulate(scenario, seed=seed, **UNKIND)


def test_a_throttle_says_when_its_tables_never_take_it() -> None:
    async def scenario(app: App) -> None:
        with pytest.raises(Transient, match=f"window acme#THROTTLE#user#ana#.*{ATTEMPTS} transactions"):
            await app.throttles.admit(WINDOW, 1, 60, ["a"])
        with pytest.raises(Transient, match="window acme#DIGEST#"):
            await app.digests.collect(WINDOW, 60, kept(1))

    simulate(scenario, seed=1, conflict=1.0)


# -------------------------------------------------------------------------------------------------------- digests


async def ripe(app: App) -> list[DueWindow]:
    found = [one for shard in range(SHARDS) for one in await app.due.ripe(shard)]
    return [one for one in found if isinstance(one, DueWindow)]


async def closed(app: App) -> Collected:
    """The one window whose time has come."""
    (due,) = await ripe(app)
    found = await app.digests.close(due)
    assert found is not None
    return found


async def rows(app: App) -> list[Item]:
    """What the window's partition holds, but for the ids."""
    page = await app.tables.query(SCHEDULE, Query(digest_key(WINDOW), consistent=True))
    return [item for item in page.items if not item["sk"].startswith("ID#")]


def names(found: Collected) -> list[str]:
    return [one.envelope.id for one in found.kept]


def test_a_window_is_due_once_its_time_is_over_with_all_that_came() -> None:
    async def scenario(app: App) -> None:
        start = int(app.clock.now() * 1000)
        await app.digests.collect(WINDOW, 60, kept(1, 2, ttl=9))
        await asyncio.sleep(59)
        await app.digests.collect(WINDOW, 60, kept(3))
        assert await ripe(app) == []
        await asyncio.sleep(1)
        found = await closed(app)
        assert (found.count, names(found)) == (3, ["n1", "n2", "n3"])
        assert found.kept == (*kept(1, 2, ttl=9), *kept(3))
        assert (found.due.at, found.due.template) == (start + 60_000, WINDOW.template)

    simulate(scenario)


def test_what_comes_late_opens_the_next_window_and_what_comes_again_none() -> None:
    async def scenario(app: App) -> None:
        await app.digests.collect(WINDOW, 60, kept(1))
        await asyncio.sleep(70)
        await app.digests.collect(WINDOW, 60, kept(2))  # nobody has closed it yet
        first = await closed(app)
        await app.digests.collect(WINDOW, 60, kept(2, 3))
        assert names(await closed(app)) == ["n1", "n2"], "a scheduler that repeats itself finds the same"
        await app.digests.forget([first])
        assert await ripe(app) == []
        await asyncio.sleep(60)
        second = await closed(app)
        assert (second.count, names(second)) == (1, ["n3"])
        assert second.due.id != first.due.id
        await app.digests.forget([second])
        await app.digests.collect(WINDOW, 60, kept(1, 2, 3))
        await asyncio.sleep(60)
        assert await ripe(app) == []

    simulate(scenario)


def test_a_window_that_was_sent_leaves_nothing_but_what_recognises_repeats() -> None:
    async def scenario(app: App) -> None:
        await app.digests.collect(WINDOW, 60, kept(*range(40)))
        await asyncio.sleep(60)
        found = await closed(app)
        await app.digests.forget([found])
        assert await app.digests.close(found.due) is None
        assert [item["sk"] for item in await rows(app)] == ["RECORD"]
        await app.digests.forget([found])  # another scheduler was as far
        assert await ripe(app) == []
        await asyncio.sleep(REMEMBERED + 60)
        await app.backend.sweep()
        assert (await app.tables.query(SCHEDULE, Query(digest_key(WINDOW), consistent=True))).items == []
        await app.digests.collect(WINDOW, 60, kept(1))
        await asyncio.sleep(60)
        assert (await closed(app)).due.id != found.due.id

    simulate(scenario)


def test_what_was_sent_is_not_made_again_of_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that dies while it deletes a window leaves some of its entries."""

    async def scenario(app: App) -> None:
        await app.digests.collect(WINDOW, 60, kept(1, 2))
        await asyncio.sleep(60)
        found = await closed(app)

        async def die(*_: object) -> None:
            raise RuntimeError("dead")

        with monkeypatch.context() as patch:
            patch.setattr(app.tables, "write_many", die)
            with pytest.raises(RuntimeError, match="dead"):
                await app.digests.forget([found])
        left = await closed(app)
        assert (left.count, left.kept) == (2, ())
        await app.digests.forget([left])
        assert [item["sk"] for item in await rows(app)] == ["RECORD"]
        assert await ripe(app) == []

    simulate(scenario)


def test_the_first_entries_and_the_last_are_kept_and_all_are_counted() -> None:
    async def scenario(app: App) -> None:
        await app.digests.collect(WINDOW, 60, kept(*range(MAX_ITEMS - 10)))
        await app.digests.collect(WINDOW, 60, kept(*range(250)))
        await asyncio.sleep(60)
        found = await closed(app)
        assert found.count == 250
        assert names(found) == [f"n{number}" for number in (*range(MAX_ITEMS - 1), 249)]

    simulate(scenario)


def test_entries_are_kept_up_to_a_size_and_the_last() -> None:
    async def scenario(app: App) -> None:
        for number in range(30):
            await app.digests.collect(WINDOW, 60, kept(number, payload={"content": "x" * (MAX_BYTES // 10)}))
        await app.digests.collect(WINDOW, 60, kept(30))
        await asyncio.sleep(60)
        found = await closed(app)
        assert (found.count, names(found)) == (31, [*(f"n{number}" for number in range(9)), "n30"])

    simulate(scenario)


async def collect(digests: Digests, first: int) -> None:
    """Thirty entries and some more, each in several jobs that come twice."""
    for start in range(first, first + 30, 5):
        for _ in range(2):
            await insist(digests.collect, WINDOW, 5, kept(*range(start, start + 8)))
        await asyncio.sleep(1.5)


async def fire(app: App, digests: Digests, seen: dict[str, Collected], done: asyncio.Event) -> None:
    """A scheduler without a lease; ``seen`` is what it and others sent."""
    while not done.is_set() or await ripe(app):
        for due in await ripe(app):
            found = await insist(digests.close, due)
            if found is not None:
                if found.kept:
                    assert seen.setdefault(due.id, found) == found
                await insist(digests.forget, [found])
        await asyncio.sleep(0.7)


@pytest.mark.parametrize("seed", range(8))
def test_workers_and_schedulers_that_repeat_themselves_count_each_entry_in_one_window(seed: int) -> None:
    """On tables that conflict, throttle and lose replies."""

    async def scenario(app: App) -> None:
        seen: dict[str, Collected] = {}
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(fire(app, Digests(app.tables, app.clock), seen, done))
            await asyncio.gather(*(collect(Digests(app.tables, app.clock), first) for first in (0, 10, 20)))
            await asyncio.sleep(10)
            done.set()
        every = [name for found in seen.values() for name in names(found)]
        assert sorted(every) == sorted(f"n{number}" for number in range(53))
        assert sum(found.count for found in seen.values()) == 53
        assert len(seen) > 1
        assert [item["sk"] for item in await rows(app)] == ["RECORD"]

    simulate(scenario, seed=seed, **UNKIND)
