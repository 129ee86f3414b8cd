"""Purge: deleting all that a log holds. Its head stays, marked, so that nothing redriven can bring it back."""

from dataclasses import dataclass
from typing import Final

from kxmsg.errors import ConditionFailed
from kxmsg.keys import HEAD, RECORD, id_key, log_key
from kxmsg.model.target import Target
from kxmsg.ports import PRESENT, Delete, Key, Put, Query, Tables, Update
from kxmsg.storage.writes import write_all
from kxmsg.topology import LOGS

MAX_ITEMS: Final = 20_000
"""Items of a log that one call deletes: some seconds' work."""

_PAGE: Final = 500

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
            await self._tables.write(
                Update(LOGS, Key(partition, HEAD), set={"deleted": True}, remove=("at",), condition=PRESENT)
            )
        except ConditionFailed:
            return Purged(0, complete=True)
        query = Query(partition, limit=_PAGE, consistent=True, fields=("id", "deletedAt"))
        count = seen = 0
        while seen < MAX_ITEMS:
            page = await self._tables.query(LOGS, query)
            items = [item for item in page.items if item["sk"] != HEAD]
            entries = [item for item in items if item["sk"].startswith(_ENTRIES)]
            # The ids first: an entry is what they are found by, were this to end in between.
            ids: list[Put | Delete] = [Delete(LOGS, Key(id_key(tenant, item["id"]), RECORD)) for item in entries]
            await write_all(self._tables, LOGS, ids)
            await write_all(self._tables, LOGS, [Delete(LOGS, Key(partition, item["sk"])) for item in items])
            seen += len(items)
            count += sum("deletedAt" not in item for item in entries)
            if not items or page.cursor is None:
                return Purged(count, complete=True)
        return Purged(count, complete=False)
