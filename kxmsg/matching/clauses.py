"""Clauses: a pattern's fields by their dotted paths, ``$or`` written out."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from kxmsg.matching.errors import Path, PatternError, shown
from kxmsg.matching.grammar import parse_test
from kxmsg.matching.terms import Clause, Test

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
    """The alternatives of a pattern; raises :class:`PatternError`.

    As on AWS, ``$or`` is a field's name where it can't be the operator, keys joined by dots are the same as nested
    ones, and of two tests for one path the later replaces the earlier.
    """
    if not isinstance(mapping, Mapping):
        raise PatternError((), "must be a map of fields")
    fault = _no_json(mapping)
    clauses = _read(mapping)  # names the place of most faults
    if fault:
        raise PatternError((), fault)
    return clauses


def _read(mapping: Mapping[str, Any]) -> list[Clause]:
    try:
        return _Reader(with_or=True).read(mapping)
    except PatternError:
        try:
            return _Reader(with_or=False).read(mapping)
        except PatternError:
            pass
        raise


def _no_json(mapping: Mapping[str, Any]) -> str | None:
    try:
        length = len(orjson.dumps(dict(mapping)).decode())
    except orjson.JSONEncodeError as error:
        return f"can't be written as JSON: {error}"
    if length > MAX_LENGTH:
        raise PatternError((), f"has {length} characters as JSON; at most {MAX_LENGTH} are allowed")
    return None


class _Reader:
    def __init__(self, *, with_or: bool) -> None:
        self._with_or = with_or

    def read(self, mapping: Mapping[str, Any]) -> list[Clause]:
        clauses: list[dict[str, Test]] = [{}]
        self._fields(mapping, (), "", clauses, within_or=False)
        return list(clauses)

    def _fields(
        self, node: Mapping[str, Any], path: Path, prefix: str, clauses: list[dict[str, Test]], *, within_or: bool
    ) -> None:
        if not node:
            raise PatternError(path, "is empty; name a field" if path else "names no field; name at least source")
        if len(path) > MAX_DEPTH:
            raise PatternError(path, f"is nested more than {MAX_DEPTH} deep")
        for name, value in node.items():
            place = (*path, name)
            if not isinstance(name, str):
                raise PatternError(place, "the name of a field must be text; quote it")
            if name == _OR and self._with_or:
                self._alternatives(value, place, prefix, clauses)
                continue
            if within_or and name in _RESERVED:
                raise PatternError(place, "is an operator, and no name for a field inside $or")
            if isinstance(value, Mapping):
                self._fields(value, place, f"{prefix}{name}.", clauses, within_or=within_or)
            elif isinstance(value, list):
                test = parse_test(value, place)
                for clause in clauses:
                    clause[prefix + name] = test
            else:
                raise PatternError(place, f"must be a list of values, as [{shown(value)}], or a map of fields")

    def _alternatives(self, value: Any, path: Path, prefix: str, clauses: list[dict[str, Test]]) -> None:
        if not isinstance(value, list) or len(value) < 2:
            raise PatternError(path, "must be a list of at least two maps of fields")
        before = list(clauses)
        clauses.clear()
        for index, node in enumerate(value):
            place = (*path, index)
            if not isinstance(node, Mapping):
                raise PatternError(place, f"must be a map of fields, not {shown(node)}")
            forked = [dict(clause) for clause in before]
            self._fields(node, place, prefix, forked, within_or=True)
            clauses += forked
            if len(clauses) > MAX_CLAUSES:
                raise PatternError(path, f"makes more than {MAX_CLAUSES} alternatives; use fewer $or, or shorter ones")
