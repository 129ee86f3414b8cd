"""Output: what becomes of a value when it is text, or leaves an expression for a notification's field."""

import math
from datetime import datetime, timedelta
from typing import Any, NoReturn

import orjson

from kxmsg.rendering.errors import Absent, Exhausted, Fault
from kxmsg.rendering.kinds import Kind
from kxmsg.rendering.moments import duration_text, timestamp_text
from kxmsg.rendering.operators import MAX_DEPTH, MAX_OUTPUT, STEP, Meter, spend

_EXACT = 2.0**53


def text(meter: Meter, value: Any) -> str:
    """A value in text: strings as they are, lists and maps as JSON. Null has none."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return] # it was just compared
    if kind is int:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is float:
        return str(int(value)) if -_EXACT < value < _EXACT and value.is_integer() else repr(value)
    if value is None:
        raise Absent("is null, which has no text; coalesce(…, '') gives another")
    if kind is datetime:
        return timestamp_text(value)
    if kind is timedelta:
        return duration_text(value)
    if kind is Kind:
        return str(value.value)
    return orjson.dumps(plain(meter, value)).decode()


def oversize() -> NoReturn:
    raise Exhausted(f"gives a text of more than {MAX_OUTPUT} characters")


def shallow(meter: Meter, value: Any, depth: int = 0) -> Any:
    """A value of the event, which is JSON, ``depth`` levels inside another; its nesting is bounded."""
    level = [value] if type(value) in _NESTED else []
    while level:
        if depth >= MAX_DEPTH:
            raise _too_deep()
        depth += 1
        spend(meter, 2 * sum(map(len, level)))
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in _NESTED
        ]
    return value


_NESTED = frozenset({list, dict})


def _too_deep() -> Exhausted:
    return Exhausted(f"gives a value nested deeper than {MAX_DEPTH}")


def plain(meter: Meter, value: Any, depth: int = 0) -> Any:
    """A computed value as JSON has it, ``depth`` levels inside another; times as text. Its size is bounded."""
    return _plain(meter, value, [MAX_OUTPUT], depth)


def _plain(meter: Meter, value: Any, left: list[int], depth: int) -> Any:
    kind = type(value)
    left[0] -= len(value) + 1 if kind is str else 1
    if left[0] < 0:
        raise Exhausted(f"gives a value of more than {MAX_OUTPUT} characters and elements")
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise Fault("is no number that JSON can hold")
        return value
    if kind is list or kind is dict:
        if depth >= MAX_DEPTH:
            raise _too_deep()
        spend(meter, STEP * len(value))
        if kind is list:
            return [_plain(meter, element, left, depth + 1) for element in value]
        return {_name(key, left): _plain(meter, element, left, depth + 1) for key, element in value.items()}
    return text(meter, value)


def _name(key: Any, left: list[int]) -> str:
    if type(key) is not str:
        raise Fault("gives a map whose keys are not text; JSON has no other")
    left[0] -= len(key)
    return key
