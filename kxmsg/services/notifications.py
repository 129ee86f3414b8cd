"""Notifications: what one does with those in an inbox. Each user marks shared ones for themselves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from kxmsg.audience import inbox
from kxmsg.errors import Forbidden, InvalidInput
from kxmsg.marks import Marking, Status
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Change, Entry, Envelope
from kxmsg.model.event import OWN_SOURCE, Event
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.own_events import notification_read, notifications_read
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock, EventBus
from kxmsg.services.amender import Amender
from kxmsg.services.inbox import Found, Inbox, missing
from kxmsg.services.notifier import with_content
from kxmsg.services.signals import Signal, Signals
from kxmsg.storage.marks import Box, Decision, Marks

MAX_IDS: Final = 100

_AT_ONCE: Final = 45
"""Notifications of one transaction, with an event and a page of times for each."""

CheckFound = Callable[[Found], None]
"""Raises where the notification is not as the caller saw it."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What became of the ids: those that stand so now, and those that are not in this inbox."""

    done: list[str]
    missing: list[str]


class Notifications:
    """Changes inboxes and what is in them. ``locale`` as of :class:`~kxmsg.services.notifier.Notifier`."""

    def __init__(
        self,
        inbox: Inbox,
        marks: Marks,
        amender: Amender,
        signals: Signals,
        bus: EventBus,
        clock: Clock,
        locale: str,
    ) -> None:
        self._inbox = inbox
        self._marks = marks
        self._amender = amender
        self._signals = signals
        self._bus = bus
        self._clock = clock
        self._locale = locale

    async def mark(self, who: Principal, user: str, idents: Sequence[str], how: Marking) -> Marked:
        """Mark up to :data:`MAX_IDS` notifications of a user's inbox; raises Forbidden, InvalidInput."""
        if not allowed(who.roles, Action.CHANGE_INBOX, own=user == who.user):
            raise Forbidden("this inbox is not yours")
        wanted = list(dict.fromkeys(idents))
        if not 1 <= len(wanted) <= MAX_IDS:
            raise InvalidInput(f"give 1 to {MAX_IDS} notification ids, not {len(wanted)}")
        places = inbox(who.tenant, user)
        numbers: dict[str, tuple[int, int]] = {}
        for ident, located in zip(wanted, await self._inbox.locate(who, wanted), strict=True):
            if located is not None and (place := Place(located.tenant, located.target)) in places:
                numbers[ident] = places.index(place), located.sequence
        known = list(numbers)
        done: list[str] = []
        for start in range(0, len(known), _AT_ONCE):
            some = {ident: numbers[ident] for ident in known[start : start + _AT_ONCE]}
            done += await self._mark(who.tenant, user, places, some, how)
        await self._tell(who.tenant, user, {"notificationIds": done, "status": how} if done else None)
        return Marked(done, [ident for ident in wanted if ident not in set(done)])

    async def mark_all_read(self, who: Principal, user: str) -> int:
        """Mark all read that a user's inbox holds now; returns how many were unread. Raises Forbidden."""
        if not allowed(who.roles, Action.CHANGE_INBOX, own=user == who.user):
            raise Forbidden("this inbox is not yours")
        count = 0

        def decide(boxes: Sequence[Box]) -> Decision | None:
            nonlocal count
            now = self._clock.now()
            count = sum(box.view.unread for box in boxes)
            events = [notifications_read(who.tenant, user, count, now)]
            marks = [
                box.view.mark.all_read(box.view.last, int(now * 1000)) if box.view.unread else None for box in boxes
            ]
            return Decision(marks, self._wanted(events)) if count else None

        await self._marks.change(who.tenant, user, inbox(who.tenant, user), decide)
        await self._tell(who.tenant, user, {"all": True, "status": "read"} if count else None)
        return count

    async def update(
        self,
        who: Principal,
        ident: str,
        user: str | None,
        content: Mapping[str, Any],
        status: Status | None,
        check: CheckFound,
    ) -> Found:
        """Change its content, for all of its readers, and how it stands in one inbox; None takes a field away.

        Raises NotFound, Forbidden, InvalidInput, TooLarge, and what ``check`` raises.
        """
        found = await self._inbox.get(who, ident, user)
        if status is not None and not allowed(who.roles, Action.CHANGE_INBOX, own=found.user == who.user):
            raise Forbidden("this inbox is not yours")
        if content:
            self._check_may_edit(who, found)
        check(found)
        if content:

            def change(entry: Entry) -> Envelope:
                check(replace(found, entry=entry))
                payload = with_content(entry.envelope.payload, content, self._locale)
                return replace(entry.envelope, payload=payload)

            await self._amend(who, found, change)
        if status is not None and status != found.status:
            await self.mark(who, found.user, [ident], status)
        return await self._inbox.get(who, ident, found.user)

    async def delete(self, who: Principal, ident: str, user: str | None, *, for_all: bool) -> None:
        """Take it out of an inbox; a shared one stays in the others', unless ``for_all``.

        Raises NotFound, and Forbidden where it is for all and ``who`` may not change it for them.
        """
        found = await self._inbox.get(who, ident, user, Action.CHANGE_INBOX)
        if for_all:
            self._check_may_edit(who, found)
        if for_all or found.place.target.type == "user":
            await self._amend(who, found, lambda _: None)
        else:
            await self.mark(who, found.user, [ident], "deleted")

    def _check_may_edit(self, who: Principal, found: Found) -> None:
        everybodys = found.place.target.type == "broadcast"
        if not allowed(who.roles, Action.EDIT_NOTIFICATION) or (
            everybodys and not allowed(who.roles, Action.WRITE_BROADCAST)
        ):
            raise Forbidden("your roles may not change what others read")

    async def _amend(self, who: Principal, found: Found, change: Callable[[Entry], Envelope | None]) -> None:
        about = Change("updated", int(self._clock.now() * 1000), who.user)
        place, ident = found.place, found.entry.envelope.id
        if await self._amender.amend(place.tenant, place.target, found.entry.sequence, change, about) is None:
            raise missing(ident)

    async def _mark(
        self, tenant: str, user: str, places: Sequence[Place], some: Mapping[str, tuple[int, int]], how: Marking
    ) -> list[str]:
        """Mark these (ids with the position of their log and their number); returns those that stand so now."""
        done: list[str] = []

        def decide(boxes: Sequence[Box]) -> Decision | None:
            now = self._clock.now()
            standing = {ident: boxes[position].view.status(number) for ident, (position, number) in some.items()}
            done[:] = [ident for ident, status in standing.items() if status is not None]
            moved = [ident for ident in done if standing[ident] != how]
            if not moved:
                return None
            newly = [ident for ident in moved if standing[ident] == "unread" and how != "deleted"]
            events = [notification_read(tenant, user, ident, now) for ident in newly]
            by_log = _by_log(moved, some)
            marks = [
                box.view.mark.marked(by_log[position], how) if position in by_log else None
                for position, box in enumerate(boxes)
            ]
            if how == "unread":
                return Decision(marks, unread=by_log)
            return Decision(marks, self._wanted(events), read=_by_log(newly, some))

        await self._marks.change(tenant, user, places, decide)
        return done

    def _wanted(self, events: Sequence[Event]) -> list[Event]:
        """What nobody listens to need not be written down."""
        return [event for event in events if self._bus.matches(OWN_SOURCE, event.detail_type)]

    async def _tell(self, tenant: str, user: str, fields: Mapping[str, Any] | None) -> None:
        """Tell the user's devices."""
        if fields is not None:
            place = Place(tenant, Target("user", user))
            await self._signals.send([Signal(place, "notification.marked", fields)])


def _by_log(idents: Sequence[str], some: Mapping[str, tuple[int, int]]) -> dict[int, Sequence[int]]:
    numbers: dict[int, list[int]] = {}
    for ident in idents:
        position, number = some[ident]
        numbers.setdefault(position, []).append(number)
    return dict(numbers)
