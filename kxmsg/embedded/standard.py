"""StandardMessages: any order is allowed; groups, which are tenants, get fair shares."""

import sqlite3
from collections.abc import Sequence
from typing import ClassVar

import orjson

from kxmsg.embedded.messages import Messages, as_json, read_rows
from kxmsg.embedded.records import Entry, Held, Row


class StandardMessages(Messages):
    """Start-time fair queueing: a message ranks one above its group's last, and above the queue's turn.

    So the thousandth message of a noisy group comes after the first of a group that sends only now. The turn is the
    highest rank received so far; a group with nothing beyond it needs no memory.
    """

    SCHEMA: ClassVar[str] = (
        Messages.SCHEMA
        + """
    CREATE INDEX IF NOT EXISTS ready ON message (rank) WHERE visible = 0;
    CREATE TABLE IF NOT EXISTS share (group_id TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
    """
    )
    READY: ClassVar[str] = "SELECT EXISTS (SELECT 1 FROM message WHERE visible = 0)"
    TOTAL: ClassVar[str] = (
        "SELECT (SELECT count(*) FROM message WHERE visible = 0) + (SELECT count(*) FROM message WHERE visible > 0)"
    )

    def _ranks(self, connection: sqlite3.Connection, entries: Sequence[Entry], turn: int) -> list[int]:
        groups = [entry.group or "" for entry in entries]
        query = "SELECT json_group_object(group_id, last) FROM share WHERE group_id IN (SELECT value FROM json_each(?))"
        names = as_json(list(dict.fromkeys(groups)))
        last: dict[str, int] = orjson.loads(connection.execute(query, (names,)).fetchone()[0])
        ranks = []
        for group in groups:
            last[group] = max(last.get(group, 0), turn) + 1
            ranks.append(last[group])
        connection.execute("INSERT OR REPLACE INTO share SELECT key, value FROM json_each(?)", (as_json(last),))
        return ranks

    def _next(self, connection: sqlite3.Connection, limit: int) -> list[Row]:
        query = "SELECT * FROM message WHERE visible = 0 ORDER BY rank, seq LIMIT ?"
        if self._whims is None:
            return read_rows(connection, query, (limit,))
        return self._whims.some(read_rows(connection, query, (3 * limit,)), limit)

    def _took(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        connection.execute("UPDATE state SET turn = max(turn, ?)", (max(row.rank for row in rows),))

    def _unlock(self, connection: sqlite3.Connection, held: Sequence[Held]) -> bool:
        return False  # nothing waits for another message

    def _copies(self) -> int:
        return self._whims.copies() if self._whims else 1

    def _forget(self, connection: sqlite3.Connection, now: float) -> None:
        super()._forget(connection, now)
        connection.execute("DELETE FROM share WHERE last <= (SELECT turn FROM state)")
