"""Native JSON frames: what our own clients read and write (CONTRACT section 5)."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from kxmsg.errors import InvalidInput
from kxmsg.model.envelope import Bundle, Change, Entry, Envelope
from kxmsg.model.message import shown_reactions
from kxmsg.model.notification import DISPLAY, localized
from kxmsg.times import iso


def frame(bundle: Bundle, entry: Entry, locale: str | None = None) -> bytes:
    """The frame that shows an entry to readers of ``locale``: ``notification``, ``chat.message``, ``message``.

    What was done to one is ``message.updated`` or ``notification.updated``, which show it as it stands now,
    ``….deleted`` or ``reaction``, with the change's detail. An entry that was changed before it is shown has the
    ``revision`` too, since which it is as it is. A signal's payload is its frame, which has no number.
    """
    if entry.envelope.kind == "signal":
        return _signal(bundle, entry.envelope)
    envelope, change = entry.envelope, bundle.change
    if change is None:
        fields = _shown(bundle, entry, locale)
    elif change.kind == "updated":
        shown = _shown(bundle, entry, locale)
        fields = {**shown, "type": f"{envelope.kind}.updated", **_told(change)}
    else:
        name = "reaction" if change.kind == "reaction" else f"{envelope.kind}.{change.kind}"
        fields = {"type": name, **_named(bundle, envelope), **_told(change)}
    fields["timestamp"] = iso(envelope.created_at / 1000)
    fields["targetKey"] = bundle.target.key
    fields["epoch"] = bundle.epoch
    fields["sequenceNumber"] = entry.sequence
    if change is not None or entry.revision:
        fields["revision"] = entry.revision
    return orjson.dumps(fields)


def _shown(bundle: Bundle, entry: Entry, locale: str | None) -> dict[str, Any]:
    envelope, payload = entry.envelope, localized(entry.envelope.payload, locale)
    if envelope.kind == "notification":
        shown = {name: payload[name] for name in DISPLAY if name in payload}
        return {"type": "notification", **_named(bundle, envelope), **shown}
    if bundle.target.type == "channel":
        reactions = shown_reactions(payload)
        return {
            "type": "chat.message",
            **_named(bundle, envelope),
            "message": payload.get("content"),
            "senderId": payload.get("senderId"),
            "senderName": payload.get("senderName"),
            "eventType": payload.get("eventType", "chat"),
            "metadata": payload.get("metadata", {}),
            **({"reactions": reactions} if reactions else {}),
        }
    return {**payload, "type": "message", **_named(bundle, envelope)}


def _named(bundle: Bundle, envelope: Envelope) -> dict[str, Any]:
    channel = {"channelId": bundle.target.id} if bundle.target.type == "channel" else {}
    return {**channel, f"{envelope.kind}Id": envelope.id}


def _told(change: Change) -> dict[str, Any]:
    by = {} if change.by is None else {"by": change.by}
    return {**change.detail, **by, "changedAt": iso(change.at / 1000)}


def _signal(bundle: Bundle, envelope: Envelope) -> bytes:
    place = {"timestamp": iso(envelope.created_at / 1000), "targetKey": bundle.target.key}
    return orjson.dumps({**place, **envelope.payload})


def ack(ident: Any, **fields: Any) -> bytes:
    """The answer to a frame that was done; ``ident`` is the client's own id, if it gave one."""
    return _answer("ack", ident, fields)


def error(ident: Any, code: str, message: str) -> bytes:
    """The answer to a frame that was not done."""
    return _answer("error", ident, {"code": code, "message": message})


def pong(ident: Any, heads: Mapping[str, Any]) -> bytes:
    """The answer to ``ping``, with where each subscribed log stands: {targetKey: {epoch, sequenceNumber, revision}}."""
    return _answer("pong", ident, {"heads": heads})


def history(
    ident: Any, target: str, fields: Mapping[str, Any], entries: Sequence[bytes], changes: Sequence[bytes]
) -> bytes:
    """The answer to ``subscribe``: frames that were missed of the log ``target``, and where the client stands now."""
    frames = {"entries": [*map(orjson.Fragment, entries)], "changes": [*map(orjson.Fragment, changes)]}
    return _answer("history", ident, {"targetKey": target, **frames, **fields})


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
