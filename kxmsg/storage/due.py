"""Due: envelopes that enter the path later. Sharded, each shard leased to one scheduler at a time.

Firing sends the envelope and then deletes its row. A crash in between sends it again, under the id it already
has, which the log stores once; so the lease saves work and is not what correctness rests on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kxmsg.codecs.envelope import envelope_fields, envelope_from
from kxmsg.errors import ConditionFailed
from kxmsg.keys import RECORD, due_key, shard_of
from kxmsg.model.envelope import Envelope
from kxmsg.ports import ABSENT, Clock, Condition, Delete, Item, Key, Put, Query, Tables, Update
from kxmsg.storage.writes import write_all
from kxmsg.topology import SCHEDULE

SHARDS: Final = 16

LEASE: Final = 15.0
"""Seconds for which a scheduler holds a shard without renewing."""


@dataclass(frozen=True, slots=True)
class DueItem:
    """One envelope whose time has come."""

    key: Key
    envelope: Envelope


class Due:
    """What is due later, and who looks after which shard."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def put(self, at: float, envelopes: Sequence[Envelope]) -> None:
        """Keep ``envelopes`` until ``at`` (epoch seconds). Putting the same again changes nothing."""
        items = [
            Put(
                SCHEDULE,
                {
                    "pk": due_key(shard_of(envelope.id, SHARDS)),
                    "sk": f"{_stamp(at)}#{envelope.id}",
                    "envelope": envelope_fields(envelope),
                },
            )
            for envelope in envelopes
        ]
        await write_all(self._tables, SCHEDULE, items)

    async def ripe(self, shard: int, limit: int = 100) -> list[DueItem]:
        """What is due in a shard, oldest first."""
        query = Query(due_key(shard), last=f"{_stamp(self._clock.now())}#~", limit=limit, consistent=True)
        page = await self._tables.query(SCHEDULE, query)
        return [DueItem(Key(item["pk"], item["sk"]), envelope_from(item["envelope"])) for item in page.items]

    async def done(self, items: Sequence[DueItem]) -> None:
        """Forget what was sent."""
        await write_all(self._tables, SCHEDULE, [Delete(SCHEDULE, item.key) for item in items])

    async def lease(self, shard: int, owner: str) -> bool:
        """Take or renew a shard for :data:`LEASE` seconds; False while another scheduler has it."""
        now = self._clock.now()
        key = Key(_lease_key(shard), RECORD)
        taken = {"owner": owner, "until": now + LEASE}
        item = await self._tables.get(SCHEDULE, key, consistent=True)
        if item is not None and item["owner"] != owner and item["until"] > now:
            return False
        try:
            await self._tables.write(Update(SCHEDULE, key, set=taken, add={"fence": 1}, condition=_unchanged(item)))
        except ConditionFailed:
            return False
        return True

    async def release(self, shard: int, owner: str) -> None:
        """Give a shard back at once, so that another scheduler need not wait for the lease to end."""
        mine = Condition(equals={"owner": owner})
        try:
            await self._tables.write(Update(SCHEDULE, Key(_lease_key(shard), RECORD), set={"until": 0}, condition=mine))
        except ConditionFailed:
            return


def _unchanged(item: Item | None) -> Condition:
    return ABSENT if item is None else Condition(equals={"fence": item["fence"]})


def _lease_key(shard: int) -> str:
    return f"LEASE#{shard}"


def _stamp(at: float) -> str:
    return f"{int(at * 1000):015d}"
