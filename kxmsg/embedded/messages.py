"""Messages: what one transaction does to a queue's file. Synchronous, for the engine's threads.

SQLite's module lets go of the interpreter lock for every row that it steps to, and beside a busy event loop getting it
back takes up to 5 ms. So whatever touches a batch takes one step: messages go in with one ``INSERT`` of many rows,
numbers as a JSON array, and a batch is read as a single row. (Measured beside such a loop: 4 to 6 times faster.)
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, Final

import orjson

from kxmsg.embedded.records import Entry, Held, Receipt, Row, Taken
from kxmsg.embedded.whims import Whims
from kxmsg.ports import Clock, Delivery, Depth

RETENTION: Final = 14 * 86_400.0
"""Seconds that a message is kept, received or not."""
DEDUPLICATION: Final = 300.0
"""Seconds that a FIFO queue remembers a deduplication id."""
LONGEST_LEASE: Final = 43_200.0
"""Seconds from its receive for which a message may be in flight, however often that is extended."""
BURIAL_LEASE: Final = 60.0
"""Seconds after which a dead-lettering that was cut short is repeated."""
SWEEP_EVERY: Final = 60.0
AT_ONCE: Final = 1_000
"""Most messages that one transaction brings back or sweeps away."""


LEASE_LOST: Final = "lease_lost"
TOO_LONG: Final = "too_long"


class Messages(ABC):
    """The messages of one queue. A bool that is returned says whether whoever waits may find something now."""

    SCHEMA: ClassVar[str] = """
    CREATE TABLE IF NOT EXISTS state (seq INTEGER NOT NULL, turn INTEGER NOT NULL);
    INSERT INTO state SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM state);
    CREATE TABLE IF NOT EXISTS message (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL, group_id TEXT, attributes TEXT, sent REAL NOT NULL,
        rank INTEGER NOT NULL, visible REAL NOT NULL, receives INTEGER NOT NULL DEFAULT 0, taken REAL,
        body BLOB NOT NULL);
    -- visible is 0 for now; else it is when, the message being in flight, or delayed while receives is 0
    CREATE INDEX IF NOT EXISTS waiting ON message (visible, receives) WHERE visible > 0;
    CREATE TABLE IF NOT EXISTS known (key TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS known_until ON known (until);
    """
    READY: ClassVar[str]
    """SELECT of whether a message can be received, the leases that ran out aside."""
    TOTAL: ClassVar[str]
    """SELECT of the number of messages; from indexes alone, since bodies make the table large."""

    def __init__(self, name: str, clock: Clock, *, max_receives: int | None, whims: Whims | None) -> None:
        self._name = name
        self._clock = clock
        self._max_receives = max_receives
        self._whims = whims
        self._next_sweep = 0.0

    # ------------------------------------------------------------------------------------------- what is done

    def put(self, connection: sqlite3.Connection, entries: Sequence[Entry], *, remember: float = DEDUPLICATION) -> bool:
        """Add the entries, but those whose key is known; their keys are known for ``remember`` seconds from now."""
        now = self._clock.now()
        self._sweep(connection, now)
        new = self._unknown(connection, entries, now, remember)
        if not new:
            return False
        last, turn = connection.execute("SELECT seq, turn FROM state").fetchone()
        seq = last
        values: list[Any] = []
        for entry, rank in zip(new, self._ranks(connection, new, turn), strict=True):
            ident = entry.id or f"{self._name}:{seq + 1}"
            sent = now if entry.sent is None else entry.sent
            visible = now + entry.delay if entry.delay > 0 else 0
            for _ in range(self._copies()):
                seq += 1
                values += (seq, ident, entry.group, entry.attributes, sent, rank, visible, entry.body)
        connection.execute(_insert(seq - last), values)
        connection.execute("UPDATE state SET seq = ?", (seq,))
        return True

    def take(self, connection: sqlite3.Connection, limit: int, visibility: float) -> Taken:
        """Lease up to ``limit`` messages for ``visibility`` seconds."""
        now = self._clock.now()
        self._sweep(connection, now)
        self._bring_back(connection, now)
        rows = self._next(connection, self._whims.fewer(limit) if self._whims else limit)
        if not rows:
            return Taken(next_at=self._next_at(connection))
        live, dead = rows, []
        if self._max_receives is not None:
            live = [row for row in rows if row.receives < self._max_receives]
            dead = [row for row in rows if row.receives >= self._max_receives]
        lease = (
            "UPDATE message SET visible = ?, receives = receives + ?, taken = ?"
            " WHERE seq IN (SELECT value FROM json_each(?))"
        )
        if live:
            connection.execute(lease, (now + visibility, 1, now, numbers(live)))
        if dead:
            connection.execute(lease, (now + BURIAL_LEASE, 0, now, numbers(dead)))
        self._took(connection, rows)
        return Taken([row.delivery(row.receives + 1) for row in live], [row.delivery(row.receives) for row in dead])

    def delete(self, connection: sqlite3.Connection, receipts: Sequence[Receipt]) -> bool:
        """Remove the messages that nobody has received since."""
        held = self._held(connection, receipts)
        connection.execute("DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?))", (numbers(held),))
        return self._unlock(connection, held)

    def give_back(self, connection: sqlite3.Connection, receipts: Sequence[Receipt]) -> bool:
        """Undo a receive that nobody learnt of."""
        held = self._held(connection, receipts)
        undo = "UPDATE message SET visible = 0, receives = receives - 1 WHERE seq IN (SELECT value FROM json_each(?))"
        connection.execute(undo, (numbers(held),))
        self._unlock(connection, held)
        return bool(held)

    def change(
        self, connection: sqlite3.Connection, changes: Sequence[tuple[Receipt, float]]
    ) -> tuple[bool, list[str | None]]:
        """Set the seconds from now until each is visible. Also returns what was wrong with each, None for nothing."""
        now = self._clock.now()
        held = {one.seq: one for one in self._held(connection, [receipt for receipt, _ in changes])}
        wrong: list[str | None] = []
        new: dict[int, float] = {}
        for receipt, seconds in changes:
            one = held.get(receipt.seq)
            if one is None or one.receives != receipt.receives or one.taken is None or one.visible <= now:
                wrong.append(LEASE_LOST)
            elif seconds > 0 and now + seconds > one.taken + LONGEST_LEASE:
                wrong.append(TOO_LONG)
            else:
                wrong.append(None)
                new[one.seq] = now + seconds if seconds > 0 else 0
        if new:
            connection.execute(
                "UPDATE message SET visible = new.visible FROM ("
                "SELECT json_extract(value, '$[0]') AS seq, json_extract(value, '$[1]') AS visible FROM json_each(?)"
                ") AS new WHERE message.seq = new.seq",
                (as_json(list(new.items())),),
            )
            self._unlock(connection, [held[seq] for seq, visible in new.items() if visible == 0])
        return any(visible < held[seq].visible for seq, visible in new.items()), wrong

    def clear(self, connection: sqlite3.Connection) -> None:
        """Delete every message. What is known stays known, as in SQS."""
        connection.execute("DELETE FROM message")

    # -------------------------------------------------------------------------------------------- what is read

    def ready(self, connection: sqlite3.Connection) -> bool:
        """Whether a receive would find something."""
        back_at = self._next_at(connection)
        return bool(connection.execute(self.READY).fetchone()[0]) or (
            back_at is not None and back_at <= self._clock.now()
        )

    def depth(self, connection: sqlite3.Connection) -> Depth:
        (total,) = connection.execute(self.TOTAL).fetchone()
        waiting, delayed = connection.execute(
            "SELECT count(*), coalesce(sum(receives = 0), 0) FROM message WHERE visible > 0 AND visible > ?",
            (self._clock.now(),),
        ).fetchone()
        return Depth(visible=total - waiting, in_flight=waiting - delayed, delayed=delayed)

    def peek(self, connection: sqlite3.Connection, limit: int, after: Receipt | None) -> list[Delivery]:
        """Messages in the order of their sending, as they stand."""
        query = "SELECT * FROM message WHERE seq > ? ORDER BY seq LIMIT ?"
        rows = read_rows(connection, query, (after.seq if after else 0, limit))
        return [row.delivery(row.receives) for row in rows]

    # ------------------------------------------------------------------------------------ what the kinds differ in

    @abstractmethod
    def _ranks(self, connection: sqlite3.Connection, entries: Sequence[Entry], turn: int) -> list[int]:
        """The entries' ranks; ``turn`` is how far the queue has come."""

    @abstractmethod
    def _next(self, connection: sqlite3.Connection, limit: int) -> list[Row]:
        """Those to be received next."""

    @abstractmethod
    def _took(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """Note that these are in flight now."""

    @abstractmethod
    def _unlock(self, connection: sqlite3.Connection, held: Sequence[Held]) -> bool:
        """Note that these, as they were held, are in flight no longer."""

    def _copies(self) -> int:
        return 1

    def _forget(self, connection: sqlite3.Connection, now: float) -> None:
        connection.execute(
            "DELETE FROM known WHERE key IN (SELECT key FROM known WHERE until <= ? LIMIT ?)", (now, AT_ONCE)
        )

    # ------------------------------------------------------------------------------------------------- helpers

    def _unknown(
        self, connection: sqlite3.Connection, entries: Sequence[Entry], now: float, remember: float
    ) -> list[Entry]:
        keys = as_json([entry.key for entry in entries if entry.key is not None])
        if keys == "[]":
            return list(entries)
        query = "SELECT json_group_array(key) FROM known WHERE until > ? AND key IN (SELECT value FROM json_each(?))"
        seen = set(orjson.loads(connection.execute(query, (now, keys)).fetchone()[0]))
        new = []
        for entry in entries:
            if entry.key is None or entry.key not in seen:
                new.append(entry)
                seen.add(entry.key)
        if new:
            fresh = as_json([entry.key for entry in new if entry.key is not None])
            connection.execute(
                "INSERT OR REPLACE INTO known SELECT value, ? FROM json_each(?)", (now + remember, fresh)
            )
        return new

    def _held(self, connection: sqlite3.Connection, receipts: Sequence[Receipt]) -> list[Held]:
        """Those of the messages that were not received again since."""
        wanted = set(receipts)
        numbered = as_json([receipt.seq for receipt in receipts])
        held = _hold(connection, "WHERE seq IN (SELECT value FROM json_each(?))", (numbered,))
        return [one for one in held if (one.seq, one.receives) in wanted]

    def _bring_back(self, connection: sqlite3.Connection, now: float) -> None:
        """Make those visible whose lease or delay is over."""
        back_at = self._next_at(connection)
        if back_at is None or back_at > now:
            return
        back = _hold(connection, "WHERE visible > 0 AND visible <= ? ORDER BY visible LIMIT ?", (now, AT_ONCE))
        connection.execute(
            "UPDATE message SET visible = 0 WHERE seq IN (SELECT value FROM json_each(?))", (numbers(back),)
        )
        self._unlock(connection, back)

    def _next_at(self, connection: sqlite3.Connection) -> float | None:
        at: float | None = connection.execute("SELECT min(visible) FROM message WHERE visible > 0").fetchone()[0]
        return at

    def _sweep(self, connection: sqlite3.Connection, now: float) -> None:
        """Now and then, drop what is too old."""
        if now < self._next_sweep:
            return
        oldest = "WHERE seq IN (SELECT seq FROM message ORDER BY seq LIMIT ?) AND sent <= ?"
        old = _hold(connection, oldest, (AT_ONCE, now - RETENTION))
        if old:
            connection.execute("DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?))", (numbers(old),))
            self._unlock(connection, old)
        self._forget(connection, now)
        if len(old) < AT_ONCE:
            self._next_sweep = now + SWEEP_EVERY


def read_rows(connection: sqlite3.Connection, query: str, parameters: Sequence[Any]) -> list[Row]:
    """What a SELECT of whole messages finds, in one step: the bodies come joined and are cut apart here."""
    facts, bodies = connection.execute(
        "SELECT json_group_array(json_array("  # noqa: S608 - the query is a constant of this package
        "seq, id, group_id, json(attributes), sent, receives, rank, length(body))),"
        f" CAST(group_concat(body, '') AS BLOB) FROM ({query})",
        parameters,
    ).fetchone()
    rows, start = [], 0
    for seq, ident, group, attributes, sent, receives, rank, length in orjson.loads(facts):
        body = bodies[start : start + length]
        rows.append(Row(seq, ident, group, attributes, sent, receives, rank, body))
        start += length
    return rows


def numbers(rows: Sequence[Row] | Sequence[Held]) -> str:
    """Their ``seq`` as a JSON array."""
    return as_json([row.seq for row in rows])


def as_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _hold(connection: sqlite3.Connection, which: str, parameters: Sequence[Any]) -> list[Held]:
    (facts,) = connection.execute(
        "SELECT json_group_array(json_array(seq, receives, visible, taken, group_id))"  # noqa: S608 - the condition is a constant of this module
        f" FROM (SELECT seq, receives, visible, taken, group_id FROM message {which})",
        parameters,
    ).fetchone()
    return [Held(*values) for values in orjson.loads(facts)]


@lru_cache
def _insert(rows: int) -> str:
    columns = "seq, id, group_id, attributes, sent, rank, visible, body"
    return f"INSERT INTO message ({columns}) VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?, ?)'] * rows)}"  # noqa: S608 - no input
