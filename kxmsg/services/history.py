"""History: the messages of a channel, of an inbox, or of all of a user's channels, page by page."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Final, Literal

from kxmsg.audience import inbox
from kxmsg.cursor import bound_to, sign, unsign
from kxmsg.errors import Forbidden, InvalidInput
from kxmsg.log import Head
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Entry
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target, TargetType, check_id
from kxmsg.policy import Action, allowed
from kxmsg.services.channels.changes import missing
from kxmsg.services.messages import Seen, has_read
from kxmsg.storage.channels import Channels
from kxmsg.storage.logs import Logs
from kxmsg.storage.read_cursors import ReadCursors
from kxmsg.types import Json

MAX_LIMIT: Final = 200
"""Messages of one page."""

MAX_SEEN: Final = 1000
"""Entries that one page looks at: where filters let few of them pass, it has fewer messages, and a cursor."""

MAX_CHANNELS: Final = 50
"""Channels of a list over all of a user's: those where something was last said."""

_PART: Final = 10
"""Entries that are read at once of each of many logs."""

_SKEW: Final = 60_000
"""Milliseconds by which neighbours of a log may be out of the order of their times."""

INBOX: Final[tuple[TargetType, ...]] = ("user", "client", "broadcast")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages. Times are epoch milliseconds, both inclusive; numbers are exclusive and of one log."""

    message_type: str | None = None
    status: Literal["read", "unread"] | None = None
    priority: str | None = None
    start: int | None = None
    end: int | None = None
    after: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages, newest first; or oldest first where those after a number were asked for."""

    messages: list[Seen]
    cursor: str | None


class History:
    """Lists messages. ``key`` signs cursors."""

    def __init__(self, logs: Logs, channels: Channels, cursors: ReadCursors, key: bytes) -> None:
        self._logs = logs
        self._channels = channels
        self._cursors = cursors
        self._key = key

    async def page(
        self,
        who: Principal,
        channel: str | None = None,
        user: str | None = None,
        types: Sequence[TargetType] = (),
        wanted: Filter | None = None,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> MessagePage:
        """One page of a channel's messages or, without one, of ``user``'s in logs of ``types``.

        These are by default the whole inbox of the caller, or the own log of a user who is named. What arrives while
        one pages is not seen. Raises NotFound for a channel that is not the caller's to read, Forbidden, InvalidInput.
        """
        wanted = wanted or Filter()
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(f"limit must be between 1 and {MAX_LIMIT}")
        types = types or (("user",) if user is not None else INBOX)
        reader = check_id(user, "userId") if user is not None else who.user
        if not allowed(who.roles, Action.READ_INBOX, own=reader == who.user):
            raise Forbidden("these messages are not yours")
        binding = bound_to("messages", who.tenant, who.user, reader, channel, list(types), _bound(wanted))
        positions = _positions(unsign(self._key, cursor, binding)) if cursor is not None else None
        if channel is not None:
            places = [Place(who.tenant, Target.of("channel", channel))]
        else:
            places = [place for place in inbox(who.tenant, reader) if place.target.type in types]
            if "channel" in types:
                places += await self._channels_of(who.tenant, reader, positions)
        standings = await self._cursors.at(who.tenant, reader, [place.target for place in places])
        if channel is not None:  # who names another reader needs not take part, or the first check had refused them
            await self._check_reads(who, channel, standings[0].inside and reader == who.user)
        trails = await self._trails(places, positions, wanted, limit)
        read = {place: standing.read for place, standing in zip(places, standings, strict=True)}
        found = await _merged(trails, limit, lambda place, entry: _match(wanted, entry, reader, read[place]))
        left = {_name(trail.place): trail.position for trail in trails if not trail.done}
        messages = [Seen(entry, has_read(entry, reader, read[place])) for place, entry in found]
        return MessagePage(messages, sign(self._key, left, binding) if left else None)

    async def _check_reads(self, who: Principal, channel: str, inside: bool) -> None:
        may = allowed(who.roles, Action.READ_CHANNEL, participant=inside)
        if not may or not (inside or await self._channels.exists(who.tenant, channel)):
            raise missing(channel)

    async def _channels_of(self, tenant: str, user: str, positions: dict[str, int] | None) -> list[Place]:
        """The channels of a user where something was last said; with a cursor, those that it tells of."""
        places = [Place(tenant, Target("channel", one)) for one in await self._channels.of_user(tenant, user)]
        if positions is not None:
            return [place for place in places if _name(place) in positions]
        heads = await self._logs.heads([(place.tenant, place.target) for place in places])
        spoken = [(head.at, place) for head, place in zip(heads, places, strict=True) if head.seq]
        return [place for _, place in sorted(spoken, key=lambda one: one[0], reverse=True)[:MAX_CHANNELS]]

    async def _trails(
        self, places: Sequence[Place], positions: dict[str, int] | None, wanted: Filter, limit: int
    ) -> list["_Trail"]:
        if len(places) > 1 and (wanted.after is not None or wanted.before is not None):
            raise InvalidInput("numbers are those of one log: name the channel, or one user's with userId")
        forward = wanted.after is not None
        part = limit + 1 if len(places) <= len(INBOX) else _PART
        if positions is not None:
            places = [place for place in places if _name(place) in positions]
        trails = [_Trail(self._logs, place, forward, part, wanted) for place in places]
        if positions is not None:
            for trail in trails:
                trail.position = positions[_name(trail.place)]
        elif forward:
            for trail in trails:
                trail.position = max(wanted.after or 0, 0)
        else:
            heads = await self._logs.heads([(place.tenant, place.target) for place in places])
            begins = await asyncio.gather(*map(partial(self._begin, wanted), places, heads))
            for trail, begin in zip(trails, begins, strict=True):
                trail.position = begin
        return trails

    async def _begin(self, wanted: Filter, place: Place, head: Head) -> int:
        """The number before which a list begins that goes back in time; by bisection where a time says so."""
        high = head.seq + 1 if wanted.before is None else min(wanted.before, head.seq + 1)
        if wanted.end is None or head.at <= wanted.end:
            return high
        low, late = 0, wanted.end + _SKEW
        while high - low > _PART:
            middle = (low + high) // 2
            there = await self._logs.read(place.tenant, place.target, after=middle - 1, before=high, limit=_PART)
            if not there or there[0].envelope.created_at > late:
                high = middle
            else:
                low = there[0].sequence
        return high


@dataclass(slots=True)
class _Trail:
    """One log, read entry by entry from ``position`` on, which is the number of the last one that was seen."""

    logs: Logs
    place: Place
    forward: bool
    part: int
    wanted: Filter
    position: int = 0
    ahead: deque[Entry] = field(default_factory=deque)
    ended: bool = False

    @property
    def done(self) -> bool:
        return self.ended and not self.ahead

    async def look(self) -> None:
        """Read on, where nothing is ahead."""
        if self.ahead or self.ended:
            return
        after, before = self.wanted.after or 0, self.wanted.before
        if self.forward:
            after = self.position
        else:
            before = self.position
        place = self.place
        entries = await self.logs.read(
            place.tenant, place.target, after=after, before=before, limit=self.part, reverse=not self.forward
        )
        self.ended = len(entries) < self.part
        self.ahead.extend(entries)

    def take(self) -> Entry:
        """The next entry; the last one where all that follow are beyond the times that are wanted."""
        entry = self.ahead.popleft()
        self.position = entry.sequence
        at, start, end = entry.envelope.created_at, self.wanted.start, self.wanted.end
        over = end is not None and at > end + _SKEW if self.forward else start is not None and at < start - _SKEW
        if over:
            self.ahead.clear()
            self.ended = True
        return entry


async def _merged(
    trails: Sequence[_Trail], limit: int, wanted: Callable[[Place, Entry], bool]
) -> list[tuple[Place, Entry]]:
    """The next ``limit`` entries that are wanted of all the trails, as far as :data:`MAX_SEEN` allows."""
    found: list[tuple[Place, Entry]] = []
    for _ in range(MAX_SEEN):
        if any(not trail.ahead for trail in trails):
            await asyncio.gather(*(trail.look() for trail in trails))
        ready = [trail for trail in trails if trail.ahead]
        if not ready or len(found) == limit:
            break
        choose = min if ready[0].forward else max
        trail = choose(ready, key=_age)
        entry = trail.take()
        if wanted(trail.place, entry):
            found.append((trail.place, entry))
    return found


def _age(trail: _Trail) -> tuple[int, str]:
    envelope = trail.ahead[0].envelope
    return envelope.created_at, envelope.id


def _match(wanted: Filter, entry: Entry, reader: str, read: int) -> bool:
    envelope = entry.envelope
    payload, at = envelope.payload, envelope.created_at
    return (
        envelope.kind == "message"
        and (wanted.message_type is None or payload.get("messageType") == wanted.message_type)
        and (wanted.priority is None or payload.get("priority", "medium") == wanted.priority)
        and (wanted.status is None or has_read(entry, reader, read) == (wanted.status == "read"))
        and (wanted.start is None or at >= wanted.start)
        and (wanted.end is None or at <= wanted.end)
    )


def _bound(wanted: Filter) -> Json:
    return [
        wanted.message_type, wanted.status, wanted.priority, wanted.start, wanted.end, wanted.after, wanted.before,
    ]  # fmt: skip


def _name(place: Place) -> str:
    """A log's name in a cursor, which is limited in length."""
    return sha256(place.target.key.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _positions(data: Json) -> dict[str, int]:
    fields = data if isinstance(data, dict) else {}
    return {name: position for name, position in fields.items() if isinstance(position, int)}
