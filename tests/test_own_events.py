"""What is said to the bus (CONTRACT section 3)."""

from typing import Any

import pytest

from kxmsg import own_events
from kxmsg.model.channel import Channel, ChannelChange, Participant
from kxmsg.model.event import OWN_SOURCE, Event
from kxmsg.model.target import BROADCAST, Target
from kxmsg.testing.virtual import START
from kxmsg.times import iso
from tests.product import DESK, USER, bundle, envelope

CLIENT = Target("client", "acme")


def said(event: Event) -> dict[str, Any]:
    """The detail without what every event has, which is checked here."""
    detail = dict(event.detail)
    assert event.source == OWN_SOURCE
    assert detail.pop("eventType") == event.detail_type
    assert detail.pop("eventId")
    assert detail.pop("timestamp") == iso(START)
    return detail


def test_a_stored_notification_is_announced() -> None:
    (event,) = own_events.stored(bundle(USER, [envelope("N", payload={"priority": "high", "content": "secret"})]))
    assert event.detail_type == "notification.created"
    assert said(event) == {
        "tenantId": "acme",
        "notificationId": "N",
        "targetType": "user",
        "targetKey": "user#ana",
        "userId": "ana",
        "priority": "high",
        "sequenceNumber": 1,
    }


def test_a_stored_chat_message_is_announced_twice_over() -> None:
    payload = {"senderId": "bob", "messageType": "chat"}
    created, sent = own_events.stored(bundle(DESK, [envelope("M", DESK, payload=payload, hops=2)], first=4))
    assert created.detail_type == "message.created"
    assert said(created)["messageId"] == "M"
    assert said(created)["sequenceNumber"] == 4
    assert sent.detail_type == "chat.message.sent"
    assert said(sent) == {
        "tenantId": "acme",
        "messageId": "M",
        "channelId": "desk",
        "senderId": "bob",
        "messageType": "chat",
        "hops": 2,
    }


@pytest.mark.parametrize(
    ("target", "kind", "name", "more"),
    [
        (CLIENT, "notification", "client.notification.available", {"clientId": "acme", "notificationId": "I"}),
        (CLIENT, "message", "client.message.available", {"clientId": "acme", "messageId": "I"}),
        (BROADCAST, "notification", "broadcast.notification.available", {"notificationId": "I"}),
        (BROADCAST, "message", "broadcast.message.available", {"messageId": "I"}),
        (
            DESK,
            "message",
            "chat.message.available",
            {
                "messageId": "I",
                "channelId": "desk",
                "content": "hi",
                "senderId": "bob",
                "metadata": {"fanoutSource": "channel-targeting", "originalTargetKey": "channel#desk"},
            },
        ),
    ],
)
def test_each_user_is_told_what_they_may_read(target: Target, kind: str, name: str, more: dict[str, Any]) -> None:
    payload = {"priority": "low", "content": "hi", "senderId": "bob"}
    committed = bundle(target, [envelope("I", target, kind=kind, payload=payload)])
    one, two = own_events.available(committed, committed.entries[0], "acme", ["ana", "bob"])
    assert one.detail_type == name
    expected = {"tenantId": "acme", "targetType": target.type, "priority": "low", **more}
    assert said(one) == {**expected, "userId": "ana"}
    assert said(two) == {**expected, "userId": "bob"}
    assert one.detail["eventId"] != two.detail["eventId"]


@pytest.mark.parametrize("kind", ["notification", "message"])
@pytest.mark.parametrize("target", [USER, CLIENT, BROADCAST, DESK], ids=lambda target: target.type)
def test_what_an_entry_causes_is_what_is_said_of_it(target: Target, kind: str) -> None:
    """All of it, and nothing else."""
    committed = bundle(target, [envelope("I", target, kind=kind)])
    said_of_it = own_events.stored(committed)
    if (target.type, kind) in own_events.AVAILABLE:
        said_of_it += own_events.available(committed, committed.entries[0], "acme", ["ana"])
    assert list(own_events.caused_by(kind, target.type)) == [event.detail_type for event in said_of_it]


def test_many_are_told_in_one_event_with_their_count() -> None:
    committed = bundle(CLIENT, [envelope("I", CLIENT)])
    event = own_events.available_to_many(committed, committed.entries[0], "acme", 5000)
    assert event.detail_type == "client.notification.available"
    assert said(event)["userCount"] == 5000
    assert "userId" not in event.detail


def channel(kind: Any, *people: Participant, **fields: Any) -> Channel:
    fields = {"metadata": {"visitorInfo": {"page": "/"}}, **fields}
    return Channel("C", fields.pop("tenant", "acme"), kind, iso(START), "ana", participants=people, **fields)


def test_a_new_channel_is_announced() -> None:
    (event,) = own_events.channel_created(channel("group", Participant("ana", "member", "")), START)
    assert event.detail_type == "channel.created"
    assert said(event) == {"tenantId": "acme", "channelId": "C", "channelType": "group", "participantCount": 1}


def test_a_new_lead_is_announced_as_a_channel_and_as_a_lead() -> None:
    people = Participant("v", "lead", ""), Participant("robo", "bot", "")
    made = channel("lead", *people, bot="robo", lead_status="unclaimed")
    created, lead = own_events.channel_created(made, START)
    assert said(created) == {
        "tenantId": "acme",
        "channelId": "C",
        "channelType": "lead",
        "leadStatus": "unclaimed",
        "botEmployeeId": "robo",
        "participantCount": 2,
    }
    assert lead.detail_type == "lead.created"
    assert said(lead) == {
        "tenantId": "acme",
        "channelId": "C",
        "botEmployeeId": "robo",
        "visitorInfo": {"page": "/"},
    }


ANA = Participant("ana", "member", "")
GONE = Participant("bob", "bot", "", is_active=False)


def test_who_joined_and_who_left_is_announced_but_no_new_role() -> None:
    change = ChannelChange(
        channel("group", ANA), entered=(ANA,), left=(GONE,), renamed=(Participant("c", "admin", ""),)
    )
    joined, left = own_events.channel_moved(change, START)
    assert (joined.detail_type, left.detail_type) == ("user.joined.channel", "user.left.channel")
    assert said(joined) == {"tenantId": "acme", "channelId": "C", "userId": "ana", "role": "member"}
    assert said(left) == {"tenantId": "acme", "channelId": "C", "userId": "bob", "role": "bot"}


def test_claims_and_deletions_are_announced() -> None:
    claimed = own_events.channel_claimed(channel("lead", claimed_by="ana"), START)
    assert claimed.detail_type == "channel.claimed"
    assert said(claimed) == {
        "tenantId": "acme",
        "channelId": "C",
        "claimedBy": "ana",
        "previousStatus": "unclaimed",
    }
    deleted = own_events.channel_deleted(channel("group", deleted_by="root"), START)
    assert deleted.detail_type == "channel.deleted"
    assert said(deleted) == {"tenantId": "acme", "channelId": "C", "deletedBy": "root"}


def test_the_same_change_has_the_same_event_id_and_another_another() -> None:
    ids = {
        own_events.channel_moved(
            ChannelChange(channel("group", tenant=tenant, revision=revision), entered=(person,)), START
        )[0].detail["eventId"]
        for tenant, person, revision in [
            ("acme", ANA, 1), ("acme", ANA, 1), ("acme", GONE, 1), ("globex", ANA, 1), ("acme", ANA, 2)
        ]
    }  # fmt: skip
    assert len(ids) == 4


def test_what_was_read_is_announced_one_by_one_or_all_at_once() -> None:
    one = own_events.notification_read("acme", "ana", "N", START)
    assert one.detail_type == "notification.read"
    assert said(one) == {"tenantId": "acme", "userId": "ana", "notificationId": "N"}
    every = own_events.notifications_read("acme", "ana", 7, START)
    assert every.detail_type == "notification.read"
    assert said(every) == {"tenantId": "acme", "userId": "ana", "all": True, "count": 7}
    later = own_events.notification_read("acme", "ana", "N", START + 1)
    assert len({event.detail["eventId"] for event in (one, one, every, later)}) == 3
