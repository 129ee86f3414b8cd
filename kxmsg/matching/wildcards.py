"""Wildcards: ``*`` for any characters, ``\\*`` and ``\\\\`` for themselves. Matching is linear in the value."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

MAX_COMPLEXITY: Final = 10
"""Beginnings of wildcards that one value may have matched at the same time (AWS event-ruler README, "complexity")."""

_END: Final = '"'
"""Closes the text in JSON, so that a wildcard without an asterisk at its end is left there."""


def parse(text: str) -> tuple[str, ...]:
    """The parts between the asterisks; raises ValueError with what would be right."""
    parts, part, at = [], "", 0
    while at < len(text):
        character = text[at]
        if character == "*":
            if text.startswith("**", at):
                raise ValueError("has two asterisks in a row; keep one")
            parts.append(part)
            part = ""
        elif character == "\\":
            at += 1
            if text[at : at + 1] not in {"*", "\\"}:
                raise ValueError("has a backslash before something else than * or \\; write \\\\ for a backslash")
            part += text[at]
        else:
            part += character
        at += 1
    return (*parts, part)


def like(text: str, parts: Sequence[str]) -> bool:
    """Whether ``text`` has the parts in their order, the first at its beginning and the last at its end."""
    first, *middle, last = parts
    at, end = len(first), len(text) - len(last)
    if end < at or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


@lru_cache(maxsize=1024)
def too_complex(wildcards: tuple[tuple[str, ...], ...]) -> bool:
    """Whether AWS would refuse a field with these wildcards for their complexity.

    A wildcard is an automaton over its characters. Counted are the places in all of them at which some value could
    leave them at once: repeated characters after an asterisk, and many asterisks, make many.
    """
    if sum(len(parts) for parts in wildcards) == len(wildcards):
        return False
    machines = _Machines(wildcards)
    return any(places.bit_count() > MAX_COMPLEXITY for places in machines.worst())


class _Machines:
    """The automata of some wildcards. Their places are numbered in one row, a set of places is the bits of a number."""

    def __init__(self, wildcards: Sequence[Sequence[str]]) -> None:
        self._firsts = 0
        self._stars = 0
        self._behind: dict[str, int] = defaultdict(int)
        """By the text before the first asterisk, the places that are left no more: those behind an asterisk."""
        self._leading: dict[str, int] = defaultdict(int)
        """The places that a character leads on from, by one."""
        place = 1
        for first, *others in wildcards:
            self._firsts |= place
            beginning = first if others else first + _END
            for character in first:
                self._leading[character] |= place
                place <<= 1
            behind = 0
            for part in others:
                self._stars |= place
                place <<= 1
                behind |= place
                for character in part:
                    self._leading[character] |= place
                    place <<= 1
            self._leading[_END] |= place
            self._behind[beginning] |= behind
            place <<= 2

    def worst(self) -> Iterator[int]:
        """Sets of places that some value is at, one of the largest among them. The first of each is not counted.

        As long as a value is the beginning of a wildcard's first part, there is one way to go. Behind that it may pass
        any asterisk of it, which it never leaves; what matters is which parts it then is at the beginning of.
        """
        for text in self._behind:
            active, behind = self._onto_stars(self._firsts), 0
            for length, character in enumerate(text):
                behind |= self._behind.get(text[:length], 0)
                active = self._onto_stars((active & self._leading[character]) << 1 | active & behind)
                yield active & ~self._firsts
            yield from self._onward(behind | self._behind[text])

    def _onward(self, behind: int) -> Iterator[int]:
        begin = self._onto_stars(behind)
        pending, seen = [begin], {begin}
        while pending:
            active = pending.pop()
            yield active
            for leading in self._leading.values():
                if active & leading:
                    reached = self._onto_stars((active & leading) << 1 | behind)
                    if reached not in seen:
                        seen.add(reached)
                        pending.append(reached)

    def _onto_stars(self, places: int) -> int:
        """With what is behind an asterisk, which may stand for nothing."""
        return places | (places & self._stars) << 1
