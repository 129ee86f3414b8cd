"""Purge: deleting all that a log holds. Its head stays, marked, so that nothing redriven can bring it back."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from kxmsg.errors import ConditionFailed, Transient
from kxmsg.keys import HEAD, RECORD, change_key, entry_key, id_key, log_key, new_id, page_key
from kxmsg.lifetimes import Lifetimes
from kxmsg.log import Head
from kxmsg.model.target import Target
from kxmsg.ports import PRESENT, Condition, Delete, Key, Put, Query, Tables, Update
from kxmsg.retry import Backoff
from kxmsg.storage.writes import write, write_all
from kxmsg.topology import LOGS

MAX_ITEMS: Final = 20_000
"""Items of a log that one call deletes: some seconds' work."""

ATTEMPTS: Final = 20

_PAGE: Final = 500

_BACKOFF: Final = Backoff(base=0.01, cap=0.3)

_ENTRIES: Final = "E#"


@dataclass(frozen=True, slots=True)
class Purged:
    """How many entries were deleted, and whether none are left."""

    count: int
    complete: bool


class Purge:
    """Deletes what is kept of a target."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def log(self, tenant: str, target: Target) -> Purged:
        """Close a log for ever and delete what it holds, at most :data:`MAX_ITEMS` items; repeat to go on."""
        partition = log_key(tenant, target)
        try:
            closed = Update(LOGS, Key(partition, HEAD), set={"deleted": True}, remove=("at",), condition=PRESENT)
            await write(self._tables, closed)
        except ConditionFailed:
            return Purged(0, complete=True)
        return await self._empty(tenant, Query(partition, limit=_PAGE, consistent=True, fields=("id", "deletedAt")))

    async def erase(self, tenant: str, target: Target, now: float) -> Purged:
        """Delete what a log holds of the time up to ``now`` (epoch seconds), as :meth:`log`; it goes on empty.

        Its numbers go on too, under another epoch. What is still on its way from before then is dropped when it comes.
        """
        key = Key(log_key(tenant, target), HEAD)
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(_BACKOFF.delay(attempt))
            head = Head.of(await self._tables.get(LOGS, key, consistent=True))
            if not head.exists or head.deleted:
                return Purged(0, complete=True)
            fields = {"erased": int(now * 1000), "epoch": new_id(now), "rev": head.rev + 1}
            standing = Condition(equals={"deleted": None, "seq": head.seq, "rev": head.rev})
            lives = Lifetimes(start=head.seq).fields()
            try:
                await write(
                    self._tables,
                    Update(LOGS, key, set={**fields, **lives}, remove=("at",), condition=standing),
                )
            except ConditionFailed:  # an entry came in between, or it was this very write whose answer was lost
                continue
            return await self._erase_up_to(tenant, target, head)
        raise Transient(f"log {key.pk}: {ATTEMPTS} changes in a row were cancelled")

    async def partition(self, table: str, pk: str) -> None:
        """Delete all items of one partition."""
        query = Query(pk, limit=_PAGE, consistent=True, fields=("pk",))
        while items := (await self._tables.query(table, query)).items:
            await write_all(self._tables, table, [Delete(table, Key(pk, item["sk"])) for item in items])

    async def _erase_up_to(self, tenant: str, target: Target, head: Head) -> Purged:
        """All but what has come since ``head``."""
        partition, count = log_key(tenant, target), 0
        for first, last in (
            (change_key(0), change_key(head.rev)),
            (entry_key(0), entry_key(head.seq)),
            (page_key(0), page_key(head.seq)),
        ):
            query = Query(partition, first=first, last=last, limit=_PAGE, consistent=True, fields=("id", "deletedAt"))
            purged = await self._empty(tenant, query)
            count += purged.count
            if not purged.complete:
                return replace(purged, count=count)
        return Purged(count, complete=True)

    async def _empty(self, tenant: str, query: Query) -> Purged:
        count = seen = 0
        while seen < MAX_ITEMS:
            page = await self._tables.query(LOGS, query)
            items = [item for item in page.items if item["sk"] != HEAD]
            entries = [item for item in items if item["sk"].startswith(_ENTRIES)]
            # The ids first: an entry is what they are found by, were this to end in between.
            ids: list[Put | Delete] = [Delete(LOGS, Key(id_key(tenant, item["id"]), RECORD)) for item in entries]
            await write_all(self._tables, LOGS, ids)
            await write_all(self._tables, LOGS, [Delete(LOGS, Key(query.pk, item["sk"])) for item in items])
            seen += len(items)
            count += sum("deletedAt" not in item for item in entries)
            if not items or page.cursor is None:
                return Purged(count, complete=True)
        return Purged(count, complete=False)
