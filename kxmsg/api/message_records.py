"""Messages as the API shows them."""

from typing import Any

from kxmsg.model.envelope import Entry, Envelope
from kxmsg.model.message import REACTIONS, shown_reactions
from kxmsg.model.notification import localized
from kxmsg.services.messages import Seen
from kxmsg.times import iso


def accepted_record(envelope: Envelope) -> dict[str, Any]:
    """A message that is on its way, and so has no number yet."""
    return {**_record(envelope, None), "status": "sent"}


def message_record(entry: Entry, locale: str | None = None) -> dict[str, Any]:
    """A stored message for a reader of ``locale``; of a deleted one, no content is left."""
    changed = entry.changed_at or entry.envelope.created_at
    record = {**_record(entry.envelope, locale), "sequenceNumber": entry.sequence, "updatedAt": iso(changed / 1000)}
    if entry.deleted_at is not None:
        record |= {"content": None, "deletedAt": iso(entry.deleted_at / 1000)}
    return record


def seen_record(seen: Seen, locale: str | None = None) -> dict[str, Any]:
    """As :func:`message_record`, with whether the reader has read it."""
    return {**message_record(seen.entry, locale), "status": "read" if seen.read else "unread"}


def _record(envelope: Envelope, locale: str | None) -> dict[str, Any]:
    target, at = envelope.target, iso(envelope.created_at / 1000)
    shown = {name: value for name, value in localized(envelope.payload, locale).items() if name != REACTIONS}
    place = {"channelId": target.id} if target.type == "channel" else {}
    return {
        "priority": "medium",
        "metadata": {},
        **shown,
        **place,
        "messageId": envelope.id,
        "tenantId": envelope.tenant,
        "targetKey": target.key,
        "targetType": target.type,
        "reactions": shown_reactions(envelope.payload),
        "createdAt": at,
        "dateReceived": at,
    }
