"""The batch body carries any posts, and no other bytes pass for one."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.embedded import batch
from kxmsg.errors import InvalidInput

postings = st.lists(st.tuples(st.lists(st.text(max_size=20), max_size=4), st.binary(max_size=50)), max_size=5)


def assemble(items: list[batch.Posting]) -> bytes:
    return batch.assemble([batch.entry(names, len(data)) for names, data in items], [data for _, data in items])


@given(postings)
def test_what_is_assembled_is_parsed(items: list[batch.Posting]) -> None:
    assert batch.parse(assemble(items)) == items


@given(postings)
def test_the_size_is_known_beforehand(items: list[batch.Posting]) -> None:
    known = batch.OVERHEAD + sum(len(batch.entry(names, len(data))) + 1 + len(data) for names, data in items)
    assert len(assemble(items)) <= known <= len(assemble(items)) + 1


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_or_parsed(body: bytes) -> None:
    try:
        parsed = batch.parse(body)
    except InvalidInput:
        return
    assert isinstance(parsed, list)


@pytest.mark.parametrize(
    "header",
    [
        b"5",
        b"[5]",
        b'["x"]',
        b'{"connections":[]}',
        b'[{"size":0}]',
        b'[{"connections":"abc","size":0}]',
        b'[{"connections":[1],"size":0}]',
        b'[{"connections":[],"size":-1}]',
        b'[{"connections":[],"size":true}]',
        b'[{"connections":[],"size":131073}]',
        b'[{"connections":[],"size":1}]',
    ],
)
def test_a_header_that_makes_no_sense_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidInput):
        batch.parse(len(header).to_bytes(4, "big") + header)


def test_bytes_left_over_are_refused() -> None:
    with pytest.raises(InvalidInput):
        batch.parse(assemble([(["a"], b"x")]) + b"y")


def test_outcomes_that_fit_are_returned() -> None:
    body = orjson.dumps([["ok", "gone"], [], ["busy"]])
    assert batch.parse_outcomes(body, [2, 0, 1]) == [["ok", "gone"], [], ["busy"]]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"[[]]", b'[["ok","ok"]]', b'[["fine"]]', b"[[[]]]", b"[5]", b'[["ok"],5]']
)
def test_outcomes_that_do_not_fit_are_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"does not fit|empty document"):
        batch.parse_outcomes(body, [1])
