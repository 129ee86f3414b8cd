"""Wording: numbers of things, JSON values and their types, as messages name them. Pure."""

from collections.abc import Iterable
from reprlib import Repr
from typing import Any, Final

_TYPES: Final[dict[type, str]] = {
    str: "text",
    int: "number",
    float: "number",
    bool: "bool",
    type(None): "null",
    list: "list",
    dict: "map",
}


def type_of(value: object) -> str:
    """The type of a value: text, number, bool, null, list or map."""
    return types((type(value),))


def types(kinds: Iterable[type]) -> str:
    """Types, as in ``text or number``."""
    return " or ".join(dict.fromkeys(_TYPES.get(kind, kind.__name__) for kind in kinds))


class _Shown(Repr):
    """Python's notation, but for what JSON writes otherwise."""

    def repr1(self, x: Any, level: int) -> str:
        if x is None or isinstance(x, bool):
            return "null" if x is None else str(x).lower()
        return super().repr1(x, level)


_SHOWN: Final = _Shown()
_SHOWN.maxstring = _SHOWN.maxother = 80


def shown(value: object) -> str:
    """A value in one line, cut short where it is long: ``'lost'``, ``null``, ``[1, 2]``."""
    return _SHOWN.repr(value)


def counted(count: int, noun: str) -> str:
    """A number of things, as in ``1 subscription``."""
    return f"{count} {noun}{'s' if count != 1 else ''}"
