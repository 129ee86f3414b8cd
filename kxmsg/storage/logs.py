"""Logs: the numbered entries of every target. Append is the one way in (DESIGN promise 2)."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from kxmsg.codecs.envelope import envelope_fields, envelope_from
from kxmsg.errors import ConditionFailed, Poison, TransactionCancelled, Transient
from kxmsg.keys import HEAD, RECORD, entry_key, entry_sequence, id_key, log_key, new_id
from kxmsg.log import Batch, Head, Refused, refused
from kxmsg.model.envelope import Bundle, Entry, Envelope
from kxmsg.model.target import Target
from kxmsg.ports import ABSENT, Clock, Condition, Item, Key, Put, Query, Tables, Update
from kxmsg.retry import Backoff
from kxmsg.storage.turns import Turns
from kxmsg.topology import LOGS

ATTEMPTS: Final = 20
"""Tries of one append before it goes back to its queue: contention this long is an outage."""

_HEADS: Final = 50_000

_BACKOFF: Final = Backoff(base=0.01, cap=1.0)


class Logs:
    """Every target's log.

    ``days`` maps a kind to the days its entries are kept. The cache of heads only saves reads: a stale one
    cancels the transaction, whose reason brings the true head.
    """

    def __init__(self, tables: Tables, clock: Clock, days: dict[str, int]) -> None:
        self._tables = tables
        self._clock = clock
        self._days = days
        self._heads: OrderedDict[str, Head] = OrderedDict()
        self._turns = Turns()

    async def create(self, tenant: str, target: Target) -> None:
        """Make an empty log; a log that exists, or was deleted, stays as it is."""
        item = {"pk": log_key(tenant, target), "sk": HEAD, "seq": 0, "rev": 0, "epoch": new_id(self._clock.now())}
        try:
            await self._tables.write(Put(LOGS, item, ABSENT))
        except ConditionFailed:
            return

    async def head(self, tenant: str, target: Target) -> Head:
        """Where the log stands, read consistently."""
        return Head.of(await self._tables.get(LOGS, Key(log_key(tenant, target), HEAD), consistent=True))

    async def heads(self, places: Sequence[tuple[str, Target]]) -> list[Head]:
        """Where several logs stand."""
        keys = [Key(log_key(tenant, target), HEAD) for tenant, target in places]
        return [Head.of(item) for item in await self._tables.get_many(LOGS, keys, consistent=True)]

    async def append(self, tenant: str, target: Target, envelopes: Sequence[Envelope]) -> Bundle:
        """Number and store ``envelopes``, each once, in their order; returns all of them with their numbers.

        An envelope that was stored before keeps its number and is returned all the same, as it was stored, so that
        what follows the commit happens even if the process died in between. Raises :class:`Poison` where the log can't
        take entries (deleted, or a channel that nobody made), :class:`Transient` after :data:`ATTEMPTS` tries.
        """
        key = log_key(tenant, target)
        async with self._turns.of(key):  # those of one process would only cancel each other, and pay for it
            return await self._append(key, tenant, target, envelopes)

    async def _append(self, key: str, tenant: str, target: Target, envelopes: Sequence[Envelope]) -> Bundle:
        batch = Batch.fold(envelopes)
        head = self._heads.get(key) or await self.head(tenant, target)
        for attempt in range(ATTEMPTS):
            while batch.waiting:
                _check(head, tenant, target)
                outcome = await self._try(key, tenant, batch, head)
                if isinstance(outcome, Head):
                    head = self._remember(key, outcome)
                    continue
                batch.found(outcome.found)
                head = outcome.head or head
                if outcome.again == "later":
                    break
            if not batch.waiting:
                self._remember(key, head)
                await self._recall(key, batch)
                return Bundle(tenant, target, envelopes[0].ordering, head.epoch, batch.entries())
            await asyncio.sleep(_BACKOFF.delay(attempt))
            # In this order: where the ids stand by now, so does the head.
            batch.found(await self._stored(tenant, batch.waiting))
            head = await self.head(tenant, target)
        raise Transient(f"log {key}: {ATTEMPTS} appends in a row were cancelled")

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
        now = self._clock.now()
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
            found += [_entry(item) for item in page.items if item.get("expiresAt", now + 1) > now]
            cursor = page.cursor
            if cursor is None:
                break
        return found[:limit]

    async def _try(self, key: str, tenant: str, batch: Batch, head: Head) -> Head | Refused:
        """One transaction: the new head, or what its refusal tells."""
        entries = batch.numbered(head)
        epoch = head.epoch or new_id(self._clock.now())
        seq = entries[-1].sequence
        if head.exists:
            move = Update(LOGS, Key(key, HEAD), set={"seq": seq}, condition=_standing(head))
        else:
            move = Update(LOGS, Key(key, HEAD), set={"seq": seq, "rev": 0, "epoch": epoch}, condition=ABSENT)
        stored = [Put(LOGS, self._item(key, entry), ABSENT) for entry in entries]
        ids = [
            Put(
                LOGS,
                {
                    "pk": id_key(tenant, entry.envelope.id),
                    "sk": RECORD,
                    "target": entry.envelope.target.key,
                    "seq": entry.sequence,
                    "expiresAt": put.item["expiresAt"],
                },
                ABSENT,
            )
            for entry, put in zip(entries, stored, strict=True)
        ]
        try:
            await self._tables.transact([move, *stored, *ids])
        except TransactionCancelled as cancelled:
            return refused(cancelled.reasons, entries, head)
        except Transient:  # the reply may be what was lost: the ids tell whether it was applied
            return Refused(None, {}, "later")
        batch.commit(entries)
        return Head(seq, epoch)

    async def _stored(self, tenant: str, envelopes: Sequence[Envelope]) -> dict[str, int]:
        keys = [Key(id_key(tenant, envelope.id), RECORD) for envelope in envelopes]
        items = await self._tables.get_many(LOGS, keys, consistent=True)
        return {envelope.id: item["seq"] for envelope, item in zip(envelopes, items, strict=True) if item is not None}

    async def _recall(self, key: str, batch: Batch) -> None:
        """What was stored before is told as it stands in the log, whatever the repeat says."""
        entries = [batch.stored[ident] for ident in batch.repeated]
        if entries:
            keys = [Key(key, entry_key(entry.sequence)) for entry in entries]
            items = await self._tables.get_many(LOGS, keys, consistent=True)
            batch.stored.update((item["id"], _entry(item)) for item in items if item is not None)

    def _item(self, key: str, entry: Entry) -> Item:
        fields: dict[str, Any] = envelope_fields(entry.envelope)
        fields.setdefault("expiresAt", entry.envelope.created_at // 1000 + self._days[entry.envelope.kind] * 86_400)
        return {"pk": key, "sk": entry_key(entry.sequence), **fields}

    def _remember(self, key: str, head: Head) -> Head:
        self._heads[key] = head
        self._heads.move_to_end(key)
        if len(self._heads) > _HEADS:
            self._heads.popitem(last=False)
        return head


def _standing(head: Head) -> Condition:
    return Condition(equals={"seq": head.seq, "deleted": None})


def _check(head: Head, tenant: str, target: Target) -> None:
    if head.deleted:
        raise Poison(f"{target.key} of tenant {tenant} was deleted")
    if not head.exists and target.type == "channel":
        raise Poison(f"tenant {tenant} has no channel {target.id!r}; make it with POST /channels, then redrive")


def _entry(item: Item) -> Entry:
    return Entry(entry_sequence(item["sk"]), envelope_from(item))
