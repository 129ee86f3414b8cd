"""Creation: making channels, or finding the one that there is to be; their titles and metadata."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kxmsg.errors import Conflict, Forbidden, InvalidInput
from kxmsg.keys import new_id
from kxmsg.model.channel import Channel, ChannelChange, ChannelType, Participant
from kxmsg.model.connection import Place
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target, check_id
from kxmsg.own_events import channel_created
from kxmsg.participants import in_order
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock, Put
from kxmsg.services.channels.changes import Changes, check_owns, missing, own_role
from kxmsg.services.channels.following import Following
from kxmsg.services.signals import Signal, Signals
from kxmsg.storage.channels import Channels
from kxmsg.storage.logs import Logs
from kxmsg.storage.outbox import Outbox
from kxmsg.storage.sets import Sets
from kxmsg.times import iso

RandomBot = Callable[[str], Awaitable[str | None]]
"""One of a tenant's bots, or None."""


class ChannelService:
    """Makes channels, and changes what they are called."""

    def __init__(
        self,
        channels: Channels,
        sets: Sets,
        logs: Logs,
        changes: Changes,
        following: Following,
        signals: Signals,
        outbox: Outbox,
        random_bot: RandomBot,
        clock: Clock,
    ) -> None:
        self._channels = channels
        self._sets = sets
        self._logs = logs
        self._changes = changes
        self._following = following
        self._signals = signals
        self._outbox = outbox
        self._random_bot = random_bot
        self._clock = clock

    def person(self, user: str, name: str | None = None, role: str = "member") -> Participant:
        """A participant who joins now."""
        return Participant(check_id(user, "userId"), role, iso(self._clock.now()), name)

    async def create(
        self,
        who: Principal,
        kind: ChannelType,
        people: Sequence[Participant],
        *,
        ident: str | None = None,
        fresh: str | None = None,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        bot: str | None = None,
    ) -> Channel:
        """Make a channel with these people in it; for two who have a direct channel, it is that one.

        ``bot`` serves the channel; a lead without one gets one of the tenant's at random, if there is any. ``ident`` is
        the caller's own name for it, ``fresh`` the one it has otherwise. Raises Forbidden, InvalidInput, or Conflict
        where ``ident`` is taken or somebody takes part in too many channels.
        """
        _check_may(who, kind)
        called = fresh if ident is None else ident
        if kind == "direct":
            channel = self._new(who, kind, _two(who, people, self.person), called, title, metadata)
            return (await self._one(who, channel, named=ident is not None))[0]
        if kind == "lead" and bot is None:
            bot = await self._random_bot(who.tenant)
        if bot is not None:
            people = [*people, self.person(bot, role="bot")]
        channel = self._new(who, kind, people, called, title, metadata, bot)
        try:
            return await self._commit(channel, named=ident is not None) or channel
        except Conflict:
            before = await self._channels.get(who.tenant, channel.id) if ident is None else None
            if before is None or before.created_by != who.user:
                raise
            await self._follow(before)  # an earlier try of the same request made it, and may have died then
            return before

    async def find_or_create(
        self,
        who: Principal,
        kind: ChannelType,
        people: Sequence[Participant],
        *,
        fresh: str | None = None,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> tuple[Channel, bool]:
        """The active channel of this kind with exactly these people, and whether it had to be made.

        However many ask at once, there is one. Raises as :meth:`create`.
        """
        _check_may(who, kind)
        if kind == "direct":
            people = _two(who, people, self.person)
        return await self._one(who, self._new(who, kind, people, fresh, title, metadata), named=False)

    async def update(
        self, who: Principal, ident: str, given: Mapping[str, Any], check: Callable[[Channel], None]
    ) -> Channel:
        """Set ``title``, ``metadata``, ``is_active``, as far as given; returns the channel as it then is.

        ``check`` raises where the channel is not as the caller saw it. Raises NotFound, Forbidden.
        """
        seen: list[Channel] = []

        def decide(channel: Channel) -> ChannelChange | None:
            check_owns(who, channel, Action.UPDATE_CHANNEL)
            check(channel)
            seen[:] = [channel]
            changed = replace(channel, **given)
            return ChannelChange(changed) if changed != channel else None

        changed = await self._changes.apply(
            who.tenant, ident, decide, frames=lambda one: {"channel.updated": _edited(one)}
        )
        return changed or seen[0]

    async def enter_thread(self, who: Principal, ident: str) -> None:
        """Be in the thread ``ident``: made with this user where it is unknown [S1], else one must be in it."""
        if await self._participates(who, check_id(ident, "threadId")):
            return
        if not await self._channels.exists(who.tenant, ident):
            channel = self._new(who, "thread", [self.person(who.user, who.name)], ident, None, None)
            with contextlib.suppress(Conflict):  # somebody made it in between, perhaps this user's other device
                await self._commit(channel, named=True)
                return
        if not await self._participates(who, ident):
            raise missing(ident)

    async def _participates(self, who: Principal, ident: str) -> bool:
        return await self._channels.participant(who.tenant, ident, who.user) is not None

    async def _one(self, who: Principal, wanted: Channel, named: bool) -> tuple[Channel, bool]:
        users = [person.user for person in wanted.participants]
        if not allowed(who.roles, Action.READ_CHANNEL, participant=who.user in users):
            raise Forbidden("name yourself among the participants")
        while True:
            there = await self._sets.get(who.tenant, users)
            found = next((channel for channel in there.channels if channel.type == wanted.type), None)
            if found is None:
                made = await self._commit(wanted, named=named, one=there.one(wanted.type, wanted.id))
                if made is not None:
                    return made, True
            elif (whole := await self._channels.get(who.tenant, found.id)) is not None:
                return whole, False

    def _new(
        self,
        who: Principal,
        kind: ChannelType,
        people: Sequence[Participant],
        ident: str | None,
        title: str | None,
        metadata: Mapping[str, Any] | None,
        bot: str | None = None,
    ) -> Channel:
        now = self._clock.now()
        return Channel(
            id=check_id(ident, "channelId") if ident is not None else new_id(now),
            tenant=who.tenant,
            type=kind,
            created_at=iso(now),
            updated_at=iso(now),
            created_by=who.user,
            title=title,
            metadata=dict(metadata or {}),
            participants=in_order(_as_themselves(who, person) for person in people),
            bot=bot,
            lead_status="unclaimed" if kind == "lead" else None,
        )

    async def _commit(self, channel: Channel, *, named: bool, one: Put | None = None) -> Channel | None:
        """Write the channel and tell of it; None where ``one`` stands already. ``named``: the caller chose its id."""
        place = Place(channel.tenant, Target("channel", channel.id))
        await self._changes.check_room(channel.tenant, channel.participants)
        await self._logs.create(place.tenant, place.target)
        if named and (await self._logs.head(place.tenant, place.target)).deleted:
            raise Conflict(f"channel {channel.id} was deleted; choose another id", code="channel_exists")
        puts, owed = self._outbox.owe(channel_created(channel, self._clock.now()))
        made = await self._channels.create(channel, puts, one)
        if made is not None:
            await self._follow(made)
            await self._outbox.publish(owed)
            await self._signals.send([Signal(place, "channel.created", _said(made))])
        return made

    async def _follow(self, channel: Channel) -> None:
        users = [person.user for person in channel.participants]
        await asyncio.gather(*(self._following.settle(channel.tenant, channel.id, user) for user in users))


def _check_may(who: Principal, kind: ChannelType) -> None:
    if not allowed(who.roles, Action.CREATE_LEAD if kind == "lead" else Action.CREATE_CHANNEL):
        raise Forbidden("your roles may not create such channels")


def _two(
    who: Principal, people: Sequence[Participant], person: Callable[[str, str | None], Participant]
) -> Sequence[Participant]:
    """The two of a direct channel: who names but one other is the second."""
    users = {one.user for one in people}
    if len(users) == 1 and who.user not in users:
        return [*people, person(who.user, who.name)]
    if len(users) != 2:
        raise InvalidInput("a direct channel has two participants; name the other, or both", code="not_two")
    return people


def _as_themselves(who: Principal, person: Participant) -> Participant:
    """The caller takes part in the role that their token gives them."""
    role = own_role(who)
    if person.user != who.user or role == "member":
        return person
    return replace(person, role=role)


def _said(channel: Channel) -> dict[str, object]:
    return {
        "channelId": channel.id,
        "channelType": channel.type,
        "title": channel.title,
        "createdBy": channel.created_by,
        "participants": [person.user for person in channel.participants],
    }


def _edited(channel: Channel) -> dict[str, object]:
    return {"title": channel.title, "metadata": channel.metadata, "isActive": channel.is_active}
