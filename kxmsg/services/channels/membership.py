"""Membership: becoming part of a channel, and leaving it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kxmsg.errors import Forbidden, Refusal
from kxmsg.leads import left
from kxmsg.model.channel import Channel, ChannelChange, Participant
from kxmsg.model.principal import Principal
from kxmsg.model.target import check_id
from kxmsg.participants import joined
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock
from kxmsg.services.channels.changes import Changes, missing, own_role
from kxmsg.services.channels.following import Following
from kxmsg.storage.channels import Channels
from kxmsg.times import iso


@dataclass(slots=True)
class Outcomes:
    """What became of each of several channels: those that were done, and why the others were not."""

    done: list[str] = field(default_factory=list)
    failed: list[tuple[str, Refusal]] = field(default_factory=list)


class Membership:
    """Who takes part in a channel."""

    def __init__(self, channels: Channels, changes: Changes, following: Following, clock: Clock) -> None:
        self._channels = channels
        self._changes = changes
        self._following = following
        self._clock = clock

    async def join(self, who: Principal, ident: str, name: str | None = None) -> None:
        """Become part of a channel; joining twice is joining once.

        Raises Forbidden, which does not tell whether there is such a channel, NotFound, or Conflict for a channel that
        is closed or between two.
        """
        inside = await self._channels.participant(who.tenant, check_id(ident, "channelId"), who.user)
        if not allowed(who.roles, Action.JOIN_CHANNEL, participant=inside is not None):
            raise Forbidden("your roles may not join channels")
        if inside is not None:
            await self._following.settle(who.tenant, ident, who.user)  # a call before may have died before it
            return
        now = self._clock.now()
        person = Participant(who.user, own_role(who), iso(now), name or who.name)
        await self._changes.check_room(who.tenant, [person])
        await self._changes.apply(who.tenant, ident, lambda channel: joined(channel, person, now))

    async def leave(self, who: Principal, ident: str) -> None:
        """Take part no longer; leaving twice is leaving once. A lead that one had claimed is released by it.

        Raises NotFound for who never took part.
        """
        now = self._clock.now()

        def decide(channel: Channel) -> ChannelChange | None:
            inside = channel.participant(who.user) is not None
            if not inside and channel.once(who.user) is None:
                raise missing(ident)
            if inside and not allowed(who.roles, Action.LEAVE_CHANNEL, participant=inside):
                raise Forbidden("your roles may not leave channels")
            return left(channel, who.user, now)

        if await self._changes.apply(who.tenant, ident, decide) is None:
            await self._following.settle(who.tenant, ident, who.user)  # a call before may have died before it

    async def leave_many(self, who: Principal, idents: Sequence[str]) -> Outcomes:
        """Leave each of these channels."""
        outcomes = Outcomes()
        for ident in dict.fromkeys(idents):
            try:
                await self.leave(who, ident)
            except Refusal as refusal:
                outcomes.failed.append((ident, refusal))
            else:
                outcomes.done.append(ident)
        return outcomes
