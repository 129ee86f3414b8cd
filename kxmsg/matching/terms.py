"""Terms: what one value of an event is asked, as a typed tree.

A test is the list that a pattern gives a field: it passes where one of its terms does. Every term but :class:`Exists`
speaks of one scalar; text terms pass for strings alone, :class:`Numeric` for numbers alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Exact:
    """This very value; 300 is 300.0, true is not 1."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Prefix:
    text: str


@dataclass(frozen=True, slots=True)
class Suffix:
    text: str


@dataclass(frozen=True, slots=True)
class IgnoreCase:
    """The text in any case: the whole value, its beginning or its end."""

    text: str
    part: Literal["whole", "prefix", "suffix"] = "whole"


@dataclass(frozen=True, slots=True)
class Wildcard:
    """The texts that stand between the asterisks, in this order."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Numeric:
    """A number between two bounds, each included or not."""

    low: float
    high: float
    low_included: bool = True
    high_included: bool = True


@dataclass(frozen=True, slots=True)
class Cidr:
    """A range of addresses, packed: 4 bytes each for IPv4, 16 for IPv6."""

    first: bytes
    last: bytes


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether there is a value at all."""

    present: bool


@dataclass(frozen=True, slots=True)
class AnythingBut:
    """A value that passes none of the terms."""

    terms: "tuple[Exact | Prefix | Suffix | IgnoreCase | Wildcard, ...]"


Term: TypeAlias = Exact | Prefix | Suffix | IgnoreCase | Wildcard | Numeric | Cidr | Exists | AnythingBut
Test: TypeAlias = tuple[Term, ...]

Clause: TypeAlias = Mapping[str, Test]
"""Tests by dotted path, all of which must pass. A pattern is one clause or, with ``$or``, several alternatives."""


def allows_absence(test: Test) -> bool:
    """Whether a field that is not there passes."""
    return any(term == Exists(False) for term in test)


def strings(test: Test) -> frozenset[str] | None:
    """The only strings that pass; None where anything else passes too."""
    values = frozenset(term.value for term in test if isinstance(term, Exact) and isinstance(term.value, str))
    exact = all(isinstance(term, Exact) and isinstance(term.value, str) for term in test)
    return values if exact else None
