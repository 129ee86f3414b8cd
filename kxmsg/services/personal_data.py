"""Personal data: all that is kept of one user, told and erased."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from kxmsg.cursor import bound_to, sign, unsign
from kxmsg.errors import Forbidden, NotFound, Unavailable
from kxmsg.keys import cursor_key, mark_key
from kxmsg.leads import left
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Change, Entry, Envelope
from kxmsg.model.message import REACTIONS, with_reactions
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.model.user import User
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock
from kxmsg.reactions import removed
from kxmsg.services.amender import Amender
from kxmsg.services.channels.changes import Changes
from kxmsg.services.inbox import Found
from kxmsg.services.users import check_has_users, named
from kxmsg.storage.channels import Channels
from kxmsg.storage.connections import Connections
from kxmsg.storage.directory import Directory
from kxmsg.storage.logs import Logs
from kxmsg.storage.marks import Marks
from kxmsg.storage.purge import Purge
from kxmsg.topology import CHANNELS, LOGS
from kxmsg.types import Json

MAX_CHANGES: Final = 2000
"""Messages that one call deletes or changes in channels; repeat it to go on."""

MAX_SEEN: Final = 2000
"""Entries of channels that one page of an export looks at."""

_PAGE: Final = 500

_OWN: Final = ""
"""Stands for the user's own log where channels are named; sorts before them."""


@dataclass(frozen=True, slots=True)
class Export:
    """One page: the first has the ``user``, if the directory does, and ``channels``, with those that they have left.

    ``notifications`` and ``messages`` are those of the user's own log, then what they wrote in channels.
    """

    user: User | None
    channels: list[str]
    notifications: list[Found] = field(default_factory=list)
    messages: list[Entry] = field(default_factory=list)
    cursor: str | None = None

    def __len__(self) -> int:
        return len(self.notifications) + len(self.messages)


@dataclass(slots=True)
class Erased:
    """What a call deleted."""

    entries: int = 0
    messages: int = 0
    reactions: int = 0
    channels: list[str] = field(default_factory=list)

    @property
    def changes(self) -> int:
        return self.messages + self.reactions


class PersonalData:
    """Exports and erasures. ``key`` signs cursors."""

    def __init__(
        self,
        directory: Directory,
        logs: Logs,
        channels: Channels,
        connections: Connections,
        changes: Changes,
        amender: Amender,
        purge: Purge,
        marks: Marks,
        clock: Clock,
        key: bytes,
    ) -> None:
        self._directory = directory
        self._logs = logs
        self._channels = channels
        self._connections = connections
        self._changes = changes
        self._amender = amender
        self._purge = purge
        self._marks = marks
        self._clock = clock
        self._key = key

    async def export(self, who: Principal, ident: str, limit: int, cursor: str | None) -> Export:
        """One page of what is kept of a user; raises Forbidden, InvalidInput."""
        user = named(who, ident)
        if not allowed(who.roles, Action.EXPORT_USER, own=user == who.user):
            raise Forbidden("these data are not yours")
        binding = bound_to("export", who.tenant, who.user, user)
        start, after = _position(unsign(self._key, cursor, binding)) if cursor is not None else (_OWN, 0)
        first = cursor is None
        channels = await self._channels_of(who.tenant, user)
        known = await self._directory.get(who.tenant, user) if first else None
        export = Export(known, channels if first else [])
        own = Place(who.tenant, Target("user", user))
        (box,) = await self._marks.look(who.tenant, user, [own])
        seen = 0
        for source in [one for one in (_OWN, *channels) if one >= start]:
            target = Target("channel", source) if source != _OWN else own.target
            async for entry in self._forward(who.tenant, target, after):
                if len(export) == limit or seen == MAX_SEEN:
                    return replace(export, cursor=sign(self._key, [source, after], binding))
                seen, after = seen + 1, entry.sequence
                if entry.envelope.kind == "notification":
                    status = box.view.status(entry.sequence) or "unread"
                    export.notifications.append(Found(user, own, entry, status))
                elif source == _OWN or _wrote(user, entry):
                    export.messages.append(entry)
            after = 0
        return export

    async def erase(self, who: Principal, ident: str) -> Erased:
        """Delete what is kept of a user; what others keep of them, ids in channels that they made, stays.

        Connections are forgotten, channels left, what they wrote there is deleted for everybody, their own log is
        emptied, what they have read is forgotten, and the directory's entry goes last: a repeat goes on wherever a call
        ended. Raises Forbidden, InvalidInput, and Unavailable ``unfinished`` where one call is not enough.
        """
        user, tenant = named(who, ident), who.tenant
        if not allowed(who.roles, Action.MANAGE_USERS):
            raise Forbidden("your roles may not erase users")
        check_has_users(who)
        erased = Erased()
        await self._connections.close_all(tenant, user)
        for channel in await self._channels_of(tenant, user):
            await self._erase_in(who, user, channel, erased)
            erased.channels.append(channel)
        purged = await self._purge.erase(tenant, Target("user", user), self._clock.now())
        erased.entries += purged.count
        if not purged.complete:
            raise _unfinished()
        await self._purge.partition(LOGS, mark_key(tenant, user))
        await self._purge.partition(CHANNELS, cursor_key(tenant, user))
        await self._directory.remove(tenant, user)
        return erased

    async def _channels_of(self, tenant: str, user: str) -> list[str]:
        """Those that the user takes part in, and those that they have left."""
        return sorted({*await self._channels.of_user(tenant, user), *await self._channels.left_by(tenant, user)})

    async def _forward(self, tenant: str, target: Target, after: int = 0) -> AsyncIterator[Entry]:
        while True:
            entries = await self._logs.read(tenant, target, after=after, limit=_PAGE)
            for entry in entries:
                yield entry
            if len(entries) < _PAGE:
                return
            after = entries[-1].sequence

    async def _erase_in(self, who: Principal, user: str, channel: str, erased: Erased) -> None:
        now = self._clock.now()
        with contextlib.suppress(NotFound):  # it was destroyed meanwhile
            await self._changes.apply(who.tenant, channel, lambda one: left(one, user, now))
        target = Target("channel", channel)
        async for entry in self._forward(who.tenant, target):
            wrote = _wrote(user, entry)
            if not wrote and not _reactions_of(user, entry):
                continue
            if erased.changes == MAX_CHANGES:
                raise _unfinished()
            about = Change("deleted" if wrote else "updated", int(now * 1000), who.user)
            await self._amender.amend(
                who.tenant, target, entry.sequence, _nothing if wrote else partial(_without, user), about
            )
            erased.messages += wrote
            erased.reactions += not wrote
        await self._channels.forget(who.tenant, channel, user)


def _wrote(user: str, entry: Entry) -> bool:
    return entry.envelope.payload.get("senderId") == user


def _reactions_of(user: str, entry: Entry) -> list[str]:
    reactions: Mapping[str, Sequence[str]] = entry.envelope.payload.get(REACTIONS, {})
    return [emoji for emoji, users in reactions.items() if user in users]


def _nothing(_: Entry) -> None:
    """What is left of what the user wrote."""


def _without(user: str, entry: Entry) -> Envelope:
    """What others said, without the user's reactions."""
    reactions = entry.envelope.payload.get(REACTIONS, {})
    for emoji in _reactions_of(user, entry):
        reactions = removed(reactions, emoji, user)
    return with_reactions(entry.envelope, reactions)


def _unfinished() -> Unavailable:
    return Unavailable("there is more of this user than one request deletes; repeat it", code="unfinished")


def _position(data: Json) -> tuple[str, int]:
    if isinstance(data, list) and len(data) == 2 and isinstance(data[1], int):
        return str(data[0]), data[1]
    return _OWN, 0
