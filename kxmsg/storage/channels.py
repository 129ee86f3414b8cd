"""Channels and who takes part in them.

A membership stands under its channel and, while it is active, under its user too: either list is one consistent query
on a base table. A channel also stands under the hash of its participants, so that those with one set are found. What
belongs together is written in one transaction, on condition that the channel's ``revision`` has not moved.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any, Final

from kxmsg.errors import ConditionFailed, Conflict, TransactionCancelled, Transient
from kxmsg.keys import RECORD, channel_key, in_set_key, leads_key, left_key, member_key, participant_key, set_key
from kxmsg.model.channel import Channel, ChannelChange, Participant
from kxmsg.participants import participant_hash
from kxmsg.ports import ABSENT, PRESENT, Condition, Delete, Item, Key, Put, Query, Tables, TransactItem, Update
from kxmsg.retry import Backoff
from kxmsg.storage.channel_items import channel_of, lead_fields, membership, mutable, participant_of
from kxmsg.storage.writes import transact, write, write_all
from kxmsg.topology import CHANNELS

MAX_CHANNELS: Final = 500
"""Channels that a user may take part in: connect, ``ping`` and lists read all of them."""

ATTEMPTS: Final = 60
"""Tries of one change. Of many who change a channel at once, one succeeds each time."""

_BACKOFF: Final = Backoff(base=0.01, cap=0.3)

Decide = Callable[[Channel | None], ChannelChange | None]
"""What becomes of a channel as it stands (None: there is none); None: nothing. Called again if it moved meanwhile."""


class Channels:
    """Channel records and memberships."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def create(self, channel: Channel, with_: Sequence[Put] = (), one: Put | None = None) -> Channel | None:
        """Write a new channel with its participants (≤ 40), and ``with_`` (≤ 10) in the same transaction.

        ``one`` is the record by which there is one such channel (:mod:`kxmsg.storage.sets`); None where somebody
        else's stands there. Returns the channel with its hash. Raises Conflict if its id is taken.
        """
        active = [person for person in channel.participants if person.is_active]
        digest = participant_hash(channel.tenant, [person.user for person in active])
        channel = replace(channel, participant_hash=digest, updated_at=channel.updated_at or channel.created_at)
        record = {
            "pk": channel_key(channel.tenant, channel.id),
            "sk": RECORD,
            "channelType": channel.type,
            "createdAt": channel.created_at,
            "createdBy": channel.created_by,
            "maker": token_hex(8),  # tells one's own write, its answer lost, from somebody else's
            **mutable(channel),
            **lead_fields(channel),
        }
        items: list[TransactItem] = [Put(CHANNELS, record, ABSENT), *([one] if one else []), *_in_set(channel), *with_]
        for person in channel.participants:
            items += membership(channel.tenant, channel.id, person)
        try:
            await transact(self._tables, items)
        except TransactionCancelled as cancelled:
            standing = cancelled.reasons[0]
            if standing.item is not None and standing.item.get("maker") == record["maker"]:
                return channel
            if standing.code == "condition":
                raise Conflict(f"channel {channel.id} exists already", code="channel_exists") from cancelled
            if one is not None and cancelled.reasons[1].code == "condition":
                return None
            raise
        return channel

    async def change(
        self, tenant: str, ident: str, decide: Decide, owe: Callable[[ChannelChange], Sequence[Put]] = lambda _: ()
    ) -> ChannelChange | None:
        """Do what ``decide`` says, together with what is then ``owe``d; None where there is nothing to do.

        Raises what ``decide`` raises, and Transient after :data:`ATTEMPTS` tries.
        """
        writer = token_hex(8)
        tried: ChannelChange | None = None
        for attempt in range(ATTEMPTS):
            # The record first: a membership that is read after it and is newer moves the revision that is written on.
            record = await self._tables.get(CHANNELS, _record_key(tenant, ident), consistent=True)
            if tried is not None and record is not None and record.get("writer") == writer:
                return tried  # the answer was lost
            people = await self._people(tenant, ident)  # also of none: whether there is one must not show in the time
            before = channel_of(tenant, ident, record, people) if record is not None else None
            decided = decide(before)
            if before is None or decided is None:
                return None
            tried = replace(decided, channel=_next(decided.channel, before))
            items = [*_changes(before, tried, writer), *owe(tried)]
            try:
                await self._tables.transact(items)
            except TransactionCancelled as cancelled:
                if any(reason.code == "other" for reason in cancelled.reasons):
                    raise
            except Transient:  # the record tells whether it was the answer that was lost
                pass
            else:
                return tried
            await asyncio.sleep(_BACKOFF.delay(attempt))
        raise Transient(f"channel {ident}: {ATTEMPTS} changes in a row were cancelled")

    async def get(self, tenant: str, ident: str) -> Channel | None:
        """The channel with its participants, or None, also for one that is being destroyed."""
        items = await self._all(Query(channel_key(tenant, ident), consistent=True))
        record = next((item for item in items if item["sk"] == RECORD), None)
        if record is None or record.get("deletedBy"):
            return None
        return channel_of(tenant, ident, record, [participant_of(item) for item in items if item["sk"] != RECORD])

    async def records(self, tenant: str, idents: Sequence[str]) -> list[Channel]:
        """Those of the channels that there are, without their participants."""
        keys = [_record_key(tenant, ident) for ident in idents]
        items = await self._tables.get_many(CHANNELS, keys, consistent=True)
        found = [channel_of(tenant, ident, item) for ident, item in zip(idents, items, strict=True) if item is not None]
        return [channel for channel in found if channel.deleted_by is None]

    async def record(self, tenant: str, ident: str) -> Channel | None:
        """The channel without its participants, or None."""
        return next(iter(await self.records(tenant, [ident])), None)

    async def exists(self, tenant: str, ident: str) -> bool:
        """Whether there is such a channel."""
        return await self.record(tenant, ident) is not None

    async def participant(self, tenant: str, ident: str, user: str) -> Participant | None:
        """The user's active membership, or None."""
        key = Key(channel_key(tenant, ident), participant_key(user))
        item = await self._tables.get(CHANNELS, key, consistent=True)
        return participant_of(item) if item is not None and item["isActive"] else None

    async def standing(
        self, tenant: str, ident: str, users: Sequence[str]
    ) -> tuple[Channel | None, list[Participant | None]]:
        """The channel's record, without participants, and the active memberships of these users: one read."""
        people = [Key(channel_key(tenant, ident), participant_key(user)) for user in users]
        items = await self._tables.get_many(CHANNELS, [_record_key(tenant, ident), *people], consistent=True)
        record = items[0]
        known = record is not None and not record.get("deletedBy")
        channel = channel_of(tenant, ident, record) if known and record is not None else None
        return channel, [participant_of(item) if item and item["isActive"] else None for item in items[1:]]

    async def some_participants(self, tenant: str, ident: str, limit: int) -> list[Participant]:
        """The active ones among the first ``limit`` participants."""
        query = Query(channel_key(tenant, ident), begins=participant_key(""), limit=limit, consistent=True)
        page = await self._tables.query(CHANNELS, query)
        return [participant_of(item) for item in page.items if item["isActive"]]

    async def of_user(self, tenant: str, user: str) -> list[str]:
        """The channels that the user takes part in, at most :data:`MAX_CHANNELS`."""
        return [ident for ident, _ in await self.memberships(tenant, user)]

    async def memberships(self, tenant: str, user: str) -> list[tuple[str, Participant]]:
        """As :meth:`of_user`, with the user's membership in each."""
        found: list[Item] = []
        cursor: str | None = None
        while len(found) < MAX_CHANNELS:
            query = Query(member_key(tenant, user), limit=MAX_CHANNELS, cursor=cursor, consistent=True)
            page = await self._tables.query(CHANNELS, query)
            found += page.items
            cursor = page.cursor
            if cursor is None:
                break
        return [(item["sk"], participant_of(item)) for item in found[:MAX_CHANNELS]]

    async def left_by(self, tenant: str, user: str) -> list[str]:
        """The channels that the user has left, and those among them that they came back to."""
        return [item["sk"] for item in await self._all(Query(left_key(tenant, user), consistent=True))]

    async def forget(self, tenant: str, ident: str, user: str) -> None:
        """Delete the membership of a user who has left."""
        person = Key(channel_key(tenant, ident), participant_key(user))
        with contextlib.suppress(ConditionFailed):  # it is gone already, or they have come back
            await write(self._tables, Delete(CHANNELS, person, Condition(equals={"isActive": False})))
        await write(self._tables, Delete(CHANNELS, Key(left_key(tenant, user), ident)))

    async def count_of_user(self, tenant: str, user: str) -> int:
        """How many channels the user takes part in."""
        return await self._tables.count(CHANNELS, Query(member_key(tenant, user), consistent=True))

    async def unclaimed(self, tenant: str, limit: int) -> list[Channel]:
        """The newest leads that nobody has claimed, without their participants; one made just now may be missing."""
        query = Query(leads_key(tenant), index="by1", reverse=True, limit=limit)
        idents: list[str] = []
        while len(idents) < limit:
            page = await self._tables.query(CHANNELS, query)
            idents += [item["pk"].removeprefix(channel_key(tenant, "")) for item in page.items]
            if page.cursor is None:
                break
            query = replace(query, cursor=page.cursor)
        channels = await self.records(tenant, idents[:limit])
        return [channel for channel in channels if channel.is_active and channel.lead_status == "unclaimed"]

    async def remove_participants(self, tenant: str, ident: str) -> int:
        """Delete the memberships, past ones too, of a channel that is being destroyed; returns how many there were."""
        people = await self._people(tenant, ident)
        mine: list[Put | Delete] = [
            Delete(CHANNELS, Key(partition_of(tenant, one.user), ident))
            for one in people
            for partition_of in (member_key, left_key)
        ]
        await write_all(self._tables, CHANNELS, mine)  # before those by which they are found, were this to die here
        partition = channel_key(tenant, ident)
        await write_all(
            self._tables, CHANNELS, [Delete(CHANNELS, Key(partition, participant_key(one.user))) for one in people]
        )
        return len(people)

    async def remove(self, tenant: str, ident: str, with_: Sequence[Put] = ()) -> bool:
        """Delete the channel's record, the last thing of it, together with ``with_``; False where it was gone."""
        try:
            await transact(self._tables, [Delete(CHANNELS, _record_key(tenant, ident), PRESENT), *with_])
        except TransactionCancelled as cancelled:
            if cancelled.reasons[0].code == "condition":
                return False
            raise
        return True

    async def _people(self, tenant: str, ident: str) -> list[Participant]:
        query = Query(channel_key(tenant, ident), begins=participant_key(""), consistent=True)
        return [participant_of(item) for item in await self._all(query)]

    async def _all(self, query: Query) -> list[Item]:
        items: list[Item] = []
        while True:
            page = await self._tables.query(CHANNELS, query)
            items += page.items
            if page.cursor is None:
                return items
            query = replace(query, cursor=page.cursor)


def _record_key(tenant: str, ident: str) -> Key:
    return Key(channel_key(tenant, ident), RECORD)


def _next(channel: Channel, before: Channel) -> Channel:
    digest = participant_hash(channel.tenant, [person.user for person in channel.participants])
    return replace(channel, participant_hash=digest, revision=before.revision + 1)


def _changes(before: Channel, change: ChannelChange, writer: str) -> list[TransactItem]:
    after = change.channel
    fields: dict[str, Any] = {**mutable(after), **lead_fields(after), "writer": writer}
    items: list[TransactItem] = [
        Update(
            CHANNELS,
            _record_key(after.tenant, after.id),
            set=fields,
            remove=[] if lead_fields(after) else ["by1pk", "by1sk"],
            condition=Condition(equals={"revision": before.revision}),
        )
    ]
    if _listing(before) != _listing(after):
        if (listed := _listing(before)) is not None:
            items.append(Delete(CHANNELS, listed))
        items += _in_set(after)
    for person in change.people:
        items += membership(after.tenant, after.id, person)
    return items


def _listing(channel: Channel) -> Key | None:
    """Where the channel stands among those with its set of participants, if it does."""
    if not channel.is_active or not any(person.is_active for person in channel.participants):
        return None
    return Key(set_key(channel.tenant, channel.participant_hash), in_set_key(channel.id))


def _in_set(channel: Channel) -> list[TransactItem]:
    key = _listing(channel)
    return [] if key is None else [Put(CHANNELS, {"pk": key.pk, "sk": key.sk, "channelType": channel.type})]
