"""Inbox: what a user may read besides channels, newest first across their own, their client's and everybody's log."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from typing import Any, Final

from kxmsg.audience import inbox
from kxmsg.cursor import bound_to, sign, unsign
from kxmsg.errors import InvalidInput, NotFound
from kxmsg.marks import Status
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Entry
from kxmsg.model.notification import localized
from kxmsg.model.principal import Principal
from kxmsg.model.target import EVERYBODY, check_id
from kxmsg.policy import Action, allowed
from kxmsg.ports import Item
from kxmsg.storage.log_reader import entry_of
from kxmsg.storage.logs import Located, Logs
from kxmsg.storage.marks import Box, Marks
from kxmsg.times import iso
from kxmsg.types import Json

MAX_LIMIT: Final = 200

SCANNED: Final = 200
"""Entries of each log that a page looks at for those with a priority or category; the next page goes on from there."""


@dataclass(frozen=True, slots=True)
class InboxQuery:
    """Which notifications: without a ``status`` all but the archived ones; of no target types, all."""

    target_types: tuple[str, ...] = ()
    status: Status | None = None
    priority: str | None = None
    category: str | None = None

    def wants(self, payload: Mapping[str, Any]) -> bool:
        """Whether it asks for a notification of that content."""
        wanted = {"priority": self.priority, "category": self.category}
        return all(value is None or payload.get(name, _DEFAULTS.get(name)) == value for name, value in wanted.items())

    @property
    def by_content(self) -> bool:
        return self.priority is not None or self.category is not None


_DEFAULTS: Final = {"priority": "medium"}


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Notifications, newest first, and the cursor of the next page."""

    notifications: list["Found"]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """A notification in a user's inbox, and how it stands there."""

    user: str
    place: Place
    entry: Entry
    status: Status
    read_at: int | None = None

    def record(self, locale: str | None = None) -> dict[str, Any]:
        """As its reader gets it."""
        entry, envelope = self.entry, self.entry.envelope
        at = iso(envelope.created_at / 1000)
        return {
            **localized(envelope.payload, locale),
            "notificationId": envelope.id,
            "tenantId": self.place.tenant,
            "targetKey": self.place.target.key,
            "targetType": self.place.target.type,
            "sequenceNumber": entry.sequence,
            "status": self.status,
            "readAt": None if self.read_at is None else iso(self.read_at / 1000),
            "expiresAt": None if envelope.expires_at is None else iso(envelope.expires_at),
            "createdAt": at,
            "updatedAt": at if entry.changed_at is None else iso(entry.changed_at / 1000),
            "dateReceived": at,
        }

    @property
    def version(self) -> list[Json]:
        """What changes with everything about it that can."""
        return [self.entry.envelope.id, self.entry.revision, self.status]


class Inbox:
    """Reads inboxes. ``key`` signs cursors.

    Heads and marks tell which numbers a page has, so that nothing else is read, whatever the size of the inbox.
    """

    def __init__(self, logs: Logs, marks: Marks, key: bytes) -> None:
        self._logs = logs
        self._marks = marks
        self._key = key

    async def page(
        self,
        who: Principal,
        user: str,
        query: InboxQuery = InboxQuery(),
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> InboxPage:
        """One page of a user's notifications.

        A cursor belongs to its user and query; raises InvalidInput. A page may have fewer than ``limit`` notifications,
        even none, and a next one.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(f"limit must be between 1 and {MAX_LIMIT}")
        binding = bound_to(
            "inbox", who.tenant, user, sorted(query.target_types), query.status, query.priority, query.category
        )
        before = _positions(unsign(self._key, cursor, binding)) if cursor is not None else {}
        boxes = await self._boxes(who, user, _places(who, user, query.target_types))
        for box in boxes:  # what arrives from now on is newer than this page
            before.setdefault(box.place.target.key, box.view.last + 1)
        parts = await self._parts(boxes, query, before, SCANNED if query.by_content else limit)
        found: list[Found] = []
        for key, box, entry in merge(*(part.rows() for part in parts.values()), key=_age):
            # A log that is read to the end of its part may go on with something newer than the others' next.
            if len(found) == limit or any(part.left == 0 and part.more for part in parts.values()):
                break
            before[key] = entry.sequence
            parts[key].left -= 1
            if query.wants(entry.envelope.payload):
                found.append(Found(user, box.place, entry, box.view.mark.status(entry.sequence) or "unread"))
        for key, part in parts.items():
            if part.left == 0:
                before[key] = part.numbers[-1] if part.more else 1
        more = any(position > 1 for position in before.values())
        timed = await self._timed(who.tenant, user, boxes, found)
        return InboxPage(timed, sign(self._key, before, binding) if more else None)

    async def unread(self, who: Principal, user: str, target_types: Sequence[str] = ()) -> dict[str, int]:
        """How many notifications are live and not read, by target type."""
        boxes = await self._boxes(who, user, _places(who, user, target_types))
        return {box.place.target.type: box.view.unread for box in boxes}

    async def get(self, who: Principal, ident: str, user: str | None = None, to: Action = Action.READ_INBOX) -> Found:
        """One notification in the inbox of ``user``, by default of the caller or whose own it is.

        Raises NotFound where ``who`` may not do ``to`` it, whether there is such a one or not.
        """
        (located,) = await self.locate(who, [ident])
        if located is None:
            raise missing(ident)
        owner = user or (located.target.id if located.target.type == "user" else who.user)
        place = Place(located.tenant, located.target)
        if place not in inbox(who.tenant, owner) or not allowed(who.roles, to, own=owner == who.user):
            raise missing(ident)
        boxes, entries = await asyncio.gather(self._boxes(who, owner, [place]), self._logs.entries([located]))
        status = boxes[0].view.status(located.sequence)
        if entries[0] is None or status is None:
            raise missing(ident)
        found = Found(owner, place, entries[0], status)
        return (await self._timed(who.tenant, owner, boxes, [found]))[0]

    async def locate(self, who: Principal, idents: Sequence[str]) -> list[Located | None]:
        """Where notifications of the caller's tenant, or for everybody, stand; in one read."""
        keys = [(tenant, check_id(ident, "notificationId")) for ident in idents for tenant in (who.tenant, EVERYBODY)]
        found = await self._logs.find(keys)
        return [own or everybodys for own, everybodys in zip(found[::2], found[1::2], strict=True)]

    async def _boxes(self, who: Principal, user: str, places: Sequence[Place]) -> list[Box]:
        boxes = await self._marks.look(who.tenant, user, places)
        if user == who.user:
            await self._marks.meet(who.tenant, user, boxes)
        return boxes

    async def _parts(
        self, boxes: Sequence[Box], query: InboxQuery, before: Mapping[str, int], most: int
    ) -> dict[str, "_Part"]:
        """The next entries of each log, in one read, of which a page takes but some: they are decoded as it does."""
        parts: dict[str, _Part] = {}
        for box in boxes:
            key = box.place.target.key
            numbers = box.view.numbers(query.status, before[key], most + 1)
            parts[key] = _Part(key, box, numbers[:most], len(numbers) > most)
        places = [
            Located(part.box.place.tenant, part.box.place.target, number)
            for part in parts.values()
            for number in part.numbers
        ]
        items = iter(await self._logs.stored(places) if places else ())
        for part in parts.values():
            part.items = [item for _ in part.numbers if (item := next(items)) is not None]
            part.left = len(part.items)
        return parts

    async def _timed(self, tenant: str, user: str, boxes: Sequence[Box], found: Sequence[Found]) -> list[Found]:
        """With the times at which they were read."""
        marks = {box.place: box.view.mark for box in boxes}
        read = [(one.place, one.entry.sequence) for one in found if one.status != "unread"]
        times = dict(zip(read, await self._marks.read_times(tenant, user, read), strict=True))
        return [
            replace(one, read_at=times[place, number] or marks[place].read_at(number))
            if (place := one.place, number := one.entry.sequence) in times
            else one
            for one in found
        ]


@dataclass(slots=True)
class _Part:
    """What a page may take of one log: its next ``numbers``, and whether there are ``more``; ``left`` to be taken."""

    key: str
    box: Box
    numbers: list[int]
    more: bool
    items: list[Item] = field(default_factory=list)
    left: int = 0

    def rows(self) -> Iterator[tuple[str, Box, Entry]]:
        return ((self.key, self.box, entry_of(item)) for item in self.items)


def missing(ident: str) -> NotFound:
    """The one answer for what is not there and for what is not the caller's."""
    return NotFound(f"no notification {ident!r}", code="notification_not_found")


def _places(who: Principal, user: str, target_types: Sequence[str]) -> list[Place]:
    return [place for place in inbox(who.tenant, user) if not target_types or place.target.type in target_types]


def _age(row: tuple[str, Box, Entry]) -> tuple[int, str]:
    envelope = row[2].envelope
    return -envelope.created_at, envelope.id


def _positions(data: Json) -> dict[str, int]:
    fields = data if isinstance(data, dict) else {}
    return {key: position for key, position in fields.items() if isinstance(position, int)}
