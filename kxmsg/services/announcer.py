"""Announcer: tells the bus what the product did (CONTRACT section 3), where anybody listens."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, Literal

from kxmsg.errors import Permanent
from kxmsg.model.envelope import Bundle, Entry
from kxmsg.model.event import OWN_SOURCE, Event
from kxmsg.model.target import EVERYBODY
from kxmsg.own_events import AVAILABLE, STORED, available, available_to_many, stored
from kxmsg.ports import EventBus
from kxmsg.storage.channels import Channels
from kxmsg.storage.directory import Directory
from kxmsg.transport import put_all

ONE_BY_ONE: Final = 1000
"""Users of one target who are told one by one; more are told in one event with their count."""


class Announcer:
    """Puts the product's own events on the bus. ``mode`` is the setting ``available_events``."""

    def __init__(
        self, bus: EventBus, directory: Directory, channels: Channels, mode: Literal["all", "connected", "none"]
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._channels = channels
        self._mode = mode

    async def stored(self, bundles: Sequence[Bundle]) -> None:
        """Say what was committed. Returns when the bus has it; raises a BackendError where it would not take it."""
        if any(self._bus.matches(OWN_SOURCE, kind) for kind in STORED):
            await self._put([event for bundle in bundles for event in stored(bundle)])

    async def available(self, bundle: Bundle, connected: Sequence[tuple[str, str]]) -> None:
        """Say to each user of a target what they may now read. ``connected`` holds (tenant, user) of those online."""
        kinds = [entry for entry in bundle.entries if self._heard(bundle, entry)]
        if not kinds or self._mode == "none":
            return
        online = self._mode == "connected"
        users = sorted(set(connected)) if online else [user async for user in self._audience(bundle)]
        for entry in kinds:
            await self._put(_told(bundle, entry, users))

    def _heard(self, bundle: Bundle, entry: Entry) -> bool:
        if bundle.change is not None:  # it was available before
            return False
        kind = AVAILABLE.get((bundle.target.type, entry.envelope.kind))
        return kind is not None and self._bus.matches(OWN_SOURCE, kind)

    async def _audience(self, bundle: Bundle) -> AsyncIterator[tuple[str, str]]:
        """Who may read a target's log: (tenant, user)."""
        match bundle.target.type:
            case "channel":
                channel = await self._channels.get(bundle.tenant, bundle.target.id)
                for person in channel.participants if channel else ():
                    yield bundle.tenant, person.user
            case "client":
                async for user in self._directory.everyone(bundle.target.id):
                    yield bundle.target.id, user
            case "broadcast":
                async for tenant in self._directory.everyone(EVERYBODY):
                    async for user in self._directory.everyone(tenant):
                        yield tenant, user
            case "user":
                return

    async def _put(self, events: Sequence[Event]) -> None:
        wanted = [event for event in events if self._bus.matches(event.source, event.detail_type)]
        for failure in await put_all(self._bus, wanted):
            raise Permanent(f"the event bus did not take an event: {failure.code}: {failure.message}")


def _told(bundle: Bundle, entry: Entry, users: Sequence[tuple[str, str]]) -> list[Event]:
    if len(users) > ONE_BY_ONE:
        return [available_to_many(bundle, entry, bundle.tenant, len(users))]
    tenants: dict[str, list[str]] = {}
    for tenant, user in users:
        tenants.setdefault(tenant, []).append(user)
    return [event for tenant, names in tenants.items() for event in available(bundle, entry, tenant, names)]
