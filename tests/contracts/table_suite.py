"""What the contract suites of ``Tables`` share: fixtures, and calls that repeat what DynamoDB may leave undone."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from kxmsg.errors import TransactionCancelled
from kxmsg.ports import Item, Put, Query, Tables, TransactItem
from kxmsg.topology import LOGS


async def store(tables: Tables, items: Sequence[Item], table: str = LOGS) -> None:
    """Put the items, repeating what was left unprocessed."""
    waiting = [Put(table, item) for item in items]
    while waiting:
        waiting = [waiting[failure.index] for failure in await tables.write_many(waiting)]


async def transact(tables: Tables, items: Sequence[TransactItem]) -> None:
    """The transaction, repeated while nothing but a conflict stands against it."""
    while True:
        try:
            return await tables.transact(items)
        except TransactionCancelled as cancelled:
            if {reason.code for reason in cancelled.reasons} != {"none", "conflict"}:
                raise


async def walk(tables: Tables, table: str, query: Query) -> list[Item]:
    """The items of all pages."""
    items: list[Item] = []
    while True:
        page = await tables.query(table, query)
        items += page.items
        if page.cursor is None:
            return items
        query = replace(query, cursor=page.cursor)


def sort_keys(items: Sequence[Item]) -> list[str]:
    return [item["sk"] for item in items]


class TablesSuite:
    """Subclasses give the fixture ``tables``, and ``eventually`` where eventually consistent reads lag."""

    @pytest.fixture
    async def tables(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def pk(self) -> str:
        return f"contract#{uuid4().hex}"

    async def eventually(self, read: Callable[[], Awaitable[Any]], expected: Any) -> None:
        """Assert that the read comes to give what is expected."""
        assert await read() == expected
