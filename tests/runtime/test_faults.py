"""Faults in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from kxmsg.errors import Poison
from kxmsg.runtime.faults import MAX_REASON, describe, trail


class Order(BaseModel):
    number: int


def test_type_and_text_are_told_in_one_line() -> None:
    """The type alone where there is no text."""
    assert describe(ValueError("no\n  such thing")) == "ValueError: no such thing"
    assert describe(TimeoutError()) == "TimeoutError"
    assert describe(Poison("orderId: missing")) == "orderId: missing"
    assert (
        describe(ExceptionGroup("two", [ValueError("a"), KeyError("b")]))
        == "ExceptionGroup: ValueError: a; KeyError: 'b'"
    )


def test_nothing_of_what_was_validated_is_told() -> None:
    """Though pydantic's own text quotes it."""
    fields = {"number": "-".join(["secret", "4711"])}
    with pytest.raises(ValidationError) as raised:
        Order.model_validate(fields)
    assert "secret-4711" in str(raised.value)
    assert "secret-4711" not in describe(raised.value)
    assert "secret-4711" not in trail(raised.value)
    assert describe(raised.value).startswith("Order: number: Input should be a valid integer")


@given(st.text(st.characters(), max_size=600))
def test_a_reason_can_stand_in_an_attribute(text: str) -> None:
    """Short enough, printable, and never empty."""
    reason = describe(ValueError(text))
    assert 0 < len(reason) <= MAX_REASON
    assert reason.isprintable()
    reason.encode()
