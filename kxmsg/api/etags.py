"""``ETag`` and ``If-Match`` (RFC 9110, section 13.1.1): an update that fails where somebody else's came first."""

import re
from hashlib import sha256
from typing import Annotated, Any, Final

import orjson
from fastapi import Depends, Header

from kxmsg.errors import InvalidInput, PreconditionFailed

_TAGS: Final = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\s*)*')
_TAG: Final = re.compile(r'(?:W/)?"[^"]*"')


def etag(state: Any) -> str:
    """The strong entity tag of a record, or of its version: the same for the same JSON."""
    text = orjson.dumps(state, option=orjson.OPT_SORT_KEYS)
    return f'"{sha256(text).hexdigest()[:32]}"'


class Match:
    """What ``If-Match`` asks for. Without the header, everything matches.

    The update itself has to be conditional on the state that :meth:`check` was given: between the two somebody else may
    write. Where that condition fails, read again and check again.
    """

    def __init__(self, header: str | None) -> None:
        """Raises :class:`~kxmsg.errors.InvalidInput` for what is neither ``*`` nor a list of tags."""
        self._tags: frozenset[str] | None = None
        if header is None or header.strip() == "*":  # there is a thing, or the route would have answered 404
            return
        if not _TAGS.fullmatch(header):
            raise InvalidInput('If-Match takes "*" or entity tags in quotes', code="invalid_if_match")
        self._tags = frozenset(_TAG.findall(header))  # a weak tag is equal to no strong one

    def check(self, tag: str) -> None:
        """Raises :class:`~kxmsg.errors.PreconditionFailed` where the thing is not as the caller saw it."""
        if self._tags is not None and tag not in self._tags:
            raise PreconditionFailed("it was changed since; read it again and repeat the change", details={"etag": tag})


async def _match(
    if_match: Annotated[str | None, Header(description="`ETag` of what the change was made to; else 412.")] = None,
) -> Match:
    return Match(if_match)


IfMatch = Annotated[Match, Depends(_match)]
"""Parameter of an endpoint that updates."""
