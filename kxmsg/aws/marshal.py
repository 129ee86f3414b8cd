"""JSON values as DynamoDB attribute values, and back ("AttributeValue" in its API reference).

Text, numbers, truth, null, lists and maps; no sets, no bytes. A value comes back equal to what it was, with one
difference in type: DynamoDB's numbers are decimals, so a whole float comes back as the int that it equals.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Attribute: TypeAlias = dict[str, Any]
"""One attribute value, ``{"S": "text"}``."""

DEPTH: Final = 32
"""Levels of a document, the attribute itself being the first ("Quotas in Amazon DynamoDB", nested attributes)."""

_WHOLE: Final = 2**64
"""Numbers of this size and more are no JSON integers (RFC 8259, section 6, leaves the range to us), only floats."""

_LEAST: Final = 1e-130
_MOST: Final = 1e126


def marshal_item(item: Mapping[str, Any]) -> dict[str, Attribute]:
    """All attributes of an item; raises ValueError naming the one that DynamoDB has no type or no room for."""
    return _marshal_map(item, 1)


def marshal(value: Any, level: int = 1) -> Attribute:
    """One value; ``level`` is its depth. Raises ValueError on what is not JSON, on NaN and on what is too deep."""
    kind = type(value)
    if kind is str:
        return {"S": value if value.isascii() else _checked_text(value)}
    if kind is int:
        return {"N": _number_text(value)}
    if value is True or value is False:
        return {"BOOL": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, Mapping):
        _check_level(level, value)
        return {"M": _marshal_map(value, level + 1)}
    if isinstance(value, list | tuple):
        _check_level(level, value)
        return {"L": [marshal(part, level + 1) for part in value]}
    if isinstance(value, int | float):
        return {"N": _number_text(value)}
    if isinstance(value, str):
        return {"S": _checked_text(value)}
    raise ValueError(f"a {kind.__name__} is no JSON value")


def unmarshal_item(attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """The item; raises ValueError on an attribute of a type that :func:`marshal` never makes."""
    return {name: unmarshal(attribute) for name, attribute in attributes.items()}


def unmarshal(attribute: Attribute) -> Any:
    """The value of one attribute; raises ValueError on a set or bytes."""
    if "S" in attribute:
        return attribute["S"]
    if "N" in attribute:
        return _number(attribute["N"])
    if "M" in attribute:
        return unmarshal_item(attribute["M"])
    if "L" in attribute:
        return [unmarshal(part) for part in attribute["L"]]
    if "BOOL" in attribute:
        return attribute["BOOL"]
    if "NULL" in attribute:
        return None
    raise ValueError(f"an attribute of type {'/'.join(attribute)} is no JSON value, and not of kxmsg's making")


def _marshal_map(values: Mapping[str, Any], level: int) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {}
    for name, value in values.items():
        try:
            if type(name) is not str or not name.isascii():
                _check_name(name)
            attributes[name] = marshal(value, level)
        except ValueError as error:
            raise ValueError(f"{name!r}: {error}") from error
    return attributes


def _number_text(value: float) -> str:
    """The number in at most 20 digits; DynamoDB keeps 38, in the magnitudes from 1e-130 to below 1e126."""
    if -_WHOLE < value < _WHOLE:
        if value == int(value):
            return str(int(value))  # a float's repr may be a rounded one, and this is what it equals
        if abs(value) >= _LEAST:
            return float.__repr__(value)
    elif isinstance(value, float) and abs(value) < _MOST:
        return float.__repr__(value)
    raise ValueError("a number is beyond DynamoDB's range, beyond 64 bits, or none at all")


def _number(text: str) -> int | float:
    try:
        whole = int(text)
    except ValueError:
        return float(text)
    return whole if -_WHOLE < whole < _WHOLE else float(text)


def _checked_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("text with half a surrogate pair") from error
    return text


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise ValueError(f"a key of a map is text, not {type(name).__name__}")
    _checked_text(name)


def _check_level(level: int, parts: Mapping[str, Any] | Sequence[Any]) -> None:
    if level >= DEPTH and parts:
        raise ValueError(f"a value is nested deeper than {DEPTH} levels")
