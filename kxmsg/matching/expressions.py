"""Expressions: terms as Python source.

Source is made from the typed tree alone, and has no value of a pattern in it: values are constants that it names by
number. So patterns that differ in their values share their code.
"""

from collections.abc import Iterable
from typing import Any, Final

from kxmsg.matching.addresses import within
from kxmsg.matching.cases import ignoring_case
from kxmsg.matching.fields import ABSENT, Nested, no_value
from kxmsg.matching.terms import (
    AnythingBut,
    Cidr,
    Exact,
    Exists,
    IgnoreCase,
    Numeric,
    Prefix,
    Scalar,
    Suffix,
    Term,
    Wildcard,
)
from kxmsg.matching.wildcards import like

NAMES: Final[dict[str, Any]] = {
    "__builtins__": {},
    "absent": ABSENT,
    "nested": Nested,
    "no_value": no_value,
    "text": str,
    "object": dict,
    "containers": frozenset({dict, list}),
    "numbers": frozenset({int, float}),
    "like": like,
    "within": within,
}
"""All that generated source can name, besides ``k``, the tuple of its constants."""


class Expressions:
    """Writes tests as source, and collects the constants of one function."""

    def __init__(self) -> None:
        self.constants: list[Any] = []
        self._places: dict[object, int] = {}

    def constant(self, value: Any) -> str:
        """The constant as source. Equal ones of one type are one."""
        place = self._places.setdefault((type(value), value), len(self.constants))
        if place == len(self.constants):
            self.constants.append(value)
        return f"k[{place}]"

    def passes(self, test: Iterable[Term], variable: str) -> str:
        """An expression: whether the variable's value, a scalar or ``absent``, passes one of the terms."""
        values, terms = [], []
        for term in test:
            if isinstance(term, Exact):
                values.append(term.value)
            else:
                terms.append(self._term(term, variable))
        return " or ".join([*self._among(values, variable), *terms])

    def _term(self, term: Term, variable: str) -> str:  # noqa: C901 - one case for each kind of term
        match term:
            case Prefix(text):
                return f"{variable}.__class__ is text and {variable}.startswith({self.constant(text)})"
            case Suffix(text):
                return f"{variable}.__class__ is text and {variable}.endswith({self.constant(text)})"
            case Wildcard((text,)):
                return f"{variable} == {self.constant(text)}"
            case Wildcard(parts):
                return f"{variable}.__class__ is text and like({variable}, {self.constant(parts)})"
            case IgnoreCase(text, part):
                return f"{variable}.__class__ is text and {self.constant(ignoring_case(text, part))}({variable})"
            case Cidr(first, last):
                bounds = f"{self.constant(first)}, {self.constant(last)}"
                return f"{variable}.__class__ is text and within({variable}, {bounds})"
            case Numeric(low, high, low_included, high_included):
                lower, upper = "<=" if low_included else "<", "<=" if high_included else "<"
                bounds = f"{self.constant(low)} {lower} {variable} {upper} {self.constant(high)}"
                return f"{variable}.__class__ in numbers and {bounds}"
            case Exists(present):
                return f"{variable} is {'not ' if present else ''}absent"
            case AnythingBut(terms):
                return f"{variable} is not absent and not ({self.passes(terms, variable)})"
            case Exact(value):
                return " or ".join(self._among([value], variable))

    def _among(self, values: Iterable[Scalar], variable: str) -> list[str]:
        texts: set[Scalar] = set()
        numbers: set[Scalar] = set()  # true is 1 in Python, but not in JSON
        found: list[str] = []
        for value in values:
            if isinstance(value, str):
                texts.add(value)
            elif value is None or isinstance(value, bool):
                found.append(f"{variable} is {value}")
            else:
                numbers.add(value)
        if texts:
            found.append(f"{variable} {self._one_of(texts)}")
        if numbers:
            found.append(f"{variable}.__class__ in numbers and {variable} {self._one_of(numbers)}")
        return found

    def _one_of(self, values: set[Scalar]) -> str:
        (only,) = values if len(values) == 1 else (None,)
        return f"in {self.constant(frozenset(values))}" if only is None else f"== {self.constant(only)}"
