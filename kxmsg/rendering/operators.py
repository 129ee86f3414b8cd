"""Operators at run time: what the generated code calls where Python's own operator would not do.

Each raises :class:`Fault` where the CEL specification has no result. A ``Meter`` is a list of one number: the work
that is left to this rendering.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from kxmsg.rendering.errors import Absent, Exhausted, Fault
from kxmsg.rendering.functions import function
from kxmsg.rendering.hints import MEMBERS
from kxmsg.rendering.kinds import INT_MAX, INT_MIN, NUMBERS, Kind, kind_of
from kxmsg.rendering.moments import bounded, moment

Meter: TypeAlias = list[int]

WORK: Final = 4_000_000
"""What one rendering may do: characters and elements that its operators touch."""

STEP: Final = 10
"""What each operation in one round of a loop costs."""

MAX_OUTPUT: Final = 262_144
"""Characters of one text, and characters and elements of one computed value."""

MAX_DEPTH: Final = 64
"""Lists and maps inside each other, where a value is compared or computed."""

_AT_ONCE: Final = 32
"""Characters that one unit of work compares."""

_TYPE: Final = type
_SIZED: Final = frozenset({str, list, dict})


def spend(meter: Meter, work: int) -> None:
    """Charge the meter; raises :class:`Exhausted`."""
    meter[0] -= work
    if meter[0] < 0:
        raise Exhausted("takes more work than one event may cost")


def weigh(meter: Meter, value: Any) -> Any:
    """The value, after its size was charged."""
    if type(value) in _SIZED:
        spend(meter, len(value))
    return value


def compared(meter: Meter, value: Any) -> Any:
    """The value, after what it takes to compare a text with another was charged."""
    if type(value) is str:
        spend(meter, len(value) // _AT_ONCE)
    return value


def _no_overload(operator: str, *operands: Any) -> Fault:
    names = " and ".join(kind_of(operand).phrase for operand in operands)
    return Fault(f"can't be computed: there is no {operator} for {names}")


# -- members ---------------------------------------------------------------------------------------------------


def member(value: Any, name: str) -> Any:
    """``value.name``."""
    if type(value) is not dict:
        if value is None:
            raise Absent("is absent: what it belongs to is null")
        hint = f"; {MEMBERS[name]}" if name in MEMBERS else ""
        raise Fault(f"is absent: what it belongs to is {kind_of(value).phrase}, not a map{hint}")
    try:
        return value[name]
    except KeyError:
        raise Absent("is absent from the event") from None


def index(value: Any, key: Any) -> Any:
    """``value[key]``, for a list or a map."""
    if type(value) is list:
        place = int(key) if type(key) is float and key.is_integer() else key
        if type(place) is not int:
            raise Fault(f"indexes a list by {kind_of(key).phrase}")
        if not 0 <= place < len(value):
            raise Absent("is out of the list's range")
        return value[place]
    if type(value) is not dict:
        raise (Absent if value is None else Fault)(f"indexes {kind_of(value).phrase}")
    found = _key(value, key)
    if found is None:
        raise Absent("is absent from the event")
    return value[found[0]]


def _key(entries: Mapping[Any, Any], key: Any) -> tuple[Any] | None:
    """The map's own key equal to ``key``. Python takes true for 1, CEL does not."""
    if type(key) is str:
        return (key,) if key in entries else None
    if kind_of(key) not in _KEYS or key not in entries:
        return None
    if key not in (0, 1):
        return (key,)
    return next(((own,) for own in entries if own == key and (type(own) is bool) == (type(key) is bool)), None)


def has(value: Any, *names: str) -> bool:
    """Whether every step of the path is there."""
    for name in names:
        if value is None:
            return False
        if type(value) is not dict:
            raise _no_overload("has()", value)
        if name not in value:
            return False
        value = value[name]
    return True


def dig(value: Any, *names: str) -> Any:
    """What the path leads to; None where a step is absent."""
    for name in names:
        if value is None:
            return None
        if type(value) is not dict:
            raise Fault(f"is absent: what it belongs to is {kind_of(value).phrase}, not a map")
        value = value.get(name)
    return value


@function("coalesce(value: any) -> dyn", "coalesce(null, 'x')", style="function", variadic=True)
def first(*values: Any) -> Any:
    """The first that is neither absent nor null; null where there is none."""
    for value in values:
        if value is not None:
            return value
    return None


def coalesce(*thunks: Callable[[], Any]) -> Any:
    """As :func:`first`, one by one: what comes after it is not computed."""
    for thunk in thunks:
        try:
            value = thunk()
        except Absent:
            continue
        if value is not None:
            return value
    return None


def make_map(*entries: tuple[Any, Any]) -> dict[Any, Any]:
    """A map of computed keys."""
    made: dict[Any, Any] = {}
    for key, value in entries:
        if type(key) not in (str, int, bool):
            raise Fault(f"has {kind_of(key).phrase} for the key of a map")
        if key in made:
            raise Fault("has a map with the same key twice")
        made[key] = value
    return made


# -- logic -----------------------------------------------------------------------------------------------------


def truth(value: Any) -> bool:
    """The operand of ``&&``, ``||``, ``!`` and ``?:``."""
    if value is True or value is False:
        return value
    raise Fault(f"is {kind_of(value).phrase}, where a bool is needed")


def settle(decisive: bool, thunks: Iterable[Callable[[], Any]]) -> bool:
    """``&&`` (false decides) or ``||`` (true does): a fault counts only where no operand decides."""
    fault: Fault | None = None
    for thunk in thunks:
        try:
            if truth(thunk()) is decisive:
                return decisive
        except Fault as caught:
            fault = fault or caught
    if fault is not None:
        raise fault
    return not decisive


def both(*thunks: Callable[[], Any]) -> bool:
    return settle(False, thunks)


def either(*thunks: Callable[[], Any]) -> bool:
    return settle(True, thunks)


# -- comparisons -----------------------------------------------------------------------------------------------


def equal(meter: Meter, left: Any, right: Any, depth: int = 0) -> bool:
    """``==``: numbers by value, containers by element, everything else within its type."""
    kind, other = _TYPE(left), _TYPE(right)
    spend(meter, STEP)
    if kind is not other:
        return {kind, other} == {int, float} and left == right
    if kind is not list and kind is not dict:
        return bool(compared(meter, left) == right)
    if depth >= MAX_DEPTH:
        raise Exhausted(f"compares what is nested deeper than {MAX_DEPTH}")
    if len(left) != len(right):
        return False
    if kind is list:
        return all(equal(meter, one, two, depth + 1) for one, two in zip(left, right, strict=True))
    for key, value in left.items():
        found = _key(right, key)
        if found is None or not equal(meter, value, right[found[0]], depth + 1):
            return False
    return True


def within(meter: Meter, value: Any, container: Any) -> bool:
    """``in``: an element of a list, a key of a map."""
    if type(container) is list:
        if type(value) is str:  # equals only strings, so Python's own search will do
            spend(meter, len(container) * (1 + len(value) // _AT_ONCE))
            return value in container
        spend(meter, len(container))
        return any(equal(meter, value, element) for element in container)
    if type(container) is dict:
        return _key(container, value) is not None
    raise _no_overload("in", value, container)


_KEYS: Final = NUMBERS | {Kind.BOOL}
_ORDERED: Final = frozenset({bool, int, float, str, datetime, timedelta})


def _comparable(left: Any, right: Any, operator: str) -> None:
    if type(left) is type(right) and type(left) in _ORDERED:
        return
    if kind_of(left) not in NUMBERS or kind_of(right) not in NUMBERS:
        raise _no_overload(operator, left, right)


def less(left: Any, right: Any) -> bool:
    _comparable(left, right, "<")
    return bool(left < right)


def at_most(left: Any, right: Any) -> bool:
    _comparable(left, right, "<=")
    return bool(left <= right)


# -- arithmetic ------------------------------------------------------------------------------------------------


def _whole(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Fault("overflows the 64 bits of an int")


def _numeric(left: Any, right: Any) -> bool:
    return kind_of(left) in NUMBERS and kind_of(right) in NUMBERS


def add(meter: Meter, left: Any, right: Any) -> Any:
    """``+``: numbers, strings, lists, times."""
    kind, other = type(left), type(right)
    if kind is int and other is int:
        return _whole(left + right)
    if kind is other and (kind is str or kind is list):
        spend(meter, len(left) + len(right))
        return left + right
    if _numeric(left, right):
        return float(left) + right
    if kind is timedelta and other is timedelta:
        return bounded(left + right)
    if {kind, other} == {datetime, timedelta}:
        return moment(lambda: left + right)
    raise _no_overload("+", left, right)


def subtract(left: Any, right: Any) -> Any:
    """``-`` between two operands."""
    kind, other = type(left), type(right)
    if kind is int and other is int:
        return _whole(left - right)
    if _numeric(left, right):
        return float(left) - right
    if kind is other and (kind is timedelta or kind is datetime):
        return bounded(left - right)
    if kind is datetime and other is timedelta:
        return moment(lambda: left - right)
    raise _no_overload("-", left, right)


def multiply(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        return _whole(left * right)
    if _numeric(left, right):
        return float(left) * right
    raise _no_overload("*", left, right)


def divide(left: Any, right: Any) -> Any:
    """``/``: towards zero between ints; a double by zero is infinite, as IEEE 754 has it."""
    if type(left) is int and type(right) is int:
        if right == 0:
            raise Fault("divides by zero")
        quotient = abs(left) // abs(right)
        return _whole(quotient if (left < 0) == (right < 0) else -quotient)
    if not _numeric(left, right):
        raise _no_overload("/", left, right)
    if right == 0:
        return math.copysign(math.inf, left) * math.copysign(1.0, right) if left else math.nan
    return float(left) / right


def modulo(left: Any, right: Any) -> int:
    """``%`` between ints; the result has the sign of the left one."""
    if type(left) is not int or type(right) is not int:
        raise _no_overload("%", left, right)
    if right == 0:
        raise Fault("divides by zero")
    return int(math.copysign(1, left)) * (abs(left) % abs(right))


def negate(value: Any) -> Any:
    if type(value) is int:
        return _whole(-value)
    if type(value) is float:
        return -value
    raise _no_overload("-", value)
