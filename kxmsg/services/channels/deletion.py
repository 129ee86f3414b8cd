"""Deletion: destroying a channel with its messages and participants, for good."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kxmsg.errors import Forbidden, Refusal, Unavailable
from kxmsg.model.channel import Channel, ChannelChange
from kxmsg.model.connection import Place
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target, check_id
from kxmsg.own_events import channel_deleted
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock
from kxmsg.services.channels.changes import missing
from kxmsg.services.channels.following import Following
from kxmsg.services.channels.membership import Outcomes
from kxmsg.services.signals import Signal, Signals
from kxmsg.storage.channels import Channels
from kxmsg.storage.outbox import Outbox
from kxmsg.storage.purge import Purge
from kxmsg.times import iso


@dataclass(slots=True)
class Destroyed(Outcomes):
    """As :class:`Outcomes`, and what was deleted."""

    messages: int = 0
    participants: int = 0


class ChannelDeletion:
    """Destroys channels. What a death leaves half done answers as missing, and is gone on with at the next try."""

    def __init__(
        self, channels: Channels, purge: Purge, following: Following, signals: Signals, outbox: Outbox, clock: Clock
    ) -> None:
        self._channels = channels
        self._purge = purge
        self._following = following
        self._signals = signals
        self._outbox = outbox
        self._clock = clock

    async def destroy(self, who: Principal, idents: Sequence[str]) -> Destroyed:
        """Destroy each of these channels; raises Forbidden. Counted is what this call deleted."""
        if not allowed(who.roles, Action.FORCE_DELETE):
            raise Forbidden("your roles may not destroy channels")
        destroyed = Destroyed()
        for ident in dict.fromkeys(idents):
            try:
                await self._destroy(who, ident, destroyed)
            except Refusal as refusal:
                destroyed.failed.append((ident, refusal))
            else:
                destroyed.done.append(ident)
        return destroyed

    async def _destroy(self, who: Principal, ident: str, destroyed: Destroyed) -> None:
        """First nobody finds the channel or writes to its log, then it is emptied, and its record goes last."""
        channel = await self._mark(who, ident)
        place = Place(who.tenant, Target("channel", ident))
        purged = await self._purge.log(place.tenant, place.target)
        destroyed.messages += purged.count
        if not purged.complete:
            raise Unavailable("the channel has more messages than one request deletes; repeat it", code="unfinished")
        await self._following.end(who.tenant, ident)
        destroyed.participants += await self._channels.remove_participants(who.tenant, ident)
        puts, owed = self._outbox.owe([channel_deleted(channel, self._clock.now())])
        if await self._channels.remove(who.tenant, ident, puts):
            await self._outbox.publish(owed)
            await self._signals.send([Signal(inbox, "channel.deleted", _said(channel)) for inbox in _inboxes(channel)])

    async def _mark(self, who: Principal, ident: str) -> Channel:
        check_id(ident, "channelId")
        seen: list[Channel] = []

        def decide(channel: Channel | None) -> ChannelChange | None:
            if channel is None:
                raise missing(ident)
            seen[:] = [channel]
            if channel.deleted_by is not None:
                return None
            now = iso(self._clock.now())
            seen[:] = [replace(channel, is_active=False, deleted_by=who.user, updated_at=now)]
            return ChannelChange(seen[0])

        await self._channels.change(who.tenant, ident, decide)
        return seen[0]


def _inboxes(channel: Channel) -> list[Place]:
    """Who took part is told on their own: nobody is subscribed to the channel any more."""
    return [Place(channel.tenant, Target("user", person.user)) for person in channel.participants]


def _said(channel: Channel) -> dict[str, object]:
    return {"channelId": channel.id, "deletedBy": channel.deleted_by}
