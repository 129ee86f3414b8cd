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
        self.clauses: tuple[Clause, ...] = tuple(parse_clauses(mapping))
        """The alternatives that ``$or`` makes; one without it."""

    def matches(self, event: dict[str, Any]) -> bool:
        """Whether the pattern wants an event, a JSON object in EventBridge's shape."""
        return bool(self._tree.numbers(event))

    def admits(self, field: str, value: str) -> bool:
        """Whether an event with this value at the top-level field could match."""
        return any(self._clause_admits(clause, field, value) for clause in self.clauses)

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

    def _clause_admits(self, clause: Clause, field: str, value: str) -> bool:
        nested = (test for path, test in clause.items() if path.startswith(f"{field}."))
        return all(map(allows_absence, nested)) and (field not in clause or _passes(clause[field], value))


def _passes(test: Test, value: str) -> bool:
    code = Code()
    draft = code.check(test)
    code.compile()
    return bool(draft.function(value))
