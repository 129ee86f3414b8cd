"""Tree: which clauses an event passes, without a look at most of them.

Clauses are parted by the exact strings they ask for, the most selective field first, and by all fields at once that the
clauses of a part have in common. What is left at the leaves is generated code.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any, Final, TypeAlias

from kxmsg.matching.code import Code, Draft, Event, Number
from kxmsg.matching.consistency import Check, consistent
from kxmsg.matching.fields import Nested, Occurrences, beginnings, joined_keys, occurrences
from kxmsg.matching.terms import Clause, Test, allows_absence, strings

MAX_COPIES: Final = 16
"""Leaves that one clause may be in: where it asks for more strings than that, they are left to the code of a leaf."""

_WORTH: Final = 8
"""A split is worth it if it concerns one in so many clauses; it also keeps the tree shallow."""


@dataclass(slots=True, eq=False)
class Entry:
    """A clause on its way down the tree, with the tests that are left of it."""

    number: Number
    clause: Clause
    tests: dict[str, Test]
    exact: dict[str, frozenset[str]]
    copies: int = 1

    def without(self, paths: Sequence[str], copies: int) -> "Entry":
        """The entry below a split by the strings at ``paths``."""
        tests = {path: test for path, test in self.tests.items() if path not in paths}
        exact = {path: values for path, values in self.exact.items() if path not in paths}
        return Entry(self.number, self.clause, tests, exact, copies)


@dataclass(slots=True, eq=False)
class Leaf:
    """Clauses that nothing parts any more: those that have passed, and those that code selects from."""

    entries: tuple[Entry, ...]
    passed: tuple[Number, ...]
    select: Callable[[Event, list[Number]], None] | None = None


@dataclass(slots=True, eq=False)
class Split:
    """Clauses parted by the strings at some paths, and the others that don't ask for strings there."""

    paths: tuple[str, ...]
    parts: "dict[Any, Node]"
    others: "Node | None"
    fetch: Callable[[Event], Any] = field(default=lambda _: None)


Node: TypeAlias = Leaf | Split


class Tree:
    """Clauses, each with the number of its pattern."""

    def __init__(self, clauses: Iterable[tuple[Number, Clause]]) -> None:
        entries = [_entry(number, clause) for number, clause in clauses]
        paths = {path for entry in entries for path in entry.clause}
        self._joined = joined_keys(paths)
        self._wanted = beginnings(paths)
        self._alternatives = len({entry.number for entry in entries}) < len(entries)
        self._code = Code()
        self._checks: dict[int, list[Check]] = {}
        drafts: list[tuple[Node, Draft]] = []
        self._root = self._node(entries, frozenset(), drafts)
        self._code.compile()
        for node, draft in drafts:
            if isinstance(node, Split):
                node.fetch = draft.function
            else:
                node.select = draft.function

    def numbers(self, event: Event) -> list[Number]:
        """The numbers of the patterns that the event passes, in order."""
        found: list[Number] = []
        try:
            if not self._joined.isdisjoint(event):
                raise Nested
            _select(self._root, event, found)
        except Nested:
            occurring = occurrences(event, self._wanted)
            entries = {id(entry): entry for entry in _candidates(self._root, occurring)}.values()
            return sorted({entry.number for entry in entries if consistent(self._checks_of(entry.clause), occurring)})
        if len(found) > 1:
            return sorted(set(found) if self._alternatives else found)
        return found

    def _node(self, entries: list[Entry], left: frozenset[str], drafts: list[tuple[Node, Draft]]) -> Node:
        paths = _common_paths(entries, left)
        if not paths:
            return self._leaf(entries, drafts)
        parts: dict[Any, list[Entry]] = defaultdict(list)
        others: list[Entry] = []
        for entry in entries:
            if not _parts(entry, paths[0]):
                others.append(entry)
                continue
            first, *more = (entry.exact[path] for path in paths)
            below = entry.without(paths, entry.copies * len(first))
            for value in first:
                parts[(value, *(only for (only,) in more)) if more else value].append(below)
        split = Split(
            paths,
            {key: self._node(part, left, drafts) for key, part in parts.items()},
            self._node(others, left | {paths[0]}, drafts) if others else None,
        )
        drafts.append((split, self._code.fetch(paths)))
        return split

    def _leaf(self, entries: list[Entry], drafts: list[tuple[Node, Draft]]) -> Leaf:
        leaf = Leaf(tuple(entries), tuple(entry.number for entry in entries if not entry.tests))
        if uncertain := [(entry.number, entry.tests) for entry in entries if entry.tests]:
            drafts.append((leaf, self._code.select(uncertain)))
        return leaf

    def _checks_of(self, clause: Clause) -> list[Check]:
        checks = self._checks.get(id(clause))
        if checks is None:
            drafts = {path: self._code.check(test) for path, test in clause.items()}
            self._code.compile()
            checks = self._checks[id(clause)] = [
                Check(path, drafts[path].function, allows_absence(clause[path])) for path in sorted(clause)
            ]
        return checks


def _entry(number: Number, clause: Clause) -> Entry:
    exact = {path: values for path, test in clause.items() if (values := strings(test)) is not None}
    return Entry(number, clause, dict(clause), exact)


def _parts(entry: Entry, path: str) -> bool:
    """Whether the entry is parted by the strings at the path."""
    return path in entry.exact and entry.copies * len(entry.exact[path]) <= MAX_COPIES


def _common_paths(entries: Sequence[Entry], left: frozenset[str]) -> tuple[str, ...]:
    """The most selective path, and those at which all entries that it parts have one string each; empty if none is."""
    parted: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        for path in entry.exact:
            if path not in left and _parts(entry, path):
                parted[path].append(entry)
    best, least = None, float(len(entries) + 1)
    for path, some in parted.items():
        if len(some) * _WORTH >= len(entries):
            different = len({value for entry in some for value in entry.exact[path]})
            expected = len(entries) - len(some) + sum(len(entry.exact[path]) for entry in some) / different
            if expected < least:
                best, least = path, expected
    if best is None:
        return ()
    some = parted[best]
    common = [
        path
        for path in some[0].exact
        if path != best and path not in left and all(len(entry.exact.get(path, ())) == 1 for entry in some)
    ]
    return (best, *common)


def _select(node: Node | None, event: Event, found: list[Number]) -> None:
    while node is not None:
        if isinstance(node, Leaf):
            found += node.passed
            if node.select is not None:
                node.select(event, found)
            return
        part = node.parts.get(node.fetch(event))
        if part is not None:
            if node.others is None:
                node = part
                continue
            _select(part, event, found)
        node = node.others


def _candidates(node: Node | None, found: Occurrences) -> Iterator[Entry]:
    """The entries whose strings occur in the event, in whatever elements of arrays."""
    if isinstance(node, Leaf):
        yield from node.entries
    elif isinstance(node, Split):
        present = [{value for value, _ in found.get(path, ()) if value.__class__ is str} for path in node.paths]
        if len(present) == 1:
            keys: Iterable[Any] = present[0]
        elif prod(map(len, present)) <= len(node.parts):
            keys = product(*present)
        else:
            keys = [key for key in node.parts if all(value in some for value, some in zip(key, present, strict=True))]
        for key in keys:
            yield from _candidates(node.parts.get(key), found)
        yield from _candidates(node.others, found)
