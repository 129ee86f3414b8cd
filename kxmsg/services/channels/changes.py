"""Changes: carries out what was decided about a channel, and tells everybody whom it concerns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kxmsg.errors import Conflict, Forbidden, NotFound
from kxmsg.model.channel import Channel, ChannelChange, Participant
from kxmsg.model.connection import Place
from kxmsg.model.event import Event
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target, check_id
from kxmsg.own_events import channel_moved
from kxmsg.participants import owns
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock, Put
from kxmsg.services.channels.following import Following
from kxmsg.services.signals import Signal, Signals
from kxmsg.storage.channels import MAX_CHANNELS, Channels
from kxmsg.storage.outbox import Outbox, Owed
from kxmsg.times import iso

Decide = Callable[[Channel], ChannelChange | None]
"""What becomes of a channel; None: nothing. Raises a Refusal."""


class Changes:
    """One change at a time of each channel: decided on how it stands, committed only if it still stands so."""

    def __init__(
        self, channels: Channels, following: Following, signals: Signals, outbox: Outbox, clock: Clock
    ) -> None:
        self._channels = channels
        self._following = following
        self._signals = signals
        self._outbox = outbox
        self._clock = clock

    async def apply(
        self,
        tenant: str,
        ident: str,
        decide: Decide,
        *,
        events: Callable[[Channel], Sequence[Event]] = lambda _: (),
        frames: Callable[[Channel], Mapping[str, Mapping[str, Any]]] = lambda _: {},
    ) -> Channel | None:
        """Change a channel; returns it as it then is, or None where there was nothing to change.

        ``events`` and ``frames``, fields by type, are said of it besides those of who joined and left. Raises NotFound
        where there is no such channel, and what ``decide`` raises.
        """
        check_id(ident, "channelId")
        now = self._clock.now()
        owed: list[Owed] = []

        def decided(channel: Channel | None) -> ChannelChange | None:
            if channel is None or channel.deleted_by is not None:
                raise missing(ident)
            change = decide(channel)
            if change is None:
                return None
            return replace(change, channel=replace(change.channel, updated_at=iso(now)))

        def owe(change: ChannelChange) -> Sequence[Put]:
            puts, owed[:] = self._outbox.owe([*events(change.channel), *channel_moved(change, now)])
            return puts

        change = await self._channels.change(tenant, ident, decided, owe)
        if change is None:
            return None
        for person in (*change.entered, *change.left):
            await self._following.settle(tenant, ident, person.user)
        await self._outbox.publish(owed)
        await self._signals.send(_signals(change, frames(change.channel)))
        return change.channel

    async def check_room(self, tenant: str, people: Sequence[Participant]) -> None:
        """Raises Conflict for a user who takes part in too many channels; a bot, which need not follow them, may."""
        for person in people:
            if person.role != "bot" and await self._channels.count_of_user(tenant, person.user) >= MAX_CHANNELS:
                raise Conflict(
                    f"{person.user} takes part in {MAX_CHANNELS} channels, the most there may be; leave one first",
                    code="too_many_channels",
                )


def missing(ident: str) -> NotFound:
    """The one answer for what is not there and for what the caller may not know of."""
    return NotFound(f"no channel {ident!r}", code="channel_not_found")


def check_owns(who: Principal, channel: Channel, action: Action) -> None:
    """Raises Forbidden for a participant who does not administer the channel, NotFound for everybody else."""
    if not allowed(who.roles, action, owner=owns(channel, who.user)):
        if channel.participant(who.user) is not None:
            raise Forbidden("only who administers this channel may do this")
        raise missing(channel.id)


def own_role(who: Principal) -> str:
    """The role in which the caller takes part in a channel."""
    return "employee" if who.roles & {"employee", "agent"} else next(iter(sorted(who.roles)), "member")


def _signals(change: ChannelChange, frames: Mapping[str, Mapping[str, Any]]) -> list[Signal]:
    """To the channel's connections and, of leaving, to those of the user too, who no longer get the channel's."""
    channel = change.channel
    place = Place(channel.tenant, Target("channel", channel.id))
    signals = [Signal(place, "joined", _membership(channel, person)) for person in change.entered]
    for person in change.left:
        own = Place(channel.tenant, Target("user", person.user))
        signals += [Signal(where, "left", _membership(channel, person)) for where in (place, own)]
    return [*signals, *(Signal(place, kind, {"channelId": channel.id, **said}) for kind, said in frames.items())]


def _membership(channel: Channel, person: Participant) -> dict[str, Any]:
    return {"channelId": channel.id, "userId": person.user, "userName": person.name, "role": person.role}
