"""App: the use-cases, and what each kind of process prepares before it begins."""

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from kxmsg.bootstrap.stores import Stores
from kxmsg.model.envelope import Ordering
from kxmsg.ports import Key, Topic
from kxmsg.services.amender import Amender
from kxmsg.services.announcer import Announcer
from kxmsg.services.channels import (
    ChannelDeletion,
    ChannelLookup,
    ChannelService,
    LeadDesk,
    Membership,
    Permissions,
)
from kxmsg.services.channels.changes import Changes
from kxmsg.services.channels.following import Following
from kxmsg.services.delivery import Delivery
from kxmsg.services.entrance import Entrance
from kxmsg.services.history import History
from kxmsg.services.inbox import Inbox
from kxmsg.services.messages import Messages
from kxmsg.services.missed import MissedReader
from kxmsg.services.notifications import Notifications
from kxmsg.services.notifier import Notifier
from kxmsg.services.personal_data import PersonalData
from kxmsg.services.preferring import Preferring
from kxmsg.services.readers import Readers
from kxmsg.services.recorder import Recorder
from kxmsg.services.signals import Signals
from kxmsg.services.users import Users
from kxmsg.topology import OUTBOUND, OUTBOUND_FIFO

if TYPE_CHECKING:
    from kxmsg.services.sessions import Frames, Sessions


class App(Stores):
    """What a process works with."""

    async def prepare(self) -> None:
        """What stages need before their first message: a mistake in the subscriptions stops the start.

        Raises :class:`~kxmsg.errors.ConfigError` with all mistakes.
        """
        self.bus  # noqa: B018 - makes it, of the catalogue, which is made of files

    async def prepare_to_push(self) -> None:
        """As :meth:`prepare`, for what calls gateways. Raises :class:`~kxmsg.errors.StartError`."""
        await self.prepare()
        await self.load_secrets()
        self.gateway  # noqa: B018 - makes it, of secrets

    async def prepare_to_serve(self) -> None:
        """As :meth:`prepare`, for the API: its keys are read too. Raises :class:`~kxmsg.errors.StartError`."""
        await self.prepare()
        await self.load_secrets()
        self.gateway_secrets, self.sessions, self.inbox  # noqa: B018 - makes them, of files

    @cached_property
    def amender(self) -> Amender:
        topics: dict[Ordering, Topic] = {"fifo": self.topic(OUTBOUND_FIFO), "standard": self.topic(OUTBOUND)}
        return Amender(self.logs, topics, self.log_outbox)

    @cached_property
    def entrance(self) -> Entrance:
        return Entrance(self.channels, self.once, self.entrances, self.clock)

    @cached_property
    def messages(self) -> Messages:
        return Messages(
            self.logs, self.channels, self.read_cursors, self.amender, self.outbox, self.signals, self.clock
        )

    @cached_property
    def history(self) -> History:
        return History(self.logs, self.channels, self.read_cursors, self.secrets.cursor_key())

    @cached_property
    def ordered(self) -> Recorder:
        """Stores what has an order."""
        return Recorder(self.logs, self.topic(OUTBOUND_FIFO), self.announcer)

    @cached_property
    def unordered(self) -> Recorder:
        """Stores what has none."""
        return Recorder(self.logs, self.topic(OUTBOUND), self.announcer)

    @cached_property
    def announcer(self) -> Announcer:
        mode = self.settings.available_events
        return Announcer(self.bus, self.directory, self.channels, self.readers, mode)

    @cached_property
    def delivery(self) -> Delivery:
        return Delivery(self.connections, self.gateway, self.readers, self.clock)

    @cached_property
    def readers(self) -> Readers:
        return Readers(self.marks, self.read_cursors)

    @cached_property
    def preferring(self) -> Preferring:
        return Preferring(self.directory, self.connections)

    @cached_property
    def users(self) -> Users:
        return Users(self.directory, self.preferring, self.signals, self.secrets.cursor_key())

    @cached_property
    def personal_data(self) -> PersonalData:
        return PersonalData(
            self.directory,
            self.logs,
            self.channels,
            self.connections,
            self._changes,
            self.amender,
            self.purge,
            self.marks,
            self.clock,
            self.secrets.cursor_key(),
        )

    @cached_property
    def signals(self) -> Signals:
        return Signals(self.topic(OUTBOUND_FIFO), self.clock)

    @cached_property
    def _following(self) -> Following:
        return Following(self.channels, self.connections)

    @cached_property
    def _changes(self) -> Changes:
        return Changes(self.channels, self._following, self.signals, self.outbox, self.clock)

    @cached_property
    def channel_service(self) -> ChannelService:
        return ChannelService(
            self.channels,
            self.sets,
            self.logs,
            self._changes,
            self._following,
            self.signals,
            self.outbox,
            self.bots.random,
            self.clock,
        )

    @cached_property
    def membership(self) -> Membership:
        return Membership(self.channels, self._changes, self._following, self.clock)

    @cached_property
    def permissions(self) -> Permissions:
        key = self.secrets.cursor_key()
        return Permissions(self.channels, self.channel_service, self._changes, self._following, self.clock, key)

    @cached_property
    def lead_desk(self) -> LeadDesk:
        return LeadDesk(self._changes, self.clock)

    @cached_property
    def channel_lookup(self) -> ChannelLookup:
        return ChannelLookup(self.channels, self.sets, self.logs, self.secrets.cursor_key())

    @cached_property
    def channel_deletion(self) -> ChannelDeletion:
        return ChannelDeletion(self.channels, self.purge, self._following, self.signals, self.outbox, self.clock)

    @cached_property
    def sessions(self) -> "Sessions":
        from kxmsg.services.sessions import Sessions

        return Sessions(
            self.verifier,
            self.connections,
            self.channels,
            self.channel_service,
            self.directory,
            self.preferring,
            self.marks,
            self.clock,
            self.settings.origins,
        )

    @cached_property
    def frames(self) -> "Frames":
        from kxmsg.services.sessions import Frames, Subscribing

        missed = MissedReader(self.logs, self.preferring, self.due, self.clock)
        subscribing = Subscribing(self.connections, self.channels, missed)
        return Frames(self.connections, self.logs, self.entrance, self.messages, subscribing, self.clock)

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self.logs, self.marks, self.secrets.cursor_key())

    @cached_property
    def notifications(self) -> Notifications:
        return Notifications(
            self.inbox, self.marks, self.amender, self.signals, self.bus, self.clock, self.settings.locale
        )

    @cached_property
    def notifier(self) -> Notifier:
        return Notifier(self.entrances["standard"], self.due, self.clock, self.settings.locale)

    @property
    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What must answer before the API can serve, by name."""
        keys = {"keys": self._issuer_keys.ready} if self._issuer_keys else {}
        return {"tables": self._tables_answer, "queues": self._queues_answer, **keys}

    async def _tables_answer(self) -> None:
        for spec in self.topology.tables:
            await self.tables.get(spec.name, Key("ready", "ready"))

    async def _queues_answer(self) -> None:
        for queue in self.entrances.values():
            await queue.depth()
