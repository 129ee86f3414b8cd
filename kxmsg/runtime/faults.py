"""Faults in words: what may stand in a log line or in a dead letter, which never holds what the message said."""

import traceback
from typing import Final

from pydantic import ValidationError

from kxmsg.errors import Poison

MAX_REASON: Final = 256
"""Characters of a reason."""


def describe(error: BaseException) -> str:
    """Type and text of ``error`` in one line of at most :data:`MAX_REASON` characters.

    A :class:`Poison` speaks for itself. Of a pydantic error the fields and their faults, without the input that its
    own text quotes.
    """
    if isinstance(error, ValidationError):
        return shorten(f"{error.title}: {invalid_fields(error)}")
    if isinstance(error, BaseExceptionGroup):
        return shorten(f"{type(error).__name__}: {'; '.join(describe(part) for part in error.exceptions)}")
    text = " ".join(str(error).split())
    if isinstance(error, Poison) and text:
        return shorten(text)
    return shorten(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def invalid_fields(error: ValidationError) -> str:
    """``field: fault; field: fault`` without any input."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults)


def trail(error: BaseException) -> str:
    """Where ``error`` came from: the frames, then its description."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"Traceback (most recent call last):\n{frames}{describe(error)}"


def shorten(text: str) -> str:
    """At most :data:`MAX_REASON` printable characters."""
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return clean if len(clean) <= MAX_REASON else clean[: MAX_REASON - 1] + "…"
