"""Permissions: letting others into a channel and putting them out; a view of its participants [S2]."""

from collections.abc import Sequence
from dataclasses import dataclass

from kxmsg.cursor import bound_to, sign, unsign
from kxmsg.errors import Conflict, Forbidden, NotFound
from kxmsg.leads import left
from kxmsg.model.channel import Channel, ChannelChange, Participant
from kxmsg.model.principal import Principal
from kxmsg.model.target import check_id
from kxmsg.participants import joined
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock
from kxmsg.services.channels.changes import Changes, check_owns, missing
from kxmsg.services.channels.creation import ChannelService
from kxmsg.services.channels.following import Following
from kxmsg.storage.channels import Channels
from kxmsg.times import iso


@dataclass(frozen=True, slots=True)
class Permission:
    """A membership and the channel that it is of."""

    channel: str
    person: Participant


class Permissions:
    """Grants and revokes. ``key`` signs cursors."""

    def __init__(
        self,
        channels: Channels,
        creation: ChannelService,
        changes: Changes,
        following: Following,
        clock: Clock,
        key: bytes,
    ) -> None:
        self._channels = channels
        self._creation = creation
        self._changes = changes
        self._following = following
        self._clock = clock
        self._key = key

    async def grant(self, who: Principal, ident: str, user: str, role: str, name: str | None = None) -> Participant:
        """Let ``user`` take part in a channel with ``role``, or give them that role; returns their membership.

        Where admin or system name an unknown channel, it is made, a group. Raises NotFound, Conflict.
        """
        person = Participant(check_id(user, "userId"), role, iso(self._clock.now()), name)
        check_id(ident, "chatId")
        if allowed(who.roles, Action.MANAGE_PERMISSIONS) and not await self._channels.exists(who.tenant, ident):
            try:
                channel = await self._creation.create(who, "group", [person], ident=ident)
            except Conflict as conflict:
                if conflict.code != "channel_exists" or not await self._channels.exists(who.tenant, ident):
                    raise
            else:
                return channel.participant(user) or person
        now = self._clock.now()
        await self._changes.check_room(who.tenant, [person])
        seen: list[Participant] = []

        def decide(channel: Channel) -> ChannelChange | None:
            check_owns(who, channel, Action.MANAGE_PERMISSIONS)
            change = joined(channel, person, now)
            seen[:] = [(change.channel if change else channel).participant(user) or person]
            return change

        await self._changes.apply(who.tenant, ident, decide)
        await self._following.settle(who.tenant, ident, user)
        return seen[0]

    async def revoke(self, who: Principal, ident: str, user: str) -> None:
        """Let ``user`` take part no longer; their open connections get nothing more of the channel.

        Raises NotFound where they did not take part.
        """
        now = self._clock.now()
        check_id(user, "userId")

        def decide(channel: Channel) -> ChannelChange | None:
            check_owns(who, channel, Action.MANAGE_PERMISSIONS)
            if channel.participant(user) is None and channel.once(user) is None:
                raise NotFound(f"{user} does not take part", code="permission_not_found")
            return left(channel, user, now)

        if await self._changes.apply(who.tenant, ident, decide) is None:
            await self._following.settle(who.tenant, ident, user)

    async def of_channel(
        self, who: Principal, ident: str, limit: int, cursor: str | None
    ) -> tuple[Sequence[Permission], str | None]:
        """A page of those who take part in a channel, by user, and the next one's cursor.

        For those who administer the channel; raises NotFound, Forbidden, InvalidInput.
        """
        channel = await self._channels.get(who.tenant, check_id(ident, "chatId"))
        if channel is None:
            raise missing(ident)
        check_owns(who, channel, Action.MANAGE_PERMISSIONS)
        rows = {person.user: Permission(ident, person) for person in channel.participants}
        return self._page(bound_to("permissions", who.tenant, who.user, "chat", ident), rows, limit, cursor)

    async def of_user(
        self, who: Principal, user: str, limit: int, cursor: str | None
    ) -> tuple[Sequence[Permission], str | None]:
        """A page of what a user takes part in, by channel, and the next one's cursor; raises as :meth:`of_channel`."""
        if not allowed(who.roles, Action.READ_PERMISSIONS, own=check_id(user, "userId") == who.user):
            raise Forbidden("these permissions are not yours")
        rows = {
            ident: Permission(ident, person) for ident, person in await self._channels.memberships(who.tenant, user)
        }
        return self._page(bound_to("permissions", who.tenant, who.user, "user", user), rows, limit, cursor)

    def _page(
        self, binding: str, rows: dict[str, Permission], limit: int, cursor: str | None
    ) -> tuple[Sequence[Permission], str | None]:
        after = str(unsign(self._key, cursor, binding)) if cursor is not None else ""
        left_over = sorted(name for name in rows if name > after)
        part = left_over[:limit]
        return [rows[name] for name in part], sign(self._key, part[-1], binding) if len(left_over) > limit else None
