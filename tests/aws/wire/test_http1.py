"""kxmsg.aws.wire.http1 reads whole answers out of bytes, however they are cut, and nothing else."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.wire.http1 import Answer, AnswerReader, MalformedAnswer, TruncatedAnswer

PLAIN = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2;name=value\r\nlo\r\n0\r\nx-amz-checksum: abc\r\nx-other: d\r\n\r\n"
)
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + PLAIN
WHOLE = [PLAIN, CHUNKED, CONTINUED]


def read(data: bytes, reader: AnswerReader | None = None) -> Answer:
    result = (reader or AnswerReader()).feed(data)
    assert result is not None
    return result


@pytest.mark.parametrize("data", WHOLE, ids=["plain", "chunked", "continued"])
@given(cuts=st.lists(st.integers(0, 150), max_size=8))
def test_an_answer_is_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    reader = AnswerReader()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges) if start < end]
    results = [reader.feed(piece) for piece in pieces]
    assert results[:-1] == [None] * (len(pieces) - 1)
    assert results[-1] is not None
    assert (results[-1].status, results[-1].body) == (200, b"hello")
    assert reader.keep_alive
    assert not reader.started


@pytest.mark.parametrize("data", WHOLE, ids=["plain", "chunked", "continued"])
def test_answers_follow_each_other_byte_by_byte(data: bytes) -> None:
    reader = AnswerReader()
    for _ in range(2):
        results = [reader.feed(data[place : place + 1]) for place in range(len(data))]
        assert results[-1] is not None
        assert results[-1].body == b"hello"


@pytest.mark.parametrize("data", WHOLE, ids=["plain", "chunked", "continued"])
def test_an_answer_that_is_cut_short_is_never_taken_for_whole(data: bytes) -> None:
    for length in range(len(data)):
        reader = AnswerReader()
        assert reader.feed(data[:length]) is None
        with pytest.raises(TruncatedAnswer):
            reader.finish()
        assert not reader.keep_alive


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_arbitrary_bytes_are_waited_for_or_refused(first: bytes, second: bytes) -> None:
    reader = AnswerReader()
    with suppress(MalformedAnswer):
        assert reader.feed(first) is None
        reader.feed(second)


@given(st.binary(max_size=200))
def test_arbitrary_bodies_in_chunks_are_waited_for_or_refused(data: bytes) -> None:
    with suppress(MalformedAnswer):
        answer = AnswerReader().feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
        assert answer is None or b"0" in data


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6))
def test_chunks_add_up(chunks: list[bytes]) -> None:
    body = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n" + body).body == b"".join(chunks)


def test_fields_are_found_in_any_case() -> None:
    result = read(b"HTTP/1.1 400 Bad\r\nX-Amzn-ErrorType:  Some.Type \r\ncontent-length: 0\r\n\r\n")
    assert result.field("x-amzn-errortype") == "Some.Type"
    assert result.field("errortype") is None


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body_whatever_the_header_says(status: int) -> None:
    """RFC 9112, section 6.3, rule 1."""
    result = read(b"HTTP/1.1 %d Phrase\r\nContent-Length: 7\r\n\r\n" % status)
    assert (result.status, result.body) == (status, b"")


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nconnection: Upgrade, Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
    ],
    ids=["1.1", "close", "close among others", "1.0", "1.0 keep-alive"],
)
def test_persistence_is_the_versions_unless_told_otherwise(head: bytes, keep_alive: bool) -> None:
    """RFC 9112, section 9.3."""
    reader = AnswerReader()
    assert read(head + b"Content-Length: 2\r\n\r\n{}", reader).body == b"{}"
    assert reader.keep_alive is keep_alive


@pytest.mark.parametrize("data", WHOLE, ids=["plain", "chunked", "continued"])
@pytest.mark.parametrize("more", [b"x", PLAIN], ids=["garbage", "another answer"])
def test_what_comes_after_the_answer_ends_the_connection(data: bytes, more: bytes) -> None:
    """RFC 9112, sections 6.3 and 9.2: it is not the next request's answer."""
    reader = AnswerReader()
    assert read(data + more, reader).body == b"hello"
    assert not reader.keep_alive


def test_without_a_length_the_body_lasts_until_the_connection_ends() -> None:
    """RFC 9112, section 6.3, rule 8."""
    reader = AnswerReader()
    assert reader.feed(b"HTTP/1.1 502 Bad Gateway\r\nServer: x\r\n\r\n<html>") is None
    assert reader.feed(b"</html>") is None
    result = reader.finish()
    assert (result.status, result.body) == (502, b"<html></html>")
    assert not reader.keep_alive


def test_equal_lengths_are_one() -> None:
    """RFC 9112, section 6.3, rule 5."""
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\n{}").body == b"{}"


def test_chunks_beside_a_length_are_read_and_end_the_connection() -> None:
    """RFC 9112, section 6.3, rule 3."""
    reader = AnswerReader()
    result = read(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", reader
    )
    assert result.body == b"x"
    assert not reader.keep_alive


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 0200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1111111111111111111111\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    ],
    ids=[
        "another protocol",
        "HTTP/2",
        "status of two digits",
        "status of four digits",
        "switching protocols",
        "negative length",
        "length in words",
        "lengths that differ in one field",
        "lengths that differ in two",
        "endless length",
        "unknown coding",
        "chunked twice",
        "chunked in HTTP/1.0",
        "chunk size in letters",
        "chunk size too long",
        "chunk longer than its size",
    ],
)
def test_malformed_answers_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedAnswer) as caught:
        AnswerReader().feed(data)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100,
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 101,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + b"y" * 64 + b"\r\n40\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" + b" " * 5000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: " + b"y" * 100,
    ],
    ids=["unfinished head", "head", "length", "until the end", "chunks", "chunk's line", "trailers"],
)
def test_too_large_answers_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        AnswerReader(max_head=100, max_body=100).feed(data)


def test_an_answer_shows_nothing_of_itself() -> None:
    assert "hello" not in repr(read(PLAIN))
