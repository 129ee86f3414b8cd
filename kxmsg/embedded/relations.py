"""Writing one table: its SQLite schema, and rows made of items."""

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Any, Final, TypeAlias

from kxmsg.embedded.items import PK_BYTES, SK_BYTES, check_key_text, encode, key_of
from kxmsg.embedded.views import View
from kxmsg.ports import Item, Key
from kxmsg.topology import TableSpec

Row: TypeAlias = tuple[Any, ...]
"""pk, sk, body, expiresAt or None, then pk and sk of each index, or None and None."""

BODY: Final = 2


class Relation:
    """A table of the topology as SQLite holds it; ``view`` reads what stands in it now."""

    def __init__(self, spec: TableSpec) -> None:
        self.name = spec.name
        self.group = spec.group
        self.columns = ("pk", "sk", "body", "expiresAt", *(f"{i}{part}" for i in spec.indexes for part in ("pk", "sk")))
        self.view = View(spec.name, spec.indexes, f'"{spec.name}"')
        self._indexes = spec.indexes
        # Names come from the topology, values are always bound.
        self._put = f'REPLACE INTO "{self.name}" VALUES ({", ".join("?" * len(self.columns))})'  # noqa: S608
        self._delete = f'DELETE FROM "{self.name}" WHERE pk = ? AND sk = ?'  # noqa: S608
        self._expired = f'SELECT pk, sk FROM "{self.name}" WHERE expiresAt <= ? ORDER BY expiresAt LIMIT ?'  # noqa: S608

    @property
    def schema(self) -> str:
        """DDL, to be run at every opening."""
        columns = "".join(f", {i}pk TEXT, {i}sk TEXT" for i in self._indexes)
        statements = [
            f'CREATE TABLE IF NOT EXISTS "{self.name}" (pk TEXT NOT NULL, sk TEXT NOT NULL, body BLOB NOT NULL,'
            f" expiresAt REAL{columns}, PRIMARY KEY (pk, sk)) WITHOUT ROWID",
            f'CREATE INDEX IF NOT EXISTS "{self.name}-expiry" ON "{self.name}" (expiresAt) WHERE expiresAt IS NOT NULL',
            *(
                f'CREATE INDEX IF NOT EXISTS "{self.name}-{i}" ON "{self.name}" ({i}pk, {i}sk, pk, sk)'
                f" WHERE {i}pk IS NOT NULL"
                for i in self._indexes
            ),
        ]
        return "".join(f"{statement};\n" for statement in statements)

    def row(self, item: Item) -> Row:
        """The item's row. Raises Permanent for an item that DynamoDB would refuse."""
        key = key_of(self.name, item)
        expires = item.get("expiresAt")
        timed = isinstance(expires, int | float) and not isinstance(expires, bool)
        row = (key.pk, key.sk, encode(self.name, item), expires if timed else None)
        return (*row, *self._index_keys(item)) if self._indexes else row

    def put(self, connection: Connection, rows: Sequence[Row]) -> None:
        connection.executemany(self._put, rows)

    def delete(self, connection: Connection, keys: Sequence[Key]) -> None:
        connection.executemany(self._delete, [(key.pk, key.sk) for key in keys])

    def expire(self, connection: Connection, now: float, limit: int) -> int:
        """Delete up to ``limit`` items that expired by ``now``, the oldest first; returns how many."""
        keys = [Key(pk, sk) for pk, sk in connection.execute(self._expired, (now, limit))]
        self.delete(connection, keys)
        return len(keys)

    def _index_keys(self, item: Item) -> list[str | None]:
        """An index lists the items that have both of its attributes, which must be fit for a key."""
        keys: list[str | None] = []
        for index in self._indexes:
            names = f"{index}pk", f"{index}sk"
            for name, limit in zip(names, (PK_BYTES, SK_BYTES), strict=True):
                if name in item:
                    check_key_text(self.name, name, item[name], limit)
            keys += [item[name] for name in names] if all(name in item for name in names) else [None, None]
        return keys
