"""The product's own events (CONTRACT section 3): what is said to the bus about each change. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from kxmsg.keys import derived_id
from kxmsg.model.channel import Channel, ChannelChange, Participant
from kxmsg.model.envelope import Bundle, Entry
from kxmsg.model.event import OWN_SOURCE, Event
from kxmsg.times import iso

MAX_HOPS: Final = 3
"""Passes through the bus after which our own events are no longer answered: a loop ends here."""


def own_event(kind: str, tenant: str, at: float, unique: Sequence[str | int], detail: Mapping[str, Any]) -> Event:
    """An event of ``kind``. ``unique`` makes its ``eventId``, the same for the same change however often it is told."""
    return Event(
        source=OWN_SOURCE,
        detail_type=kind,
        detail={
            "eventId": derived_id(at, kind, tenant, *unique),
            "eventType": kind,
            "tenantId": tenant,
            "timestamp": iso(at),
            **{name: value for name, value in detail.items() if value is not None},
        },
    )


STORED: Final = ("notification.created", "message.created", "chat.message.sent")
"""What may be said about an entry that was committed."""


def stored(bundle: Bundle) -> list[Event]:
    """What is said of each entry that was just committed: :data:`STORED`, as far as it applies."""
    return [event for entry in bundle.entries for event in _stored(bundle, entry)]


def _stored(bundle: Bundle, entry: Entry) -> Iterable[Event]:
    envelope, target = entry.envelope, bundle.target
    payload, at = envelope.payload, envelope.created_at / 1000
    common = {
        f"{envelope.kind}Id": envelope.id,
        "targetType": target.type,
        "targetKey": target.key,
        "userId": target.id if target.type == "user" else None,
        "clientId": target.id if target.type == "client" else None,
        "channelId": target.id if target.type == "channel" else None,
        "priority": payload.get("priority"),
        "sequenceNumber": entry.sequence,
        "hops": envelope.hops or None,
    }
    yield own_event(f"{envelope.kind}.created", bundle.tenant, at, [envelope.id], common)
    if envelope.kind == "message" and target.type == "channel":
        sent = {
            "messageId": envelope.id,
            "channelId": target.id,
            "senderId": payload.get("senderId"),
            "messageType": payload.get("messageType"),
            "hops": envelope.hops or None,
        }
        yield own_event("chat.message.sent", bundle.tenant, at, [envelope.id], sent)


AVAILABLE: Final = {
    ("client", "notification"): "client.notification.available",
    ("client", "message"): "client.message.available",
    ("broadcast", "notification"): "broadcast.notification.available",
    ("broadcast", "message"): "broadcast.message.available",
    ("channel", "message"): "chat.message.available",
}
"""What is said to each user of a target about an entry; nothing for a user's own log, whose created event says it."""


def caused_by(kind: str, target_type: str) -> Iterator[str]:
    """The detail-types of what is said about an entry of that kind in a log of that type."""
    yield f"{kind}.created"
    if (target_type, kind) == ("channel", "message"):
        yield "chat.message.sent"
    if (target_type, kind) in AVAILABLE:
        yield AVAILABLE[target_type, kind]


def available(bundle: Bundle, entry: Entry, tenant: str, users: Sequence[str]) -> list[Event]:
    """One event per user who may now read ``entry``; ``tenant`` is the users'."""
    envelope, target = entry.envelope, bundle.target
    kind = AVAILABLE[target.type, envelope.kind]
    payload, at = envelope.payload, envelope.created_at / 1000
    detail: dict[str, Any] = {
        f"{envelope.kind}Id": envelope.id,
        "targetType": target.type,
        "priority": payload.get("priority"),
        "hops": envelope.hops or None,
    }
    if target.type == "client":
        detail["clientId"] = target.id
    if target.type == "channel":
        detail |= {
            "channelId": target.id,
            "content": payload.get("content"),
            "senderId": payload.get("senderId"),
            "metadata": {"fanoutSource": "channel-targeting", "originalTargetKey": target.key},
        }
    return [own_event(kind, tenant, at, [envelope.id, user], {"userId": user, **detail}) for user in users]


def available_to_many(bundle: Bundle, entry: Entry, tenant: str, count: int) -> Event:
    """The one event that stands for all, where a target has more users than are told one by one."""
    kind = AVAILABLE[bundle.target.type, entry.envelope.kind]
    detail = {
        f"{entry.envelope.kind}Id": entry.envelope.id,
        "targetType": bundle.target.type,
        "targetKey": bundle.target.key,
        "priority": entry.envelope.payload.get("priority"),
        "userCount": count,
        "hops": entry.envelope.hops or None,
    }
    return own_event(kind, tenant, entry.envelope.created_at / 1000, [entry.envelope.id, "all"], detail)


def notification_read(tenant: str, user: str, ident: str, at: float) -> Event:
    """``notification.read``."""
    detail = {"userId": user, "notificationId": ident}
    return own_event("notification.read", tenant, at, [user, ident, int(at * 1000)], detail)


def notifications_read(tenant: str, user: str, count: int, at: float) -> Event:
    """The one ``notification.read`` that stands for all that were unread, where a user marks all at once."""
    detail = {"userId": user, "all": True, "count": count}
    return own_event("notification.read", tenant, at, [user, "all", int(at * 1000)], detail)


def message_read(tenant: str, user: str, message: str, channel: str | None, at: float) -> Event:
    """``message.read``: the user has read up to this message; without a channel, of their inbox."""
    detail = {"userId": user, "messageId": message, "channelId": channel}
    return own_event("message.read", tenant, at, [user, message, int(at * 1000)], detail)


def channel_created(channel: Channel, at: float) -> list[Event]:
    """``channel.created``, and for a lead ``lead.created`` too."""
    lead = channel.type == "lead"
    detail = {
        "channelId": channel.id,
        "channelType": channel.type,
        "leadStatus": channel.lead_status,
        "botEmployeeId": channel.bot,
        "participantCount": len(channel.participants),
    }
    events = [own_event("channel.created", channel.tenant, at, [channel.id], detail)]
    if lead:
        info = channel.metadata.get("visitorInfo")
        visitor = {"channelId": channel.id, "botEmployeeId": channel.bot, "visitorInfo": info}
        events.append(own_event("lead.created", channel.tenant, at, [channel.id], visitor))
    return events


def channel_moved(change: ChannelChange, at: float) -> list[Event]:
    """``user.joined.channel`` and ``user.left.channel`` for each who did."""
    return [
        _membership(kind, change.channel, person, at)
        for kind, people in (("user.joined.channel", change.entered), ("user.left.channel", change.left))
        for person in people
    ]


def _membership(kind: str, channel: Channel, person: Participant, at: float) -> Event:
    detail = {"channelId": channel.id, "userId": person.user, "role": person.role}
    return own_event(kind, channel.tenant, at, [channel.id, person.user, channel.revision], detail)


def channel_claimed(channel: Channel, at: float) -> Event:
    """``channel.claimed``."""
    detail = {"channelId": channel.id, "claimedBy": channel.claimed_by, "previousStatus": "unclaimed"}
    return own_event("channel.claimed", channel.tenant, at, [channel.id, channel.revision], detail)


def channel_deleted(channel: Channel, at: float) -> Event:
    """``channel.deleted``."""
    detail = {"channelId": channel.id, "deletedBy": channel.deleted_by}
    return own_event("channel.deleted", channel.tenant, at, [channel.id], detail)
