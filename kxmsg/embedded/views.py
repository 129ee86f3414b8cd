"""Reading one table: items by key, pages of a query, counts."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from sqlite3 import Connection
from typing import Any, Final

import orjson

from kxmsg.embedded.items import PAGE_BYTES, PK_BYTES, SK_BYTES, check_key_text, decode
from kxmsg.errors import InvalidInput, Permanent
from kxmsg.ports import Item, Key, Page, Query

TOGETHER: Final = 500
"""Keys of one statement."""

_LAST_CODE_POINT: Final = 0x10FFFF


class View:
    """What is read of a table: ``source`` is the SQL of its rows, whose own parameters are ``parameters``."""

    def __init__(self, table: str, indexes: tuple[str, ...], source: str, parameters: tuple[Any, ...] = ()) -> None:
        self._table = table
        self._indexes = indexes
        self._source = source
        self._parameters = parameters
        # Names come from the topology, values are always bound.
        self._body = f"SELECT body FROM {source} WHERE pk = ? AND sk = ?"  # noqa: S608

    def body(self, connection: Connection, key: Key) -> bytes | None:
        """The stored bytes of one item."""
        row = connection.execute(self._body, (*self._parameters, key.pk, key.sk)).fetchone()
        return None if row is None else row[0]

    def item(self, connection: Connection, key: Key) -> Item | None:
        body = self.body(connection, key)
        return None if body is None else decode(body)

    def items(self, connection: Connection, keys: Sequence[Key]) -> list[Item | None]:
        """As :meth:`item`, in the order of the keys.

        All in one row: SQLite lets go of the interpreter lock at each, and gets it back from a busy event loop after
        milliseconds.
        """
        found: list[Item | None] = []
        for start in range(0, len(keys), TOGETHER):
            some = keys[start : start + TOGETHER]
            wanted = _wanted(len(self._parameters) + 1, len(some))
            sql = (
                f"SELECT CAST(group_concat(coalesce(body, 'null')) AS BLOB) FROM ({wanted})"  # noqa: S608
                f" LEFT JOIN {self._source} ON pk = column1 AND sk = column2"
            )
            given = [part for key in some for part in (key.pk, key.sk)]
            (bodies,) = connection.execute(sql, (*self._parameters, *given)).fetchone()
            found += orjson.loads(b"[%b]" % bodies)
        return found

    def check(self, query: Query) -> None:
        """Raises Permanent for a query that DynamoDB would refuse, InvalidInput for a cursor that is not its own."""
        if query.index is not None and query.index not in self._indexes:
            raise Permanent(f"{self._table} has no index {query.index!r}")
        if query.index is not None and query.consistent:
            raise Permanent(f"{self._table}: index {query.index!r} can't be read consistently")
        if query.begins is not None and (query.first is not None or query.last is not None):
            raise Permanent(f"{self._table}: a query has begins or first/last, not both")
        if query.limit is not None and query.limit < 1:
            raise Permanent(f"{self._table}: a query's limit is at least 1")
        check_key_text(self._table, "pk", query.pk, PK_BYTES)
        for name, bound in (("begins", query.begins), ("first", query.first), ("last", query.last)):
            if bound is not None:
                check_key_text(self._table, name, bound, SK_BYTES)
        if query.cursor is not None:
            _position(query)

    def page(self, connection: Connection, query: Query) -> Page:
        """One page. A full one has a cursor even where nothing follows, as DynamoDB's LastEvaluatedKey."""
        where, parameters = self._where(query)
        direction = " DESC" if query.reverse else ""
        order = ", ".join(f"{column}{direction}" for column in _order(query))
        sql = f"SELECT body FROM {self._source} WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
        limit = -1 if query.limit is None else query.limit
        items: list[Item] = []
        size = 0
        with closing(connection.execute(sql, (*parameters, limit))) as rows:
            for (body,) in rows:
                size += len(body)
                if size > PAGE_BYTES:
                    break
                items.append(decode(body))
        more = size > PAGE_BYTES or len(items) == limit
        cursor = _cursor(query, items[-1]) if more else None
        return Page(items if query.fields is None else _projected(items, query.fields), cursor)

    def count(self, connection: Connection, query: Query) -> int:
        """How many items there are from the cursor, or the beginning, to the end."""
        where, parameters = self._where(query)
        sql = f"SELECT count(*) FROM {self._source} WHERE {where}"  # noqa: S608
        (count,) = connection.execute(sql, parameters).fetchone()
        return int(count)

    def _where(self, query: Query) -> tuple[str, list[Any]]:
        partition, sort = ("pk", "sk") if query.index is None else (f"{query.index}pk", f"{query.index}sk")
        terms = [f"{partition} = ?"]
        parameters = [*self._parameters, query.pk]
        bounds = [
            (f"{sort} >= ?", query.begins or query.first),
            (f"{sort} <= ?", query.last),
            (f"{sort} < ?", _successor(query.begins or "")),
        ]
        for term, bound in bounds:
            if bound is not None:
                terms.append(term)
                parameters.append(bound)
        if query.cursor is not None:
            position = _position(query)
            terms.append(
                f"({', '.join(_order(query))}) {'<' if query.reverse else '>'} ({', '.join('?' * len(position))})"
            )
            parameters.extend(position)
        return " AND ".join(terms), parameters


def _order(query: Query) -> tuple[str, ...]:
    """The columns that order a query's items without ties."""
    return ("sk",) if query.index is None else (f"{query.index}sk", "pk", "sk")


def _cursor(query: Query, last: Item) -> str:
    """Where a page ended: the partition, then the position of its last item."""
    return urlsafe_b64encode(orjson.dumps([query.pk, *(last[column] for column in _order(query))])).decode()


def _position(query: Query) -> list[str]:
    """The position that the query's cursor names; raises InvalidInput."""
    try:
        position: list[str]
        partition, *position = orjson.loads(urlsafe_b64decode(query.cursor or ""))
    except (ValueError, TypeError) as error:
        raise InvalidInput("the cursor is malformed") from error
    if (
        partition != query.pk
        or len(position) != len(_order(query))
        or not all(isinstance(part, str) for part in position)
    ):
        raise InvalidInput("the cursor belongs to another query")
    return position


@lru_cache(maxsize=2 * TOGETHER)
def _wanted(first: int, count: int) -> str:
    """So many keys, whose parameters are numbered from ``first`` on."""
    return f"VALUES {','.join(f'(?{n},?{n + 1})' for n in range(first, first + 2 * count, 2))}"


def _projected(items: list[Item], fields: Any) -> list[Item]:
    wanted = dict.fromkeys(("pk", "sk", *fields))
    return [{name: item[name] for name in wanted if name in item} for item in items]


def _successor(prefix: str) -> str | None:
    """The least text above everything that begins with the prefix; None where there is none."""
    for end in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[end])
        if code < _LAST_CODE_POINT:
            following = 0xE000 if code == 0xD7FF else code + 1  # UTF-8 has no surrogates
            return prefix[:end] + chr(following)
    return None
