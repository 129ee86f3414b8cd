"""Consistency: fields of a clause never come from different elements of the same array.

As event-ruler does ("JSON Array Matching" of its README), fields are taken in the order of their paths. Kept are all
ways to have the fields so far: for each array that later fields look into as well, the element taken. A field that must
be absent has to be absent beside the elements taken before it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from kxmsg.matching.fields import Occurrences, Standing

MAX_WAYS: Final = 100_000
"""Ways looked at for a field. Only keys with dots can make more of them than the event has values; the rest is left."""


@dataclass(frozen=True, slots=True)
class Check:
    """A field's test as a function of one value."""

    path: str
    passes: Callable[[Any], bool]
    may_be_absent: bool


def consistent(checks: Sequence[Check], found: Occurrences) -> bool:
    """Whether the values pass the checks, which are in the order of their paths."""
    steps: list[tuple[Check, set[Standing], set[Standing]]] = []
    for check in checks:
        here = found.get(check.path, [])
        passing = {standing for value, standing in here if check.passes(value)}
        if not passing and not check.may_be_absent:
            return False
        steps.append((check, passing, {standing for _, standing in here}))
    later: list[frozenset[int]] = [frozenset()]
    for _, _, present in reversed(steps[1:]):
        later.append(later[-1].union(array for standing in present for array, _ in standing))
    ways: set[Standing] = {()}
    for check, passing, present in steps:
        needed = later.pop()
        known = frozenset(array for way in ways for array, _ in way)
        pairs = islice(_pairs(ways, {_kept(standing, known | needed) for standing in passing}), MAX_WAYS)
        after = {_kept(tuple(sorted({*way, *standing})), needed) for way, standing in pairs}
        if check.may_be_absent:
            beside = {way for way, _ in _pairs(ways, {_kept(standing, known) for standing in present})}
            after.update(_kept(way, needed) for way in ways - beside)
        if not after:
            return False
        ways = after
    return True


def _kept(way: Standing, arrays: frozenset[int]) -> Standing:
    return tuple(step for step in way if step[0] in arrays)


def _pairs(ways: set[Standing], standings: set[Standing]) -> Iterator[tuple[Standing, Standing]]:
    """Pairs that take the same elements of the arrays that both are in, found by hash."""
    for arrays, some_ways in _by_arrays(ways).items():
        for others, some_standings in _by_arrays(standings).items():
            shared = arrays & others
            taken: dict[Standing, list[Standing]] = defaultdict(list)
            for standing in some_standings:
                taken[_kept(standing, shared)].append(standing)
            for way in some_ways:
                for standing in taken.get(_kept(way, shared), ()):
                    yield way, standing


def _by_arrays(standings: Iterable[Standing]) -> dict[frozenset[int], list[Standing]]:
    groups: dict[frozenset[int], list[Standing]] = defaultdict(list)
    for standing in standings:
        groups[frozenset(array for array, _ in standing)].append(standing)
    return groups
