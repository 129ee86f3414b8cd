"""Channels: making them, and becoming part of them."""

import contextlib
from collections.abc import Sequence

from kxmsg.errors import Conflict, Forbidden, NotFound
from kxmsg.keys import new_id
from kxmsg.model.channel import Channel, ChannelType, Participant
from kxmsg.model.connection import Place
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target, check_id
from kxmsg.own_events import channel_created, channel_joined
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock
from kxmsg.storage.channels import Channels
from kxmsg.storage.connections import Connections
from kxmsg.storage.logs import Logs
from kxmsg.storage.outbox import Outbox
from kxmsg.times import iso


class ChannelService:
    """What one can do with channels. Each change tells the bus of itself through the outbox."""

    def __init__(self, channels: Channels, logs: Logs, connections: Connections, outbox: Outbox, clock: Clock) -> None:
        self._channels = channels
        self._logs = logs
        self._connections = connections
        self._outbox = outbox
        self._clock = clock

    async def create(
        self,
        who: Principal,
        kind: ChannelType,
        people: Sequence[Participant],
        *,
        ident: str | None = None,
        title: str | None = None,
        metadata: dict[str, object] | None = None,
    ) -> Channel:
        """Make a channel with these people in it; raises Forbidden, or Conflict if ``ident`` is taken."""
        if not allowed(who.roles, Action.CREATE_LEAD if kind == "lead" else Action.CREATE_CHANNEL):
            raise Forbidden("your roles may not create such channels")
        return await self._make(who, kind, people, ident, title, metadata)

    async def _make(
        self,
        who: Principal,
        kind: ChannelType,
        people: Sequence[Participant],
        ident: str | None = None,
        title: str | None = None,
        metadata: dict[str, object] | None = None,
    ) -> Channel:
        now = self._clock.now()
        channel = Channel(
            id=check_id(ident, "channelId") if ident is not None else new_id(now),
            tenant=who.tenant,
            type=kind,
            created_at=iso(now),
            created_by=who.user,
            title=title,
            metadata=dict(metadata or {}),
            participants=tuple({person.user: person for person in people}.values()),
        )
        place = Place(who.tenant, Target("channel", channel.id))
        await self._logs.create(place.tenant, place.target)
        puts, owed = self._outbox.owe(channel_created(channel, now))
        await self._channels.create(channel, puts)
        for person in channel.participants:
            await self._follow(person.user, place)
        await self._outbox.publish(owed)
        return channel

    def person(self, user: str, name: str | None = None, role: str = "member") -> Participant:
        """A participant who joins now."""
        return Participant(check_id(user, "userId"), role, iso(self._clock.now()), name)

    async def get(self, who: Principal, ident: str) -> Channel:
        """The channel as its participants and the tenant's admins see it; NotFound for everybody else."""
        channel = await self._channels.get(who.tenant, check_id(ident, "channelId"))
        if channel is not None:
            inside = any(person.user == who.user for person in channel.participants)
            if allowed(who.roles, Action.READ_CHANNEL, participant=inside):
                return channel
        raise NotFound(f"no channel {ident!r}", code="channel_not_found")

    async def join(self, who: Principal, ident: str, name: str | None = None) -> None:
        """Become part of a channel; joining twice is joining once.

        Raises Forbidden, which does not tell whether there is such a channel, or NotFound.
        """
        inside = await self._participates(who, check_id(ident, "channelId"))
        if not allowed(who.roles, Action.JOIN_CHANNEL, participant=inside):
            raise Forbidden("your roles may not join channels")
        if not inside and not await self._channels.exists(who.tenant, ident):
            raise NotFound(f"no channel {ident!r}", code="channel_not_found")
        role = "employee" if who.roles & {"employee", "agent"} else next(iter(sorted(who.roles)), "member")
        now = self._clock.now()
        participant = Participant(who.user, role, iso(now), name or who.name)
        puts, owed = self._outbox.owe([channel_joined(who.tenant, ident, who.user, role, now)])
        joined = not inside and await self._channels.join(who.tenant, ident, participant, puts)
        await self._follow(who.user, Place(who.tenant, Target("channel", ident)))  # a call before may have died here
        if joined:
            await self._outbox.publish(owed)

    async def enter_thread(self, who: Principal, ident: str) -> None:
        """Be in the thread ``ident``: made with this user where it is unknown [S1], else one must be in it."""
        if await self._participates(who, check_id(ident, "threadId")):
            return
        if not await self._channels.exists(who.tenant, ident):
            with contextlib.suppress(Conflict):  # somebody made it in between, perhaps this user's other device
                await self._make(who, "thread", [self.person(who.user, who.name)], ident)
                return
        if not await self._participates(who, ident):
            raise NotFound(f"no channel {ident!r}", code="channel_not_found")

    async def _participates(self, who: Principal, ident: str) -> bool:
        return await self._channels.participant(who.tenant, ident, who.user) is not None

    async def _follow(self, user: str, place: Place) -> None:
        """Let the user's open connections that follow all of their channels follow this one too."""
        inbox = Place(place.tenant, Target("user", user))
        cursor: str | None = None
        while True:
            subscribers, cursor = await self._connections.subscribers(inbox, cursor=cursor)
            for subscriber in subscribers:
                connection = await self._connections.get(subscriber.connection)
                if connection is not None and connection.follows_channels:
                    await self._connections.subscribe(connection, [place])
            if cursor is None:
                return
