"""LogReader: what a log holds and where it stands. Every read is consistent."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kxmsg.codecs.envelope import change_from, entry_from
from kxmsg.keys import HEAD, RECORD, change_key, change_revision, entry_key, entry_sequence, id_key, log_key, page_key
from kxmsg.lifetimes import GONE, Page, Sealed, runs_of
from kxmsg.log import Head
from kxmsg.model.envelope import Change, Entry
from kxmsg.model.target import Target
from kxmsg.ports import Clock, Item, Key, Query, Tables
from kxmsg.topology import LOGS

_FIRST_LOOK: Final = 0.02
_LAST_LOOK: Final = 0.25
"""Seconds between the looks of who waits for a commit, growing from the one to the other."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where the entry of an id stands."""

    tenant: str
    target: Target
    sequence: int


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done to an entry by one revision of its log, and the entry as it stands now, deleted or not."""

    revision: int
    change: Change
    entry: Entry


class LogReader:
    """Reads every target's log."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def head(self, tenant: str, target: Target) -> Head:
        """Where the log stands, read consistently."""
        return Head.of(await self._tables.get(LOGS, Key(log_key(tenant, target), HEAD), consistent=True))

    async def heads(self, places: Sequence[tuple[str, Target]]) -> list[Head]:
        """Where several logs stand."""
        keys = [Key(log_key(tenant, target), HEAD) for tenant, target in places]
        return [Head.of(item) for item in await self._tables.get_many(LOGS, keys, consistent=True)]

    async def pages(self, places: Sequence[tuple[str, Target, Page]]) -> list[Sealed]:
        """Pages of lifetimes, which heads name, read consistently; one that has expired tells of nothing."""
        keys = [Key(log_key(tenant, target), page_key(page.last)) for tenant, target, page in places]
        items = await self._tables.get_many(LOGS, keys, consistent=True)
        return [
            Sealed(page, runs_of(item["runs"])) if item is not None else Sealed(page, ((page.last, GONE),))
            for (_, _, page), item in zip(places, items, strict=True)
        ]

    async def find(self, idents: Sequence[tuple[str, str]]) -> list[Located | None]:
        """Where entries stand, given as (tenant, id), read consistently; they may be deleted or expired by now."""
        keys = [Key(id_key(tenant, ident), RECORD) for tenant, ident in idents]
        items = await self._tables.get_many(LOGS, keys, consistent=True)
        return [
            Located(tenant, Target.parse(item["target"]), item["seq"]) if item is not None else None
            for (tenant, _), item in zip(idents, items, strict=True)
        ]

    async def entry(self, tenant: str, target: Target, where: int | str) -> Entry | None:
        """The live entry of that number or id, read consistently; None where there is none."""
        sequence = where if isinstance(where, int) else await self._sequence(tenant, target, where)
        return None if sequence is None else (await self.entries([Located(tenant, target, sequence)]))[0]

    async def entries(self, places: Sequence[Located]) -> list[Entry | None]:
        """The live entries that stand there, as :meth:`entry`, in one read."""
        return [None if item is None else entry_of(item) for item in await self.stored(places)]

    async def stored(self, places: Sequence[Located]) -> list[Item | None]:
        """As :meth:`entries`, the items that hold them: for who needs but some of the entries, as :func:`entry_of`."""
        keys = [Key(log_key(one.tenant, one.target), entry_key(one.sequence)) for one in places]
        items = await self._tables.get_many(LOGS, keys, consistent=True)
        return [item if item is not None and self._lives(item) else None for item in items]

    async def committed(self, tenant: str, target: Target, ident: str, patience: float) -> int | None:
        """The number of an id that was accepted, once it is stored; None where that takes over ``patience`` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        pause = _FIRST_LOOK
        while (number := await self._sequence(tenant, target, ident)) is None:
            left = deadline - loop.time()
            if left <= 0:
                return None
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, _LAST_LOOK)
        return number

    async def read(
        self,
        tenant: str,
        target: Target,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 50,
        reverse: bool = False,
    ) -> list[Entry]:
        """Up to ``limit`` live entries numbered above ``after`` and below ``before``, by number."""
        if before is not None and before <= after + 1:  # DynamoDB refuses a range that ends before it begins
            return []
        found: list[Entry] = []
        cursor: str | None = None
        while len(found) < limit:
            page = await self._tables.query(
                LOGS,
                Query(
                    log_key(tenant, target),
                    first=entry_key(after + 1),
                    last=entry_key(before - 1) if before is not None else "E#~",
                    reverse=reverse,
                    limit=limit,
                    cursor=cursor,
                    consistent=True,
                ),
            )
            found += [entry_of(item) for item in page.items if self._lives(item)]
            cursor = page.cursor
            if cursor is None:
                break
        return found[:limit]

    async def changes(
        self, tenant: str, target: Target, *, after: int, up_to: int, numbers: int, limit: int = 50
    ) -> tuple[list[Changed], int]:
        """What was done to entries numbered up to ``numbers``, by revision: above ``after``, not above ``up_to``.

        Looks at ``limit`` changes, and tells up to which revision it has. Of what has expired nothing is told.
        """
        if after >= up_to:
            return [], up_to
        partition = log_key(tenant, target)
        query = Query(partition, first=change_key(after + 1), last=change_key(up_to), limit=limit, consistent=True)
        page = await self._tables.query(LOGS, query)
        records = [item for item in page.items if item["seq"] <= numbers and not self._expired(item)]
        sequences = list(dict.fromkeys(item["seq"] for item in records))
        keys = [Key(partition, entry_key(sequence)) for sequence in sequences]
        entries = {
            sequence: entry_of(item)
            for sequence, item in zip(sequences, await self._tables.get_many(LOGS, keys, consistent=True), strict=True)
            if item is not None
        }
        changed = [
            Changed(change_revision(item["sk"]), change_from(item), entries[item["seq"]])
            for item in records
            if item["seq"] in entries
        ]
        return changed, up_to if page.cursor is None else change_revision(page.items[-1]["sk"])

    async def _sequence(self, tenant: str, target: Target, ident: str) -> int | None:
        (located,) = await self.find([(tenant, ident)])
        return located.sequence if located is not None and located.target == target else None

    def _lives(self, item: Item) -> bool:
        return "deletedAt" not in item and not self._expired(item)

    def _expired(self, item: Item) -> bool:
        return bool(item["expiresAt"] <= self._clock.now())


def entry_of(item: Item) -> Entry:
    """The entry that a table item holds."""
    return entry_from(entry_sequence(item["sk"]), item)
