"""Clauses: a pattern's fields by their dotted paths, ``$or`` written out."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from kxmsg.matching.errors import Path, PatternError
from kxmsg.matching.grammar import parse_test
from kxmsg.matching.terms import Clause, Test
from kxmsg.wording import shown

MAX_LENGTH: Final = 4096
"""Characters of a pattern's JSON (EventBridge quotas: 2,048, on request 4,096)."""

MAX_CLAUSES: Final = 1000
"""Alternatives that ``$or`` may make (EventBridge user guide, "Using or matching")."""

MAX_DEPTH: Final = 100

_OR: Final = "$or"

_RESERVED: Final = frozenset(
    {
        *("exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr"),
        *("=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case", "date-after", "date-before"),
        *("date-on-or-after", "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range"),
    }
)
"""Names that no field may have inside ``$or`` (event-ruler, RESERVED_FIELD_NAMES_IN_OR_RELATIONSHIP)."""


def parse_clauses(mapping: Mapping[str, Any]) -> list[Clause]:
    """The alternatives of a pattern; raises :class:`PatternError` for the first of its faults.

    As on AWS, ``$or`` is a field's name where it can't be the operator, keys joined by dots are the same as nested
    ones, and of two tests for one path the later replaces the earlier.
    """
    clauses, found = _parsed(mapping)
    if found:
        raise found[0]
    return clauses


def faults(mapping: Mapping[str, Any]) -> list[PatternError]:
    """All that is wrong with a pattern, one for each value, field and alternative."""
    return _parsed(mapping)[1]


def _parsed(mapping: Any) -> tuple[list[Clause], list[PatternError]]:
    if not isinstance(mapping, Mapping):
        return [], [PatternError((), "must be a map of fields")]
    try:
        length = len(orjson.dumps(dict(mapping)).decode())
    except orjson.JSONEncodeError as error:
        clauses, found = _read(mapping)  # names the place of most faults
        return clauses, found or [PatternError((), f"can't be written as JSON: {error}")]
    if length > MAX_LENGTH:
        return [], [PatternError((), f"has {length} characters as JSON; at most {MAX_LENGTH} are allowed")]
    return _read(mapping)


def _read(mapping: Mapping[str, Any]) -> tuple[list[Clause], list[PatternError]]:
    reader = _Reader(with_or=True)
    clauses = reader.read(mapping)
    if reader.faults:
        other = _Reader(with_or=False)
        plain = other.read(mapping)
        if not other.faults:
            return plain, []
    return clauses, reader.faults


class _Reader:
    """Reads a pattern; what is wrong with it is left out, and added to ``faults``."""

    def __init__(self, *, with_or: bool) -> None:
        self.faults: list[PatternError] = []
        self._with_or = with_or

    def read(self, mapping: Mapping[str, Any]) -> list[Clause]:
        clauses: list[dict[str, Test]] = [{}]
        self._fields(mapping, (), "", clauses, within_or=False)
        return list(clauses)

    def _fields(
        self, node: Mapping[Any, Any], path: Path, prefix: str, clauses: list[dict[str, Test]], *, within_or: bool
    ) -> None:
        if not node:
            self._wrong(path, "is empty; name a field" if path else "names no field; name at least source")
        if len(path) > MAX_DEPTH:
            self._wrong(path, f"is nested more than {MAX_DEPTH} deep")
            return
        for name, value in node.items():
            place = (*path, name)
            if not isinstance(name, str):
                self._wrong(place, "the name of a field must be text; quote it")
            elif name == _OR and self._with_or:
                self._alternatives(value, place, prefix, clauses)
            elif within_or and name in _RESERVED:
                self._wrong(place, "is an operator, and no name for a field inside $or")
            elif isinstance(value, Mapping):
                self._fields(value, place, f"{prefix}{name}.", clauses, within_or=within_or)
            elif isinstance(value, list):
                test = parse_test(value, place, self.faults)
                for clause in clauses:
                    clause[prefix + name] = test
            else:
                self._wrong(place, f"must be a list of values, as [{shown(value)}], or a map of fields")

    def _alternatives(self, value: Any, path: Path, prefix: str, clauses: list[dict[str, Test]]) -> None:
        if not isinstance(value, list) or len(value) < 2:
            self._wrong(path, "must be a list of at least two maps of fields")
            return
        before = list(clauses)
        clauses.clear()
        for index, node in enumerate(value):
            place = (*path, index)
            if not isinstance(node, Mapping):
                self._wrong(place, f"must be a map of fields, not {shown(node)}")
                continue
            forked = [dict(clause) for clause in before]
            self._fields(node, place, prefix, forked, within_or=True)
            clauses += forked
            if len(clauses) > MAX_CLAUSES:
                self._wrong(path, f"makes more than {MAX_CLAUSES} alternatives; use fewer $or, or shorter ones")
                clauses[1:] = []  # so that it is told once
                return

    def _wrong(self, path: Path, fault: str) -> None:
        self.faults.append(PatternError(path, fault))
