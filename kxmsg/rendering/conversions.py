"""Conversions between types, and functions that take any of them."""

from datetime import datetime, timedelta
from typing import Any

from kxmsg.rendering import operators, output
from kxmsg.rendering.errors import Fault
from kxmsg.rendering.functions import function
from kxmsg.rendering.kinds import INT_MAX, INT_MIN, Kind, kind_of
from kxmsg.rendering.moments import EPOCH, duration, timestamp

_LONGEST_NUMBER = 400
"""Characters: the longest that a double's shortest decimal notation needs, and some."""

_PARSED = 40
"""Units of work that it takes to read a time or a duration."""


@function("bool(value: bool|string) -> bool", "bool('true')", style="function")
def to_bool(value: bool | str) -> bool:
    """Of `true`, `True`, `TRUE`, `t`, `1` and their opposites."""
    if isinstance(value, bool):
        return value
    if value in {"1", "t", "true", "TRUE", "True"}:
        return True
    if value in {"0", "f", "false", "FALSE", "False"}:
        return False
    raise Fault("is neither true nor false")


@function("int(value: int|double|string|timestamp) -> int", "int(1.9)", "int('42')", style="function")
def to_int(value: float | str | datetime) -> int:
    """A double without its fraction, the int that a string writes, the Unix seconds of a timestamp."""
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 32):
            raise Fault("is no int")
        number = int(value)
    elif isinstance(value, datetime):
        number = (value - EPOCH) // timedelta(seconds=1)
    else:
        # The ends are left out: a double that close to them may stand for an int beyond.
        if isinstance(value, float) and not INT_MIN < value < INT_MAX:
            raise Fault("is out of the range of an int")
        number = int(value)
    if not INT_MIN <= number <= INT_MAX:
        raise Fault("is out of the range of an int")
    return number


@function("double(value: int|double|string) -> double", "double('1.5')", style="function")
def to_double(value: float | str) -> float:
    """The number, as a double."""
    try:
        if isinstance(value, str) and ("_" in value or len(value) > _LONGEST_NUMBER):
            raise ValueError(value)
        number = float(value)
    except ValueError:
        raise Fault("is no number") from None
    return number


@function("string(value: any) -> string", "string(1.5)", "string({'a': [1]})", style="function", metered=True)
def to_string(meter: operators.Meter, value: Any) -> str:
    """The value as it would stand in text. Null has none."""
    written = output.text(meter, value)
    operators.spend(meter, len(written))
    return written


@function("type(value: any) -> type", "type('x') == string", style="function")
def type_of(value: Any) -> Kind:
    """Its type, to be compared with `null_type`, `bool`, `int`, `double`, `string`, `list`, `map`, `timestamp`,
    `duration` or `type`."""
    return kind_of(value)


@function("dyn(value: any) -> dyn", "dyn(1) == 1.0", style="function")
def dyn(value: Any) -> Any:
    """The value, of a type that is not checked before an event comes."""
    return value


@function(
    "timestamp(value: string|int|timestamp) -> timestamp",
    "timestamp('2026-01-31T08:00:00+01:00')",
    "timestamp(0)",
    style="function",
    cost=_PARSED,
)
def to_timestamp(value: str | int | datetime) -> datetime:
    """Of RFC 3339 text, of a date alone (its first moment in UTC), or of Unix seconds."""
    return timestamp(value)


@function("duration(value: string|duration) -> duration", "duration('1h30m')", style="function", cost=_PARSED)
def to_duration(value: str | timedelta) -> timedelta:
    """Of text such as `1h30m`, `1.5s` or `250ms`."""
    return duration(value)
