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
    """An envelope with its number: what a log holds. A signal, which no log holds, has the number 0.

    ``revision`` is that of the log at the entry's last change, which was at ``changed_at``; 0 and None where it stands
    as it came. A deleted entry, ``deleted_at``, keeps its number and nothing of its payload. Times are epoch
    milliseconds.
    """

    sequence: int
    envelope: Envelope
    revision: int = 0
    changed_at: int | None = None
    deleted_at: int | None = None


ChangeKind = Literal["updated", "deleted", "reaction"]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to a stored entry: ``by`` whom, ``at`` epoch milliseconds, and what a reaction says in ``detail``.

    ``origin`` is the connection that asked for it, which gets an ``ack`` and not the frame.
    """

    kind: ChangeKind
    at: int
    by: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """Entries of one target that were committed together; they travel as one message, in order.

    With a ``change``, they are not new: it is what was done to them, and they are as they stand since.
    """

    tenant: str
    target: Target
    ordering: Ordering
    epoch: str
    entries: tuple[Entry, ...] = field(default=())
    change: Change | None = None

    def only(self, entries: tuple[Entry, ...]) -> Self:
        """The same bundle with these entries."""
        return replace(self, entries=entries)

    @property
    def unique(self) -> tuple[str | int, ...]:
        """What tells it from every other bundle of its target, and is the same whenever it is told again."""
        if self.change is None:
            return self.epoch, *(entry.sequence for entry in self.entries)
        return self.epoch, "change", *(entry.revision for entry in self.entries)
