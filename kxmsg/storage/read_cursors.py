"""Read cursors: how far a user has read the messages of a log. They move forward only.

Of a channel, the cursor is part of the user's membership; of the logs of their inbox, it stands alone.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

from kxmsg.errors import TransactionCancelled, Transient
from kxmsg.keys import channel_key, cursor_key, participant_key
from kxmsg.model.target import Target
from kxmsg.ports import Clock, Condition, Item, Key, Put, Tables, Update
from kxmsg.retry import Backoff
from kxmsg.times import iso
from kxmsg.topology import CHANNELS

ATTEMPTS: Final = 20

_BACKOFF: Final = Backoff(base=0.01, cap=0.3)


@dataclass(frozen=True, slots=True)
class Standing:
    """The number up to which a user has read a log; ``inside`` is False of a channel that they don't take part in."""

    read: int
    inside: bool


@dataclass(frozen=True, slots=True)
class Advance:
    """Where a cursor stands after a call, and whether the call has ``moved`` it."""

    standing: Standing
    moved: bool


class ReadCursors:
    """Read cursors by user and log."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def at(self, tenant: str, user: str, targets: Sequence[Target]) -> list[Standing]:
        """How far the user has read each of these logs: one consistent read."""
        keys = [_key(tenant, user, target) for target in targets]
        items = await self._tables.get_many(CHANNELS, keys, consistent=True)
        return [_standing(target, item) for target, item in zip(targets, items, strict=True)]

    async def unread_by(self, readers: Sequence[tuple[str, str]], target: Target, number: int) -> set[tuple[str, str]]:
        """Those of (tenant, user) who have not read so far; one read."""
        keys = [_key(tenant, user, target) for tenant, user in readers]
        items = await self._tables.get_many(CHANNELS, keys, consistent=True)
        standings = [_standing(target, item) for item in items]
        return {reader for reader, one in zip(readers, standings, strict=True) if one.inside and one.read < number}

    async def advance(self, tenant: str, user: str, target: Target, to: int, with_: Sequence[Put] = ()) -> Advance:
        """Move the cursor to the number ``to``, unless it stands there or further, and write ``with_`` with it.

        A channel that the user doesn't take part in has no cursor to move. Raises Transient after :data:`ATTEMPTS`
        tries.
        """
        key, writer = _key(tenant, user, target), token_hex(8)
        fields = {"readSequence": to, "readAt": iso(self._clock.now()), "reader": writer}
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(_BACKOFF.delay(attempt))
            item = await self._tables.get(CHANNELS, key, consistent=True)
            standing = _standing(target, item)
            if not standing.inside or standing.read >= to:
                mine = item is not None and item.get("reader") == writer  # its answer was lost
                return Advance(standing, moved=mine)
            known = {"readSequence": None if item is None else item.get("readSequence")}
            member = {"isActive": True} if target.type == "channel" else {}
            move = Update(CHANNELS, key, set=fields, condition=Condition(equals={**known, **member}))
            try:
                await self._tables.transact([move, *with_])
            except (TransactionCancelled, Transient):
                continue  # whatever it was, the cursor as it stands now tells
            return Advance(Standing(to, inside=True), moved=True)
        raise Transient(f"read cursor of {target.key}: {ATTEMPTS} changes in a row were cancelled")


def _key(tenant: str, user: str, target: Target) -> Key:
    if target.type == "channel":
        return Key(channel_key(tenant, target.id), participant_key(user))
    return Key(cursor_key(tenant, user), target.key)


def _standing(target: Target, item: Item | None) -> Standing:
    inside = target.type != "channel" or (item is not None and item["isActive"])
    return Standing(item.get("readSequence", 0) if item is not None else 0, inside)
