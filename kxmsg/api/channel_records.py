"""Channels and memberships as the API shows them."""

from typing import Any

from kxmsg.model.channel import Channel, Participant
from kxmsg.model.envelope import Entry
from kxmsg.services.channels.lookup import Shown
from kxmsg.services.channels.permissions import Permission
from kxmsg.times import iso


def channel_record(channel: Channel) -> dict[str, Any]:
    """A channel in which nothing was said yet, as far as is known."""
    return {
        "channelId": channel.id,
        "tenantId": channel.tenant,
        "channelType": channel.type,
        "title": channel.title,
        "isActive": channel.is_active,
        "leadStatus": channel.lead_status,
        "claimedBy": channel.claimed_by,
        "botEmployeeId": channel.bot,
        "isHumanOverride": channel.is_human_override,
        "agentId": channel.agent,
        "metadata": channel.metadata,
        "participants": [person.user for person in channel.participants],
        "participantDetails": [_participant(person) for person in channel.participants],
        "participantHash": channel.participant_hash,
        "createdAt": channel.created_at,
        "createdBy": channel.created_by,
        "updatedAt": channel.updated_at,
        "lastActivity": channel.updated_at,
        "lastMessage": None,
        "revision": channel.revision,
    }


def shown_record(shown: Shown) -> dict[str, Any]:
    """A channel with its last activity and message."""
    return {**channel_record(shown.channel), "lastActivity": shown.activity, "lastMessage": _last(shown.last)}


def permission_record(permission: Permission) -> dict[str, Any]:
    """A membership as [S2] shows it."""
    channel, person = permission.channel, permission.person
    return {
        "userId": person.user,
        "chatId": channel,
        "channelId": channel,
        "role": person.role,
        "userName": person.name,
        "grantedAt": person.joined_at,
    }


def _participant(person: Participant) -> dict[str, Any]:
    return {"userId": person.user, "userName": person.name, "role": person.role, "joinedAt": person.joined_at}


def _last(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "content": entry.envelope.payload.get("content"),
        "senderId": entry.envelope.payload.get("senderId"),
        "timestamp": iso(entry.envelope.created_at / 1000),
        "messageId": entry.envelope.id,
    }
