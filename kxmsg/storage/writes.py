"""Batch writes that end complete: what a table left unprocessed is repeated."""

import asyncio
from collections.abc import Sequence
from typing import Final

from kxmsg.errors import Permanent, Transient
from kxmsg.ports import Delete, Put, Tables
from kxmsg.retry import Backoff

ATTEMPTS: Final = 8

_BACKOFF: Final = Backoff(base=0.02, cap=2.0)


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
