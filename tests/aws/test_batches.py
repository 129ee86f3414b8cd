"""Batches: what AWS would refuse is refused here, and nothing else; batches are cut within the limits."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.batches import BATCH_LIMIT, admit, is_text, message_size, parts
from kxmsg.ports import Outgoing

_XML = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
"""The characters as the SQS API's reference lists them."""


@given(st.text(st.characters() | st.sampled_from("\x00\x0b\x1f\x7f\x85\ufffd\ufffe\uffff\U0001ffff")))
def test_text_is_what_the_api_reference_lists(text: str) -> None:
    assert is_text(text.encode(errors="surrogatepass")) == bool(_XML.fullmatch(text))


@given(st.binary())
def test_bytes_that_are_not_utf_8_are_no_text(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        assert not is_text(data)
    else:
        assert is_text(data) == bool(_XML.fullmatch(text))


@given(st.lists(st.integers(1, 100)), st.integers(100, 150))
def test_parts_hold_every_position_in_order_within_the_limits(sizes: list[int], largest: int) -> None:
    cut = parts(dict(enumerate(sizes)), largest)
    assert [position for part in cut for position in part] == list(range(len(sizes)))
    for part in cut:
        assert 1 <= len(part) <= BATCH_LIMIT
        assert sum(sizes[position] for position in part) <= largest
    for part, following in pairwise(cut):
        together = [*part, following[0]]
        assert len(together) > BATCH_LIMIT or sum(sizes[position] for position in together) > largest


def test_a_message_counts_with_names_types_and_values_of_its_attributes() -> None:
    assert message_size(Outgoing("ü".encode(), attributes={"kind": "é"})) == 2 + len("kind") + len("String") + 2


@pytest.mark.parametrize(
    "message",
    [
        Outgoing(b""),
        Outgoing(b"\xff"),
        Outgoing(b"\x00"),
        Outgoing('"\uffff"'.encode()),
        Outgoing(b"m", group=""),
        Outgoing(b"m", group="two words"),
        Outgoing(b"m", group="ä"),
        Outgoing(b"m", group="x" * 129),
        Outgoing(b"m", dedup="x" * 129),
        Outgoing(b"m", delay=0.5),
        Outgoing(b"m", attributes={f"a{number}": "v" for number in range(11)}),
        Outgoing(b"m", attributes={"a": ""}),
        Outgoing(b"m", attributes={"a": "\x07"}),
        Outgoing(b"m", attributes={"a": "\ud800"}),
        Outgoing(b"m", attributes={"": "v"}),
        Outgoing(b"m", attributes={"é": "v"}),
        Outgoing(b"m", attributes={"Amazon.x": "v"}),
        Outgoing(b"m", attributes={"aws.x": "v"}),
        Outgoing(b"m", attributes={".a": "v"}),
        Outgoing(b"m", attributes={"a.": "v"}),
        Outgoing(b"m", attributes={"a..b": "v"}),
        Outgoing(b"m", attributes={"a" * 257: "v"}),
    ],
    ids=range(22),
)
def test_what_aws_never_takes_is_refused_alone(message: Outgoing) -> None:
    sizes, failures = admit([Outgoing(b"a"), message, Outgoing(b"b")], fifo=False, largest=10_000)
    assert list(sizes) == [0, 2]
    assert [(failure.index, failure.code, failure.retryable) for failure in failures] == [(1, "invalid", False)]


@pytest.mark.parametrize(
    "message",
    [
        Outgoing(b"x"),
        Outgoing(b"\t\r\n\x7f{}"),
        Outgoing(b"m", group="!" * 128, dedup="~"),
        Outgoing(b"m", attributes={"a.b-c_D9": "\t", "awsx": "v", "x" * 256: "é"}),
        Outgoing(b"m", attributes={f"a{number}": "v" for number in range(10)}),
    ],
    ids=range(5),
)
def test_what_aws_takes_is_admitted(message: Outgoing) -> None:
    assert admit([message], fifo=False, largest=10_000) == ({0: message_size(message)}, [])


def test_size_counts_first_and_to_the_byte() -> None:
    assert admit([Outgoing(b"x" * 99, attributes={"a": "v"})], fifo=False, largest=107)[1] == []
    (failure,) = admit([Outgoing(b"x" * 100, attributes={"a": "v"})], fifo=False, largest=107)[1]
    assert (failure.code, failure.retryable) == ("too_large", False)
