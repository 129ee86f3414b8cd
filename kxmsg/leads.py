"""Leads: conversations that a bot begins and an employee takes over. Pure decisions."""

from dataclasses import replace

from kxmsg.errors import Conflict
from kxmsg.model.channel import Channel, ChannelChange, Participant
from kxmsg.participants import check_open, moved
from kxmsg.times import iso


def claimed(channel: Channel, person: Participant, now: float) -> ChannelChange | None:
    """``person`` enters and the bot leaves; None where the lead is theirs already.

    Raises :class:`~kxmsg.errors.Conflict` where it is somebody else's, closed, or no lead.
    """
    _check_lead(channel)
    if channel.lead_status == "claimed":
        if channel.claimed_by == person.user:
            return None
        raise Conflict("this lead has been claimed already", code="lead_claimed")
    check_open(channel)
    return moved(channel, now, enter=[person], leave=_bots(channel), lead_status="claimed", claimed_by=person.user)


def released(channel: Channel, now: float) -> ChannelChange:
    """Who claimed the lead leaves, the bot comes back and has the word; raises Conflict where nobody has claimed it."""
    _check_lead(channel)
    if channel.lead_status != "claimed" or channel.claimed_by is None:
        raise Conflict("nobody has claimed this lead", code="lead_not_claimed")
    back = [] if channel.bot is None or channel.participant(channel.bot) else [_returning(channel, channel.bot, now)]
    return moved(
        channel, now, enter=back, leave=[channel.claimed_by],
        lead_status="unclaimed", claimed_by=None, is_human_override=False, agent=None,
    )  # fmt: skip


def left(channel: Channel, user: str, now: float) -> ChannelChange | None:
    """``user`` leaves, by which a lead that they had claimed is released; None where they don't take part."""
    if channel.participant(user) is None:
        return None
    if channel.lead_status == "claimed" and channel.claimed_by == user:
        return released(channel, now)
    return moved(channel, now, leave=[user])


def bot_assigned(channel: Channel, bot: str, name: str | None, now: float) -> ChannelChange | None:
    """``bot`` takes the place of any other; None where it has it already.

    Raises :class:`~kxmsg.errors.Conflict` for a claimed lead, a direct channel and a closed one.
    """
    check_open(channel)
    if channel.type == "direct":
        raise Conflict("a direct channel is between two and has no bot", code="direct_channel")
    if channel.lead_status == "claimed":
        raise Conflict("this lead has been claimed; release it first", code="lead_claimed")
    before = channel.participant(bot)
    if before is not None and (channel.bot, before.role) == (bot, "bot") and name in (None, before.name):
        return None
    person = Participant(bot, "bot", iso(now), name or (before.name if before else None))
    return moved(channel, now, enter=[person], leave=_bots(channel) - {bot}, bot=bot)


def taken_over(channel: Channel, on: bool, agent: str | None) -> ChannelChange | None:
    """A person has the word instead of the bot, or hands it back; None where that is so already."""
    agent = agent if on else None
    if (channel.is_human_override, channel.agent) == (on, agent):
        return None
    check_open(channel)
    return ChannelChange(replace(channel, is_human_override=on, agent=agent))


def _check_lead(channel: Channel) -> None:
    if channel.type != "lead":
        raise Conflict("this channel is no lead", code="not_a_lead")


def _bots(channel: Channel) -> set[str]:
    return {person.user for person in channel.participants if person.role == "bot"}


def _returning(channel: Channel, bot: str, now: float) -> Participant:
    before = channel.once(bot)
    return Participant(bot, "bot", iso(now), before.name if before else None)
