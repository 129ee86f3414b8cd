"""Kinds: the types of the language, what Python holds for them, and what they weigh."""

import enum
from datetime import datetime, timedelta
from typing import Any, Final


class Kind(enum.Enum):
    """A type, named as the CEL specification names it. ``DYN`` is known only when an event comes."""

    DYN = "dyn"
    NULL = "null_type"
    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    LIST = "list"
    MAP = "map"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    TYPE = "type"

    @property
    def phrase(self) -> str:
        """The kind in a sentence: *an int*, *a string*, *null*."""
        return "null" if self is Kind.NULL else f"{'an' if self is Kind.INT else 'a'} {self.value}"


NUMBERS: Final = frozenset({Kind.INT, Kind.DOUBLE})

BY_CLASS: Final[dict[type, Kind]] = {
    type(None): Kind.NULL,
    bool: Kind.BOOL,
    int: Kind.INT,
    float: Kind.DOUBLE,
    str: Kind.STRING,
    list: Kind.LIST,
    dict: Kind.MAP,
    datetime: Kind.TIMESTAMP,
    timedelta: Kind.DURATION,
    Kind: Kind.TYPE,
}

BY_NAME: Final[dict[str, Kind]] = {kind.value: kind for kind in Kind if kind is not Kind.DYN}
"""What a type's name stands for in an expression, as in ``type(detail.n) == int``."""

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1


def kind_of(value: Any) -> Kind:
    """The kind of a value; ``DYN`` for what is not of the language."""
    return BY_CLASS.get(type(value), Kind.DYN)
