"""Matcher: many patterns at once, in about the time of one."""

from collections.abc import Mapping
from typing import Any

import orjson

from kxmsg.matching.pattern import Pattern
from kxmsg.matching.tree import Tree
from kxmsg.wording import type_of


class Matcher:
    """Patterns by name, compiled together."""

    def __init__(self, patterns: Mapping[str, Mapping[str, Any] | Pattern]) -> None:
        """Compile all patterns; raises :class:`~kxmsg.matching.PatternError`."""
        self._names = tuple(patterns)
        compiled = [given if isinstance(given, Pattern) else Pattern(given) for given in patterns.values()]
        self._tree = Tree((number, clause) for number, pattern in enumerate(compiled) for clause in pattern.clauses)

    def match(self, event: dict[str, Any] | bytes) -> list[str]:
        """Names of the patterns that match an event, or its JSON, in the order in which the patterns were given.

        Raises ValueError for what is no JSON object.
        """
        if isinstance(event, bytes):
            event = orjson.loads(event)
        if event.__class__ is not dict:
            raise ValueError(f"an event is a JSON object, not {type_of(event)}")
        names = self._names
        return [names[number] for number in self._tree.numbers(event)]
