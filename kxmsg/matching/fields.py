"""Fields: the values of an event by dotted path, and in which element of which array each stands."""

from collections.abc import Collection, Iterable
from typing import Any, Final, TypeAlias

MAX_ARRAYS: Final = 100
"""Arrays that a value may be in; those further in are not looked at."""

ABSENT: Final = object()
"""Stands for a value that is not there; an object has none itself, only its fields have."""

Standing: TypeAlias = tuple[tuple[int, int], ...]
"""Array and index of the elements that a value is in, outermost first. Scalars are in no element of their own array."""

Occurrences: TypeAlias = dict[str, list[tuple[Any, Standing]]]


class Nested(Exception):
    """The event has an array, or a key with a dot, where a pattern looks: its fields must be collected first."""


def no_value(value: Any) -> Any:
    """What stands in the place of a field for something that is no scalar: absent, but :class:`Nested` for an array."""
    if value.__class__ is list:
        raise Nested
    return ABSENT


def joined_keys(paths: Iterable[str], depth: int = 0) -> frozenset[str]:
    """The keys with dots that an object ``depth`` keys deep could have instead of objects along the paths."""
    keys: set[str] = set()
    for path in paths:
        names = path.split(".")[depth:]
        keys.update(".".join(names[:end]) for end in range(2, len(names) + 1))
    return frozenset(keys)


def beginnings(paths: Iterable[str]) -> frozenset[str]:
    """The paths and all that lead to them."""
    found: set[str] = set()
    for path in paths:
        names = path.split(".")
        found.update(".".join(names[:end]) for end in range(1, len(names) + 1))
    return frozenset(found)


def occurrences(event: dict[str, Any], wanted: Collection[str]) -> Occurrences:
    """Every value below the wanted paths (see :func:`beginnings`). Keys with dots lead where nested keys would."""
    found: Occurrences = {}
    arrays: dict[tuple[int, str | None], int] = {}
    pending: list[tuple[str, Any, int, Standing]] = [("", event, 0, ())]
    while pending:
        path, node, place, standing = pending.pop()
        if node.__class__ is dict:
            for key, value in node.items():
                below = f"{path}.{key}" if place else key
                if below in wanted:
                    if value.__class__ is dict or value.__class__ is list:
                        pending.append((below, value, _number(arrays, place, key), standing))
                    else:
                        found.setdefault(below, []).append((value, standing))
        elif len(standing) < MAX_ARRAYS:
            inner = _number(arrays, place, None)
            for index, element in enumerate(node):
                if element.__class__ is dict or element.__class__ is list:
                    pending.append((path, element, inner, (*standing, (place, index))))
                else:
                    found.setdefault(path, []).append((element, standing))
    return found


def _number(places: dict[tuple[int, str | None], int], place: int, key: str | None) -> int:
    return places.setdefault((place, key), len(places) + 1)
