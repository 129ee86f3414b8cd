"""Announcer: tells the bus what the product did (CONTRACT section 3), where anybody listens."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, Literal

from kxmsg.errors import Permanent
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Bundle, Entry
from kxmsg.model.event import OWN_SOURCE, Event
from kxmsg.model.job import Wait
from kxmsg.model.preferences import Moment, Preferences
from kxmsg.model.target import EVERYBODY
from kxmsg.own_events import AVAILABLE, STORED, available, available_to_many, stored
from kxmsg.ports import EventBus
from kxmsg.preferences import told, waits
from kxmsg.services.readers import Readers
from kxmsg.storage.channels import Channels
from kxmsg.storage.directory import Directory
from kxmsg.storage.marks import Reader
from kxmsg.transport import put_all

ONE_BY_ONE: Final = 1000
"""Users of one target who are told one by one; more are told in one event with their count."""


@dataclass(frozen=True, slots=True)
class _Listener:
    """A user of a target, and what they prefer."""

    reader: Reader
    preferences: Preferences | None


class Announcer:
    """Puts the product's own events on the bus. ``mode`` is the setting ``available_events``."""

    def __init__(
        self,
        bus: EventBus,
        directory: Directory,
        channels: Channels,
        readers: Readers,
        mode: Literal["all", "connected", "none"],
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._channels = channels
        self._readers = readers
        self._mode = mode

    async def stored(self, bundles: Sequence[Bundle]) -> None:
        """Say what was committed. Returns when the bus has it; raises a BackendError where it would not take it."""
        if any(self._bus.matches(OWN_SOURCE, kind) for kind in STORED):
            await self._put([event for bundle in bundles for event in stored(bundle)])

    async def available(self, bundle: Bundle, connected: Iterable[Reader], shard: int, moment: Moment) -> set[Wait]:
        """Say to each user of a target what they may now read; returns what some are to be told later.

        ``connected`` are those online, in one shard of the target.
        """
        waiting: set[Wait] = set()
        entries = [entry for entry in bundle.entries if self._heard(bundle, entry)]
        if not entries or self._mode == "none":
            return waiting
        online = self._mode == "connected"
        listeners = await self._listeners(connected) if online else [one async for one in self._audience(bundle)]
        if len(listeners) > ONE_BY_ONE:  # nobody in particular is told, so nobody's preferences count
            if moment.until is None:
                await self._put([available_to_many(bundle, one, bundle.tenant, len(listeners)) for one in entries])
            return waiting
        place = Place(bundle.tenant, bundle.target)
        for entry in entries:
            decided = [(one.reader, told(one.preferences, "events", entry.envelope, moment)) for one in listeners]
            waiting |= waits(place, entry, shard, moment, [how for _, how in decided])
            readers = [reader for reader, how in decided if how.now]
            if moment.until is not None:
                readers = sorted(await self._readers.unread(readers, place, entry))
            await self._put(_told(bundle, entry, readers))
        return waiting

    def _heard(self, bundle: Bundle, entry: Entry) -> bool:
        if bundle.change is not None:  # it was available before
            return False
        kind = AVAILABLE.get((bundle.target.type, entry.envelope.kind))
        return kind is not None and self._bus.matches(OWN_SOURCE, kind)

    async def _audience(self, bundle: Bundle) -> AsyncIterator[_Listener]:
        """Who may read a target's log."""
        match bundle.target.type:
            case "channel":
                channel = await self._channels.get(bundle.tenant, bundle.target.id)
                people = channel.participants if channel else ()
                for one in await self._listeners((bundle.tenant, person.user) for person in people):
                    yield one
            case "client":
                async for one in self._members(bundle.target.id):
                    yield one
            case "broadcast":
                async for tenant, _ in self._directory.everyone(EVERYBODY):
                    async for one in self._members(tenant):
                        yield one
            case "user":
                return

    async def _members(self, tenant: str) -> AsyncIterator[_Listener]:
        async for user, preferences in self._directory.everyone(tenant):
            yield _Listener((tenant, user), preferences)

    async def _listeners(self, readers: Iterable[Reader]) -> list[_Listener]:
        """These users, with what they prefer where each will be told: one read for each tenant."""
        known = sorted(set(readers))
        if len(known) > ONE_BY_ONE:
            return [_Listener(reader, None) for reader in known]
        listeners: list[_Listener] = []
        for tenant, some in groupby(known, key=itemgetter(0)):
            names = [user for _, user in some]
            found = await self._directory.get_many(tenant, names)
            listeners += [
                _Listener((tenant, name), user.preferences if user else None)
                for name, user in zip(names, found, strict=True)
            ]
        return listeners

    async def _put(self, events: Sequence[Event]) -> None:
        wanted = [event for event in events if self._bus.matches(event.source, event.detail_type)]
        for failure in await put_all(self._bus, wanted):
            raise Permanent(f"the event bus did not take an event: {failure.code}: {failure.message}")


def _told(bundle: Bundle, entry: Entry, readers: Sequence[Reader]) -> list[Event]:
    return [
        event
        for tenant, some in groupby(readers, key=itemgetter(0))
        for event in available(bundle, entry, tenant, [user for _, user in some])
    ]
