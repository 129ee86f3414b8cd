"""Lifetimes: until when each entry of an inbox log counts, in so few words that the log's head can hold them.

Entries that follow one another and expire at the same moment are one run ``(last, until)``: the numbers after the run
before it, up to ``last``, count until the epoch second ``until``. :data:`GONE` stands for what does not count: deleted,
expired, or no notification. What is too much for the head is sealed into pages, the oldest runs first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, TypeAlias

GONE: Final = 0

MAX_RUNS: Final = 200
"""Runs in a head, about 12 bytes each: every append writes them."""

SEALED_RUNS: Final = 160
"""Runs of a page."""

Runs: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Where sealed runs stand: of the numbers after ``start`` up to ``last``, all gone at ``until``."""

    start: int
    last: int
    until: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A page with its runs."""

    page: Page
    runs: Runs


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """What a log's head knows: ``runs`` of the numbers after ``start``, ``pages`` of some before, the rest is gone."""

    start: int = 0
    runs: Runs = ()
    pages: tuple[Page, ...] = ()

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Lifetimes":
        """Those that :meth:`fields` were made of."""
        numbers = item["pages"]
        pages = tuple(Page(*numbers[at : at + 3]) for at in range(0, len(numbers), 3))
        return cls(item["start"], runs_of(item["runs"]), pages)

    def fields(self) -> dict[str, Any]:
        """As attributes of a table item."""
        pages = [number for page in self.pages for number in (page.start, page.last, page.until)]
        return {"start": self.start, "runs": flat(self.runs), "pages": pages}

    def floor(self, now: float) -> int:
        """A number up to which everything is gone."""
        for page in self.pages:
            if page.until > now:
                return page.start
        spans = _spans(self.start, self.runs)
        return next(
            (before for before, _, until in spans if until > now), self.runs[-1][0] if self.runs else self.start
        )

    def grown(self, untils: Iterable[int], now: float) -> tuple["Lifetimes", list[Sealed]]:
        """With entries added; and the pages to write, where these were too many runs."""
        last = self.runs[-1][0] if self.runs else self.start
        added = ((last + step, until) for step, until in enumerate(untils, start=1))
        runs = _merged((one, until if until > now else GONE) for one, until in (*self.runs, *added))
        pages = tuple(page for page in self.pages if page.until > now)
        start = self.start
        if len(runs) > 1 and runs[0][1] == GONE and not pages:
            start, runs = runs[0][0], runs[1:]
        return _limited(Lifetimes(start, runs, pages))

    def page_of(self, number: int) -> Page | None:
        """The page that tells of a number, None where the head itself does or nothing."""
        return next((page for page in self.pages if page.start < number <= page.last), None)

    def without(self, number: int, sealed: Sealed | None) -> tuple["Lifetimes", list[Sealed]]:
        """With one entry gone, and the pages to write. ``sealed`` is the number's page, None where it has none."""
        if sealed is None:
            return _limited(replace(self, runs=_without(self.runs, self.start, number)))
        runs = _without(sealed.runs, sealed.page.start, number)
        half = len(runs) // 2 if len(runs) > MAX_RUNS else 0
        first = [_sealed(sealed.page.start, runs[:half])] if half else []
        parts = [*first, _sealed(first[0].page.last if first else sealed.page.start, runs[half:])]
        at = self.pages.index(sealed.page)
        return replace(self, pages=(*self.pages[:at], *(part.page for part in parts), *self.pages[at + 1 :])), parts


def live(runs: Runs, start: int, base: int, now: float) -> int:
    """The numbers above ``base`` that count at ``now``, as bits: bit 0 is number ``base + 1``."""
    bits = 0
    for before, last, until in _spans(start, runs):
        low = max(before, base)
        if until > now and last > low:
            bits |= (1 << (last - low)) - 1 << (low - base)
    return bits


def _limited(lives: Lifetimes) -> tuple[Lifetimes, list[Sealed]]:
    if len(lives.runs) <= MAX_RUNS:
        return lives, []
    sealed = _sealed(lives.start, lives.runs[:SEALED_RUNS])
    return Lifetimes(sealed.page.last, lives.runs[SEALED_RUNS:], (*lives.pages, sealed.page)), [sealed]


def _sealed(start: int, runs: Runs) -> Sealed:
    return Sealed(Page(start, runs[-1][0], max(until for _, until in runs)), runs)


def _without(runs: Runs, start: int, number: int) -> Runs:
    parts: list[tuple[int, int]] = []
    for before, last, until in _spans(start, runs):
        if before < number <= last:
            parts += [(end, kind) for end, kind in ((number - 1, until), (number, GONE)) if end > before]
            parts += [(last, until)] if last > number else []
        else:
            parts.append((last, until))
    return _merged(parts)


def flat(runs: Runs) -> list[int]:
    """As an attribute of a table item."""
    return [number for run in runs for number in run]


def runs_of(numbers: Sequence[int]) -> Runs:
    """The inverse of :func:`flat`."""
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _spans(start: int, runs: Runs) -> Iterator[tuple[int, int, int]]:
    """Each run with the number before it."""
    return ((before, last, until) for (before, _), (last, until) in pairwise(((start, GONE), *runs)))


def _merged(runs: Iterable[tuple[int, int]]) -> Runs:
    merged: list[tuple[int, int]] = []
    for last, until in runs:
        if merged and merged[-1][1] == until:
            merged.pop()
        merged.append((last, until))
    return tuple(merged)
