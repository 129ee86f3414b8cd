"""FifoMessages: strict order within a group, which is locked while a message of it is in flight."""

import sqlite3
from collections.abc import Sequence
from typing import ClassVar

from kxmsg.embedded.messages import Messages, as_json, read_rows
from kxmsg.embedded.records import Entry, Held, Row


class FifoMessages(Messages):
    """A lane is a group that has messages; it is free while none of them is in flight.

    Free lanes take turns: one that comes free goes behind those that are. A receive shares its limit out among them.
    """

    SCHEMA: ClassVar[str] = (
        Messages.SCHEMA
        + """
    CREATE INDEX IF NOT EXISTS line ON message (group_id, seq);
    CREATE TABLE IF NOT EXISTS lane (
        name TEXT PRIMARY KEY, in_flight INTEGER NOT NULL, turn INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS free ON lane (turn) WHERE in_flight = 0;
    """
    )
    READY: ClassVar[str] = "SELECT EXISTS (SELECT 1 FROM lane WHERE in_flight = 0)"
    TOTAL: ClassVar[str] = "SELECT count(*) FROM message"

    def clear(self, connection: sqlite3.Connection) -> None:
        super().clear(connection)
        connection.execute("DELETE FROM lane")

    def _ranks(self, connection: sqlite3.Connection, entries: Sequence[Entry], turn: int) -> list[int]:
        groups = as_json(list(dict.fromkeys(entry.group for entry in entries)))
        connection.execute(
            "INSERT OR IGNORE INTO lane SELECT value, 0, ? FROM json_each(?)", (_next_turn(connection), groups)
        )
        return [0] * len(entries)

    def _next(self, connection: sqlite3.Connection, limit: int) -> list[Row]:
        (free,) = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM lane WHERE in_flight = 0 LIMIT ?)", (limit,)
        ).fetchone()
        if not free:
            return []
        return read_rows(
            connection,
            "SELECT message.* FROM (SELECT name, turn FROM lane WHERE in_flight = 0 ORDER BY turn LIMIT ?) AS free"
            " CROSS JOIN message WHERE message.seq IN"
            " (SELECT seq FROM message AS mate WHERE mate.group_id = free.name ORDER BY seq LIMIT ?)"
            " ORDER BY free.turn, message.seq",
            (free, limit // free),
        )

    def _took(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        counts: dict[str | None, int] = {}
        for row in rows:
            counts[row.group] = counts.get(row.group, 0) + 1
        connection.execute(
            "UPDATE lane SET in_flight = in_flight + new.value FROM json_each(?) AS new WHERE name = new.key",
            (as_json(counts),),
        )

    def _unlock(self, connection: sqlite3.Connection, held: Sequence[Held]) -> bool:
        if not held:
            return False
        counts: dict[str | None, int] = {}
        for one in held:
            counts[one.group] = counts.get(one.group, 0) + (one.visible > 0)
        connection.execute(
            "UPDATE lane SET in_flight = in_flight - new.value, turn = ? FROM json_each(?) AS new WHERE name = new.key",
            (_next_turn(connection), as_json(counts)),
        )
        connection.execute(
            "DELETE FROM lane WHERE in_flight = 0 AND name IN (SELECT value FROM json_each(?)) AND NOT EXISTS"
            " (SELECT 1 FROM message WHERE group_id = lane.name)",
            (as_json(list(counts)),),
        )
        return bool(connection.execute(self.READY).fetchone()[0])


def _next_turn(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE state SET turn = turn + 1")
    turn: int = connection.execute("SELECT turn FROM state").fetchone()[0]
    return turn
