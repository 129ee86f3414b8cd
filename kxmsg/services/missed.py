"""Missed: what a client has not got of a log since it left it. All of that, page by page, or that it can't be told."""

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from kxmsg.audience import SHARDS
from kxmsg.codecs import native
from kxmsg.keys import shard_of
from kxmsg.log import Head
from kxmsg.model.connection import Connection, Place
from kxmsg.model.envelope import Bundle, Entry
from kxmsg.model.job import Wait
from kxmsg.model.preferences import Moment, Preferences
from kxmsg.ports import Clock
from kxmsg.preferences import told, waits
from kxmsg.services.preferring import Preferring
from kxmsg.storage.due import Due
from kxmsg.storage.log_reader import Changed, LogReader

MAX_MISSED: Final = 5000
"""Numbers, and changes, that are gone through for one client; who has missed more reads the state anew."""

PAGE: Final = 120 * 1024
"""Bytes of one page's frames, which with what is around them are less than the 128 KB of a WebSocket message."""

_AROUND: Final = 64
"""Bytes beside each frame: a comma, and the ranges of numbers before it that have none."""

_PART: Final = 50
"""Entries or changes that are read at once."""

Reason = Literal["epoch_changed", "ahead", "too_far"]
"""Why it can't be told: the log was erased or made anew; it has not given these numbers (it was restored from a
backup); too much was missed."""

Ranges: TypeAlias = list[list[int]]
"""Numbers, as [first, last] of each range."""


@dataclass(frozen=True, slots=True)
class Left:
    """Where a client left a log: up to which number and which revision nothing is missing.

    ``epoch`` None: there was no such log then. ``revision`` None: of changes it wants to know nothing. ``seen``: the
    last number that it has, where numbers between are missing.
    """

    epoch: str | None
    sequence: int
    revision: int | None
    seen: int = 0


@dataclass(slots=True)
class Missed:
    """One page. It tells of every number after where the client was, up to ``sequence``: by a frame in ``entries``,
    as ``gone`` (deleted or expired), or as ``withheld`` from this connection, which sent it, or whose user does not
    want to be told of it, at least not now.

    ``changes`` are frames of what was done, up to ``revision``, to entries that the client had. Where ``more`` is so,
    there are further pages. ``reason``: why nothing is told; then the client stands at the log's head all the same.
    """

    epoch: str | None
    sequence: int
    revision: int
    reason: Reason | None = None
    entries: list[bytes] = field(default_factory=list)
    changes: list[bytes] = field(default_factory=list)
    gone: Ranges = field(default_factory=list)
    withheld: Ranges = field(default_factory=list)
    more: bool = False
    size: int = 0

    def add(self, frame: bytes, frames: list[bytes]) -> bool:
        """Take a frame, if there is room; for the first there is, whatever its size."""
        self.size += len(frame) + _AROUND
        if self.size > PAGE and (self.entries or self.changes):
            return False
        frames.append(frame)
        return True

    def pass_over(self, sequence: int, ranges: Ranges) -> None:
        """Go on to ``sequence``; the numbers up to it have no frames."""
        first, self.sequence = self.sequence + 1, max(sequence, self.sequence)
        if first > sequence:
            return
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1][1] = sequence
        else:
            ranges.append([first, sequence])

    def fields(self) -> dict[str, Any]:
        """The page as JSON values, but for its frames."""
        lost = {} if self.reason is None else {"reason": self.reason}
        return {
            "recovered": self.reason is None,
            **lost,
            "epoch": self.epoch,
            "sequenceNumber": self.sequence,
            "revision": self.revision,
            "gone": self.gone,
            "withheld": self.withheld,
            "more": self.more,
        }


class MissedReader:
    """Reads what was missed."""

    def __init__(self, logs: LogReader, preferring: Preferring, due: Due, clock: Clock) -> None:
        self._logs = logs
        self._preferring = preferring
        self._due = due
        self._clock = clock

    async def page(self, connection: Connection, place: Place, left: Left | None) -> Missed:
        """The next page of what this connection has missed of a log since it left it; nothing where it never saw it.

        Changes come before what is new, and what is new is as it stands now: so no change is told of it that it shows.
        """
        head = await self._logs.head(place.tenant, place.target)
        epoch = head.epoch or None
        reason = _reason(head, left) if left is not None else None
        if left is None or reason is not None:
            return Missed(epoch, head.seq, head.rev, reason)
        page = Missed(epoch, left.sequence, head.rev if left.revision is None else left.revision)
        known = page.revision
        await self._changes(connection, place, head, max(left.sequence, left.seen), page)
        if page.revision == head.rev:
            await self._entries(connection, place, head, known, page)
        page.more = (page.sequence, page.revision) != (head.seq, head.rev)
        return page

    async def _changes(self, connection: Connection, place: Place, head: Head, seen: int, page: Missed) -> None:
        """What was done to entries numbered up to ``seen``."""
        while page.revision < head.rev:
            changes, looked = await self._logs.changes(
                place.tenant,
                place.target,
                after=page.revision,
                up_to=head.rev,
                numbers=seen,
                limit=_PART,
            )
            for one in _folded(changes):
                entry = replace(one.entry, revision=one.revision)
                bundle = replace(_bundle(place, head, entry), change=one.change)
                if not page.add(native.frame(bundle, entry, connection.locale), page.changes):
                    page.revision = one.revision - 1
                    return
            page.revision = looked

    async def _entries(self, connection: Connection, place: Place, head: Head, known: int, page: Missed) -> None:
        """What is new; of what the connection sent itself, what was changed after the revision ``known``."""
        preferences = await self._preferences(connection, place)
        moment = Moment(self._clock.now())
        shard = shard_of(connection.id, SHARDS[place.target.type])
        waiting: set[Wait] = set()
        full = False
        while page.sequence < head.seq and not full:
            entries = await self._logs.read(
                place.tenant, place.target, after=page.sequence, before=head.seq + 1, limit=_PART
            )
            for entry in entries:
                number = entry.sequence
                how = told(preferences, "websocket", entry.envelope, moment)
                page.pass_over(number - 1, page.gone)
                mine = entry.envelope.origin == connection.id and entry.revision <= known
                if mine or not how.now:
                    page.pass_over(number, page.withheld)
                    waiting |= waits(place, entry, shard, moment, [how])
                elif page.add(native.frame(_bundle(place, head, entry), entry, connection.locale), page.entries):
                    page.sequence = number
                else:
                    full = True
                    break
            if len(entries) < _PART and not full:
                page.pass_over(head.seq, page.gone)
        await self._due.remind(waiting)

    async def _preferences(self, connection: Connection, place: Place) -> Preferences | None:
        """Those of the connection's user; messages of channels come whatever one prefers."""
        if place.target.type == "channel":
            return None
        return await self._preferring.of(connection.tenant, connection.user)


def _reason(head: Head, left: Left) -> Reason | None:
    revision = head.rev if left.revision is None else left.revision
    if left.epoch is not None and left.epoch != head.epoch:
        return "epoch_changed"
    if max(left.sequence, left.seen) > head.seq or revision > head.rev:
        return "ahead"
    return "too_far" if max(head.seq - left.sequence, head.rev - revision) > MAX_MISSED else None


def _folded(changes: list[Changed]) -> list[Changed]:
    """What still says something: an entry that was updated is shown once, as it stands now; of a deleted one, that."""
    last = {one.entry.sequence: one.revision for one in changes if one.change.kind == "updated"}
    return [
        one
        for one in changes
        if one.change.kind == "deleted"
        or (
            one.entry.deleted_at is None and (one.change.kind == "reaction" or last[one.entry.sequence] == one.revision)
        )
    ]


def _bundle(place: Place, head: Head, entry: Entry) -> Bundle:
    return Bundle(place.tenant, place.target, entry.envelope.ordering, head.epoch, (entry,))
