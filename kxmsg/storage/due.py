"""Due: envelopes, windows of digests, ends of quiet hours. Each shard is leased to one scheduler at a time.

Firing sends the envelope and then deletes its row. A crash in between sends it again, under the id it already
has, which the log stores once; so the lease saves work and is not what correctness rests on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from kxmsg.codecs.envelope import envelope_fields, envelope_from
from kxmsg.errors import ConditionFailed
from kxmsg.keys import RECORD, derived_id, due_key, shard_of
from kxmsg.model.envelope import Envelope
from kxmsg.model.job import Wait
from kxmsg.model.target import Target
from kxmsg.ports import ABSENT, Clock, Condition, Delete, Item, Key, Put, Query, Tables, Update
from kxmsg.storage.writes import write, write_all
from kxmsg.topology import SCHEDULE

SHARDS: Final = 16

LEASE: Final = 15.0
"""Seconds for which a scheduler holds a shard without renewing."""


@dataclass(frozen=True, slots=True)
class DueItem:
    """One envelope whose time has come."""

    key: Key
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class DueWindow:
    """A digest's window whose time has come; ``at`` in epoch milliseconds.

    ``id`` is that of the entry to be made of it, ``partition`` and ``number`` say where it is, ``template`` by which
    name the digest is known.
    """

    key: Key
    id: str
    at: int
    partition: str
    number: int
    template: str


@dataclass(frozen=True, slots=True)
class DueWait:
    """An entry whose readers have waited long enough."""

    key: Key
    wait: Wait


def due_window(partition: str, number: int, at: int, template: str) -> Put:
    """The row by which a window fires at ``at`` (epoch milliseconds): part of the transaction that opens it."""
    ident = derived_id(at / 1000, partition, number)
    item = {
        "pk": due_key(shard_of(partition, SHARDS)),
        "sk": f"{_stamp(at)}#{ident}",
        "window": {"id": ident, "at": at, "partition": partition, "number": number, "template": template},
    }
    return Put(SCHEDULE, item, ABSENT)


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
                    "sk": f"{_stamp(int(at * 1000))}#{envelope.id}",
                    "envelope": envelope_fields(envelope),
                },
            )
            for envelope in envelopes
        ]
        await write_all(self._tables, SCHEDULE, items)

    async def remind(self, waits: Iterable[Wait]) -> None:
        """Keep these until their time. The same again changes nothing, but for since when."""
        items = [
            Put(
                SCHEDULE,
                {
                    "pk": due_key(shard_of(ident, SHARDS)),
                    "sk": f"{_stamp(wait.until * 1000)}#{ident}",
                    "wait": [wait.tenant, wait.target.key, wait.sequence, wait.shard, wait.since, wait.until],
                },
            )
            for wait in waits
            for ident in [derived_id(wait.until, wait.tenant, wait.target.key, wait.sequence, wait.shard)]
        ]
        if items:
            await write_all(self._tables, SCHEDULE, items)

    async def ripe(self, shard: int, limit: int = 100) -> list[DueItem | DueWindow | DueWait]:
        """What is due in a shard, oldest first."""
        last = f"{_stamp(int(self._clock.now() * 1000))}#~"
        page = await self._tables.query(SCHEDULE, Query(due_key(shard), last=last, limit=limit, consistent=True))
        return [_due(item) for item in page.items]

    async def done(self, items: Sequence[DueItem | DueWait]) -> None:
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
            await write(self._tables, Update(SCHEDULE, key, set=taken, add={"fence": 1}, condition=_unchanged(item)))
        except ConditionFailed as failed:  # by another's lease, or by this very one, whose reply was lost
            return failed.item is not None and taken.items() <= failed.item.items()
        return True

    async def release(self, shard: int, owner: str) -> None:
        """Give a shard back at once, so that another scheduler need not wait for the lease to end."""
        mine = Condition(equals={"owner": owner})
        try:
            await write(
                self._tables, Update(SCHEDULE, Key(_lease_key(shard), RECORD), set={"until": 0}, condition=mine)
            )
        except ConditionFailed:
            return


def _due(item: Item) -> DueItem | DueWindow | DueWait:
    key = Key(item["pk"], item["sk"])
    if "wait" in item:
        tenant, target, *others = item["wait"]
        return DueWait(key, Wait(tenant, Target.parse(target), *others))
    return DueWindow(key, **item["window"]) if "window" in item else DueItem(key, envelope_from(item["envelope"]))


def _unchanged(item: Item | None) -> Condition:
    return ABSENT if item is None else Condition(equals={"fence": item["fence"]})


def _lease_key(shard: int) -> str:
    return f"LEASE#{shard}"


def _stamp(at: int) -> str:
    return f"{at:015d}"
