"""Writes that end: what a table left unprocessed, or cancelled for no fault of the writer's, is repeated."""

import asyncio
from collections.abc import Sequence
from typing import Final

from kxmsg.errors import Permanent, TransactionCancelled, Transient
from kxmsg.ports import Delete, Item, Put, Tables, TransactItem, Write
from kxmsg.retry import Backoff

ATTEMPTS: Final = 8

_BACKOFF: Final = Backoff(base=0.02, cap=2.0)


async def write(tables: Tables, write: Write) -> Item | None:
    """One write that may be done twice, repeated where it is not known to be done; raises Transient where it stays so.

    A condition may then fail through one's own doing: the item that ConditionFailed brings tells.
    """
    for attempt in range(ATTEMPTS):
        try:
            return await tables.write(write)
        except Transient as error:
            unclear = error
        await asyncio.sleep(_BACKOFF.delay(attempt))
    raise unclear


async def write_all(tables: Tables, table: str, writes: Sequence[Put | Delete]) -> None:
    """Do all of ``writes``; raises Transient or Permanent, naming the table, where some stay undone."""
    waiting = list(writes)
    for attempt in range(ATTEMPTS):
        failures = await tables.write_many(waiting)
        if not failures:
            return
        for failure in failures:
            if not failure.retryable:
                raise Permanent(f"table {table}: {failure.code}: {failure.message}")
        waiting = [waiting[failure.index] for failure in failures]
        await asyncio.sleep(_BACKOFF.delay(attempt))
    raise Transient(f"table {table}: {len(waiting)} writes stayed unprocessed after {ATTEMPTS} tries")


async def transact(tables: Tables, items: Sequence[TransactItem]) -> None:
    """All or nothing; what a conflict or a throttle cancelled is repeated, and what a lost answer left unclear.

    Raises TransactionCancelled where a condition does not hold, which after a lost answer may be one's own doing;
    Transient where it stays undone.
    """
    unclear: Transient | TransactionCancelled
    for attempt in range(ATTEMPTS):
        try:
            return await tables.transact(items)
        except TransactionCancelled as cancelled:
            if any(reason.code in ("condition", "other") for reason in cancelled.reasons):
                raise
            unclear = cancelled
        except Transient as error:
            unclear = error
        await asyncio.sleep(_BACKOFF.delay(attempt))
    raise Transient(f"a transaction of {len(items)} items was not done in {ATTEMPTS} tries") from unclear
