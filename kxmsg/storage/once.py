"""Once: what a caller's own id for a request led to, so that repeating the request does nothing new."""

from typing import Final

from kxmsg.errors import ConditionFailed
from kxmsg.keys import RECORD, idempotency_key
from kxmsg.ports import ABSENT, Clock, Put, Tables
from kxmsg.topology import CHANNELS

LIFE: Final = 24 * 3600
"""Seconds for which a repeat is recognised."""


class Once:
    """Ids by the caller's own."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def ident(self, tenant: str, user: str, scope: str, fresh: str) -> str:
        """``fresh`` at the first call for ``scope`` (≤ 512 bytes); what it was then, at every further call."""
        item = {"pk": idempotency_key(tenant, user, scope), "sk": RECORD, "ident": fresh}
        try:
            await self._tables.write(Put(CHANNELS, {**item, "expiresAt": int(self._clock.now()) + LIFE}, ABSENT))
        except ConditionFailed as failed:
            if failed.item is None:
                raise
            return str(failed.item["ident"])
        return fresh
