"""Marks: what one user has done with the entries of one inbox log, and what is unread by that. Pure.

Sets of numbers are whole numbers used as bitmaps: bit 0 is the number after the mark's ``base``. So what is unread is a
few operations on words, whatever the size of the inbox.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, Literal, TypeAlias, get_args

from kxmsg.lifetimes import Lifetimes, Sealed, live

Status = Literal["unread", "read", "archived"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

Marking: TypeAlias = Status | Literal["deleted"]
"""What a user can do with an entry; ``deleted`` takes it out of their inbox alone."""

MAX_STEPS: Final = 50
"""Times of mark-all-read that are kept."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is up to ``base`` is gone for everybody. An archived or deleted entry is read, too.

    ``steps`` are (number, epoch milliseconds): up to there all was read then. ``version`` counts writes; 0: not stored.
    """

    base: int = 0
    read: int = 0
    archived: int = 0
    deleted: int = 0
    steps: tuple[tuple[int, int], ...] = ()
    version: int = 0

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Mark":
        """The one that :meth:`fields` was made of."""
        return cls(
            item["base"],
            _bits(item["read"]) << item["through"] | (1 << item["through"]) - 1,
            _bits(item["archived"]),
            _bits(item["deleted"]),
            tuple(zip(item["steps"][::2], item["steps"][1::2], strict=True)),
            item["version"],
        )

    @classmethod
    def at_first_contact(cls, floor: int, last: int) -> "Mark":
        """That of a user who meets a log that stands at ``last``: what came before is not theirs to read."""
        return cls(floor, (1 << max(last - floor, 0)) - 1)

    def fields(self) -> dict[str, Any]:
        """As attributes of a table item. What is read without a gap, ``through``, is not spelled out."""
        through = (~self.read & (self.read + 1)).bit_length() - 1
        return {
            "base": self.base,
            "through": through,
            "read": _text(self.read >> through),
            "archived": _text(self.archived),
            "deleted": _text(self.deleted),
            "steps": [number for step in self.steps for number in step],
            "version": self.version,
        }

    def above(self, floor: int) -> "Mark":
        """The same from ``floor`` on, if that is above the base."""
        by = floor - self.base
        if by <= 0:
            return self
        steps = tuple(step for step in self.steps if step[0] > floor)
        return replace(
            self,
            base=floor,
            read=self.read >> by,
            archived=self.archived >> by,
            deleted=self.deleted >> by,
            steps=steps,
        )

    def marked(self, numbers: Iterable[int], how: Marking) -> "Mark":
        """With these numbers marked, but for those that are deleted."""
        bits = 0
        for number in numbers:
            if number > self.base:
                bits |= 1 << (number - self.base - 1)
        bits &= ~self.deleted
        match how:
            case "unread":
                return replace(self, read=self.read & ~bits, archived=self.archived & ~bits)
            case "read":
                return replace(self, read=self.read | bits, archived=self.archived & ~bits)
            case "archived":
                return replace(self, read=self.read | bits, archived=self.archived | bits)
            case "deleted":
                return replace(self, read=self.read | bits, deleted=self.deleted | bits)

    def all_read(self, last: int, at: int) -> "Mark":
        """With everything up to ``last`` read, ``at`` epoch milliseconds."""
        bits = (1 << max(last - self.base, 0)) - 1
        if self.read | bits == self.read:
            return self
        return replace(self, read=self.read | bits, steps=(*self.steps, (last, at))[-MAX_STEPS:])

    def status(self, number: int) -> Status | None:
        """How a number stands, None where it is out of the user's inbox."""
        bit = number - self.base - 1
        if bit < 0 or self.deleted >> bit & 1:
            return None
        if self.archived >> bit & 1:
            return "archived"
        return "read" if self.read >> bit & 1 else "unread"

    def read_at(self, number: int) -> int | None:
        """When a number was read together with all before it, in epoch milliseconds."""
        return next((at for last, at in self.steps if number <= last), None)


@dataclass(frozen=True, slots=True)
class View:
    """One log as its reader finds it: entries up to ``last``, of which those in ``live``, a bitmap too, count."""

    last: int
    mark: Mark
    live: int

    @classmethod
    def of(cls, last: int, lives: Lifetimes, pages: Sequence[Sealed], mark: Mark, now: float) -> "View":
        """``pages`` are the sealed ones that may still count."""
        mark = mark.above(lives.floor(now))
        bits = live(lives.runs, lives.start, mark.base, now)
        for sealed in pages:
            bits |= live(sealed.runs, sealed.page.start, mark.base, now)
        return cls(last, mark, bits)

    @property
    def unread(self) -> int:
        """How many entries are live and not read."""
        return (self.live & ~self.mark.read).bit_count()

    def status(self, number: int) -> Status | None:
        """How a number stands; None where it is gone, or out of the user's inbox."""
        there = number > self.mark.base and self.live >> (number - self.mark.base - 1) & 1
        return self.mark.status(number) if there else None

    def numbers(self, status: Status | None, before: int, limit: int) -> list[int]:
        """Up to ``limit`` numbers below ``before``, the highest first; without a status, all that is not archived."""
        mark, wanted = self.mark, self.live & ~self.mark.deleted
        match status:
            case "unread":
                wanted &= ~mark.read
            case "read":
                wanted &= mark.read & ~mark.archived
            case "archived":
                wanted &= mark.archived
            case None:
                wanted &= ~mark.archived
        wanted &= (1 << max(before - mark.base - 1, 0)) - 1
        return [mark.base + 1 + bit for bit in islice(_highest_first(wanted), limit)]


def _highest_first(bits: int) -> Iterator[int]:
    while bits:
        top = bits.bit_length() - 1
        yield top
        bits ^= 1 << top


def _text(bits: int) -> str:
    return b64encode(bits.to_bytes((bits.bit_length() + 7) // 8, "little")).decode()


def _bits(text: str) -> int:
    return int.from_bytes(b64decode(text), "little")
