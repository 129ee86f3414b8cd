"""Idempotency: requests under their caller's own key, which of them are under way, and what they led to.

A record stands from the first try on. While a try is under way it holds a lease; a process that dies leaves the lease
to end, after which the next try takes over, with the id that the first one was given.
"""

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex
from typing import Any, Final

from kxmsg.errors import ConditionFailed, Conflict, Transient
from kxmsg.keys import RECORD, idempotency_key, new_id
from kxmsg.ports import ABSENT, Clock, Condition, Delete, Item, Key, Put, Tables, Update, Write
from kxmsg.retry import Backoff
from kxmsg.topology import CHANNELS

LIFE: Final = 24 * 3600
"""Seconds for which a repeat gets the first answer."""

LEASE: Final = 60.0
"""Seconds that a try has; longer than any request takes."""

RETRY_AFTER: Final = 1
"""Seconds after which to ask again while another try is under way."""

MAX_BODY: Final = 256 * 1024
"""Bytes of an answer that is kept: an item has 400 KB."""

ATTEMPTS: Final = 5

_BACKOFF: Final = Backoff(base=0.02, cap=0.5)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What the first try was answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do the request, for :data:`LEASE` seconds. ``ident`` is the same at every try."""

    key: Key
    owner: str
    ident: str


class Idempotency:
    """Requests by tenant, user, route and key."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def begin(self, tenant: str, user: str, route: str, key: str, content: str) -> Claim | KeptAnswer:
        """Claim a request, or learn what it was answered. ``content`` is a digest of what is asked.

        Raises :class:`~kxmsg.errors.Conflict` ``idempotency_key_reused`` where the key stood for another content, and
        ``request_in_progress`` while another try has the claim.
        """
        place = Key(idempotency_key(tenant, user, f"REQUEST#{sha256(f'{route} {key}'.encode()).hexdigest()}"), RECORD)
        now = self._clock.now()
        claim = Claim(place, token_hex(8), new_id(now))
        condition = ABSENT
        while True:
            item = {
                "pk": place.pk,
                "sk": place.sk,
                "content": content,
                "owner": claim.owner,
                "until": now + LEASE,
                "ident": claim.ident,
                "expiresAt": int(now) + LIFE,
            }
            found = await self._write(Put(CHANNELS, item, condition))
            if found is None or found.get("owner") == claim.owner:  # the answer to one's own write may have been lost
                return claim
            if not found:
                condition = ABSENT
                continue
            if found["expiresAt"] > now:
                if found["content"] != content:
                    raise Conflict(
                        "this Idempotency-Key was used for another request; choose a new one",
                        code="idempotency_key_reused",
                    )
                if "status" in found:
                    return KeptAnswer(found["status"], tuple((n, v) for n, v in found["headers"]), found["body"])
                if found["until"] > now:
                    raise Conflict(
                        "a request with this Idempotency-Key is under way; ask again for its answer",
                        code="request_in_progress",
                        details={"retryAfter": RETRY_AFTER},
                    )
                claim = Claim(place, claim.owner, found["ident"])
            condition = Condition(equals={"owner": found["owner"]})

    async def keep(self, claim: Claim, answer: KeptAnswer) -> bool:
        """The request was answered so, and will be from now on; False where that could not be kept."""
        if len(answer.body) > MAX_BODY:
            return False
        headers = [list(pair) for pair in answer.headers]
        fields: dict[str, Any] = {"status": answer.status, "headers": headers, "body": answer.body}
        mine = Condition(equals={"owner": claim.owner})
        return await self._write(Update(CHANNELS, claim.key, set=fields, condition=mine)) is None

    async def forget(self, claim: Claim) -> None:
        """The request was refused and changed nothing: its key is free again, for whatever content."""
        await self._write(Delete(CHANNELS, claim.key, Condition(equals={"owner": claim.owner})))

    async def release(self, claim: Claim) -> None:
        """The request failed half-way: the next try may come at once, and goes on under the same id."""
        mine = Condition(equals={"owner": claim.owner})
        await self._write(Update(CHANNELS, claim.key, set={"until": 0}, condition=mine))

    async def _write(self, write: Write) -> Item | None:
        """None where it was written; else what stands there, ``{}`` for nothing. Raises Transient."""
        attempt = 0
        while True:
            try:
                await self._tables.write(write)
            except ConditionFailed as failed:
                return dict(failed.item or {})
            except Transient:
                attempt += 1
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(_BACKOFF.delay(attempt))
            else:
                return None
