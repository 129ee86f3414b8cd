"""Lookup: one channel, a user's channels by their last activity, channels by who takes part."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Final

from kxmsg.cursor import bound_to, sign, unsign
from kxmsg.errors import Forbidden, InvalidInput
from kxmsg.log import Head
from kxmsg.model.channel import Channel
from kxmsg.model.envelope import Entry
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target, check_id
from kxmsg.participants import participant_hash
from kxmsg.policy import Action, allowed
from kxmsg.services.channels.changes import missing
from kxmsg.storage.channels import Channels
from kxmsg.storage.logs import Located, Logs
from kxmsg.storage.sets import Sets
from kxmsg.times import iso
from kxmsg.types import Json

MAX_LIMIT: Final = 100
"""Channels of one page."""

LISTED_PEOPLE: Final = 100
"""Participants of each channel that a list shows."""

LISTED_LEADS: Final = 500
"""Unclaimed leads that a list takes in: the newest."""

RECENT: Final = 50
"""Messages that are shown with a channel."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A channel with its newest message, and when something last happened in it (ISO-8601)."""

    channel: Channel
    last: Entry | None
    activity: str


@dataclass(frozen=True, slots=True)
class ChannelPage:
    """Channels, the most recently active first, and the cursor of the next page."""

    channels: list[Shown]
    cursor: str | None


class ChannelLookup:
    """Finds channels. ``key`` signs cursors."""

    def __init__(self, channels: Channels, sets: Sets, logs: Logs, key: bytes) -> None:
        self._channels = channels
        self._sets = sets
        self._logs = logs
        self._key = key

    async def get(self, who: Principal, ident: str) -> Channel:
        """The channel as its participants, the tenant's admins and, of an unclaimed lead, its employees see it.

        NotFound for everybody else.
        """
        channel = await self._channels.get(who.tenant, check_id(ident, "channelId"))
        if channel is None or not _may_see(who, channel, channel.participant(who.user) is not None):
            raise missing(ident)
        return channel

    async def recent(self, channel: Channel) -> tuple[list[Entry], bool]:
        """The messages among the last :data:`RECENT` entries, oldest first, and whether there are more before them."""
        target = Target("channel", channel.id)
        entries = await self._logs.read(channel.tenant, target, limit=RECENT + 1, reverse=True)
        messages = [entry for entry in entries[:RECENT] if entry.envelope.kind == "message"]
        return messages[::-1], len(entries) > RECENT

    async def shown(self, channels: Sequence[Channel]) -> list[Shown]:
        """Channels with their newest messages: two reads, however many they are."""
        return await self._with_last(channels, await self._heads(channels))

    async def page(
        self,
        who: Principal,
        user: str | None = None,
        *,
        anonymous: bool = True,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ChannelPage:
        """One page of a user's active channels and, if ``anonymous``, of the leads that the caller could claim.

        Read are the user's memberships, the records and heads of those channels, the newest message and the first
        :data:`LISTED_PEOPLE` participants of each channel on the page. A channel that becomes active meanwhile moves
        to the front, so that a later page does not show it again. Raises Forbidden, InvalidInput.
        """
        user = check_id(user, "userId") if user is not None else who.user
        if user != who.user and not allowed(who.roles, Action.READ_CHANNEL):
            raise Forbidden("these channels are not yours")
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(f"limit must be between 1 and {MAX_LIMIT}")
        anonymous = anonymous and allowed(who.roles, Action.SEE_UNCLAIMED_LEADS)
        binding = bound_to("channels", who.tenant, who.user, user, anonymous)
        after = _position(unsign(self._key, cursor, binding)) if cursor is not None else None
        channels = await self._listed(who.tenant, user, anonymous)
        heads = await self._heads(channels)
        ranked = sorted(
            ((_rank(channel, head), channel, head) for channel, head in zip(channels, heads, strict=True)),
            key=itemgetter(0),
            reverse=True,
        )
        left = [one for one in ranked if after is None or one[0] < after]
        part = left[:limit]
        people = await asyncio.gather(
            *(self._channels.some_participants(who.tenant, one.id, LISTED_PEOPLE) for _, one, _ in part)
        )
        whole = [replace(one, participants=tuple(some)) for (_, one, _), some in zip(part, people, strict=True)]
        shown = await self._with_last(whole, [head for _, _, head in part])
        return ChannelPage(shown, sign(self._key, list(part[-1][0]), binding) if len(left) > limit else None)

    async def find(self, who: Principal, users: Sequence[str]) -> tuple[str, list[Channel]]:
        """The hash of this set of users, and the active channels with exactly them that the caller may see.

        Raises Forbidden.
        """
        if not allowed(who.roles, Action.CREATE_CHANNEL):
            raise Forbidden("your roles may not find channels")
        for user in users:
            check_id(user, "userIds")
        if not allowed(who.roles, Action.READ_CHANNEL, participant=who.user in users):
            return participant_hash(who.tenant, users), []
        there = await self._sets.get(who.tenant, users)
        whole = await asyncio.gather(*(self._channels.get(who.tenant, one.id) for one in there.channels))
        return there.digest, [one for one in whole if one is not None]

    async def _listed(self, tenant: str, user: str, anonymous: bool) -> list[Channel]:
        mine = await self._channels.of_user(tenant, user)
        leads = await self._channels.unclaimed(tenant, LISTED_LEADS) if anonymous else []
        known = {lead.id for lead in leads}
        own = await self._channels.records(tenant, [ident for ident in mine if ident not in known])
        return [*leads, *(channel for channel in own if channel.is_active)]

    async def _heads(self, channels: Sequence[Channel]) -> list[Head]:
        return await self._logs.heads([(one.tenant, Target("channel", one.id)) for one in channels])

    async def _with_last(self, channels: Sequence[Channel], heads: Sequence[Head]) -> list[Shown]:
        places = [
            Located(one.tenant, Target("channel", one.id), head.seq)
            for one, head in zip(channels, heads, strict=True)
            if head.seq
        ]
        found = await self._logs.entries(places)
        newest = {place.target.id: entry for place, entry in zip(places, found, strict=True)}
        return [Shown(one, newest.get(one.id), _activity(one, head)) for one, head in zip(channels, heads, strict=True)]


def _may_see(who: Principal, channel: Channel, inside: bool) -> bool:
    if allowed(who.roles, Action.READ_CHANNEL, participant=inside):
        return True
    return channel.lead_status == "unclaimed" and allowed(who.roles, Action.SEE_UNCLAIMED_LEADS)


def _activity(channel: Channel, head: Head) -> str:
    """The later of the channel's last change and its last message; ISO-8601 of one form sorts by time."""
    return max(channel.updated_at, iso(head.at / 1000))


def _rank(channel: Channel, head: Head) -> tuple[str, str]:
    return _activity(channel, head), channel.id


def _position(data: Json) -> tuple[str, str] | None:
    if isinstance(data, list) and len(data) == 2:
        return str(data[0]), str(data[1])
    return None
