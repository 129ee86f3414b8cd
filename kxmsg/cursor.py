"""Cursors: where a list goes on. Opaque to the client, signed, and worth nothing to anybody else.

A cursor is base64url of a tag and a JSON text. The tag is an HMAC over what the cursor is for (``binding``) and the
text, so that it opens only for the same user asking the same question.
"""

import hmac
from base64 import b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final

import orjson

from kxmsg.errors import InvalidInput
from kxmsg.types import Json

MAX_CHARS: Final = 4096
"""Longer text is refused unread."""

_TAG_BYTES: Final = 16
"""HMAC-SHA256 truncated to half (RFC 2104, section 5)."""

_DOMAIN: Final = b"kxmsg cursor 1"


def bound_to(*parts: Json) -> str:
    """One text for whom and what a cursor is good: tenant, user, route, filters. Different parts, different text."""
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS).decode()


def sign(key: bytes, data: Json, binding: str) -> str:
    """An opaque URL-safe cursor holding ``data``, good for ``binding`` alone."""
    text = orjson.dumps(data)
    return urlsafe_b64encode(_tag(key, text, binding) + text).rstrip(b"=").decode()


def unsign(key: bytes, cursor: str, binding: str) -> Json:
    """The data that :func:`sign` was given.

    Raises :class:`~kxmsg.errors.InvalidInput` ``invalid_cursor``, the same for a malformed and for a foreign one.
    """
    raw = _decode(cursor) if len(cursor) <= MAX_CHARS else b""
    tag, text = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(key, text, binding)):
        raise InvalidInput("the cursor is not one that this query gave", code="invalid_cursor")
    data: Json = orjson.loads(text)
    return data


def _decode(cursor: str) -> bytes:
    try:
        return b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _tag(key: bytes, text: bytes, binding: str) -> bytes:
    bound = binding.encode()
    head = _DOMAIN + len(bound).to_bytes(8, "big")
    return hmac.digest(key, head + bound + text, sha256)[:_TAG_BYTES]
