"""Inbox: what a user may read besides channels, newest first across their own, their client's and everybody's log."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Any, Final

from kxmsg.audience import inbox
from kxmsg.cursor import bound_to, sign, unsign
from kxmsg.errors import InvalidInput
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Entry
from kxmsg.model.notification import localized
from kxmsg.storage.logs import Logs
from kxmsg.times import iso
from kxmsg.types import Json

MAX_LIMIT: Final = 200


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Notifications as records, newest first, and the cursor of the next page."""

    notifications: list[dict[str, Any]]
    cursor: str | None


class Inbox:
    """Reads inboxes. ``key`` signs cursors."""

    def __init__(self, logs: Logs, key: bytes) -> None:
        self._logs = logs
        self._key = key

    async def page(
        self,
        tenant: str,
        user: str,
        *,
        target_types: Sequence[str] = (),
        limit: int = 50,
        cursor: str | None = None,
        locale: str | None = None,
    ) -> InboxPage:
        """One page of a user's notifications, for a reader of ``locale``.

        A cursor belongs to its user and query, whatever the locale; raises InvalidInput.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(f"limit must be between 1 and {MAX_LIMIT}")
        places = [place for place in inbox(tenant, user) if not target_types or place.target.type in target_types]
        binding = bound_to("inbox", tenant, user, [place.target.key for place in places])
        before = _positions(unsign(self._key, cursor, binding)) if cursor is not None else {}
        reads = [self._newest(place, before.get(place.target.key), limit) for place in places]
        parts = dict(zip((place.target.key for place in places), await asyncio.gather(*reads), strict=True))
        left = {key: len(part) for key, part in parts.items()}
        for key, part in parts.items():  # what arrives from now on is newer than this page
            before.setdefault(key, part[0][1].sequence + 1 if part else 1)
        records: list[dict[str, Any]] = []
        for place, entry in merge(*parts.values(), key=_age):
            key = place.target.key
            before[key] = entry.sequence
            left[key] -= 1
            if entry.envelope.kind == "notification":
                records.append(_record(place, entry, locale))
            if len(records) == limit or (left[key] == 0 and len(parts[key]) == limit):
                break  # a log that is read to the end of its part may go on with something newer than the others' next
        for key, part in parts.items():
            if left[key] == 0 and len(part) < limit:
                before[key] = 1  # read to its end, whatever number that has: what came before has expired
        more = any(position > 1 for position in before.values())
        return InboxPage(records, sign(self._key, before, binding) if more else None)

    async def _newest(self, place: Place, before: int | None, limit: int) -> list[tuple[Place, Entry]]:
        if before == 1:
            return []
        entries = await self._logs.read(place.tenant, place.target, before=before, limit=limit, reverse=True)
        return [(place, entry) for entry in entries]


def _age(row: tuple[Place, Entry]) -> tuple[int, str]:
    envelope = row[1].envelope
    return -envelope.created_at, envelope.id


def _positions(data: Json) -> dict[str, int]:
    fields = data if isinstance(data, dict) else {}
    return {key: position for key, position in fields.items() if isinstance(position, int)}


def _record(place: Place, entry: Entry, locale: str | None) -> dict[str, Any]:
    envelope = entry.envelope
    at = iso(envelope.created_at / 1000)
    return {
        **localized(envelope.payload, locale),
        "notificationId": envelope.id,
        "tenantId": place.tenant,
        "targetKey": place.target.key,
        "targetType": place.target.type,
        "sequenceNumber": entry.sequence,
        "createdAt": at,
        "dateReceived": at,
    }
