"""A matcher as plain as can be, to compare the compiled one with: every combination of values is tried."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

Clause = dict[str, list[Any]]
Where = dict[int, int]


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether a valid pattern matches an event."""
    fields = list(_fields(event, "", {}, iter(range(10**6))))
    return any(_all(sorted(clause.items()), fields, {}) for clause in _clauses(pattern, "", [{}]))


def _clauses(pattern: dict[str, Any], prefix: str, clauses: list[Clause]) -> list[Clause]:
    for name, value in pattern.items():
        if name == "$or":
            clauses = [new for node in value for new in _clauses(node, prefix, [dict(clause) for clause in clauses])]
        elif isinstance(value, dict):
            clauses = _clauses(value, f"{prefix}{name}.", clauses)
        else:
            for clause in clauses:
                clause[prefix + name] = value
    return clauses


def _fields(node: Any, path: str, where: Where, arrays: Iterator[int]) -> Iterator[tuple[str, Any, Where]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _fields(value, f"{path}.{name}" if path else name, where, arrays)
    elif isinstance(node, list):
        array = next(arrays)
        for index, element in enumerate(node):
            inside = {**where, array: index} if isinstance(element, dict | list) else where
            yield from _fields(element, path, inside, arrays)
    else:
        yield path, node, where


def _all(tests: list[tuple[str, list[Any]]], fields: list[tuple[str, Any, Where]], so_far: Where) -> bool:
    if not tests:
        return True
    (path, test), *others = tests
    here = [
        (value, where)
        for name, value, where in fields
        if name == path and all(so_far.get(array, index) == index for array, index in where.items())
    ]
    if not here and {"exists": False} in test and _all(others, fields, so_far):
        return True
    return any(
        any(_passes(term, value) for term in test) and _all(others, fields, so_far | where) for value, where in here
    )


def _same(left: Any, right: Any) -> bool:
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _passes(term: Any, value: Any) -> bool:  # noqa: C901 - one case for each operator
    if not isinstance(term, dict):
        return _same(term, value)
    ((operator, operand),) = term.items()
    if operator == "exists":
        return bool(operand)
    if operator == "numeric":
        return isinstance(value, int | float) and not isinstance(value, bool) and _compares(operand, value)
    if operator == "anything-but":
        return not any(_passes(inner, value) for inner in _negated(operand))
    if not isinstance(value, str):
        return False
    if isinstance(operand, dict):
        return _passes({operator: operand["equals-ignore-case"].lower()}, value.lower())
    match operator:
        case "exactly":
            return value == str(operand)
        case "prefix":
            return value.startswith(operand)
        case "suffix":
            return value.endswith(operand)
        case "equals-ignore-case":
            return value.lower() == str(operand).lower()
        case "wildcard":
            return _like(operand, value)
        case _:
            return _is_in(operand, value)


def _negated(operand: Any) -> list[Any]:
    if isinstance(operand, dict):
        ((operator, inner),) = operand.items()
        return [{operator: one} for one in (inner if isinstance(inner, list) else [inner])]
    return operand if isinstance(operand, list) else [operand]


def _compares(operand: list[Any], value: float) -> bool:
    if abs(value) > 5e9:
        return False
    checks = zip(operand[::2], operand[1::2], strict=True)
    return all(
        {"=": value == n, "<": value < n, "<=": value <= n, ">": value > n, ">=": value >= n}[sign]
        for sign, n in checks
    )


def _like(wildcard: str, value: str) -> bool:
    if not wildcard:
        return not value
    if wildcard[0] == "*":
        return any(_like(wildcard[1:], value[start:]) for start in range(len(value) + 1))
    if wildcard[0] == "\\":
        wildcard = wildcard[1:]
    return value[:1] == wildcard[0] and _like(wildcard[1:], value[1:])


def _is_in(cidr: str, value: str) -> bool:
    try:
        return ip_address(value) in ip_network(cidr, strict=False)
    except ValueError:
        return False
