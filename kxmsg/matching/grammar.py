"""Grammar of a field's list of values: from JSON to terms, with AWS's refusals.

After "Comparison operators for use in event patterns" of the EventBridge user guide, and event-ruler's compiler of JSON
rules where the guide is silent.
"""

from collections.abc import Callable, Mapping
from socket import AF_INET6
from typing import Any, Final, TypeAlias

from kxmsg.matching.addresses import pack, parse_range
from kxmsg.matching.errors import Path, PatternError
from kxmsg.matching.terms import (
    AnythingBut,
    Cidr,
    Exact,
    Exists,
    IgnoreCase,
    Numeric,
    Prefix,
    Suffix,
    Term,
    Test,
    Wildcard,
)
from kxmsg.matching.wildcards import parse, too_complex
from kxmsg.suggest import did_you_mean
from kxmsg.wording import shown

Negatable: TypeAlias = Exact | Prefix | Suffix | IgnoreCase | Wildcard

MAX_NUMBER: Final = 5e9
"""Numbers are compared between -5e9 and 5e9 (EventBridge user guide, "Numeric matching")."""

_MAX_EXACT: Final = 2**64
_NUMBERS: Final = frozenset({int, float})
_SCALARS: Final = frozenset({str, bool, type(None)}) | _NUMBERS


def parse_test(values: list[Any], path: Path, faults: list[PatternError]) -> Test:
    """The terms of a field; those that can't be are left out, and what is wrong with them is added to ``faults``."""
    if not values:
        faults.append(PatternError(path, "an empty list matches nothing; give it at least one value"))
    terms: list[Term] = []
    for index, value in enumerate(values):
        try:
            terms.append(_term(value, (*path, index)))
        except PatternError as fault:
            faults.append(fault)
    if too_complex(tuple(parts for term in terms for parts in _wildcards(term))):
        remedy = "use fewer asterisks, or fewer repetitions after them"
        faults.append(PatternError(path, f"the wildcards are too complex; {remedy}"))
    return tuple(terms)


def _wildcards(term: Term) -> list[tuple[str, ...]]:
    terms = term.terms if isinstance(term, AnythingBut) else (term,)
    return [term.parts for term in terms if isinstance(term, Wildcard)]


def _term(value: Any, path: Path) -> Term:
    if isinstance(value, Mapping):
        operator, operand = _only(value, path, OPERATORS)
        return OPERATORS[operator](operand, (*path, operator))
    if type(value) is str and ":" in value and (packed := pack(value, AF_INET6)):
        return Cidr(packed, packed)  # an address matches however it is written, as on AWS
    if type(value) in _SCALARS and (type(value) not in _NUMBERS or -_MAX_EXACT < value < _MAX_EXACT):
        return Exact(value)
    raise PatternError(path, f"takes a string, a number, true, false, null or a comparison, not {shown(value)}")


def _only(value: Mapping[Any, Any], path: Path, known: Mapping[str, Any]) -> tuple[str, Any]:
    if len(value) != 1:
        raise PatternError(path, f"must have one operator, of {', '.join(sorted(known))}; has {len(value)}")
    ((operator, operand),) = value.items()
    if not isinstance(operator, str) or operator not in known:
        raise PatternError((*path, str(operator)), f"is no operator{did_you_mean(str(operator).lower(), known)}")
    return operator, operand


def _text(operand: Any, path: Path) -> str:
    if type(operand) is not str:
        raise PatternError(path, f"must be text, not {shown(operand)}")
    return operand


def _exactly(operand: Any, path: Path) -> Exact:
    return Exact(_text(operand, path))


def _prefix(operand: Any, path: Path) -> Prefix | IgnoreCase:
    if isinstance(operand, Mapping):
        operator, inner = _only(operand, path, {"equals-ignore-case": None})
        return IgnoreCase(_text(inner, (*path, operator)), "prefix")
    return Prefix(_text(operand, path))


def _suffix(operand: Any, path: Path) -> Suffix | IgnoreCase:
    if isinstance(operand, Mapping):
        operator, inner = _only(operand, path, {"equals-ignore-case": None})
        return IgnoreCase(_text(inner, (*path, operator)), "suffix")
    return Suffix(_text(operand, path))


def _ignore_case(operand: Any, path: Path) -> IgnoreCase:
    return IgnoreCase(_text(operand, path))


def _wildcard(operand: Any, path: Path) -> Wildcard:
    try:
        return Wildcard(parse(_text(operand, path)))
    except PatternError:
        raise
    except ValueError as error:
        raise PatternError(path, str(error)) from error


def _cidr(operand: Any, path: Path) -> Cidr:
    text = _text(operand, path)
    try:
        return Cidr(*parse_range(text))
    except ValueError as error:
        raise PatternError(path, str(error)) from error


def _exists(operand: Any, path: Path) -> Exists:
    if not isinstance(operand, bool):
        raise PatternError(path, f"must be true or false, not {shown(operand)}")
    return Exists(operand)


def _numeric(operand: Any, path: Path) -> Numeric:
    if not isinstance(operand, list) or len(operand) not in {2, 4}:
        raise PatternError(path, "must be a list as ['>', 0] or ['>=', 0, '<', 10]")
    operator, bound = operand[0], _number(operand[1], (*path, 1))
    if len(operand) == 4:
        upper, high = operand[2], _number(operand[3], (*path, 3))
        if operator not in (">", ">="):
            raise PatternError((*path, 0), "a range begins with its lower bound, '>' or '>='")
        if upper not in ("<", "<="):
            raise PatternError((*path, 2), "a range ends with its upper bound, '<' or '<='")
        if bound >= high:
            raise PatternError((*path, 3), f"must be more than the lower bound {bound!r}")
        return Numeric(bound, high, operator == ">=", upper == "<=")
    match operator:
        case "=":
            return Numeric(bound, bound)
        case ">" | ">=":
            return Numeric(bound, MAX_NUMBER, low_included=operator == ">=")
        case "<" | "<=":
            return Numeric(-MAX_NUMBER, bound, high_included=operator == "<=")
    raise PatternError((*path, 0), f"must be one of = < <= > >=, not {shown(operator)}")


def _number(operand: Any, path: Path) -> float:
    if type(operand) not in _NUMBERS or not -MAX_NUMBER <= operand <= MAX_NUMBER:
        raise PatternError(path, f"must be a number from -5e9 to 5e9, not {shown(operand)}")
    number: float = operand
    return number


def _anything_but(operand: Any, path: Path) -> AnythingBut:
    if isinstance(operand, Mapping):
        operator, inner = _only(operand, path, _NEGATABLE)
        return AnythingBut(_each(inner, (*path, operator), _NEGATABLE[operator]))
    numeric = type(operand[0] if isinstance(operand, list) and operand else operand) in _NUMBERS
    return AnythingBut(_each(operand, path, _exact_number if numeric else _exactly))


def _each(operand: Any, path: Path, parse: Callable[[Any, Path], Negatable]) -> tuple[Negatable, ...]:
    if not isinstance(operand, list):
        return (parse(operand, path),)
    if not operand:
        raise PatternError(path, "an empty list excludes nothing; give it at least one value")
    return tuple(parse(value, (*path, index)) for index, value in enumerate(operand))


def _exact_number(operand: Any, path: Path) -> Exact:
    return Exact(_number(operand, path))


def _affix(kind: type[Prefix] | type[Suffix]) -> Callable[[Any, Path], Prefix | Suffix]:
    def parse_affix(operand: Any, path: Path) -> Prefix | Suffix:
        if not _text(operand, path):
            raise PatternError(path, "is empty, so nothing would be left; give it at least one character")
        return kind(_text(operand, path))

    return parse_affix


_NEGATABLE: Final[dict[str, Callable[[Any, Path], Negatable]]] = {
    "prefix": _affix(Prefix),
    "suffix": _affix(Suffix),
    "equals-ignore-case": _ignore_case,
    "wildcard": _wildcard,
}

OPERATORS: Final[dict[str, Callable[[Any, Path], Term]]] = {
    "exactly": _exactly,
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
    "exists": _exists,
}
