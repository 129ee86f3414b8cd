"""Leads, bots and takeovers, decided."""

from collections.abc import Callable

import pytest

from kxmsg.errors import Conflict
from kxmsg.leads import bot_assigned, claimed, left, released, taken_over
from kxmsg.model.channel import Channel, ChannelChange, Participant
from tests.test_participants import AT, NOW, channel, person

MAX = Participant("max", "employee", AT, "Max")
LEAD = channel(
    person("v", "lead"), person("bot-7", "bot", name="Robo"), type="lead", lead_status="unclaimed", bot="bot-7"
)


def done(change: ChannelChange | None) -> Channel:
    assert change is not None
    return change.channel


def users(one: Channel) -> list[str]:
    return [person.user for person in one.participants]


CLAIMED = done(claimed(LEAD, MAX, NOW))


def test_a_claim_brings_the_employee_and_sends_the_bot_away() -> None:
    assert users(CLAIMED) == ["max", "v"]
    assert (CLAIMED.lead_status, CLAIMED.claimed_by, CLAIMED.bot) == ("claimed", "max", "bot-7")
    assert claimed(CLAIMED, MAX, NOW) is None, "claiming twice is claiming once"


def test_a_release_brings_the_bot_back_and_gives_it_the_word() -> None:
    held = done(taken_over(CLAIMED, True, "max"))
    free = done(released(held, NOW))
    assert users(free) == ["bot-7", "v"]
    assert (free.lead_status, free.claimed_by, free.is_human_override, free.agent) == ("unclaimed", None, False, None)
    assert free.participant("bot-7") == Participant("bot-7", "bot", AT, "Robo")
    assert users(done(released(done(claimed(channel(type="lead", lead_status="unclaimed"), MAX, NOW)), NOW))) == []


def test_who_leaves_a_lead_that_they_had_claimed_releases_it() -> None:
    assert done(left(CLAIMED, "max", NOW)).lead_status == "unclaimed"
    assert users(done(left(CLAIMED, "v", NOW))) == ["max"]
    assert left(CLAIMED, "eve", NOW) is None


def test_a_bot_takes_the_place_of_another() -> None:
    other = done(bot_assigned(LEAD, "bot-8", "Other", NOW))
    assert (users(other), other.bot) == (["bot-8", "v"], "bot-8")
    assert bot_assigned(other, "bot-8", None, NOW) is None
    assert done(bot_assigned(other, "bot-8", "Renamed", NOW)).participant("bot-8") == Participant(
        "bot-8", "bot", AT, "Renamed"
    )


def test_a_takeover_lasts_until_it_is_handed_back() -> None:
    held = done(taken_over(LEAD, True, "max"))
    assert (held.is_human_override, held.agent) == (True, "max")
    assert taken_over(held, True, "max") is None
    assert done(taken_over(held, True, "lea")).agent == "lea"
    free = done(taken_over(held, False, "lea"))
    assert (free.is_human_override, free.agent) == (False, None)
    assert taken_over(free, False, "max") is None


@pytest.mark.parametrize(
    ("decide", "code"),
    [
        (lambda: claimed(CLAIMED, person("lea"), NOW), "lead_claimed"),
        (lambda: claimed(channel(), MAX, NOW), "not_a_lead"),
        (lambda: claimed(channel(type="lead", lead_status="unclaimed", is_active=False), MAX, NOW), "channel_closed"),
        (lambda: released(LEAD, NOW), "lead_not_claimed"),
        (lambda: released(channel(), NOW), "not_a_lead"),
        (lambda: bot_assigned(CLAIMED, "bot-8", None, NOW), "lead_claimed"),
        (lambda: bot_assigned(channel(type="direct"), "bot-8", None, NOW), "direct_channel"),
        (lambda: bot_assigned(channel(is_active=False), "bot-8", None, NOW), "channel_closed"),
        (lambda: taken_over(channel(is_active=False), True, "max"), "channel_closed"),
    ],
)
def test_what_can_not_be_says_why(decide: Callable[[], object], code: str) -> None:
    with pytest.raises(Conflict) as caught:
        decide()
    assert caught.value.code == code
