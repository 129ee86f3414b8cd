"""Append, as pure decisions: which writes one transaction makes, and what its refusal means.

A log is a head ``{seq, rev, epoch}``, entries ``E#n``, and for each entry a record that tells where its id is.
One transaction appends up to :data:`MAX_ENTRIES`: the head moves from n to n + k on condition that it stands at n, and
each entry and each id is put on condition that it is absent. So numbers have neither gap nor repeat and an id is stored
once, however often its message is delivered and whoever else appends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kxmsg.errors import CancelReason
from kxmsg.lifetimes import Lifetimes
from kxmsg.model.envelope import Entry, Envelope

MAX_ENTRIES: Final = 10
"""Entries of one transaction: 2k + 1 items, far below DynamoDB's 100."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log stands: ``seq`` is the last number given, ``rev`` counts changes. An absent log is ``Head()``.

    ``at`` is when its last entry was made, in epoch milliseconds; 0 where there is none. ``lives`` tells what of an
    inbox's log counts, and until when; a channel's has none. ``erased``, epoch milliseconds: what was made up to then
    is gone, and does not come back if it is delivered again.
    """

    seq: int = 0
    epoch: str = ""
    deleted: bool = False
    rev: int = 0
    at: int = 0
    lives: Lifetimes = field(default_factory=Lifetimes)
    erased: int = 0

    @classmethod
    def of(cls, item: Mapping[str, Any] | None) -> "Head":
        """The head that a table item holds."""
        if item is None:
            return cls()
        lives = Lifetimes.of(item) if "runs" in item else Lifetimes()
        deleted = bool(item.get("deleted"))
        rev, at, erased = item.get("rev", 0), item.get("at", 0), item.get("erased", 0)
        return cls(item["seq"], item["epoch"], deleted, rev, at, lives, erased)

    @property
    def exists(self) -> bool:
        return bool(self.epoch)


@dataclass(slots=True)
class Batch:
    """Envelopes of one log on their way into it: those still to be stored, and the numbers already known."""

    waiting: list[Envelope]
    stored: dict[str, Entry] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    """Ids that stood in the log already, perhaps with another content than the envelope brings now."""

    @classmethod
    def fold(cls, envelopes: Sequence[Envelope]) -> "Batch":
        """Equal ids are one entry, the first of them."""
        first: dict[str, Envelope] = {}
        for envelope in envelopes:
            first.setdefault(envelope.id, envelope)
        return cls(list(first.values()))

    def since(self, erased: int) -> None:
        """Drop what was made up to then (epoch milliseconds): the log was erased after it."""
        self.waiting = [envelope for envelope in self.waiting if envelope.created_at > erased]

    def numbered(self, head: Head) -> list[Entry]:
        """The numbers that the next transaction would give."""
        return [Entry(head.seq + i, envelope) for i, envelope in enumerate(self.waiting[:MAX_ENTRIES], start=1)]

    def commit(self, entries: Sequence[Entry]) -> None:
        """The transaction with these entries was applied."""
        self.stored.update((entry.envelope.id, entry) for entry in entries)
        del self.waiting[: len(entries)]

    def found(self, sequences: Mapping[str, int]) -> None:
        """These ids stand in the log already, under these numbers."""
        for envelope in self.waiting:
            if envelope.id in sequences:
                self.stored[envelope.id] = Entry(sequences[envelope.id], envelope)
                self.repeated.add(envelope.id)
        self.waiting = [envelope for envelope in self.waiting if envelope.id not in sequences]

    def entries(self) -> tuple[Entry, ...]:
        """Everything stored and not deleted since, in the order of the numbers."""
        there = [entry for entry in self.stored.values() if entry.deleted_at is None]
        return tuple(sorted(there, key=lambda entry: entry.sequence))


@dataclass(frozen=True, slots=True)
class Refused:
    """What a cancelled append tells. ``head`` is None where it is not known and has to be read again.

    ``found`` holds the ids that are stored already, with their numbers. ``again``: why it was cancelled says
    nothing about the log (a conflict, a throttle), so wait a little first.
    """

    head: Head | None
    found: Mapping[str, int]
    again: Literal["now", "later"]


def refused(reasons: Sequence[CancelReason], entries: Sequence[Entry], head: Head) -> Refused:
    """Read the reasons of a cancelled append, whose first items were the head, the entries, the ids, in this order."""
    ids = reasons[1 + len(entries) : 1 + 2 * len(entries)]
    found = {
        entry.envelope.id: int(reason.item["seq"])
        for entry, reason in zip(entries, ids, strict=True)
        if reason.code == "condition" and reason.item is not None
    }
    if reasons[0].code == "condition":
        return Refused(Head.of(reasons[0].item), found, "now")
    if found:
        return Refused(head, found, "now")
    return Refused(None, {}, "later")
