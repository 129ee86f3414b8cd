"""Leads: who serves a conversation, a bot or a person."""

from kxmsg.errors import Forbidden
from kxmsg.leads import bot_assigned, claimed, released, taken_over
from kxmsg.model.channel import Channel, ChannelChange, Participant
from kxmsg.model.principal import Principal
from kxmsg.model.target import check_id
from kxmsg.own_events import channel_claimed
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock
from kxmsg.services.channels.changes import Changes, missing
from kxmsg.times import iso


class LeadDesk:
    """Claims, releases, bots and takeovers."""

    def __init__(self, changes: Changes, clock: Clock) -> None:
        self._changes = changes
        self._clock = clock

    async def claim(self, who: Principal, ident: str, name: str | None = None) -> None:
        """Take a lead over from its bot, which leaves; of several who try at once, one does.

        Raises Forbidden, NotFound, or Conflict ``lead_claimed``.
        """
        if not allowed(who.roles, Action.CLAIM_LEAD):
            raise Forbidden("your roles may not claim leads")
        now = self._clock.now()
        person = Participant(who.user, "employee", iso(now), name or who.name)
        await self._changes.check_room(who.tenant, [person])
        await self._changes.apply(
            who.tenant,
            ident,
            lambda channel: claimed(channel, person, now),
            events=lambda channel: [channel_claimed(channel, now)],
            frames=lambda channel: {"claimed": _claim(channel, name or who.name)},
        )

    async def release(self, who: Principal, ident: str) -> None:
        """Give a lead back to its bot and to those who may claim it; raises NotFound, Forbidden, Conflict."""
        now = self._clock.now()

        def decide(channel: Channel) -> ChannelChange:
            if not allowed(who.roles, Action.RELEASE_LEAD, own=channel.claimed_by == who.user):
                if channel.participant(who.user) is None:
                    raise missing(ident)
                raise Forbidden("only who claimed a lead may release it")
            return released(channel, now)

        await self._changes.apply(who.tenant, ident, decide, frames=lambda channel: {"claimed": _claim(channel, None)})

    async def assign_bot(self, who: Principal, ident: str, bot: str, name: str | None) -> None:
        """Let ``bot`` serve a channel, in place of any other; raises Forbidden, NotFound, Conflict."""
        if not allowed(who.roles, Action.ASSIGN_BOT):
            raise Forbidden("your roles may not assign bots")
        check_id(bot, "botEmployeeId")
        now = self._clock.now()
        await self._changes.apply(who.tenant, ident, lambda channel: bot_assigned(channel, bot, name, now))

    async def take_over(self, who: Principal, ident: str, on: bool, agent: str | None) -> Channel:
        """Let a person (``agent``, the caller if none is named) have the word instead of the bot, or hand it back.

        While on, nothing goes to the responder and a bot's post is refused. Raises Forbidden, NotFound, Conflict.
        """
        if not allowed(who.roles, Action.SET_TAKEOVER):
            raise Forbidden("your roles may not take over")
        agent = check_id(agent, "agentId") if agent is not None else who.user
        if agent != who.user and not allowed(who.roles, Action.ACT_FOR_OTHERS):
            raise Forbidden("agentId is not the token's user", code="foreign_agent")
        seen: list[Channel] = []

        def decide(channel: Channel) -> ChannelChange | None:
            seen[:] = [channel]
            return taken_over(channel, on, agent)

        changed = await self._changes.apply(
            who.tenant,
            ident,
            decide,
            frames=lambda channel: {
                "takeover": {"isHumanOverride": channel.is_human_override, "agentId": channel.agent}
            },
        )
        return changed or seen[0]


def _claim(channel: Channel, name: str | None) -> dict[str, object]:
    return {"leadStatus": channel.lead_status, "claimedBy": channel.claimed_by, "userName": name}
