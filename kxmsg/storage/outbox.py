"""Outbox: events written in the transaction of the change they tell of, published after it, swept if that failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kxmsg.errors import BackendError
from kxmsg.keys import outbox_key, shard_of
from kxmsg.model.event import Event
from kxmsg.ports import Clock, Delete, EventBus, Key, Put, Query, Tables
from kxmsg.storage.writes import write_all
from kxmsg.telemetry import get_logger
from kxmsg.topology import CHANNELS
from kxmsg.transport import put_all

SHARDS: Final = 4

GRACE: Final = 5.0
"""Seconds that the writer itself gets to publish before the sweep does."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Owed:
    """An event in the outbox: where it stands, and itself."""

    key: Key
    event: Event


class Outbox:
    """Events that are owed to the bus. It stands in the ``table`` of the changes: no transaction spans table groups."""

    def __init__(self, tables: Tables, bus: EventBus, clock: Clock, table: str = CHANNELS) -> None:
        self._tables = tables
        self._table = table
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
            puts.append(Put(self._table, {"pk": key.pk, "sk": key.sk, "at": self._clock.now(), **fields}))
            owed.append(Owed(key, event))
        return puts, owed

    async def publish(self, owed: Sequence[Owed]) -> int:
        """Put the events on the bus, then forget those that arrived; returns how many did.

        What fails here stays owed and is no fault of the change, which is made: a sweep repeats it.
        """
        try:
            failures = await put_all(self._bus, [item.event for item in owed])
            refused = {failure.index for failure in failures}
            arrived = [item.key for index, item in enumerate(owed) if index not in refused]
            await write_all(self._tables, self._table, [Delete(self._table, key) for key in arrived])
        except BackendError as error:
            log.warning("events stay owed", count=len(owed), error=str(error))
            return 0
        for failure in failures:
            log.error("event refused by the bus", id=owed[failure.index].key.sk, code=failure.code)
        return len(arrived)

    async def sweep(self, limit: int = 100) -> int:
        """Publish what has been owed for longer than :data:`GRACE`; returns how many events that were."""
        now = self._clock.now()
        late: list[Owed] = []
        for shard in range(SHARDS):
            page = await self._tables.query(self._table, Query(outbox_key(shard), limit=limit, consistent=True))
            late += [_owed(item) for item in page.items if item["at"] <= now - GRACE]
        return await self.publish(late) if late else 0


def _owed(item: dict[str, Any]) -> Owed:
    return Owed(Key(item["pk"], item["sk"]), Event(item["source"], item["type"], item["detail"]))
