"""Many patterns at once: candidates are found by source and detail-type, then checked in full."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import orjson

from kxmsg.matching.pattern import Path, Pattern, Value, values_at

_SOURCE: Path = ("source",)
_TYPE: Path = ("detail-type",)


class Matcher:
    """Patterns by name. :meth:`match` gives the names in the order in which the patterns were given."""

    def __init__(self, patterns: Mapping[str, Mapping[str, Any] | Pattern]) -> None:
        """Compile all patterns; raises :class:`~kxmsg.matching.PatternError`."""
        self._index: dict[tuple[Value | None, Value | None], list[tuple[int, str, Pattern]]] = defaultdict(list)
        for order, (name, given) in enumerate(patterns.items()):
            pattern = given if isinstance(given, Pattern) else Pattern(given)
            for source in pattern.required.get(_SOURCE, (None,)):
                for kind in pattern.required.get(_TYPE, (None,)):
                    self._index[source, kind].append((order, name, pattern))

    def match(self, event: Mapping[str, Any] | bytes) -> list[str]:
        """Names of the patterns that match an event (a mapping, or its JSON)."""
        parsed = orjson.loads(event) if isinstance(event, bytes) else event
        found: dict[int, str] = {}
        for source in (*values_at(parsed, _SOURCE), None):
            for kind in (*values_at(parsed, _TYPE), None):
                for order, name, pattern in self._index.get((source, kind), ()):
                    if order not in found and pattern.matches(parsed):
                        found[order] = name
        return [found[order] for order in sorted(found)]
