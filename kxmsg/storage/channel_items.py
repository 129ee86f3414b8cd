"""The table items of a channel and its memberships."""

from collections.abc import Mapping, Sequence
from typing import Any

from kxmsg.keys import channel_key, leads_key, left_key, member_key, participant_key
from kxmsg.model.channel import Channel, Participant
from kxmsg.ports import Delete, Item, Key, Put, TransactItem, Update
from kxmsg.topology import CHANNELS


def channel_of(tenant: str, ident: str, record: Mapping[str, Any], people: Sequence[Participant] = ()) -> Channel:
    """The channel that a record tells of, with these memberships."""
    return Channel(
        id=ident,
        tenant=tenant,
        type=record["channelType"],
        created_at=record["createdAt"],
        created_by=record["createdBy"],
        title=record["title"],
        is_active=record["isActive"],
        metadata=record["metadata"],
        participants=tuple(person for person in people if person.is_active),
        former=tuple(person for person in people if not person.is_active),
        participant_hash=record["participantHash"],
        updated_at=record["updatedAt"],
        revision=record["revision"],
        bot=record["botEmployeeId"],
        lead_status=record["leadStatus"],
        claimed_by=record["claimedBy"],
        is_human_override=record["isHumanOverride"],
        agent=record["agentId"],
        deleted_by=record["deletedBy"],
    )


def mutable(channel: Channel) -> dict[str, Any]:
    """What changes write of a record."""
    return {
        "title": channel.title,
        "isActive": channel.is_active,
        "metadata": channel.metadata,
        "participantHash": channel.participant_hash,
        "updatedAt": channel.updated_at,
        "revision": channel.revision,
        "botEmployeeId": channel.bot,
        "leadStatus": channel.lead_status,
        "claimedBy": channel.claimed_by,
        "isHumanOverride": channel.is_human_override,
        "agentId": channel.agent,
        "deletedBy": channel.deleted_by,
    }


def lead_fields(channel: Channel) -> dict[str, str]:
    """What lists a channel among the unclaimed leads; empty for one that is none."""
    if channel.lead_status != "unclaimed" or not channel.is_active:
        return {}
    return {"by1pk": leads_key(channel.tenant), "by1sk": f"{channel.created_at}#{channel.id}"}


def membership(tenant: str, channel: str, person: Participant) -> list[TransactItem]:
    """The writes of one membership; what others keep beside it, such as how far the user has read, stays."""
    fields: dict[str, Any] = {
        "userId": person.user,
        "channelId": channel,
        "role": person.role,
        "userName": person.name,
        "joinedAt": person.joined_at,
        "leftAt": person.left_at,
        "isActive": person.is_active,
    }
    by_user = Key(member_key(tenant, person.user), channel)
    writes: list[TransactItem] = [
        Update(CHANNELS, Key(channel_key(tenant, channel), participant_key(person.user)), set=fields)
    ]
    if person.is_active:
        return [*writes, Put(CHANNELS, {"pk": by_user.pk, "sk": by_user.sk, **fields})]
    left = {"pk": left_key(tenant, person.user), "sk": channel}
    return [*writes, Delete(CHANNELS, by_user), Put(CHANNELS, left)]


def participant_of(item: Item) -> Participant:
    """The membership that an item tells of."""
    return Participant(
        user=item["userId"],
        role=item["role"],
        joined_at=item["joinedAt"],
        name=item["userName"],
        left_at=item["leftAt"],
        is_active=item["isActive"],
    )
