"""Once: what a caller's own id for a request led to, so that repeating the request does nothing new."""

from hashlib import sha256
from typing import Final

from kxmsg.errors import ConditionFailed, Conflict
from kxmsg.keys import RECORD, idempotency_key
from kxmsg.ports import ABSENT, Clock, Condition, Put, Tables
from kxmsg.topology import CHANNELS

LIFE: Final = 24 * 3600
"""Seconds for which a repeat is recognised."""


class Once:
    """Ids by the caller's own."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def ident(self, tenant: str, user: str, scope: str, fresh: str, content: bytes) -> str:
        """``fresh`` at the first call for ``scope`` (≤ 512 bytes); what it was then, at every further call.

        Raises :class:`~kxmsg.errors.Conflict` where the first call was for other ``content``.
        """
        digest = sha256(content).hexdigest()
        now = self._clock.now()
        item = {
            "pk": idempotency_key(tenant, user, scope),
            "sk": RECORD,
            "ident": fresh,
            "digest": digest,
            "expiresAt": int(now) + LIFE,
        }
        condition = ABSENT
        while True:
            try:
                await self._tables.write(Put(CHANNELS, item, condition))
            except ConditionFailed as failed:
                if failed.item is None:  # swept meanwhile
                    condition = ABSENT
                elif failed.item["expiresAt"] <= now:  # expired, but not swept yet
                    condition = Condition(equals={"ident": failed.item["ident"]})
                elif failed.item["digest"] != digest:
                    raise Conflict("this id was used for another message; choose a new one", code="id_reused") from None
                else:
                    return str(failed.item["ident"])
            else:
                return fresh
