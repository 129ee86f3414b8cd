"""The embedded tables: the port's contract in three modes, a model to compare with, durability, and AWS's mishaps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.embedded.engine import Engine
from kxmsg.embedded.mishaps import AwsLike
from kxmsg.embedded.tables import BATCH, EmbeddedTables
from kxmsg.embedded.views import TOGETHER
from kxmsg.errors import ConditionFailed, TransactionCancelled, Transient
from kxmsg.ports import ABSENT, Condition, Delete, Item, Key, Put, Query, Tables, Update, Write
from kxmsg.testing.virtual import run
from kxmsg.topology import CHANNELS, CONNECTIONS, LOGS, TOPOLOGY
from tests.contracts.table_suite import sort_keys, store, walk
from tests.contracts.tables import TablesContract

T = TypeVar("T")

NOW = 1_750_000_000.0


class ManualClock:
    """A ``Clock`` that stands until it is set."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time


class TestFiles(TablesContract):
    @pytest.fixture
    async def tables(self, tmp_path: Path) -> AsyncIterator[Tables]:
        engine = Engine(tmp_path, durability="normal")
        yield EmbeddedTables(engine, TOPOLOGY, ManualClock())
        await engine.close()


class TestMemory(TablesContract):
    @pytest.fixture
    async def tables(self) -> AsyncIterator[Tables]:
        engine = Engine(None, inline=True)
        yield EmbeddedTables(engine, TOPOLOGY, ManualClock())
        await engine.close()


class TestAwsLike(TablesContract):
    @pytest.fixture
    async def tables(self) -> AsyncIterator[Tables]:
        engine = Engine(None, inline=True)
        self.clock = ManualClock()
        yield EmbeddedTables(engine, TOPOLOGY, self.clock, aws_like=AwsLike(7))
        await engine.close()

    async def eventually(self, read: Callable[[], Awaitable[Any]], expected: Any) -> None:
        self.clock.time += 1.0
        assert await read() == expected


# ------------------------------------------------------------------------------------------------------ a model

Model = dict[tuple[str, str], dict[str, Any]]

NAMES = st.sampled_from(["a", "b", "by1pk", "by1sk"])
NUMBERS = st.integers(-2, 2) | st.sampled_from([0.5, 1.0])
TEXTS = st.sampled_from(["x", "xy", "y", "ü", "\ud7ff", "\uffff", "\U0010ffff"])
ITEMS = st.fixed_dictionaries(
    {"pk": st.sampled_from("pq"), "sk": TEXTS},
    optional={"a": NUMBERS | st.booleans() | TEXTS | st.none(), "b": NUMBERS, "by1pk": TEXTS, "by1sk": TEXTS},
)
KEYS = st.builds(Key, st.sampled_from("pq"), TEXTS)
CONDITIONS = st.none() | st.builds(
    Condition,
    exists=st.none() | st.booleans(),
    equals=st.dictionaries(st.sampled_from("ab"), NUMBERS | st.none() | st.booleans() | TEXTS, max_size=1),
    differs=st.dictionaries(st.sampled_from("ab"), NUMBERS | st.none() | TEXTS, max_size=1),
    less=st.dictionaries(st.sampled_from("ab"), NUMBERS | TEXTS, max_size=1),
    at_least=st.dictionaries(st.sampled_from("ab"), NUMBERS | TEXTS, max_size=1),
)
PUTS = st.builds(Put, st.just(CHANNELS), ITEMS, CONDITIONS)
UPDATES = st.builds(
    lambda key, text, number, condition: Update(
        CHANNELS, key, set={"by1sk": text}, add={"b": number}, remove=["a", "by1pk"], condition=condition
    ),
    KEYS, TEXTS, NUMBERS, CONDITIONS,
)  # fmt: skip
DELETES = st.builds(Delete, st.just(CHANNELS), KEYS, CONDITIONS)
WRITES = PUTS | UPDATES | DELETES
QUERIES = st.builds(
    lambda index, pk, bounds, reverse, limit: Query(pk, index, reverse=reverse, limit=limit, **bounds),
    st.sampled_from([None, "by1"]),
    st.sampled_from("pq") | TEXTS,
    st.fixed_dictionaries({"begins": TEXTS}) | st.fixed_dictionaries({}, optional={"first": TEXTS, "last": TEXTS}),
    st.booleans(),
    st.sampled_from([None, 1, 2, 100]),
)


def key_of(write: Write) -> tuple[str, str]:
    return (write.item["pk"], write.item["sk"]) if isinstance(write, Put) else (write.key.pk, write.key.sk)


def ordered(value: Any, bound: Any) -> bool:
    if isinstance(value, bool):
        return False
    return any(isinstance(value, kind) and isinstance(bound, kind) for kind in (str, (int, float)))


def is_equal(item: Item, name: str, value: Any) -> bool:
    if value is None or name not in item:
        return value is None and name not in item
    return (isinstance(item[name], bool) == isinstance(value, bool)) and bool(item[name] == value)


def allows(condition: Condition | None, item: Item | None) -> bool:
    if condition is None:
        return True
    found = item or {}
    return (
        condition.exists in (None, item is not None)
        and all(is_equal(found, *pair) for pair in condition.equals.items())
        and all(not is_equal(found, *pair) for pair in condition.differs.items())
        and all(ordered(found.get(n), bound) and found[n] < bound for n, bound in condition.less.items())
        and all(ordered(found.get(n), bound) and found[n] >= bound for n, bound in condition.at_least.items())
    )


def apply(model: Model, write: Write) -> None:
    key = key_of(write)
    if isinstance(write, Put):
        model[key] = dict(write.item)
    elif isinstance(write, Delete):
        model.pop(key, None)
    else:
        old = model.get(key, {"pk": key[0], "sk": key[1]})
        new = {**old, **write.set, "b": old.get("b", 0) + write.add["b"]}
        model[key] = {name: value for name, value in new.items() if name not in write.remove}


def select(model: Model, query: Query) -> list[Item]:
    partition, sort = ("pk", "sk") if query.index is None else ("by1pk", "by1sk")
    found = [item for item in model.values() if item.get(partition) == query.pk and sort in item]
    if query.begins is not None:
        found = [item for item in found if item[sort].startswith(query.begins)]
    if query.first is not None:
        found = [item for item in found if item[sort] >= query.first]
    if query.last is not None:
        found = [item for item in found if item[sort] <= query.last]
    return sorted(found, key=lambda item: (item[sort], item["pk"], item["sk"]), reverse=query.reverse)


async def outcome(tables: Tables, step: Write | list[Write]) -> Any:
    """What the call returned, or what it was refused with."""
    try:
        return await (tables.transact(step) if isinstance(step, list) else tables.write(step))
    except TransactionCancelled as cancelled:
        return [(reason.code, reason.item) for reason in cancelled.reasons]
    except ConditionFailed as failed:
        return ("refused", failed.item)


def model_outcome(model: Model, step: Write | list[Write]) -> Any:
    writes = step if isinstance(step, list) else [step]
    before = [model.get(key_of(write)) for write in writes]
    held = [allows(write.condition, item) for write, item in zip(writes, before, strict=True)]
    if all(held):
        for write in writes:
            apply(model, write)
        if isinstance(step, Update):
            return model[key_of(step)]
        return before[0] if isinstance(step, Delete) else None
    if isinstance(step, list):
        return [("none", None) if ok else ("condition", item) for ok, item in zip(held, before, strict=True)]
    return ("refused", before[0])


@settings(max_examples=150, deadline=None)
@given(st.lists(WRITES | st.lists(WRITES, min_size=1, max_size=4, unique_by=key_of), max_size=12), st.lists(QUERIES))
def test_it_does_what_a_dict_would(steps: list[Write | list[Write]], queries: list[Query]) -> None:
    """Whatever is written, alone or in transactions, the items, refusals and pages are those of a naive model."""

    async def compare() -> None:
        engine = Engine(None, inline=True)
        tables = EmbeddedTables(engine, TOPOLOGY, ManualClock())
        model: Model = {}
        for step in steps:
            assert await outcome(tables, step) == model_outcome(model, step)
        for query in queries:
            expected = select(model, query)
            assert await walk(tables, CHANNELS, query) == expected
            assert await tables.count(CHANNELS, query) == len(expected)
        assert [await tables.get(CHANNELS, Key(*key)) for key in model] == list(model.values())
        await engine.close()

    run(compare())


# ------------------------------------------------------------------------------------- files, processes, expiry


async def test_get_many_takes_more_keys_than_one_statement(tmp_path: Path) -> None:
    """Whatever texts they are: none is missing, doubled or exchanged."""
    engine = Engine(tmp_path, durability="normal")
    tables = EmbeddedTables(engine, TOPOLOGY, ManualClock())
    items = [{"pk": "p", "sk": f"{n}'\"\0,null"} for n in range(2 * TOGETHER)]
    await store(tables, items[::2])
    found = await tables.get_many(LOGS, [Key("p", item["sk"]) for item in items + items[:1]], consistent=True)
    assert found == [None if n % 2 else item for n, item in enumerate(items)] + items[:1]
    await engine.close()


async def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    for expected, n in ((None, 1), ({"pk": "p", "sk": "s", "n": 1}, 2)):
        engine = Engine(tmp_path)
        tables = EmbeddedTables(engine, TOPOLOGY, ManualClock())
        assert await tables.get(LOGS, Key("p", "s")) == expected
        await tables.write(Put(LOGS, {"pk": "p", "sk": "s", "n": n}))
        await engine.close()
    assert (tmp_path / "table-logs.db").is_file()


async def test_two_processes_see_and_respect_each_others_writes(tmp_path: Path) -> None:
    """Each engine has its own connections, as each process would."""
    engines = [Engine(tmp_path, durability="normal") for _ in range(2)]
    first, second = (EmbeddedTables(engine, TOPOLOGY, ManualClock()) for engine in engines)
    await first.write(Put(LOGS, {"pk": "p", "sk": "s"}, ABSENT))
    assert await second.get(LOGS, Key("p", "s")) == {"pk": "p", "sk": "s"}
    with pytest.raises(ConditionFailed):
        await second.write(Put(LOGS, {"pk": "p", "sk": "s"}, ABSENT))
    add = Update(LOGS, Key("p", "s"), add={"n": 1})
    await asyncio.gather(*(tables.write(add) for tables in (first, second) for _ in range(20)))
    assert await first.get(LOGS, Key("p", "s")) == {"pk": "p", "sk": "s", "n": 40}
    for engine in engines:
        await engine.close()


async def test_only_what_reconnecting_rebuilds_is_written_without_waiting_for_the_disk() -> None:
    recorded: dict[str, bool] = {}

    class Recorder(Engine):
        async def write(self, file: str, work: Callable[..., T], *, durable: bool = True) -> T:
            recorded[file] = durable
            return await super().write(file, work, durable=durable)

    engine = Recorder(None, inline=True)
    tables = EmbeddedTables(engine, TOPOLOGY, ManualClock())
    for table in (LOGS, CONNECTIONS):
        await tables.write(Put(table, {"pk": "p", "sk": "s"}))
    assert recorded == {"table-logs": True, "table-connections": False}
    await engine.close()


@pytest.mark.parametrize("aws_like", [None, AwsLike(1, unprocessed=0)])
async def test_an_expired_item_is_read_until_it_is_swept(aws_like: AwsLike | None) -> None:
    clock = ManualClock()
    engine = Engine(None, inline=True)
    tables = EmbeddedTables(engine, TOPOLOGY, clock, aws_like=aws_like)
    times = {"past": NOW - 1, "due": NOW, "ahead": NOW + 60, "text": "1", "truth": True}
    items = [{"pk": "p", "sk": name, "expiresAt": time} for name, time in times.items()]
    await store(tables, [*items, {"pk": "p", "sk": "never"}])
    await store(tables, [{"pk": "p", "sk": "past", "expiresAt": NOW - 2}], CONNECTIONS)
    assert await tables.get(LOGS, Key("p", "past"), consistent=True) == items[0]
    assert await tables.sweep(limit=1) == 1
    assert await tables.sweep() == 2
    assert await tables.sweep() == 0
    kept = await walk(tables, LOGS, Query("p", consistent=True))
    assert sort_keys(kept) == ["ahead", "never", "text", "truth"]
    clock.time += 60
    assert await tables.sweep() == 1
    await engine.close()


async def test_a_long_batch_is_cut_into_transactions() -> None:
    works: list[str] = []

    class Recorder(Engine):
        async def write(self, file: str, work: Callable[..., T], *, durable: bool = True) -> T:
            works.append(file)
            if len(works) == 2:
                raise Transient("locked")
            return await super().write(file, work, durable=durable)

    engine = Recorder(None, inline=True)
    tables = EmbeddedTables(engine, TOPOLOGY, ManualClock())
    puts = [Put(LOGS, {"pk": "p", "sk": f"{n:05}"}) for n in range(2 * BATCH + 1)]
    failures = await tables.write_many(puts)
    assert [failure.index for failure in failures] == list(range(BATCH, 2 * BATCH))
    assert all(failure.retryable for failure in failures)
    assert len(works) == 3
    assert await tables.count(LOGS, Query("p")) == BATCH + 1
    await engine.close()


# ---------------------------------------------------------------------------------------------------- like AWS


async def test_eventual_reads_lag_and_catch_up_and_consistent_ones_never_lag() -> None:
    clock = ManualClock()
    engine = Engine(None, inline=True)
    tables = EmbeddedTables(engine, TOPOLOGY, clock, aws_like=AwsLike(3, stale=1, lag=1))
    key = Key("p", "s")
    versions: list[Item | None] = [None]
    for n in range(5):
        versions.append({"pk": "p", "sk": "s", "n": n, "by1pk": "i", "by1sk": f"{n}"})
        await tables.write(Put(CHANNELS, versions[-1] or {}))
        assert await tables.get(CHANNELS, key) is None
        assert await tables.get(CHANNELS, key, consistent=True) == versions[-1]
        assert (await tables.query(CHANNELS, Query("p"))).items == []
        assert (await tables.query(CHANNELS, Query("p", consistent=True))).items == versions[-1:]
        assert await tables.count(CHANNELS, Query("i", index="by1")) == 0
    seen = []
    for _ in range(100):
        clock.time += 0.01
        seen.append(versions.index(await tables.get(CHANNELS, key)))
    assert seen == sorted(seen), "an item never goes back to an older version"
    assert len(set(seen)) > 1
    clock.time += 0.01
    assert (await tables.query(CHANNELS, Query("i", index="by1"))).items == versions[-1:]
    await tables.write(Delete(CHANNELS, key))
    assert (await tables.query(CHANNELS, Query("i", index="by1", limit=1))).items == versions[-1:]
    clock.time += 1
    assert await tables.get(CHANNELS, key) is None
    await engine.close()


async def test_what_was_replaced_is_forgotten() -> None:
    """The versions kept for stale reads are bounded by the lag, not by the number of writes."""
    clock = ManualClock()
    engine = Engine(None, inline=True)
    tables = EmbeddedTables(engine, TOPOLOGY, clock, aws_like=AwsLike(3))
    for _ in range(50):
        await tables.write(Update(LOGS, Key("p", "s"), add={"n": 1}))
        clock.time += 0.5
    kept = await engine.read("table-logs", lambda c: c.execute('SELECT count(*) FROM "logs-before"').fetchone()[0])
    assert kept <= 3
    await engine.close()


async def mishaps(seed: int) -> list[str]:
    """What happens to the same calls under a seed."""
    engine = Engine(None, inline=True)
    aws_like = AwsLike(seed, throttle=0.2, lost_reply=0.2, conflict=0.3)
    tables = EmbeddedTables(engine, TOPOLOGY, ManualClock(), aws_like=aws_like)
    story: list[str] = []
    for n in range(40):
        put = Put(LOGS, {"pk": "p", "sk": f"{n:02}"})
        try:
            await (tables.write(put) if n % 2 else tables.transact([put, Put(LOGS, {"pk": "q", "sk": f"{n:02}"})]))
            story.append("done")
        except Transient as error:
            stored = await tables.get(LOGS, Key("p", f"{n:02}"), consistent=True) is not None
            story.append(f"{error}, {'stored' if stored else 'not stored'}")
        except TransactionCancelled as cancelled:
            assert await tables.get(LOGS, Key("q", f"{n:02}"), consistent=True) is None
            story.append(" ".join(sorted(reason.code for reason in cancelled.reasons)))
    left = await tables.write_many([Put(LOGS, {"pk": "r", "sk": f"{n:02}"}) for n in range(40)])
    kept = {int(item["sk"]) for item in await walk(tables, LOGS, Query("r", consistent=True))}
    assert {failure.index for failure in left} == set(range(40)) - kept
    story.append(f"unprocessed {[failure.index for failure in left]}")
    await engine.close()
    return story


async def test_mishaps_are_those_of_aws_and_repeat_with_their_seed() -> None:
    story = await mishaps(5)
    assert set(story[:-1]) == {"done", "throttled, not stored", "the reply was lost, stored", "conflict none"}
    assert story[-1] != "unprocessed []"
    assert await mishaps(5) == story
    assert await mishaps(6) != story


async def test_mishaps_that_repeating_does_not_heal_are_off_by_default() -> None:
    engine = Engine(None, inline=True)
    tables = EmbeddedTables(engine, TOPOLOGY, ManualClock(), aws_like=AwsLike(5))
    for n in range(200):
        await tables.write(Put(LOGS, {"pk": "p", "sk": f"{n}"}, ABSENT))
    assert await tables.count(LOGS, Query("p", consistent=True)) == 200
    await engine.close()
