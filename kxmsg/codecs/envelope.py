"""The one codec of everything that travels between stages: JSON, version 1."""

from collections.abc import Callable
from typing import Any, Final, TypeVar, get_args

import orjson

from kxmsg.errors import Poison, Refusal
from kxmsg.model.envelope import Bundle, Change, ChangeKind, Entry, Envelope, Kind, Ordering, Parcel
from kxmsg.model.target import Target

VERSION: Final = 1

_KINDS: Final = frozenset(get_args(Kind))
_ORDERINGS: Final = frozenset(get_args(Ordering))
_CHANGES: Final = frozenset(get_args(ChangeKind))

_T = TypeVar("_T")


def encode_parcel(parcel: Parcel) -> bytes:
    """One parcel as a message body."""
    fields = {
        "v": VERSION,
        "tenant": parcel.tenant,
        "target": parcel.target.key,
        "ordering": parcel.ordering,
        "envelopes": [envelope_fields(envelope) for envelope in parcel.envelopes],
    }
    return encode(fields)


def decode_parcel(body: bytes) -> Parcel:
    """The parcel of a message body; raises :class:`Poison` where it is none."""
    return decode(body, "a parcel", _parcel_from)


def encode_bundle(bundle: Bundle) -> bytes:
    """One bundle as a message body."""
    return encode({"v": VERSION, **bundle_fields(bundle)})


def decode_bundle(body: bytes) -> Bundle:
    """The bundle of a message body; raises :class:`Poison` where it is none."""
    return decode(body, "a bundle", bundle_from)


def envelope_fields(envelope: Envelope) -> dict[str, Any]:
    """The envelope as JSON values; what is unset is left out."""
    fields: dict[str, Any] = {
        "id": envelope.id,
        "tenant": envelope.tenant,
        "target": envelope.target.key,
        "kind": envelope.kind,
        "ordering": envelope.ordering,
        "createdAt": envelope.created_at,
        "payload": envelope.payload,
    }
    if envelope.content_type != "application/json":
        fields["contentType"] = envelope.content_type
    if envelope.origin is not None:
        fields["origin"] = envelope.origin
    if envelope.trace is not None:
        fields["trace"] = envelope.trace
    if envelope.hops:
        fields["hops"] = envelope.hops
    if envelope.expires_at is not None:
        fields["expiresAt"] = envelope.expires_at
    return fields


def envelope_from(fields: dict[str, Any]) -> Envelope:
    """The inverse of :func:`envelope_fields`; raises ValueError, TypeError, KeyError or a Refusal."""
    get = fields.get
    kind, payload = fields["kind"], fields["payload"]
    if kind not in _KINDS or not isinstance(payload, dict):
        raise ValueError("kind or payload is none")
    return Envelope(
        id=_text(fields, "id"),
        tenant=_text(fields, "tenant"),
        target=Target.parse(fields["target"]),
        kind=kind,
        ordering=_ordering(fields),
        payload=payload,
        created_at=_number(fields, "createdAt"),
        content_type=get("contentType", "application/json"),
        origin=get("origin"),
        trace=get("trace"),
        hops=get("hops", 0),
        expires_at=get("expiresAt"),
    )


def bundle_fields(bundle: Bundle) -> dict[str, Any]:
    """The bundle as JSON values; what is unset is left out."""
    fields: dict[str, Any] = {
        "tenant": bundle.tenant,
        "target": bundle.target.key,
        "ordering": bundle.ordering,
        "epoch": bundle.epoch,
        "entries": [{"sequence": entry.sequence, **entry_fields(entry)} for entry in bundle.entries],
    }
    if bundle.change is not None:
        fields["change"] = change_fields(bundle.change)
    return fields


def bundle_from(fields: dict[str, Any]) -> Bundle:
    """The inverse of :func:`bundle_fields`; raises as :func:`envelope_from`."""
    entries = tuple(entry_from(_number(entry, "sequence"), entry) for entry in fields["entries"])
    if not entries:
        raise ValueError("a bundle holds at least one entry")
    return Bundle(
        tenant=_text(fields, "tenant"),
        target=Target.parse(fields["target"]),
        ordering=_ordering(fields),
        epoch=_text(fields, "epoch"),
        entries=entries,
        change=change_from(fields["change"]) if "change" in fields else None,
    )


def change_fields(change: Change) -> dict[str, Any]:
    """The change as JSON values; what is unset is left out."""
    fields: dict[str, Any] = {"kind": change.kind, "at": change.at}
    if change.by is not None:
        fields["by"] = change.by
    if change.detail:
        fields["detail"] = change.detail
    if change.origin is not None:
        fields["origin"] = change.origin
    return fields


def change_from(fields: dict[str, Any]) -> Change:
    """The inverse of :func:`change_fields`; raises as :func:`envelope_from`."""
    kind, detail = fields["kind"], fields.get("detail", {})
    if kind not in _CHANGES or not isinstance(detail, dict):
        raise ValueError("the change is none")
    return Change(kind, _number(fields, "at"), fields.get("by"), detail, fields.get("origin"))


def entry_fields(entry: Entry) -> dict[str, Any]:
    """The entry but for its number as JSON values; what is unset is left out."""
    fields = envelope_fields(entry.envelope)
    if entry.revision:
        fields |= {"revision": entry.revision, "changedAt": entry.changed_at}
    if entry.deleted_at is not None:
        fields["deletedAt"] = entry.deleted_at
    return fields


def entry_from(sequence: int, fields: dict[str, Any]) -> Entry:
    """The inverse of :func:`entry_fields`; raises as :func:`envelope_from`."""
    get = fields.get
    return Entry(sequence, envelope_from(fields), get("revision", 0), get("changedAt"), get("deletedAt"))


def _parcel_from(fields: dict[str, Any]) -> Parcel:
    parcel = Parcel(
        tenant=_text(fields, "tenant"),
        target=Target.parse(fields["target"]),
        ordering=_ordering(fields),
        envelopes=tuple(map(envelope_from, fields["envelopes"])),
    )
    home = parcel.tenant, parcel.target
    if not parcel.envelopes or any((one.tenant, one.target) != home for one in parcel.envelopes):
        raise ValueError("a parcel holds envelopes of its own target, at least one")
    if any(one.kind == "signal" for one in parcel.envelopes):
        raise ValueError("a signal is never stored")
    return parcel


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be text")
    return value


def _number(fields: dict[str, Any], name: str) -> int:
    value = fields[name]
    if not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number")
    return value


def _ordering(fields: dict[str, Any]) -> Ordering:
    ordering: Ordering = fields["ordering"]
    if ordering not in _ORDERINGS:
        raise ValueError("ordering is none")
    return ordering


def encode(fields: dict[str, Any]) -> bytes:
    """A message body; raises :class:`Poison` where the values are no JSON, or nested too deeply for it."""
    try:
        return orjson.dumps(fields)
    except orjson.JSONEncodeError as error:
        raise Poison(f"can't be put on a queue: {error}") from error


def decode(body: bytes, what: str, build: Callable[[dict[str, Any]], _T]) -> _T:
    """What ``build`` makes of a body of our version; raises :class:`Poison`, saying that it is not ``what``."""
    try:
        fields = orjson.loads(body)
        if fields["v"] != VERSION:
            raise Poison(f"not {what} of version {VERSION} but of {fields['v']!r}")
        return build(fields)
    except (KeyError, TypeError, ValueError, AttributeError, Refusal) as error:
        raise Poison(f"not {what}: {type(error).__name__}: {error}") from error
