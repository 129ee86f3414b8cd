"""Loops at run time: what macros go over, and how their faults are absorbed."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from kxmsg.rendering.errors import Fault
from kxmsg.rendering.kinds import kind_of
from kxmsg.rendering.operators import Meter, settle, spend


def items(meter: Meter, value: Any, weight: int) -> Iterable[Any]:
    """The elements of a list, the keys of a map. ``weight`` is what one round costs; all are charged beforehand."""
    if type(value) is not list and type(value) is not dict:
        raise Fault(f"loops over {kind_of(value).phrase}, neither a list nor a map")
    spend(meter, weight * len(value))
    return value


def pairs(meter: Meter, value: Any, weight: int) -> Iterable[tuple[Any, Any]]:
    """Positions and elements of a list, keys and values of a map."""
    items(meter, value, weight)
    return value.items() if type(value) is dict else enumerate(value)


def every(body: Callable[..., Any], rounds: Iterable[tuple[Any, ...]]) -> bool:
    """``all()``: false as soon as one round is, whatever fault another has."""
    return settle(False, (partial(body, *variables) for variables in rounds))


def some(body: Callable[..., Any], rounds: Iterable[tuple[Any, ...]]) -> bool:
    """``exists()``: true as soon as one round is, whatever fault another has."""
    return settle(True, (partial(body, *variables) for variables in rounds))


def singles(rounds: Iterable[Any]) -> Iterable[tuple[Any]]:
    """What :func:`every` and :func:`some` take where a loop has one variable."""
    return ((element,) for element in rounds)


def one(results: Iterable[bool]) -> bool:
    """``exists_one()``: exactly one round is true."""
    return sum(results) == 1
