"""What every ``Tables`` adapter does; its test module inherits :class:`TablesContract`.

The tables are those of the product's topology. Each test has partitions of its own, so that an adapter may keep them
from one test to the next. Reads that may lag are looked at through ``eventually`` only.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from kxmsg.errors import ConditionFailed, Permanent, TransactionCancelled
from kxmsg.ports import ABSENT, PRESENT, Check, Condition, Delete, Key, Put, Query, Tables, Update
from kxmsg.topology import CHANNELS, LOGS
from tests.contracts.table_queries import QueriesContract
from tests.contracts.table_suite import sort_keys, store, transact, walk


class TablesContract(QueriesContract):
    """Subclasses give the fixture ``tables``, and ``eventually`` where eventually consistent reads lag."""

    # ------------------------------------------------------------------------------------------- single items

    async def test_an_item_comes_back_as_it_was_put(self, tables: Tables, pk: str) -> None:
        item = {
            "pk": pk, "sk": "a", "text": "Grüße 🎉", "empty": "", "int": 7, "negative": -1, "float": 0.5, "yes": True,
            "none": None, "list": [1, "two", [3], {}], "map": {"deep": {"er": [None, False]}}, "big": 2**53,
        }  # fmt: skip
        assert await tables.get(LOGS, Key(pk, "a"), consistent=True) is None
        assert await tables.write(Put(LOGS, item)) is None
        found = await tables.get(LOGS, Key(pk, "a"), consistent=True)
        assert found == item
        assert [type(found[name]) for name in ("int", "float", "yes")] == [int, float, bool]
        await self.eventually(lambda: tables.get(LOGS, Key(pk, "a")), item)

    async def test_a_put_replaces_the_whole_item(self, tables: Tables, pk: str) -> None:
        await tables.write(Put(LOGS, {"pk": pk, "sk": "a", "old": 1}))
        await tables.write(Put(LOGS, {"pk": pk, "sk": "a", "new": 2}))
        assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == {"pk": pk, "sk": "a", "new": 2}

    async def test_an_update_makes_an_item_and_counts_from_zero(self, tables: Tables, pk: str) -> None:
        made = await tables.write(Update(LOGS, Key(pk, "a"), set={"name": "x"}, add={"n": 2}))
        assert made == {"pk": pk, "sk": "a", "name": "x", "n": 2}
        assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == made

    async def test_an_update_leaves_other_attributes_alone(self, tables: Tables, pk: str) -> None:
        await tables.write(Put(LOGS, {"pk": pk, "sk": "a", "kept": [1], "n": 5, "gone": 1, "x": "old"}))
        update = Update(LOGS, Key(pk, "a"), set={"x": {"deep": 1}}, add={"n": -1.5}, remove=["gone", "never"])
        assert await tables.write(update) == {"pk": pk, "sk": "a", "kept": [1], "n": 3.5, "x": {"deep": 1}}

    async def test_a_delete_returns_what_stood_there(self, tables: Tables, pk: str) -> None:
        await tables.write(Put(LOGS, {"pk": pk, "sk": "a", "n": 1}))
        assert await tables.write(Delete(LOGS, Key(pk, "a"))) == {"pk": pk, "sk": "a", "n": 1}
        assert await tables.write(Delete(LOGS, Key(pk, "a"))) is None
        assert await tables.get(LOGS, Key(pk, "a"), consistent=True) is None

    @pytest.mark.parametrize(
        "update",
        [
            {"add": {"text": 1}},
            {"add": {"yes": 1}},
            {"set": {"pk": "other"}},
            {"remove": ["sk"]},
            {"set": {"n": 1}, "add": {"n": 1}},
        ],
    )
    async def test_an_impossible_update_is_refused(self, tables: Tables, pk: str, update: dict[str, Any]) -> None:
        item = {"pk": pk, "sk": "a", "text": "x", "yes": True, "n": 1}
        await tables.write(Put(LOGS, item))
        with pytest.raises(Permanent):
            await tables.write(Update(LOGS, Key(pk, "a"), **update))
        assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == item

    # --------------------------------------------------------------------------------------------- conditions

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            (Condition(), True),
            (PRESENT, True),
            (ABSENT, False),
            (Condition(equals={"n": 5}), True),
            (Condition(equals={"n": 5.0}), True),
            (Condition(equals={"n": 6}), False),
            (Condition(equals={"n": "5"}), False),
            (Condition(equals={"one": True}), False),
            (Condition(equals={"yes": True, "text": "m"}), True),
            (Condition(equals={"yes": True, "text": "x"}), False),
            (Condition(equals={"missing": None}), True),
            (Condition(equals={"n": None}), False),
            (Condition(equals={"null": None}), False),
            (Condition(differs={"n": 6}), True),
            (Condition(differs={"n": 5}), False),
            (Condition(differs={"n": "5"}), True),
            (Condition(differs={"missing": 1}), True),
            (Condition(differs={"missing": None}), False),
            (Condition(differs={"n": None}), True),
            (Condition(less={"n": 6}), True),
            (Condition(less={"n": 5}), False),
            (Condition(less={"n": "6"}), False),
            (Condition(less={"text": "n"}), True),
            (Condition(less={"missing": 6}), False),
            (Condition(at_least={"n": 5}), True),
            (Condition(at_least={"n": 5.5}), False),
            (Condition(at_least={"n": "5"}), False),
            (Condition(at_least={"yes": 0}), False),
            (Condition(at_least={"text": "m"}), True),
            (Condition(at_least={"missing": 0}), False),
            (Condition(exists=True, equals={"n": 5}, differs={"n": 6}, less={"n": 6}, at_least={"n": 4}), True),
            (Condition(exists=True, equals={"n": 5}, differs={"n": 6}, less={"n": 6}, at_least={"n": 6}), False),
        ],
    )
    async def test_a_condition_on_an_item(self, tables: Tables, pk: str, condition: Condition, holds: bool) -> None:
        item = {"pk": pk, "sk": "a", "n": 5, "one": 1, "text": "m", "yes": True, "null": None}
        await tables.write(Put(LOGS, item))
        update = Update(LOGS, Key(pk, "a"), set={"done": True}, condition=condition)
        if holds:
            assert await tables.write(update) == item | {"done": True}
        else:
            with pytest.raises(ConditionFailed) as failed:
                await tables.write(update)
            assert failed.value.item == item
            assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == item

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            (ABSENT, True),
            (PRESENT, False),
            (Condition(equals={"n": None}), True),
            (Condition(equals={"n": 0}), False),
            (Condition(differs={"n": 0}), True),
            (Condition(less={"n": 1}), False),
            (Condition(at_least={"n": 0}), False),
        ],
    )
    async def test_a_condition_on_nothing(self, tables: Tables, pk: str, condition: Condition, holds: bool) -> None:
        put = Put(LOGS, {"pk": pk, "sk": "a"}, condition)
        if holds:
            await tables.write(put)
            assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == put.item
        else:
            with pytest.raises(ConditionFailed) as failed:
                await tables.write(put)
            assert failed.value.item is None

    async def test_a_conditional_delete(self, tables: Tables, pk: str) -> None:
        item = {"pk": pk, "sk": "a", "n": 1}
        await tables.write(Put(LOGS, item))
        with pytest.raises(ConditionFailed) as failed:
            await tables.write(Delete(LOGS, Key(pk, "a"), Condition(equals={"n": 2})))
        assert failed.value.item == item
        assert await tables.write(Delete(LOGS, Key(pk, "a"), Condition(equals={"n": 1}))) == item
        with pytest.raises(ConditionFailed):
            await tables.write(Delete(LOGS, Key(pk, "a"), PRESENT))

    # ------------------------------------------------------------------------------------------------- limits

    async def test_an_item_over_400_kb_is_refused(self, tables: Tables, pk: str) -> None:
        await tables.write(Put(LOGS, {"pk": pk, "sk": "a", "x": "x" * 400_000}))
        with pytest.raises(Permanent, match="too large"):
            await tables.write(Put(LOGS, {"pk": pk, "sk": "b", "x": "x" * 410_000}))
        with pytest.raises(Permanent, match="too large"):
            await tables.write(Update(LOGS, Key(pk, "a"), set={"y": "y" * 10_000}))
        with pytest.raises(Permanent, match="too large"):
            await tables.transact([Update(LOGS, Key(pk, "a"), set={"y": "y" * 10_000})])
        assert sort_keys(await walk(tables, LOGS, Query(pk, fields=["sk"], consistent=True))) == ["a"]

    @pytest.mark.parametrize("sk", ["", "k" * 1025, "ü" * 513, 7, None])
    async def test_a_bad_sort_key_is_refused(self, tables: Tables, pk: str, sk: Any) -> None:
        with pytest.raises(Permanent):
            await tables.write(Put(LOGS, {"pk": pk, "sk": sk}))
        with pytest.raises(Permanent):
            await tables.get(LOGS, Key(pk, sk))

    async def test_long_keys_are_fine(self, tables: Tables, pk: str) -> None:
        key = Key(pk.ljust(2048, "x"), "ü" * 512)
        await tables.write(Put(LOGS, {"pk": key.pk, "sk": key.sk}))
        assert await tables.get(LOGS, key, consistent=True) == {"pk": key.pk, "sk": key.sk}
        with pytest.raises(Permanent):
            await tables.write(Put(LOGS, {"pk": key.pk + "x", "sk": "a"}))

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}, datetime(2025, 1, 1, tzinfo=UTC), b"bytes"])
    async def test_what_is_not_json_is_refused(self, tables: Tables, pk: str, value: Any) -> None:
        with pytest.raises(Permanent):
            await tables.write(Put(LOGS, {"pk": pk, "sk": "a", "deep": [{"x": value}]}))
        with pytest.raises(Permanent):
            await tables.write(Update(LOGS, Key(pk, "a"), set={"deep": [{"x": value}]}))
        assert await tables.get(LOGS, Key(pk, "a"), consistent=True) is None

    async def test_an_unknown_table_is_refused(self, tables: Tables, pk: str) -> None:
        with pytest.raises(Permanent):
            await tables.get("unheard-of", Key(pk, "a"))

    # ------------------------------------------------------------------------------------------------ batches

    async def test_get_many_keeps_the_order_of_its_keys(self, tables: Tables, pk: str) -> None:
        items = [{"pk": pk, "sk": f"{n:03}", "n": n} for n in range(230)]
        await store(tables, items)
        keys = [Key(pk, f"{n:03}") for n in reversed(range(231))] + [Key(pk, "000")]
        assert await tables.get_many(LOGS, keys, consistent=True) == [None, *reversed(items), items[0]]
        assert await tables.get_many(LOGS, [], consistent=True) == []
        await self.eventually(lambda: tables.get_many(LOGS, keys[:2]), [None, items[-1]])

    async def test_write_many_puts_and_deletes(self, tables: Tables, pk: str) -> None:
        await store(tables, [{"pk": pk, "sk": f"{n}"} for n in range(5)])
        waiting: list[Put | Delete] = [
            Delete(LOGS, Key(pk, "1")),
            Delete(LOGS, Key(pk, "none")),
            Put(LOGS, {"pk": pk, "sk": "2", "n": 2}),
        ]
        waiting += [Put(LOGS, {"pk": pk, "sk": "3", "n": 1}), Delete(LOGS, Key(pk, "3"))]  # the last one counts
        while failures := await tables.write_many(waiting):
            assert all(failure.retryable for failure in failures)
            waiting = [waiting[failure.index] for failure in failures]
        found = await walk(tables, LOGS, Query(pk, consistent=True))
        assert [(item["sk"], item.get("n")) for item in found] == [("0", None), ("2", 2), ("4", None)]

    async def test_write_many_names_the_entry_at_fault(self, tables: Tables, pk: str) -> None:
        good = Put(LOGS, {"pk": pk, "sk": "a"})
        failures = await tables.write_many([Put(LOGS, {"pk": pk, "sk": ""}), good])
        assert [failure.retryable for failure in failures if failure.index == 0] == [False]
        if len(failures) == 1:
            assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == good.item

    async def test_write_many_takes_no_conditions(self, tables: Tables, pk: str) -> None:
        with pytest.raises(Permanent):
            await tables.write_many([Put(LOGS, {"pk": pk, "sk": "a"}), Put(LOGS, {"pk": pk, "sk": "b"}, ABSENT)])

    # ------------------------------------------------------------------------------------------- transactions

    async def test_a_transaction_applies_all_its_items(self, tables: Tables, pk: str) -> None:
        await store(tables, [{"pk": pk, "sk": sk, "n": 1} for sk in ("check", "delete", "update")])
        await transact(
            tables,
            [
                Check(LOGS, Key(pk, "check"), PRESENT),
                Delete(LOGS, Key(pk, "delete"), Condition(equals={"n": 1})),
                Put(LOGS, {"pk": pk, "sk": "put"}, ABSENT),
                Update(LOGS, Key(pk, "update"), add={"n": 1}, condition=Condition(less={"n": 2})),
                Update(LOGS, Key(pk, "upsert"), set={"x": "y"}),
            ],
        )
        assert await walk(tables, LOGS, Query(pk, consistent=True)) == [
            {"pk": pk, "sk": "check", "n": 1},
            {"pk": pk, "sk": "put"},
            {"pk": pk, "sk": "update", "n": 2},
            {"pk": pk, "sk": "upsert", "x": "y"},
        ]

    async def test_a_cancelled_transaction_applies_nothing_and_gives_each_reason(self, tables: Tables, pk: str) -> None:
        head, entry = {"pk": pk, "sk": "head", "seq": 7}, {"pk": pk, "sk": "id", "seq": 3}
        await store(tables, [head, entry])
        with pytest.raises(TransactionCancelled) as cancelled:
            await transact(
                tables,
                [
                    Update(LOGS, Key(pk, "head"), set={"seq": 6}, condition=Condition(equals={"seq": 5})),
                    Put(LOGS, {"pk": pk, "sk": "log"}, ABSENT),
                    Put(LOGS, {"pk": pk, "sk": "id"}, ABSENT),
                    Check(LOGS, Key(pk, "none"), PRESENT),
                ],
            )
        reasons = [(reason.code, reason.item) for reason in cancelled.value.reasons]
        assert reasons == [("condition", head), ("none", None), ("condition", entry), ("condition", None)]
        assert await walk(tables, LOGS, Query(pk, consistent=True)) == [head, entry]

    async def test_a_transaction_takes_a_hundred_items(self, tables: Tables, pk: str) -> None:
        puts = [Put(LOGS, {"pk": pk, "sk": f"{n:03}"}, ABSENT) for n in range(101)]
        with pytest.raises(Permanent):
            await tables.transact(puts)
        await transact(tables, puts[:100])
        assert await tables.count(LOGS, Query(pk, consistent=True)) == 100
        with pytest.raises(Permanent):
            await tables.transact([])

    async def test_a_transaction_over_4_mb_is_refused(self, tables: Tables, pk: str) -> None:
        puts = [Put(LOGS, {"pk": pk, "sk": f"{n:03}", "x": "x" * 390_000}) for n in range(12)]
        with pytest.raises(Permanent, match="too large"):
            await transact(tables, puts)
        assert await tables.count(LOGS, Query(pk, consistent=True)) == 0

    async def test_a_transaction_has_each_item_once(self, tables: Tables, pk: str) -> None:
        with pytest.raises(Permanent):
            await tables.transact([Put(LOGS, {"pk": pk, "sk": "a"}), Check(LOGS, Key(pk, "a"), ABSENT)])
        assert await tables.get(LOGS, Key(pk, "a"), consistent=True) is None

    async def test_a_transaction_stays_in_one_group(self, tables: Tables, pk: str) -> None:
        with pytest.raises(Permanent, match=f"{LOGS}.*{CHANNELS}"):
            await tables.transact([Put(LOGS, {"pk": pk, "sk": "a"}), Put(CHANNELS, {"pk": pk, "sk": "a"})])

    # -------------------------------------------------------------------------------------------- concurrency

    async def test_of_simultaneous_first_writes_one_wins(self, tables: Tables, pk: str) -> None:
        puts = [Put(LOGS, {"pk": pk, "sk": "a", "n": n}, ABSENT) for n in range(50)]
        outcomes = await asyncio.gather(*map(tables.write, puts), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes].count(ConditionFailed) == 49
        winner = outcomes.index(None)
        assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == puts[winner].item

    async def test_no_simultaneous_increment_is_lost(self, tables: Tables, pk: str) -> None:
        async def increment() -> int:
            n = 0
            while True:
                update = Update(LOGS, Key(pk, "a"), add={"n": 1}, condition=Condition(equals={"n": n or None}))
                try:
                    await tables.write(update)
                except ConditionFailed as failed:
                    n = (failed.item or {})["n"]
                else:
                    return n

        assert sorted(await asyncio.gather(*(increment() for _ in range(50)))) == list(range(50))
