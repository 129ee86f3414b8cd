"""What every ``Tables`` adapter's queries do; part of :class:`tests.contracts.tables.TablesContract`."""

from typing import Any

import pytest

from kxmsg.errors import InvalidInput, Permanent
from kxmsg.ports import Key, Put, Query, Tables, Update
from kxmsg.topology import CHANNELS, LOGS
from tests.contracts.table_suite import TablesSuite, sort_keys, store, walk

INDEX = "by1"


class QueriesContract(TablesSuite):
    """Order, ranges, pages, cursors, projections, counts, indexes."""

    @pytest.mark.parametrize(
        ("narrowed", "expected"),
        [
            ({}, ["a", "a#1", "a#2", "b", "ä", "\uffff", "😀"]),
            ({"begins": "a"}, ["a", "a#1", "a#2"]),
            ({"begins": "a#"}, ["a#1", "a#2"]),
            ({"begins": "\uffff"}, ["\uffff"]),
            ({"begins": "none"}, []),
            ({"first": "a#1", "last": "b"}, ["a#1", "a#2", "b"]),
            ({"first": "a#2"}, ["a#2", "b", "ä", "\uffff", "😀"]),
            ({"last": "a#1"}, ["a", "a#1"]),
            ({"first": "b", "last": "a"}, []),
        ],
    )
    async def test_a_query_in_sort_key_order(
        self, tables: Tables, pk: str, narrowed: dict[str, str], expected: list[str]
    ) -> None:
        await store(tables, [{"pk": pk, "sk": sk} for sk in ("😀", "b", "a#2", "a", "\uffff", "a#1", "ä")])
        await store(tables, [{"pk": f"{pk}x", "sk": "a"}])
        assert sort_keys(await walk(tables, LOGS, Query(pk, consistent=True, **narrowed))) == expected  # type: ignore[arg-type] # the narrowing fields are text
        backwards = Query(pk, reverse=True, consistent=True, **narrowed)  # type: ignore[arg-type] # as above
        assert sort_keys(await walk(tables, LOGS, backwards)) == expected[::-1]
        assert sort_keys(await walk(tables, LOGS, Query(pk, limit=2, consistent=True, **narrowed))) == expected  # type: ignore[arg-type] # as above
        assert await tables.count(LOGS, Query(pk, limit=1, consistent=True, **narrowed)) == len(expected)  # type: ignore[arg-type] # as above

    async def test_pages_have_no_more_than_the_limit(self, tables: Tables, pk: str) -> None:
        await store(tables, [{"pk": pk, "sk": f"{n}"} for n in range(5)])
        page = await tables.query(LOGS, Query(pk, limit=2, reverse=True, first="1", consistent=True))
        assert sort_keys(page.items) == ["4", "3"]
        page = await tables.query(
            LOGS, Query(pk, limit=3, reverse=True, first="1", cursor=page.cursor, consistent=True)
        )
        assert sort_keys(page.items) == ["2", "1"]
        assert page.cursor is None

    async def test_a_page_ends_at_about_a_megabyte(self, tables: Tables, pk: str) -> None:
        await store(tables, [{"pk": pk, "sk": f"{n}", "x": "x" * 300_000} for n in range(7)])
        query = Query(pk, fields=["sk"], consistent=True)
        page = await tables.query(LOGS, query)
        assert len(page.items) in (3, 4)
        assert page.cursor is not None
        assert sort_keys(await walk(tables, LOGS, query)) == [f"{n}" for n in range(7)]
        assert await tables.count(LOGS, query) == 7

    async def test_a_query_keeps_the_fields_asked_for(self, tables: Tables, pk: str) -> None:
        await store(tables, [{"pk": pk, "sk": "a", "x": 1, "y": 2}, {"pk": pk, "sk": "b", "y": 3}])
        page = await tables.query(LOGS, Query(pk, fields=["x", "none"], consistent=True))
        assert page.items == [{"pk": pk, "sk": "a", "x": 1}, {"pk": pk, "sk": "b"}]

    async def test_an_index_lists_the_items_that_have_its_attributes(self, tables: Tables, pk: str) -> None:
        names = ["c", "b", "a", "b"]
        items = [{"pk": f"{pk}#{n}", "sk": "x", "by1pk": pk, "by1sk": name} for n, name in enumerate(names)]
        await store(tables, [*items, {"pk": pk, "sk": "y", "by1pk": pk}, {"pk": pk, "sk": "z"}], CHANNELS)
        ordered = [items[2], items[1], items[3], items[0]]

        async def names_in(query: Query) -> list[str]:
            return [item["by1sk"] for item in await walk(tables, CHANNELS, query)]

        await self.eventually(lambda: tables.count(CHANNELS, Query(pk, index=INDEX)), 4)
        await self.eventually(lambda: names_in(Query(pk, index=INDEX)), ["a", "b", "b", "c"])
        await self.eventually(lambda: names_in(Query(pk, index=INDEX, limit=1)), ["a", "b", "b", "c"])
        await self.eventually(lambda: names_in(Query(pk, index=INDEX, limit=1, reverse=True)), ["c", "b", "b", "a"])
        await self.eventually(lambda: names_in(Query(pk, index=INDEX, first="b")), ["b", "b", "c"])
        await self.eventually(lambda: names_in(Query(pk, index=INDEX, begins="b")), ["b", "b"])
        page = Query(pk, index=INDEX, fields=["by1sk"], last="a")
        projected = {name: ordered[0][name] for name in ("pk", "sk", "by1sk")}
        await self.eventually(lambda: walk(tables, CHANNELS, page), [projected])

    async def test_an_index_follows_its_attributes(self, tables: Tables, pk: str) -> None:
        async def names() -> list[str]:
            return [item["by1sk"] for item in await walk(tables, CHANNELS, Query(pk, index=INDEX))]

        await tables.write(Put(CHANNELS, {"pk": pk, "sk": "x", "by1pk": pk, "by1sk": "first"}))
        await self.eventually(names, ["first"])
        await tables.write(Update(CHANNELS, Key(pk, "x"), set={"by1sk": "second"}))
        await self.eventually(names, ["second"])
        await tables.write(Update(CHANNELS, Key(pk, "x"), remove=["by1sk"]))
        await self.eventually(names, [])

    @pytest.mark.parametrize("value", ["", 7, None, "k" * 1025])
    async def test_an_index_attribute_must_be_fit_for_a_key(self, tables: Tables, pk: str, value: Any) -> None:
        with pytest.raises(Permanent):
            await tables.write(Put(CHANNELS, {"pk": pk, "sk": "x", "by1pk": pk, "by1sk": value}))

    @pytest.mark.parametrize(
        "query",
        [
            {"index": INDEX, "consistent": True},
            {"index": "unheard-of"},
            {"limit": 0},
            {"begins": "a", "first": "b"},
            {"begins": ""},
        ],
    )
    async def test_an_impossible_query_is_refused(self, tables: Tables, pk: str, query: dict[str, Any]) -> None:
        with pytest.raises(Permanent):
            await tables.query(CHANNELS, Query(pk, **query))

    @pytest.mark.parametrize("cursor", ["", "x", "{}", "null", "W10=", "WzFd", "ä", "🎉", "a" * 300])
    async def test_a_malformed_cursor_is_the_callers_fault(self, tables: Tables, pk: str, cursor: str) -> None:
        with pytest.raises(InvalidInput):
            await tables.query(LOGS, Query(pk, cursor=cursor))

    async def test_a_cursor_continues_its_own_partition_only(self, tables: Tables, pk: str) -> None:
        await store(tables, [{"pk": pk, "sk": f"{n}", "by1pk": pk, "by1sk": "x"} for n in range(3)], CHANNELS)
        cursor = (await tables.query(CHANNELS, Query(pk, limit=1, consistent=True))).cursor
        for other in (Query(f"{pk}x", cursor=cursor), Query(pk, index=INDEX, cursor=cursor)):
            with pytest.raises(InvalidInput):
                await tables.query(CHANNELS, other)
