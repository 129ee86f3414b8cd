"""Marks: what users have done with the entries of their inbox's logs.

A user has one mark for each log, and beside it pages of when entries were read. Both are in the table of the logs, so
that one read brings marks and heads, and one transaction writes marks and the events that tell of them.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any, Final, TypeAlias

from kxmsg.audience import inbox
from kxmsg.errors import ConditionFailed, TransactionCancelled, Transient
from kxmsg.keys import HEAD, log_key, mark_key, times_key
from kxmsg.lifetimes import Page, Sealed
from kxmsg.log import Head
from kxmsg.marks import Mark, View
from kxmsg.model.connection import Place
from kxmsg.model.event import Event
from kxmsg.ports import ABSENT, Clock, Condition, Item, Key, Put, Tables, TransactItem, Update
from kxmsg.retry import Backoff
from kxmsg.storage.logs import Logs
from kxmsg.storage.outbox import Outbox
from kxmsg.storage.writes import write
from kxmsg.topology import LOGS

Reader: TypeAlias = tuple[str, str]
"""A user, after their tenant."""

ATTEMPTS: Final = 20

TIMES: Final = 256
"""Entries of one page of times."""

_BACKOFF: Final = Backoff(base=0.01, cap=1.0)

_NO_MARK: Final[Item] = {"base": 0}


@dataclass(frozen=True, slots=True)
class Box:
    """One log of a user's inbox, as they find it now."""

    place: Place
    view: View
    writer: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done: the new mark of each log or None, the events that tell of it.

    ``read`` and ``unread``, by the log's position, are the numbers whose time of reading is to be kept or forgotten;
    with the events they are at most 90.
    """

    marks: Sequence[Mark | None]
    events: Sequence[Event] = ()
    read: dict[int, Sequence[int]] = field(default_factory=dict)
    unread: dict[int, Sequence[int]] = field(default_factory=dict)


class Marks:
    """Marks by user and log. ``outbox`` is that of the logs' table, ``days`` how long times of reading are kept."""

    def __init__(self, tables: Tables, logs: Logs, outbox: Outbox, clock: Clock, days: int) -> None:
        self._tables = tables
        self._logs = logs
        self._outbox = outbox
        self._clock = clock
        self._days = days

    async def look(self, tenant: str, user: str, places: Sequence[Place]) -> list[Box]:
        """The logs as the user finds them: one read, and a second one where a log is too diverse for its head."""
        pk = mark_key(tenant, user)
        keys = [Key(log_key(place.tenant, place.target), HEAD) for place in places]
        keys += [Key(pk, place.target.key) for place in places]
        items = await self._tables.get_many(LOGS, keys, consistent=True)
        now = self._clock.now()
        heads, marks = [Head.of(item) for item in items[: len(places)]], items[len(places) :]
        pages: dict[Place, list[Page]] = {
            place: [page for page in head.lives.pages if page.until > now and page.last > (mark or _NO_MARK)["base"]]
            for place, head, mark in zip(places, heads, marks, strict=True)
        }
        sealed = await self._sealed(pages)
        return [
            Box(
                place,
                View.of(head.seq, head.lives, sealed[place], _mark(place, head, mark, now), now),
                mark["writer"] if mark else None,
            )
            for place, head, mark in zip(places, heads, marks, strict=True)
        ]

    async def _sealed(self, pages: dict[Place, list[Page]]) -> dict[Place, list[Sealed]]:
        wanted = [(place.tenant, place.target, page) for place, some in pages.items() for page in some]
        found = iter(await self._logs.pages(wanted) if wanted else ())
        return {place: [next(found) for _ in some] for place, some in pages.items()}

    async def meet(self, tenant: str, user: str, boxes: Sequence[Box]) -> None:
        """Remember the user's first contact with these logs, where this is it; their own is theirs from its start."""
        pk = mark_key(tenant, user)
        met = [box for box in boxes if box.view.mark.version == 0 and box.place.target.type != "user"]
        await asyncio.gather(*(self._put_first(pk, box) for box in met))

    async def greet(self, tenant: str, user: str) -> None:
        """Remember the user's first contact with the logs of their inbox, where this is it."""
        await self.meet(tenant, user, await self.look(tenant, user, inbox(tenant, user)))

    async def _put_first(self, pk: str, box: Box) -> None:
        try:
            await write(self._tables, _put(pk, box, box.view.mark, token_hex(8)))
        except ConditionFailed:  # by another call of the same user, or this very one, whose reply was lost
            return

    async def change(
        self, tenant: str, user: str, places: Sequence[Place], decide: Callable[[Sequence[Box]], Decision | None]
    ) -> None:
        """Write what ``decide`` makes of the logs as they stand, in one transaction; None: there is nothing to do.

        It may be called again, when somebody else was faster. Raises :class:`Transient` after :data:`ATTEMPTS` tries.
        """
        pk, writer = mark_key(tenant, user), token_hex(8)
        decision: Decision | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(_BACKOFF.delay(attempt))
            boxes = await self.look(tenant, user, places)
            if decision is None or all(box.writer != writer for box in boxes):  # else its answer was lost
                decision = decide(boxes)
                if decision is None:
                    return
                puts, owed = self._outbox.owe(decision.events)
                try:
                    await self._tables.transact([*self._writes(pk, boxes, decision, writer), *puts])
                except (TransactionCancelled, Transient):
                    continue  # whatever it was, the marks as they stand now tell
            await self._outbox.publish(owed)
            return
        raise Transient(f"marks of {pk}: {ATTEMPTS} changes in a row were cancelled")

    async def unread_by(self, readers: Sequence[Reader], place: Place, number: int) -> set[Reader]:
        """Those who have not read an entry, nor put it away; one read."""
        keys = [Key(mark_key(tenant, user), place.target.key) for tenant, user in readers]
        items = await self._tables.get_many(LOGS, keys, consistent=True)
        return {
            reader
            for reader, item in zip(readers, items, strict=True)
            if item is None or Mark.of(item).status(number) == "unread"
        }

    async def read_times(self, tenant: str, user: str, numbers: Sequence[tuple[Place, int]]) -> list[int | None]:
        """When entries were read one by one, in epoch milliseconds; one read, or none for no numbers."""
        pk = mark_key(tenant, user)
        wanted = [Key(pk, times_key(place.target, number // TIMES)) for place, number in numbers]
        keys = list(dict.fromkeys(wanted))
        pages = dict(zip(keys, await self._tables.get_many(LOGS, keys, consistent=True), strict=True)) if keys else {}
        return [
            page.get(f"t{number}") if (page := pages[key]) is not None else None
            for key, (_, number) in zip(wanted, numbers, strict=True)
        ]

    def _writes(self, pk: str, boxes: Sequence[Box], decision: Decision, writer: str) -> list[TransactItem]:
        now = self._clock.now()
        set_: dict[Key, dict[str, Any]] = defaultdict(dict)
        remove: dict[Key, list[str]] = defaultdict(list)
        for position, numbers in decision.read.items():
            for number in numbers:
                set_[Key(pk, times_key(boxes[position].place.target, number // TIMES))][f"t{number}"] = int(now * 1000)
        for position, numbers in decision.unread.items():
            for number in numbers:
                remove[Key(pk, times_key(boxes[position].place.target, number // TIMES))].append(f"t{number}")
        expiry = {"expiresAt": int(now) + self._days * 86_400}
        return [
            *(_put(pk, box, mark, writer) for box, mark in zip(boxes, decision.marks, strict=True) if mark is not None),
            *(
                Update(LOGS, key, set={**set_[key], **expiry}, remove=remove[key])
                for key in dict.fromkeys([*set_, *remove])
            ),
        ]


def _mark(place: Place, head: Head, item: Item | None, now: float) -> Mark:
    if item is not None:
        return Mark.of(item)
    floor = head.lives.floor(now)
    return Mark(floor) if place.target.type == "user" else Mark.at_first_contact(floor, head.seq)


def _put(pk: str, box: Box, mark: Mark, writer: str) -> Put:
    before = box.view.mark.version
    fields = replace(mark, version=before + 1).fields()
    unchanged = Condition(equals={"version": before}) if before else ABSENT
    return Put(LOGS, {"pk": pk, "sk": box.place.target.key, **fields, "writer": writer}, unchanged)
