"""Attribute values: round trips, what DynamoDB makes of numbers, agreement with the SDK's own, refusals."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer  # type: ignore[import-untyped] # boto3 has no stubs
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.marshal import DEPTH, marshal, marshal_item, unmarshal, unmarshal_item

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTEGERS = st.integers(1 - 2**64, 2**64 - 1)
FLOATS = st.floats(-9e125, 9e125).filter(lambda number: number == 0 or abs(number) >= 1e-130)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS,
    lambda part: st.lists(part, max_size=5) | st.dictionaries(TEXTS, part, max_size=5),
    max_leaves=20,
)


def plain(number: str) -> str:
    """The number as DynamoDB answers it: without exponent, and "leading and trailing zeroes are trimmed"."""
    text = format(Decimal(number), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def answered(attribute: dict[str, Any]) -> dict[str, Any]:
    """The attribute as it comes back from DynamoDB."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        return {"N": plain(value)}
    if kind == "M":
        return {"M": {name: answered(part) for name, part in value.items()}}
    if kind == "L":
        return {"L": [answered(part) for part in value]}
    return attribute


def decimals(value: Any) -> Any:
    """The value as boto3 wants and gives it, whose numbers are decimals."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float) and (abs(value) >= 2**64 or not value.is_integer()):
        return Decimal(repr(value))
    if isinstance(value, int | float):
        return Decimal(int(value))
    if isinstance(value, dict):
        return {name: decimals(part) for name, part in value.items()}
    if isinstance(value, list):
        return [decimals(part) for part in value]
    return value


def nested(levels: int) -> Any:
    value: Any = "leaf"
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@given(VALUES)
def test_every_json_value_comes_back_equal(value: Any) -> None:
    assert unmarshal(marshal(value)) == value
    assert unmarshal(answered(marshal(value))) == value


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_items_are_their_attributes(item: dict[str, Any]) -> None:
    assert marshal_item(item) == {name: marshal(value) for name, value in item.items()}
    assert unmarshal_item(marshal_item(item)) == item


@given(VALUES)
def test_it_agrees_with_the_sdks_own_serializer(value: Any) -> None:
    """Where that one can: it takes decimals of up to 38 digits only."""
    theirs = TypeSerializer().serialize(decimals(value))
    assert unmarshal(theirs) == value
    assert unmarshal(answered(theirs)) == unmarshal(answered(marshal(value)))


@given(VALUES)
def test_the_sdks_own_deserializer_reads_it(value: Any) -> None:
    assert unmarshal(marshal(value)) == undecimal(TypeDeserializer().deserialize(marshal(value)))


def undecimal(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) and abs(value) < 2**64 else float(value)
    if isinstance(value, dict):
        return {name: undecimal(part) for name, part in value.items()}
    if isinstance(value, list):
        return [undecimal(part) for part in value]
    return value


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        ("", {"S": ""}),
        ("Grüße 🎉", {"S": "Grüße 🎉"}),
        (True, {"BOOL": True}),
        (False, {"BOOL": False}),
        (None, {"NULL": True}),
        (7, {"N": "7"}),
        (-(2**63), {"N": "-9223372036854775808"}),
        (0.1, {"N": "0.1"}),
        (5.0, {"N": "5"}),
        (-0.0, {"N": "0"}),
        (2.0**63, {"N": "9223372036854775808"}),
        (1e100, {"N": "1e+100"}),
        ([1, ["a"]], {"L": [{"N": "1"}, {"L": [{"S": "a"}]}]}),
        ((1,), {"L": [{"N": "1"}]}),
        ({"a": {}}, {"M": {"a": {"M": {}}}}),
        (MappingProxyType({"a": 1}), {"M": {"a": {"N": "1"}}}),
    ],
)
def test_each_type_has_its_attribute(value: Any, attribute: dict[str, Any]) -> None:
    assert marshal(value) == attribute


def test_enumerations_of_text_and_numbers_are_their_values() -> None:
    color = StrEnum("color", {"RED": "red"})
    level = IntEnum("level", {"HIGH": 3})
    assert marshal([color["RED"], level["HIGH"]]) == {"L": [{"S": "red"}, {"N": "3"}]}


@pytest.mark.parametrize(("text", "kind"), [("5", int), ("5.5", float), ("1E+2", float), ("1" + "0" * 30, float)])
def test_whole_numbers_of_up_to_64_bits_are_ints(text: str, kind: type) -> None:
    value = unmarshal({"N": text})
    assert type(value) is kind
    assert value == float(text)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 2**64, -(2**64), 10**5000, 1e126, -1e126, 1e-131, 5e-324],
    ids=lambda value: f"{value:.3g}" if isinstance(value, float) else f"{value.bit_length()} bits",
)
def test_a_number_that_dynamodb_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="number"):
        marshal(value)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (b"bytes", "a bytes is no JSON value"),
        ({1}, "a set is no JSON value"),
        (datetime(2025, 1, 1, tzinfo=UTC), "a datetime is no JSON value"),
        (Decimal(1), "a Decimal is no JSON value"),
        ({1: "x"}, "a key of a map is text, not int"),
        ("\ud800", "half a surrogate pair"),
        ({"\ud800": 1}, "half a surrogate pair"),
    ],
    ids=["bytes", "set", "datetime", "decimal", "key", "surrogate", "surrogate key"],
)
def test_what_is_not_json_is_refused_with_the_attributes_name(value: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"'deep': .*{complaint}"):
        marshal_item({"fine": 1, "deep": [{"x": value}]})


def test_nesting_ends_at_dynamodbs_32_levels() -> None:
    assert unmarshal(marshal(nested(DEPTH))) == nested(DEPTH)
    for levels in (DEPTH + 1, 5000):
        with pytest.raises(ValueError, match="deeper than 32 levels"):
            marshal(nested(levels))


@pytest.mark.parametrize("attribute", [{"SS": ["a"]}, {"NS": ["1"]}, {"B": "eA=="}, {"L": [{"BS": ["eA=="]}]}])
def test_sets_and_bytes_are_nobody_of_ours(attribute: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no JSON value"):
        unmarshal(attribute)
