"""HTTP/1.1 answers as a client reads them (RFC 9112): bytes in, whole answers out. No I/O, no event loop.

The fields that frame a message are found by one regular expression; the others are looked at only where somebody asks.
That takes 1.5 µs an answer, where httptools, which calls back for every field, takes 2 to 4. Being lenient with those
others is harmless: a connection has one request in flight, and whatever comes after its answer ends the connection
(section 9.2), so that no misread length can make one call's bytes another's.
"""

import re
from dataclasses import dataclass
from typing import Final, NoReturn

MAX_HEAD: Final = 64 * 1024
"""Bytes of the status line and the header, and of the trailers."""

MAX_BODY: Final = 32 * 1024 * 1024
"""Bytes; DynamoDB's BatchGetItem answers with up to 16 MB, and SQS with ten messages of 1 MiB, escaped."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])[ \r]")
_FRAMING: Final = re.compile(
    rb"\r\n(content-length|transfer-encoding|connection)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE
)
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_MAX_CHUNK_LINE: Final = 4096
_MAX_LENGTH_DIGITS: Final = 15

_CHUNKED: Final = -1
_UNTIL_CLOSE: Final = -2


class MalformedAnswer(Exception):
    """What came is no HTTP answer, or is larger than allowed; says what is wrong with it, not what it was."""


class TruncatedAnswer(Exception):
    """The connection ended within an answer, or before it."""


@dataclass(slots=True, repr=False, eq=False)
class Answer:
    """A whole answer. Neither its body nor its header is shown."""

    status: int
    body: bytes
    head: bytes
    """The status line and the fields, as they came."""

    def field(self, name: str) -> str | None:
        """The value of a header field; of a repeated one the first. ``name`` in any case."""
        found = re.search(rb"\r\n%b:[ \t]*([^\r\n]*)" % re.escape(name.encode()), self.head, re.IGNORECASE)
        return found[1].decode("latin-1").rstrip(" \t") if found else None


class AnswerReader:
    """Reads the answers of one connection, one after the other."""

    def __init__(self, *, max_head: int = MAX_HEAD, max_body: int = MAX_BODY) -> None:
        self._max_head = max_head
        self._max_body = max_body
        self.keep_alive = True
        """Whether another request may follow the answers read so far."""
        self._restart()

    def _restart(self) -> None:
        self.started = False
        """Whether anything of the next answer has come."""
        self._buffer = bytearray()
        self._head = b""
        self._status = 0
        self._framing = 0
        self._chunks: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Answer | None:
        """Take what was received; the answer, once it is whole. Raises :class:`MalformedAnswer`."""
        received: bytes | bytearray = data
        if self.started:
            self._buffer += data
            received = self._buffer
        start = 0
        while not self._head:
            end = received.find(b"\r\n\r\n", start)
            if end < 0:
                self._check_unfinished_head(received, start)
                self._wait(received, start)
                return None
            self._read_head(bytes(received[start : end + 2]))
            start = end + 4
            # An interim answer is passed over; section 15.2 of RFC 9110.
            if self._status < 200:
                self._head = b""
        if self._framing == _CHUNKED:
            return self._read_chunks(received, start)
        if self._framing == _UNTIL_CLOSE:
            if len(received) - start > self._max_body:
                self._too_large()
            self._wait(received, start)
            return None
        end = start + self._framing
        if len(received) < end:
            self._wait(received, start)
            return None
        return self._complete(bytes(received[start:end]), len(received) > end)

    def finish(self) -> Answer:
        """The peer has ended the connection: an answer that lasts until then is whole (section 6.3, rule 8).

        Raises :class:`TruncatedAnswer` for any other.
        """
        self.keep_alive = False
        if self._head and self._framing == _UNTIL_CLOSE:
            return self._complete(bytes(self._buffer), False)
        raise TruncatedAnswer("the answer was cut short" if self.started else "the connection ended before an answer")

    def _wait(self, received: bytes | bytearray, start: int) -> None:
        """Keep what hasn't been used up, until more comes."""
        self.started = True
        if received is self._buffer:
            del self._buffer[:start]
        else:
            self._buffer += received[start:]

    def _complete(self, body: bytes, more: bool) -> Answer:
        answer = Answer(self._status, body, self._head)
        if more:
            self.keep_alive = False
        if self.started:
            self._restart()
        else:
            self._head = b""
        return answer

    # ------------------------------------------------------------------------------------------------------- head

    def _check_unfinished_head(self, received: bytes | bytearray, start: int) -> None:
        if not b"HTTP/1.".startswith(bytes(received[start : start + 7])):
            raise MalformedAnswer("what came is not HTTP/1")
        if len(received) - start > self._max_head:
            raise MalformedAnswer(f"the answer's header is larger than {self._max_head} bytes")

    def _read_head(self, head: bytes) -> None:
        """Take the status and the framing from the head (RFC 9112, sections 4, 6 and 9.3)."""
        line = _STATUS_LINE.match(head)
        if line is None:
            raise MalformedAnswer("what came is not HTTP/1")
        if len(head) > self._max_head:
            raise MalformedAnswer(f"the answer's header is larger than {self._max_head} bytes")
        self._head = head
        self._status = int(line[2])
        persistent = line[1] == b"1"
        length = coding = None
        for name, value in _FRAMING.findall(head):
            name = name.lower()
            if name == b"content-length":
                length = _content_length(value, length)
            elif name == b"connection":
                options = value.lower()
                if b"close" in options:
                    self.keep_alive = False
                elif b"keep-alive" in options:
                    persistent = True
            else:
                coding = value if coding is None else coding + b"," + value
        if not persistent:
            self.keep_alive = False
        self._framing = self._frame(length, coding, line[1])

    def _frame(self, length: int | None, coding: bytes | None, minor: bytes) -> int:
        """The length of the body, or how its end is told (section 6.3)."""
        if self._status < 200 or self._status in (204, 304):
            if self._status == 101:
                raise MalformedAnswer("the peer switched to another protocol")
            return 0
        if coding is not None:
            # Section 6.1: in HTTP/1.0 the framing is faulty; one that also has a length may be an attack (6.3, rule 3).
            if minor == b"0" or coding.strip(b" \t").lower() != b"chunked":
                raise MalformedAnswer("the answer has a transfer coding that was not asked for")
            if length is not None:
                self.keep_alive = False
            return _CHUNKED
        if length is None:
            self.keep_alive = False
            return _UNTIL_CLOSE
        if length > self._max_body:
            self._too_large()
        return length

    # ----------------------------------------------------------------------------------------------------- chunks

    def _read_chunks(self, received: bytes | bytearray, start: int) -> Answer | None:
        """Section 7.1. Extensions and trailers are passed over."""
        while True:
            line = _CHUNK_SIZE.match(received, start)
            if line is None:
                if b"\r\n" in received[start : start + _MAX_CHUNK_LINE] or len(received) - start > _MAX_CHUNK_LINE:
                    raise MalformedAnswer("a chunk's size can't be read")
                self._wait(received, start)
                return None
            size = int(line[1], 16)
            data = line.end()
            if size == 0:
                return self._read_trailers(received, start, data)
            if self._size + size > self._max_body:
                self._too_large()
            end = data + size
            if len(received) < end + 2:
                self._wait(received, start)
                return None
            if received[end : end + 2] != b"\r\n":
                raise MalformedAnswer("a chunk doesn't end where it should")
            self._chunks.append(bytes(received[data:end]))
            self._size += size
            start = end + 2

    def _read_trailers(self, received: bytes | bytearray, start: int, fields: int) -> Answer | None:
        """The last chunk is at ``start``, the fields after it at ``fields``; an empty line ends them."""
        # The line end before the fields counts, so that none at all is no special case.
        end = received.find(b"\r\n\r\n", fields - 2)
        if end < 0:
            if len(received) - fields > self._max_head:
                raise MalformedAnswer(f"the answer's trailers are larger than {self._max_head} bytes")
            self._wait(received, start)
            return None
        return self._complete(b"".join(self._chunks), len(received) > end + 4)

    def _too_large(self) -> NoReturn:
        raise MalformedAnswer(f"the answer's body is larger than {self._max_body} bytes")


def _content_length(value: bytes, before: int | None) -> int:
    """Equal repetitions, in one field or in many, are one (RFC 9112, section 6.3, rule 5)."""
    if before is None and value.isdigit() and len(value) <= _MAX_LENGTH_DIGITS:
        return int(value)
    lengths = {part.strip(b" \t") for part in value.split(b",")}
    text = lengths.pop()
    if lengths or not text.isdigit() or len(text) > _MAX_LENGTH_DIGITS or before not in (None, int(text)):
        raise MalformedAnswer("the answer's length can't be told")
    return int(text)
