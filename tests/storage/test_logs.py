"""Append and read, on tables that do what DynamoDB may do."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.bootstrap import App
from kxmsg.errors import Poison, Transient
from kxmsg.keys import HEAD, RECORD, entry_key, id_key, log_key
from kxmsg.log import MAX_ENTRIES, Head
from kxmsg.model.envelope import Bundle
from kxmsg.model.target import Target
from kxmsg.ports import Key, Query, TransactItem, Update
from kxmsg.storage.logs import Logs
from kxmsg.testing.virtual import START
from kxmsg.topology import LOGS
from tests.product import DESK, USER, envelope, simulate

MISHAPS = {"conflict": 0.3, "throttle": 0.1, "lost_reply": 0.2}
DAYS = {"notification": 90, "message": 90}


async def stored(app: App, target: Target = USER) -> list[tuple[int, str]]:
    """The whole log, checked: numbers 1, 2, 3 …, the head at the last, a record of each id."""
    entries = await app.logs.read("acme", target, limit=1000)
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert (await app.logs.head("acme", target)).seq == len(entries)
    ids = [entry.envelope.id for entry in entries]
    assert len(set(ids)) == len(ids)
    records = await app.tables.get_many(LOGS, [Key(id_key("acme", one), RECORD) for one in ids], consistent=True)
    assert [record and record["seq"] for record in records] == [entry.sequence for entry in entries]
    return [(entry.sequence, entry.envelope.id) for entry in entries]


def told(bundle: Bundle) -> list[tuple[int, str]]:
    return [(entry.sequence, entry.envelope.id) for entry in bundle.entries]


@pytest.mark.parametrize("seed", range(12))
def test_many_appenders_leave_neither_gap_nor_repeat(seed: int) -> None:
    """Several processes (each with its own, stale, heads) append overlapping batches; each id is stored once."""

    async def scenario(app: App) -> None:
        processes = [Logs(app.tables, app.clock, DAYS) for _ in range(3)]
        batches = [[envelope(f"{(3 * n + k) % 40}") for k in range(5)] for n in range(20)]

        async def append(n: int) -> Bundle:
            while True:
                try:
                    return await processes[n % 3].append("acme", USER, batches[n])
                except Transient:
                    continue

        bundles = await asyncio.gather(*map(append, range(20)))
        log = await stored(app)
        assert {ident for _, ident in log} == {one.id for batch in batches for one in batch}
        for batch, bundle in zip(batches, bundles, strict=True):
            assert {ident for _, ident in told(bundle)} == {one.id for one in batch}
            assert set(told(bundle)) <= set(log)
            assert bundle.epoch == (await app.logs.head("acme", USER)).epoch

    simulate(scenario, seed=seed, **MISHAPS)


@pytest.mark.parametrize("seed", range(12))
def test_a_process_that_dies_at_any_time_and_repeats_stores_each_id_once(seed: int) -> None:
    async def scenario(app: App) -> None:
        envelopes = [envelope(str(n)) for n in range(25)]
        for turns in range(1, 12):
            task = asyncio.create_task(Logs(app.tables, app.clock, DAYS).append("acme", USER, envelopes))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        bundle = await Logs(app.tables, app.clock, DAYS).append("acme", USER, envelopes)
        assert [ident for _, ident in told(bundle)] == [one.id for one in envelopes]
        assert await stored(app) == told(bundle)

    simulate(scenario, seed=seed, conflict=0.2, lost_reply=0.2)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwx"), min_size=1, max_size=14), max_size=6))
def test_any_sequence_of_appends_makes_one_log_in_order_of_first_arrival(batches: list[list[str]]) -> None:
    async def scenario(app: App) -> None:
        for batch in batches:
            bundle = await app.logs.append("acme", USER, [envelope(ident) for ident in batch])
            assert {ident for _, ident in told(bundle)} == set(batch)
        arrived = list(dict.fromkeys(ident for batch in batches for ident in batch))
        assert await stored(app) == list(enumerate(arrived, start=1))

    simulate(scenario)


def test_more_than_one_transaction_takes_keep_their_order() -> None:
    async def scenario(app: App) -> None:
        idents = [str(n) for n in range(3 * MAX_ENTRIES + 1)]
        bundle = await app.logs.append("acme", USER, [envelope(ident) for ident in idents])
        assert told(bundle) == await stored(app) == list(enumerate(idents, start=1))

    simulate(scenario)


def test_a_repeat_is_told_as_it_was_stored_whatever_it_says_now() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("a", payload={"content": "first"})])
        repeat = [envelope("a", payload={"content": "second"}), envelope("b")]
        bundle = await app.logs.append("acme", USER, repeat)
        assert [entry.envelope.payload["content"] for entry in bundle.entries] == ["first", "text of b"]

    simulate(scenario)


def test_the_reply_of_a_commit_being_lost_changes_nothing() -> None:
    async def scenario(app: App) -> None:
        transact, lost = app.tables.transact, [True, True, False]

        async def losing(items: object) -> None:
            await transact(items)  # type: ignore[arg-type] # handed on
            if lost.pop(0):
                raise Transient("the reply was lost")

        app.backend.tables.transact = losing  # type: ignore[method-assign] # the network between us and the table
        for ident in ("a", "b", "c"):
            await app.logs.append("acme", USER, [envelope(ident)])
        assert await stored(app) == [(1, "a"), (2, "b"), (3, "c")]

    simulate(scenario)


def test_a_log_that_another_makes_between_two_reads_is_told_with_its_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first append is cancelled by a conflict; the same envelope, delivered twice, is stored meanwhile."""

    async def scenario(app: App) -> None:
        tables, other = app.tables, Logs(app.tables, app.clock, DAYS)
        real = {name: getattr(tables, name) for name in ("transact", "get", "get_many")}
        left = 2

        async def cancelled(items: Sequence[TransactItem]) -> None:
            monkeypatch.setattr(tables, "transact", real["transact"])
            for name in ("get", "get_many"):
                monkeypatch.setattr(tables, name, partial(interrupted, name))
            raise Transient("lost")

        async def interrupted(name: str, *arguments: Any, **options: Any) -> Any:
            """What stands there before the other's append at the first read, after it at the second."""
            nonlocal left
            left -= 1
            if left == 0:
                for one in ("get", "get_many"):
                    monkeypatch.setattr(tables, one, real[one])
                await other.append("acme", USER, [envelope("a")])
            return await real[name](*arguments, **options)

        monkeypatch.setattr(tables, "transact", cancelled)
        bundle = await app.logs.append("acme", USER, [envelope("a")])
        assert told(bundle) == await stored(app) == [(1, "a")]
        assert bundle.epoch == (await app.logs.head("acme", USER)).epoch

    simulate(scenario)


def test_a_stale_head_costs_one_refusal_and_no_read() -> None:
    async def scenario(app: App) -> None:
        other = Logs(app.tables, app.clock, DAYS)
        await app.logs.append("acme", USER, [envelope("a")])
        await other.append("acme", USER, [envelope("b")])
        reads: list[object] = []
        app.backend.tables.get = lambda *args, **_: reads.append(args)  # type: ignore[method-assign, assignment] # none is to happen
        bundle = await app.logs.append("acme", USER, [envelope("c")])
        assert told(bundle) == [(3, "c")]
        assert reads == []

    simulate(scenario)


@pytest.mark.parametrize("cached", [True, False])
def test_a_deleted_log_takes_nothing(cached: bool) -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("a")])
        await app.tables.write(Update(LOGS, Key(log_key("acme", USER), HEAD), set={"deleted": True}))
        logs = app.logs if cached else Logs(app.tables, app.clock, DAYS)
        with pytest.raises(Poison, match="user#ana of tenant acme was deleted"):
            await logs.append("acme", USER, [envelope("b")])
        assert await stored(app) == [(1, "a")]

    simulate(scenario)


def test_a_channel_that_nobody_made_takes_nothing_and_says_what_to_do() -> None:
    async def scenario(app: App) -> None:
        with pytest.raises(Poison, match=r"tenant acme has no channel 'desk'; make it with POST /channels"):
            await app.logs.append("acme", DESK, [envelope("a", DESK)])
        await app.logs.create("acme", DESK)
        await app.logs.create("acme", DESK)
        assert told(await app.logs.append("acme", DESK, [envelope("a", DESK)])) == [(1, "a")]
        await app.logs.create("acme", DESK)
        assert (await app.logs.head("acme", DESK)).seq == 1

    simulate(scenario)


def test_tenants_with_the_same_target_and_ids_have_logs_of_their_own() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("a"), envelope("b")])
        foreign = await app.logs.append("globex", USER, [envelope("b", tenant="globex")])
        assert told(foreign) == [(1, "b")]
        assert await app.logs.read("initech", USER) == []
        heads = await app.logs.heads([("acme", USER), ("initech", USER), ("globex", USER)])
        assert [head.seq for head in heads] == [2, 0, 1]
        assert heads[1] == Head()

    simulate(scenario)


def test_entries_and_their_ids_expire_and_heads_do_not() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("a"), envelope("b", expires_at=int(START) + 5)])
        page = await app.tables.query(LOGS, Query(log_key("acme", USER), consistent=True))
        expiry = {item["sk"]: item.get("expiresAt") for item in page.items}
        hour = (int(START) + 90 * 86_400) // 3600 * 3600
        assert expiry == {entry_key(1): hour, entry_key(2): int(START) + 5, HEAD: None}
        record = await app.tables.get(LOGS, Key(id_key("acme", "b"), RECORD), consistent=True)
        assert record is not None
        assert record["expiresAt"] == int(START) + 5

    simulate(scenario)


def test_reads_skip_what_has_expired_and_page_on() -> None:
    async def scenario(app: App) -> None:
        lives = [envelope(str(n), expires_at=int(START) + (5 if n % 3 else 500)) for n in range(1, 31)]
        await app.logs.append("acme", USER, lives)
        await asyncio.sleep(10)
        live = [n for n in range(1, 31) if n % 3 == 0]

        async def read(**query: int | bool | None) -> list[int]:
            entries = await app.logs.read("acme", USER, **query)  # type: ignore[arg-type] # each by its name
            return [entry.sequence for entry in entries]

        assert await read() == live
        assert await read(limit=4) == live[:4]
        assert await read(after=9, limit=2) == [12, 15]
        assert await read(before=9) == [3, 6]
        assert await read(after=3, before=13, reverse=True) == [12, 9, 6]
        assert await read(reverse=True, limit=3) == [30, 27, 24]
        assert await read(after=30) == []
        assert await read(before=1) == []
        assert await read(after=9, before=9) == []

    simulate(scenario)
