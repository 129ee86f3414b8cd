"""Pattern: one event pattern, compiled."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from kxmsg.matching.clauses import parse_clauses
from kxmsg.matching.code import Code
from kxmsg.matching.terms import Clause, Test, allows_absence, strings
from kxmsg.matching.tree import Tree


class Pattern:
    """One pattern. Immutable."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        """Compile a pattern, given as the object its JSON stands for; raises :class:`~kxmsg.matching.PatternError`."""
        self.mapping = mapping
        self.clauses: tuple[Clause, ...] = tuple(parse_clauses(mapping))
        """The alternatives that ``$or`` makes; one without it."""

    def matches(self, event: dict[str, Any]) -> bool:
        """Whether the pattern wants an event, a JSON object in EventBridge's shape."""
        return bool(self._tree.numbers(event))

    def admits(self, known: Mapping[str, str | None]) -> bool:
        """Whether an event of which this much is known could match: a text, or None for absence, by dotted path."""
        return any(_may_pass(clause, known) for clause in self.clauses)

    def exact(self, field: str) -> frozenset[str] | None:
        """The strings that the top-level field is restricted to; None where anything else could match too."""
        allowed: set[str] = set()
        for clause in self.clauses:
            values = strings(clause[field]) if field in clause else None
            if values is None:
                return None
            allowed |= values
        return frozenset(allowed)

    @cached_property
    def _tree(self) -> Tree:
        return Tree((0, clause) for clause in self.clauses)


def _may_pass(clause: Clause, known: Mapping[str, str | None]) -> bool:
    return all(
        _passes(test, known[path]) if path in known else allows_absence(test) or not _is_below(path, known)
        for path, test in clause.items()
    )


def _is_below(path: str, known: Mapping[str, str | None]) -> bool:
    """Whether the path leads into a text, where nothing is."""
    return any(path.startswith(f"{field}.") for field in known)


def _passes(test: Test, value: str | None) -> bool:
    if value is None:
        return allows_absence(test)
    code = Code()
    draft = code.check(test)
    code.compile()
    return bool(draft.function(value))
