"""Channels and who takes part in them.

A membership stands twice, under its channel and under its user, written in one transaction: either list is one
consistent query on a base table.
"""

from collections.abc import Sequence
from secrets import token_hex
from typing import Any

from kxmsg.errors import Conflict, TransactionCancelled
from kxmsg.keys import RECORD, channel_key, member_key, participant_key
from kxmsg.model.channel import Channel, Participant
from kxmsg.ports import ABSENT, Check, Condition, Item, Key, Put, Query, Tables, TransactItem
from kxmsg.storage.writes import transact
from kxmsg.topology import CHANNELS


class Channels:
    """Channel records and memberships. ``with_`` carries puts that belong to the same change (the outbox)."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def create(self, channel: Channel, with_: Sequence[Put] = ()) -> None:
        """Write a new channel with its participants (≤ 40); raises Conflict if its id is taken."""
        record = {
            "pk": channel_key(channel.tenant, channel.id),
            "sk": RECORD,
            "channelType": channel.type,
            "createdAt": channel.created_at,
            "createdBy": channel.created_by,
            "title": channel.title,
            "isActive": True,
            "metadata": channel.metadata,
            "writer": token_hex(8),  # tells one's own write, its answer lost, from somebody else's
        }
        items: list[TransactItem] = [Put(CHANNELS, record, ABSENT), *with_]
        for participant in channel.participants:
            items += _membership(channel.tenant, channel.id, participant)
        try:
            await transact(self._tables, items)
        except TransactionCancelled as cancelled:
            standing = cancelled.reasons[0]
            if standing.code == "condition":
                if standing.item is not None and standing.item.get("writer") == record["writer"]:
                    return
                raise Conflict(f"channel {channel.id} exists already", code="channel_exists") from cancelled
            raise

    async def get(self, tenant: str, channel: str) -> Channel | None:
        """The channel with its active participants, or None."""
        record: Item | None = None
        participants: list[Participant] = []
        cursor: str | None = None
        while True:
            page = await self._tables.query(
                CHANNELS, Query(channel_key(tenant, channel), cursor=cursor, consistent=True)
            )
            for item in page.items:
                if item["sk"] == RECORD:
                    record = item
                elif item["isActive"]:
                    participants.append(_participant(item))
            cursor = page.cursor
            if cursor is None:
                break
        if record is None:
            return None
        return Channel(
            id=channel,
            tenant=tenant,
            type=record["channelType"],
            created_at=record["createdAt"],
            created_by=record["createdBy"],
            title=record["title"],
            is_active=record["isActive"],
            metadata=record["metadata"],
            participants=tuple(participants),
        )

    async def exists(self, tenant: str, channel: str) -> bool:
        """Whether there is such a channel."""
        key = Key(channel_key(tenant, channel), RECORD)
        return await self._tables.get(CHANNELS, key, consistent=True) is not None

    async def participant(self, tenant: str, channel: str, user: str) -> Participant | None:
        """The user's active membership, or None."""
        key = Key(channel_key(tenant, channel), participant_key(user))
        item = await self._tables.get(CHANNELS, key, consistent=True)
        return _participant(item) if item is not None and item["isActive"] else None

    async def join(self, tenant: str, channel: str, participant: Participant, with_: Sequence[Put] = ()) -> bool:
        """Make the user an active participant; False where they were one already. The channel must exist."""
        if await self.participant(tenant, channel, participant.user) is not None:
            return False
        alive = Check(CHANNELS, Key(channel_key(tenant, channel), RECORD), Condition(equals={"isActive": True}))
        first, second = _membership(tenant, channel, participant)
        inactive = Condition(differs={"isActive": True})
        try:
            await transact(self._tables, [alive, Put(CHANNELS, first.item, inactive), second, *with_])
        except TransactionCancelled as cancelled:
            if cancelled.reasons[1].code == "condition":  # somebody else's call was first
                return False
            if cancelled.reasons[0].code == "condition":
                raise Conflict(f"channel {channel} is closed", code="channel_closed") from cancelled
            raise
        return True

    async def of_user(self, tenant: str, user: str) -> list[str]:
        """The channels that the user takes part in."""
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await self._tables.query(CHANNELS, Query(member_key(tenant, user), cursor=cursor, consistent=True))
            found += [item["sk"] for item in page.items if item["isActive"]]
            cursor = page.cursor
            if cursor is None:
                return found


def _membership(tenant: str, channel: str, participant: Participant) -> tuple[Put, Put]:
    fields: dict[str, Any] = {
        "userId": participant.user,
        "channelId": channel,
        "role": participant.role,
        "userName": participant.name,
        "joinedAt": participant.joined_at,
        "leftAt": participant.left_at,
        "isActive": participant.is_active,
    }
    by_channel = {"pk": channel_key(tenant, channel), "sk": participant_key(participant.user), **fields}
    by_user = {"pk": member_key(tenant, participant.user), "sk": channel, **fields}
    return Put(CHANNELS, by_channel), Put(CHANNELS, by_user)


def _participant(item: Item) -> Participant:
    return Participant(
        user=item["userId"],
        role=item["role"],
        joined_at=item["joinedAt"],
        name=item["userName"],
        left_at=item["leftAt"],
        is_active=item["isActive"],
    )
