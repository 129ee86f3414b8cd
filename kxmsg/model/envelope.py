"""Envelope: the one thing that travels between stages."""

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Self

from kxmsg.model.target import Target

Kind = Literal["notification", "message", "signal"]
Ordering = Literal["fifo", "standard"]

MAX_PAYLOAD: Final = 96 * 1024
"""Bytes of a payload as JSON: its frame stays below 128 KB, else its readers' connections break."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is on its way to one target.

    ``id`` is made once at the entry and survives every retry. ``created_at`` is epoch milliseconds.
    ``origin`` is the connection that sent it, which gets an ``ack`` and not the frame.
    ``trace`` is a W3C ``traceparent``. ``hops`` counts passes through the event bus, so that a loop ends.
    ``expires_at`` is epoch seconds, or None for the retention of its kind.
    """

    id: str
    tenant: str
    target: Target
    kind: Kind
    ordering: Ordering
    payload: dict[str, Any]
    created_at: int
    content_type: str = "application/json"
    origin: str | None = None
    trace: str | None = None
    hops: int = 0
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """Envelopes of one target on their way to be numbered; they travel as one message, in order.

    So a batch call never carries two messages of one ordering group, which a partial failure could reorder.
    """

    tenant: str
    target: Target
    ordering: Ordering
    envelopes: tuple[Envelope, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An envelope with its number: what a log holds."""

    sequence: int
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Bundle:
    """Entries of one target that were committed together; they travel as one message, in order."""

    tenant: str
    target: Target
    ordering: Ordering
    epoch: str
    entries: tuple[Entry, ...] = field(default=())

    def only(self, entries: tuple[Entry, ...]) -> Self:
        """The same bundle with these entries."""
        return replace(self, entries=entries)
