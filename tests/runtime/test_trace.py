"""Trace context of a call."""

import pytest

from kxmsg.ports import Delivery
from kxmsg.runtime.trace import trace_id, trace_of

A, B = (f"00-{letter * 32}-{letter * 16}-01" for letter in "ab")


def delivery(trace: str | None) -> Delivery:
    return Delivery("1", b"", "r", 1, 0.0, None, {"traceparent": trace} if trace else {})


def test_a_call_has_the_trace_that_its_messages_share() -> None:
    """Else one of its own."""
    assert trace_of([delivery(A), delivery(A)]) == A
    assert trace_of([delivery(A), delivery(B)]) not in (A, B)
    assert trace_of([]) != trace_of([])


@pytest.mark.parametrize(
    "trace", [None, "", "nonsense", A[:-1], A.upper(), f"ff{A[2:]}", f"00-{'0' * 32}-{'a' * 16}-01"]
)
def test_what_is_no_traceparent_is_replaced(trace: str | None) -> None:
    """By a valid one."""
    made = trace_of([delivery(trace)])
    assert made != trace
    assert trace_of([delivery(made)]) == made


def test_the_trace_id_is_the_part_that_names_the_whole_trace() -> None:
    """The span's part is left out."""
    assert trace_id(A) == "a" * 32
