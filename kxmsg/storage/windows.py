"""Windows: how many entries a throttle has let in, and what a digest has collected until it fires.

A window is a partition of its own: its record, which every change replaces on condition that nobody else has since it
was read, and a row for each id that it took. Those rows outlive the window for as long as a job may come back, so that
an entry counts once however often its job is repeated, and however many windows later.

A digest's window also has a row that is due, and its entries. It stays open until a scheduler closes it, which settles
what belongs to it: the next entry opens the next window, with the next number. What became of it is deleted only
once that was sent.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from kxmsg.codecs.envelope import envelope_fields, envelope_from
from kxmsg.errors import ConditionFailed, Permanent, TransactionCancelled, Transient
from kxmsg.keys import RECORD, digest_key, throttle_key
from kxmsg.model.window import Kept, Window
from kxmsg.ports import ABSENT, PRESENT, Clock, Condition, Delete, Item, Key, Put, Query, Tables, TransactItem, Update
from kxmsg.retry import Backoff
from kxmsg.storage.due import DueWindow, due_window
from kxmsg.storage.writes import write, write_all
from kxmsg.subscriptions.windows import MAX_ITEMS
from kxmsg.topology import SCHEDULE

REMEMBERED: Final = 30 * 86_400
"""Seconds beyond its window for which an id is known: a job has 14 days on its queue and 14 as a dead letter."""

MAX_BYTES: Final = 512 * 1024
"""Bytes of the entries that a digest keeps, as JSON, but for the last one."""

AT_ONCE: Final = 30
"""Entries of one transaction: below DynamoDB's 100 items and 4 MB, each with its id and up to 96 KB."""

ATTEMPTS: Final = 20
"""Tries in a row before a job goes back to its queue: contention this long is an outage."""

_LAST: Final = MAX_ITEMS - 1
"""Slot of the last entry, which takes the place of the one before it once the others are full."""

_BACKOFF: Final = Backoff(base=0.01, cap=1.0)


@dataclass(frozen=True, slots=True)
class Collected:
    """What a closed window held: how many entries, and those that were kept, none where they were sent already."""

    due: DueWindow
    count: int
    kept: tuple[Kept, ...]
    keys: tuple[Key, ...]


class _Windows:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    def _now(self) -> int:
        """Epoch milliseconds."""
        return int(self._clock.now() * 1000)

    async def _look(self, partition: str, idents: Iterable[str]) -> tuple[Item | None, set[str]]:
        """A window's record, and those of the ids that it has taken before."""
        keys = [Key(partition, RECORD), *(Key(partition, _id_key(ident)) for ident in idents)]
        record, *rows = await self._tables.get_many(SCHEDULE, keys, consistent=True)
        return record, {ident for ident, row in zip(idents, rows, strict=True) if row is not None}

    async def _fault(self, items: Sequence[TransactItem]) -> TransactionCancelled | Transient | None:
        """Why the transaction is not known to be done; what stands there then has to be read again."""
        try:
            await self._tables.transact(items)
        except (TransactionCancelled, Transient) as fault:
            return fault
        return None


async def _wait(attempt: int, partition: str, fault: Exception) -> None:
    """Before the next try; raises Transient where this was the last."""
    if attempt + 1 == ATTEMPTS:
        raise Transient(f"window {partition}: {ATTEMPTS} transactions in a row were cancelled") from fault
    await asyncio.sleep(_BACKOFF.delay(attempt))


class Throttles(_Windows):
    """At most so many entries in a window, which begins with the first of them and has no timer.

    Time is that of the decision, not of the event: a late event can't open a window that is over.
    """

    async def admit(self, window: Window, at_most: int, per: float, idents: Sequence[str]) -> set[str]:
        """Those of the ids that are let in: all that were before, and as many others as the window has room for.

        ``per`` in seconds. An id that is refused is not remembered: repeated later, it may find room. Raises
        :class:`~kxmsg.errors.Transient` after :data:`ATTEMPTS` tries.
        """
        partition = throttle_key(window)
        asked = list(dict.fromkeys(idents))
        attempt = 0
        while True:
            record, known = await self._look(partition, asked)
            now = self._now()
            until, count = (record["until"], record["count"]) if record else (0, 0)
            if until <= now:
                until, count = now + int(per * 1000), 0
            fresh = [ident for ident in asked if ident not in known][: max(0, min(at_most - count, AT_ONCE))]
            if not fresh:
                return known
            expires = until // 1000 + REMEMBERED
            state = {"until": until, "count": count + len(fresh), "expiresAt": expires}
            puts = [_record(partition, state, record), *(_id(partition, ident, expires) for ident in fresh)]
            if fault := await self._fault(puts):
                await _wait(attempt, partition, fault)
                attempt += 1
            elif len(known) + len(fresh) == len(asked) or count + len(fresh) == at_most:
                return known.union(fresh)
            else:
                attempt = 0


class Digests(_Windows):
    """Entries that become one when their window fires."""

    async def collect(self, window: Window, every: float, entries: Sequence[Kept]) -> None:
        """Add entries to the open window, or open one that fires in ``every`` seconds; each id only ever counts once.

        Raises :class:`~kxmsg.errors.Transient` after :data:`ATTEMPTS` tries.
        """
        partition = digest_key(window)
        waiting = {kept.envelope.id: kept for kept in entries}
        attempt = 0
        while waiting:
            record, known = await self._look(partition, waiting)
            waiting = {ident: kept for ident, kept in waiting.items() if ident not in known}
            if not waiting:
                return
            opening: list[TransactItem] = []
            state = record
            if state is None or "closed" in state:
                at, number = self._now() + int(every * 1000), state["number"] + 1 if state else 1
                opening = [due_window(partition, number, at, window.template)]
                state = {"number": number, "at": at, "count": 0, "bytes": 0}
            part = list(waiting.values())[:AT_ONCE]
            if fault := await self._fault([*opening, *_additions(partition, record, state, part)]):
                await _wait(attempt, partition, fault)
                attempt += 1
            else:
                attempt = 0
                for kept in part:
                    del waiting[kept.envelope.id]

    async def close(self, due: DueWindow) -> Collected | None:
        """Close a window, unless it is closed, and read what it held; None where another scheduler is through with it.

        Raises :class:`~kxmsg.errors.Transient` after :data:`ATTEMPTS` tries, Permanent where rows are missing.
        """
        attempt = 0
        while True:
            keys = [due.key, Key(due.partition, RECORD)]
            row, record = await self._tables.get_many(SCHEDULE, keys, consistent=True)
            if row is None:
                return None
            if "count" in row:
                return await self._read(due)
            if record is None:
                raise Permanent(f"table {SCHEDULE}: the open window {due.partition} has no record")
            closed = {**record, "closed": True, "expiresAt": due.at // 1000 + REMEMBERED}
            uncounted = Condition(exists=True, equals={"count": None})
            final = Update(SCHEDULE, due.key, set={"count": record["count"]}, condition=uncounted)
            fault = await self._fault([_record(due.partition, closed, record), final])
            if fault is None:
                return await self._read(due)
            await _wait(attempt, due.partition, fault)
            attempt += 1

    async def forget(self, windows: Sequence[Collected]) -> None:
        """Delete closed windows, whose entries were sent."""
        await asyncio.gather(*(self._mark_sent(one.due) for one in windows))
        entries = [Delete(SCHEDULE, key) for one in windows for key in one.keys]
        await write_all(self._tables, SCHEDULE, entries)
        await write_all(self._tables, SCHEDULE, [Delete(SCHEDULE, one.due.key) for one in windows])

    async def _mark_sent(self, due: DueWindow) -> None:
        """So that nobody makes another entry of those that are not deleted yet."""
        try:
            await write(self._tables, Update(SCHEDULE, due.key, set={"sent": True}, condition=PRESENT))
        except ConditionFailed:
            return  # another scheduler was faster

    async def _read(self, due: DueWindow) -> Collected | None:
        """What a closed window holds; its row is read last, so that none of it was being deleted."""
        items: list[Item] = []
        cursor: str | None = None
        begins = _entry_key(due.number)
        while True:
            page = await self._tables.query(
                SCHEDULE, Query(due.partition, begins=begins, cursor=cursor, consistent=True)
            )
            items += page.items
            cursor = page.cursor
            if cursor is None:
                break
        row = await self._tables.get(SCHEDULE, due.key, consistent=True)
        if row is None:
            return None
        kept = () if "sent" in row else tuple(_kept(item) for item in items)
        return Collected(due, row["count"], kept, tuple(Key(item["pk"], item["sk"]) for item in items))


def _additions(partition: str, record: Item | None, state: Item, entries: Sequence[Kept]) -> list[TransactItem]:
    """The puts that add ``entries`` to an open window, which stood at ``state``."""
    count, size = state["count"], state["bytes"]
    slots: dict[int, Put] = {}
    for kept in entries:
        fields = {"envelope": envelope_fields(kept.envelope), **({} if kept.ttl is None else {"ttl": kept.ttl})}
        size += len(orjson.dumps(fields))
        slot = min(count, _LAST) if size <= MAX_BYTES else _LAST
        slots[slot] = Put(SCHEDULE, {"pk": partition, "sk": f"{_entry_key(state['number'])}{slot:03d}", **fields})
        count += 1
    expires = state["at"] // 1000 + REMEMBERED
    ids = [_id(partition, kept.envelope.id, expires) for kept in entries]
    return [_record(partition, {**state, "count": count, "bytes": size}, record), *ids, *slots.values()]


def _record(partition: str, state: Item, read: Item | None) -> Put:
    """A window's record in its new state, in place of the one that was read: a count never comes back in a window."""
    if read is None:
        unchanged = ABSENT
    else:
        unchanged = Condition(equals={name: read.get(name) for name in ("until", "number", "count", "closed")})
    return Put(SCHEDULE, {**state, "pk": partition, "sk": RECORD}, unchanged)


def _id(partition: str, ident: str, expires: int) -> Put:
    return Put(SCHEDULE, {"pk": partition, "sk": _id_key(ident), "expiresAt": expires}, ABSENT)


def _id_key(ident: str) -> str:
    return f"ID#{ident}"


def _entry_key(number: int) -> str:
    """What the keys of a window's entries begin with; the slot follows."""
    return f"E#{number}#"


def _kept(item: Item) -> Kept:
    return Kept(envelope_from(item["envelope"]), item.get("ttl"))
