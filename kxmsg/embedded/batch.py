"""The body of the gateway's batch request: many frames for many connections, signed once.

Not part of API Gateway. A request is four bytes with the length of a JSON list (big-endian), that list of
``{"connections": [...], "size": n}``, and then the frames' data, one after the other. The answer is a JSON list with
a list of outcomes per entry.
"""

import struct
from collections.abc import Sequence
from typing import Final, TypeAlias, cast, get_args

import orjson

from kxmsg.errors import InvalidInput
from kxmsg.ports import Outcome

PATH: Final = "/@connections"
BODY_LIMIT: Final = 4 * 1024 * 1024
DATA_LIMIT: Final = 128 * 1024
"""Largest frame, that of API Gateway's ``PostToConnection``."""

Posting: TypeAlias = tuple[list[str], bytes]
"""Connections and the frame for them."""

_LENGTH: Final = struct.Struct("!I")
OVERHEAD: Final = _LENGTH.size + len("[]")
_OUTCOMES: Final = get_args(Outcome)


def entry(connections: Sequence[str], size: int) -> bytes:
    """One entry of the list. With its comma it takes ``len(entry) + 1`` bytes of the body, beside the data."""
    return orjson.dumps({"connections": list(connections), "size": size})


def assemble(entries: Sequence[bytes], frames: Sequence[bytes]) -> bytes:
    """The body, of :func:`entry` results and the data that belongs to each."""
    header = b"[" + b",".join(entries) + b"]"
    return b"".join((_LENGTH.pack(len(header)), header, *frames))


def parse(body: bytes) -> list[Posting]:
    """The opposite of :func:`assemble`. Raises :class:`~kxmsg.errors.InvalidInput`."""
    try:
        (length,) = _LENGTH.unpack_from(body)
        entries = orjson.loads(body[_LENGTH.size : _LENGTH.size + length])
        postings: list[Posting] = []
        at = _LENGTH.size + length
        for item in entries:
            connections, size = item["connections"], item["size"]
            if type(size) is not int or not 0 <= size <= DATA_LIMIT:
                raise InvalidInput(f"a frame's size must be 0 to {DATA_LIMIT}")
            if not isinstance(connections, list) or not all(isinstance(name, str) for name in connections):
                raise InvalidInput("connections must be a list of strings")
            postings.append((connections, body[at : at + size]))
            at += size
    except (struct.error, orjson.JSONDecodeError, TypeError, KeyError):
        raise InvalidInput("the body is not a batch of posts") from None
    if at != len(body):
        raise InvalidInput("the frames do not add up to the body")
    return postings


def parse_outcomes(body: bytes, counts: Sequence[int]) -> list[list[Outcome]]:
    """The answer, for entries of so many connections each. Raises ``ValueError`` where it does not fit them."""
    answer = orjson.loads(body)
    fits = (
        isinstance(answer, list)
        and len(answer) == len(counts)
        and all(
            isinstance(part, list) and len(part) == count and all(outcome in _OUTCOMES for outcome in part)
            for part, count in zip(answer, counts, strict=True)
        )
    )
    if not fits:
        raise ValueError("the answer does not fit the request")
    return cast("list[list[Outcome]]", answer)
