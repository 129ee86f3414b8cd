"""Outbox: events written in the transaction of the change they tell of, published after it, swept if that failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kxmsg.keys import outbox_key, shard_of
from kxmsg.model.event import Event
from kxmsg.ports import Clock, Delete, EventBus, Key, Put, Query, Tables
from kxmsg.storage.writes import write_all
from kxmsg.topology import CHANNELS

SHARDS: Final = 4

GRACE: Final = 5.0
"""Seconds that the writer itself gets to publish before the sweep does."""


@dataclass(frozen=True, slots=True)
class Owed:
    """An event in the outbox: where it stands, and itself."""

    key: Key
    event: Event


class Outbox:
    """Events that are owed to the bus."""

    def __init__(self, tables: Tables, bus: EventBus, clock: Clock) -> None:
        self._tables = tables
        self._bus = bus
        self._clock = clock

    def owe(self, events: Sequence[Event]) -> tuple[list[Put], list[Owed]]:
        """The puts that belong into the change's transaction, and what to :meth:`publish` after it."""
        puts: list[Put] = []
        owed: list[Owed] = []
        for event in events:
            ident = str(event.detail["eventId"])
            key = Key(outbox_key(shard_of(ident, SHARDS)), ident)
            fields = {"source": event.source, "type": event.detail_type, "detail": event.detail}
            puts.append(Put(CHANNELS, {"pk": key.pk, "sk": key.sk, "at": self._clock.now(), **fields}))
            owed.append(Owed(key, event))
        return puts, owed

    async def publish(self, owed: Sequence[Owed]) -> int:
        """Put the events on the bus, then forget those that arrived; returns how many did."""
        limit = self._bus.batch_limit
        done = 0
        for start in range(0, len(owed), limit):
            part = owed[start : start + limit]
            failed = {failure.index for failure in await self._bus.put([item.event for item in part])}
            arrived = [item.key for index, item in enumerate(part) if index not in failed]
            await write_all(self._tables, CHANNELS, [Delete(CHANNELS, key) for key in arrived])
            done += len(arrived)
        return done

    async def sweep(self, limit: int = 100) -> int:
        """Publish what has been owed for longer than :data:`GRACE`; returns how many events that were."""
        now = self._clock.now()
        late: list[Owed] = []
        for shard in range(SHARDS):
            page = await self._tables.query(CHANNELS, Query(outbox_key(shard), limit=limit, consistent=True))
            late += [_owed(item) for item in page.items if item["at"] <= now - GRACE]
        return await self.publish(late) if late else 0


def _owed(item: dict[str, Any]) -> Owed:
    return Owed(Key(item["pk"], item["sk"]), Event(item["source"], item["type"], item["detail"]))
