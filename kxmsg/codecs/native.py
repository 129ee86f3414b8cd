"""Native JSON frames: what our own clients read and write (CONTRACT section 5)."""

from collections.abc import Mapping
from typing import Any

import orjson

from kxmsg.errors import InvalidInput
from kxmsg.model.envelope import Bundle, Entry
from kxmsg.model.notification import DISPLAY, localized
from kxmsg.times import iso


def frame(bundle: Bundle, entry: Entry, locale: str | None = None) -> bytes:
    """The frame that shows a stored entry to readers of ``locale``: ``notification``, ``chat.message``, ``message``."""
    envelope, payload = entry.envelope, localized(entry.envelope.payload, locale)
    fields: dict[str, Any]
    if envelope.kind == "notification":
        fields = {"type": "notification", "notificationId": envelope.id}
        fields |= {name: payload[name] for name in DISPLAY if name in payload}
    elif bundle.target.type == "channel":
        fields = {
            "type": "chat.message",
            "channelId": bundle.target.id,
            "messageId": envelope.id,
            "message": payload.get("content"),
            "senderId": payload.get("senderId"),
            "senderName": payload.get("senderName"),
            "eventType": payload.get("eventType", "chat"),
            "metadata": payload.get("metadata", {}),
        }
    else:
        fields = {**payload, "type": "message", "messageId": envelope.id}
    fields["timestamp"] = iso(envelope.created_at / 1000)
    fields["targetKey"] = bundle.target.key
    fields["epoch"] = bundle.epoch
    fields["sequenceNumber"] = entry.sequence
    return orjson.dumps(fields)


def ack(ident: Any, **fields: Any) -> bytes:
    """The answer to a frame that was done; ``ident`` is the client's own id, if it gave one."""
    return _answer("ack", ident, fields)


def error(ident: Any, code: str, message: str) -> bytes:
    """The answer to a frame that was not done."""
    return _answer("error", ident, {"code": code, "message": message})


def pong(ident: Any, heads: Mapping[str, Any]) -> bytes:
    """The answer to ``ping``, with where each subscribed log stands: {targetKey: {epoch, sequenceNumber}}."""
    return _answer("pong", ident, {"heads": heads})


def parse(text: str) -> dict[str, Any]:
    """A client's frame; raises :class:`InvalidInput` where it is no JSON object."""
    try:
        fields = orjson.loads(text)
    except ValueError as fault:
        raise InvalidInput(f"the frame is not JSON: {fault}", code="malformed") from fault
    if not isinstance(fields, dict):
        raise InvalidInput("the frame must be a JSON object", code="malformed")
    return fields


def _answer(kind: str, ident: Any, fields: Mapping[str, Any]) -> bytes:
    head = {"type": kind} if ident is None else {"type": kind, "id": ident}
    return orjson.dumps({**head, **fields})
