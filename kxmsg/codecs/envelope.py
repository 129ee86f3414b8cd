"""The one codec of everything that travels between stages: JSON, version 1."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import orjson

from kxmsg.errors import Poison, Refusal
from kxmsg.model.envelope import Bundle, Entry, Envelope, Parcel
from kxmsg.model.target import Target

VERSION: Final = 1

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
    return orjson.dumps(fields)


def decode_parcel(body: bytes) -> Parcel:
    """The parcel of a message body; raises :class:`Poison` where it is none."""
    return decode(body, "a parcel", _parcel_from)


def encode_bundle(bundle: Bundle) -> bytes:
    """One bundle as a message body."""
    return orjson.dumps({"v": VERSION, **bundle_fields(bundle)})


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
    """The inverse of :func:`envelope_fields`."""
    get = fields.get
    return Envelope(
        id=fields["id"],
        tenant=fields["tenant"],
        target=Target.parse(fields["target"]),
        kind=fields["kind"],
        ordering=fields["ordering"],
        payload=fields["payload"],
        created_at=fields["createdAt"],
        content_type=get("contentType", "application/json"),
        origin=get("origin"),
        trace=get("trace"),
        hops=get("hops", 0),
        expires_at=get("expiresAt"),
    )


def bundle_fields(bundle: Bundle) -> dict[str, Any]:
    """The bundle as JSON values."""
    return {
        "tenant": bundle.tenant,
        "target": bundle.target.key,
        "ordering": bundle.ordering,
        "epoch": bundle.epoch,
        "entries": [{"sequence": entry.sequence, **envelope_fields(entry.envelope)} for entry in bundle.entries],
    }


def bundle_from(fields: dict[str, Any]) -> Bundle:
    """The inverse of :func:`bundle_fields`."""
    return Bundle(
        tenant=fields["tenant"],
        target=Target.parse(fields["target"]),
        ordering=fields["ordering"],
        epoch=fields["epoch"],
        entries=tuple(Entry(entry["sequence"], envelope_from(entry)) for entry in fields["entries"]),
    )


def _parcel_from(fields: dict[str, Any]) -> Parcel:
    return Parcel(
        tenant=fields["tenant"],
        target=Target.parse(fields["target"]),
        ordering=fields["ordering"],
        envelopes=tuple(map(envelope_from, fields["envelopes"])),
    )


def decode(body: bytes, what: str, build: Callable[[dict[str, Any]], _T]) -> _T:
    """What ``build`` makes of a body of our version; raises :class:`Poison`, saying that it is not ``what``."""
    try:
        fields = orjson.loads(body)
        if fields["v"] != VERSION:
            raise Poison(f"not {what} of version {VERSION} but of {fields['v']!r}")
        return build(fields)
    except (KeyError, TypeError, ValueError, AttributeError, Refusal) as error:
        raise Poison(f"not {what}: {type(error).__name__}: {error}") from error
