"""A second implementation of a small part of the language: slow, obvious, and written apart from the first."""

import math
from fractions import Fraction
from typing import Any


class NoValueError(Exception):
    """The expression has no value."""


Tree = tuple[Any, ...]
"""``(operator, operands…)``; ``('value', v)``, ``('path', name, …)``, ``('var', name)`` are leaves."""


def show(tree: Tree) -> str:  # noqa: C901 # a case for each construct
    """The expression as text, with a bracket around everything."""
    match tree:
        case ("value", None):
            return "null"
        case ("value", bool(value)):
            return "true" if value else "false"
        case ("value", str(value)):
            return "'" + "".join(f"\\U{ord(character):08x}" for character in value) + "'"
        case ("value", list(values)):
            return "[" + ", ".join(show(("value", value)) for value in values) + "]"
        case ("value", value):
            return f"dyn({value!r})"
        case ("path", *names):
            return ".".join(["detail", *names])
        case ("var", name):
            return str(name)
        case ("not", operand):
            return f"(!{show(operand)})"
        case ("if", test, then, other):
            return f"({show(test)} ? {show(then)} : {show(other)})"
        case ("map" | "filter" | "all" | "exists" as macro, over, body):
            return f"{show(over)}.{macro}(x, {show(body)})"
        case ("coalesce", *operands):
            return f"coalesce({', '.join(map(show, operands))})"
        case (operator, left, right):
            return f"({show(left)} {operator} {show(right)})"
    raise AssertionError(tree)


def run(tree: Tree, detail: Any, x: Any = None) -> Any:  # noqa: C901 # a case for each construct
    """The value of the tree; raises :class:`NoValueError`."""
    match tree:
        case ("value", value):
            return value
        case ("path", *names):
            for name in names:
                if not isinstance(detail, dict) or name not in detail:
                    raise NoValueError
                detail = detail[name]
            return detail
        case ("var", _):
            return x
        case ("not", operand):
            return not boolean(run(operand, detail, x))
        case ("if", test, then, other):
            return run(then if boolean(run(test, detail, x)) else other, detail, x)
        case ("&&", left, right):
            return decided(False, [left, right], detail, [x, x])
        case ("||", left, right):
            return decided(True, [left, right], detail, [x, x])
        case ("all", over, body):
            items = sequence(run(over, detail, x))
            return decided(False, [body] * len(items), detail, items)
        case ("exists", over, body):
            items = sequence(run(over, detail, x))
            return decided(True, [body] * len(items), detail, items)
        case ("map", over, body):
            return [run(body, detail, item) for item in sequence(run(over, detail, x))]
        case ("filter", over, body):
            return [item for item in sequence(run(over, detail, x)) if boolean(run(body, detail, item))]
        case ("coalesce", *operands):
            found = (reach(operand, detail, x) for operand in operands)
            return next((value for value in found if value is not None), None)
        case ("==", left, right):
            return same(run(left, detail, x), run(right, detail, x))
        case ("!=", left, right):
            return not same(run(left, detail, x), run(right, detail, x))
        case ("<", left, right):
            return ordered(run(left, detail, x), run(right, detail, x))
        case (operator, left, right):
            return computed(operator, run(left, detail, x), run(right, detail, x))
    raise AssertionError(tree)


def reach(operand: Tree, detail: Any, x: Any) -> Any:
    """What ``coalesce`` takes of a path or a value: None where a step is absent or null."""
    if operand[0] != "path":
        return run(operand, detail, x)
    for name in operand[1:]:
        if detail is None:
            return None
        if not isinstance(detail, dict):
            raise NoValueError
        detail = detail.get(name)
    return detail


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise NoValueError
    return value


def sequence(value: Any) -> list[Any]:
    if not isinstance(value, list | dict):
        raise NoValueError
    return list(value)


def decided(decisive: bool, operands: list[Tree], detail: Any, variables: list[Any]) -> bool:
    failed = False
    for operand, x in zip(operands, variables, strict=True):
        try:
            if boolean(run(operand, detail, x)) is decisive:
                return decisive
        except NoValueError:
            failed = True
    if failed:
        raise NoValueError
    return not decisive


def numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(left: Any, right: Any) -> bool:
    if numeric(left) and numeric(right):
        return bool(left == right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return set(left) == set(right) and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and bool(left == right)


def ordered(left: Any, right: Any) -> bool:
    both_of_one = any(isinstance(left, kind) and isinstance(right, kind) for kind in (str, bool))
    if not both_of_one and not (numeric(left) and numeric(right)):
        raise NoValueError
    return bool(left < right)


def computed(operator: str, left: Any, right: Any) -> Any:  # noqa: C901 # a case for each operator
    if operator == "in":
        if isinstance(right, list):
            return any(same(left, element) for element in right)
        if isinstance(right, dict):
            return isinstance(left, str) and left in right
        raise NoValueError
    if operator == "+" and type(left) is type(right) and isinstance(left, str | list):
        return left + right
    if not (numeric(left) and numeric(right)):
        raise NoValueError
    whole = isinstance(left, int) and isinstance(right, int)
    if operator in {"/", "%"} and right == 0 and (whole or operator == "%"):
        raise NoValueError
    if operator == "%" and not whole:
        raise NoValueError
    value: Any
    match operator:
        case "+":
            value = left + right
        case "-":
            value = left - right
        case "*":
            value = left * right
        case "/" if whole:
            value = math.trunc(Fraction(left, right))
        case "/":
            value = left / right if right else left * math.copysign(math.inf, right)
        case _:
            value = left - right * math.trunc(Fraction(left, right))
    if whole and not -(2**63) <= value < 2**63:
        raise NoValueError
    return value if whole else float(value)
