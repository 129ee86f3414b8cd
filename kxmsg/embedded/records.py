"""What a queue's file is asked and answers: entries, receipts, rows."""

from dataclasses import dataclass, field
from typing import NamedTuple, Self

from kxmsg.ports import Delivery


class Entry(NamedTuple):
    """A message on its way in; one whose ``key`` is known already is dropped. ``attributes`` are JSON."""

    body: bytes
    group: str | None = None
    key: str | None = None
    delay: float = 0
    attributes: str | None = None
    id: str | None = None
    sent: float | None = None


class Receipt(NamedTuple):
    """One receive of one message; the next receive makes it stale."""

    seq: int
    receives: int

    def __str__(self) -> str:
        return f"{self.seq}:{self.receives}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """What ``str`` made; raises ValueError."""
        seq, _, receives = text.partition(":")
        return cls(int(seq), int(receives))


class Held(NamedTuple):
    """What decides about a message's lease."""

    seq: int
    receives: int
    visible: float
    taken: float | None
    group: str | None


class Row(NamedTuple):
    """A message as it stands in the file."""

    seq: int
    id: str
    group: str | None
    attributes: dict[str, str] | None
    sent: float
    receives: int
    rank: int
    body: bytes

    def delivery(self, receives: int) -> Delivery:
        receipt = str(Receipt(self.seq, receives))
        return Delivery(self.id, self.body, receipt, receives, self.sent, self.group, self.attributes or {})


@dataclass(frozen=True, slots=True)
class Taken:
    """Outcome of a receive. ``dead`` were received too often; ``next_at``: if empty, when a message comes back."""

    deliveries: list[Delivery] = field(default_factory=list)
    dead: list[Delivery] = field(default_factory=list)
    next_at: float | None = None
