"""Messages: what one transaction does to a queue's file. Synchronous, for the engine's threads.

A statement gives the interpreter lock back for each row that is stepped to, and a busy event loop makes getting it again
cost up to 5 ms. So what touches a batch does it in one step: rows go in as one ``INSERT`` of many, keys as a JSON
array, and a batch is read as one row (measured beside a busy loop: 4 to 6 times faster).
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple

import orjson

from kxmsg.embedded.aws_like import Whims
from kxmsg.ports import Clock, Delivery, Depth

RETENTION: Final = 14 * 86_400.0
"""Seconds that a message is kept, received or not."""
DEDUPLICATION: Final = 300.0
"""Seconds that a FIFO queue remembers a deduplication id."""
LONGEST_LEASE: Final = 43_200.0
"""Seconds from a receive that its visibility may be extended to, in all."""
BURIAL_LEASE: Final = 60.0
"""Seconds after which a dead-lettering that was cut short is repeated."""
SWEEP_EVERY: Final = 60.0
AT_ONCE: Final = 1_000
"""Most messages that become visible, or are swept away, within one transaction."""

_COMMON: Final = """
CREATE TABLE IF NOT EXISTS state (seq INTEGER NOT NULL, turn INTEGER NOT NULL);
INSERT INTO state SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM state);
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, "group" TEXT, attributes TEXT, sent REAL NOT NULL, rank INTEGER NOT NULL,
    visible REAL NOT NULL,  -- 0: now; else when, being in flight, or delayed while receives = 0
    receives INTEGER NOT NULL DEFAULT 0, taken REAL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS waiting ON message (visible, receives) WHERE visible > 0;
CREATE TABLE IF NOT EXISTS known (key TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS known_until ON known (until);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message on its way in. ``key``: an entry whose key is known already is dropped. ``attributes``: JSON."""

    body: bytes
    group: str | None = None
    key: str | None = None
    delay: float = 0
    attributes: str | None = None
    id: str | None = None
    sent: float | None = None


class Receipt(NamedTuple):
    """One receive of one message: a later receive, or none any more, makes it stale."""

    seq: int
    receives: int

    def __str__(self) -> str:
        return f"{self.seq}:{self.receives}"

    @classmethod
    def parse(cls, text: str) -> "Receipt":
        """The opposite of ``str``; raises ValueError."""
        seq, _, receives = text.partition(":")
        return cls(int(seq), int(receives))


class Held(NamedTuple):
    """What of a message decides about its lease."""

    seq: int
    receives: int
    visible: float
    taken: float | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """Outcome of a receive. ``dead`` had been received too often; ``next_at``: when a message comes back, if empty."""

    deliveries: list[Delivery] = field(default_factory=list)
    dead: list[Delivery] = field(default_factory=list)
    next_at: float | None = None


class Messages(ABC):
    """The messages of one queue. Methods that return a bool say whether somebody waiting may find something now."""

    SCHEMA: ClassVar[str] = _COMMON
    READY: ClassVar[str]
    """Whether a message can be received."""
    TOTAL: ClassVar[str]
    """How many messages there are, from indexes alone: bodies are not read."""

    def __init__(self, name: str, clock: Clock, *, max_receives: int | None, whims: Whims | None) -> None:
        self._name = name
        self._clock = clock
        self._max_receives = max_receives
        self._whims = whims
        self._next_sweep = 0.0

    # ---------------------------------------------------------------------------------------------- in and out

    def put(self, connection: sqlite3.Connection, entries: Sequence[Entry], *, remember: float = DEDUPLICATION) -> bool:
        """Add the entries whose keys are not known, and remember those keys for ``remember`` seconds."""
        now = self._clock.now()
        self._sweep(connection, now)
        new = self._unknown(connection, entries, now, remember)
        if not new:
            return False
        seq, turn = connection.execute("SELECT seq, turn FROM state").fetchone()
        values: list[object] = []
        first = seq
        for entry, rank in zip(new, self._ranks(connection, new, turn), strict=True):
            ident = entry.id or f"{self._name}:{seq + 1}"
            visible = now + entry.delay if entry.delay > 0 else 0
            sent = now if entry.sent is None else entry.sent
            for _ in range(self._copies()):
                seq += 1
                values += (seq, ident, entry.group, entry.attributes, sent, rank, visible, entry.body)
        connection.execute(_insert(seq - first), values)
        connection.execute("UPDATE state SET seq = ?", (seq,))
        return True

    def take(self, connection: sqlite3.Connection, limit: int, visibility: float) -> Taken:
        """Lease up to ``limit`` messages for ``visibility`` seconds."""
        now = self._clock.now()
        self._sweep(connection, now)
        self._return(connection, now)
        rows = self._next(connection, self._whims.fewer(limit) if self._whims else limit)
        if not rows:
            return Taken(next_at=self.next_at(connection))
        taken = Taken()
        leased = []
        for row in rows:
            if self._max_receives is not None and row.receives >= self._max_receives:
                taken.dead.append(row)
            else:
                leased.append(row)
                taken.deliveries.append(replace_receipt(row))
        return taken
