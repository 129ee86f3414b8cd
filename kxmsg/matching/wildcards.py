"""Wildcards: ``*`` for any characters, ``\\*`` and ``\\\\`` for themselves. Matching is linear in the value."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

MAX_COMPLEXITY: Final = 10
"""Beginnings of wildcards that one value may have matched at the same time (AWS event-ruler README, "complexity")."""

_MAX_STATES: Final = 2000

_State: TypeAlias = tuple[int, int]
_STAR: Final = ""


def parse(text: str) -> tuple[str, ...]:
    """The parts between the asterisks; raises ValueError with what would be right."""
    parts, part, at = [], "", 0
    while at < len(text):
        character = text[at]
        if character == "*":
            if text.startswith("**", at):
                raise ValueError("has two asterisks in a row; keep one")
            parts.append(part)
            part = ""
        elif character == "\\":
            at += 1
            if text[at : at + 1] not in {"*", "\\"}:
                raise ValueError("has a backslash before something else than * or \\; write \\\\ for a backslash")
            part += text[at]
        else:
            part += character
        at += 1
    return (*parts, part)


def like(text: str, parts: Sequence[str]) -> bool:
    """Whether ``text`` has the parts in their order, the first at its beginning and the last at its end."""
    first, *middle, last = parts
    at, end = len(first), len(text) - len(last)
    if end < at or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


@lru_cache(maxsize=1024)
def too_complex(wildcards: tuple[tuple[str, ...], ...]) -> bool:
    """Whether AWS would refuse a field with these wildcards for their complexity.

    A wildcard is an automaton over its characters. Counted are the places in all of them at which some value could
    leave them at once: repeated characters after an asterisk, and many asterisks, make many.
    """
    if sum(len(parts) for parts in wildcards) == len(wildcards):
        return False
    machines = [_tokens(parts) for parts in wildcards]
    alphabet = {token for tokens in machines for token in tokens} - {_STAR}
    begin = frozenset(_closure(machines, [(number, 0) for number in range(len(machines))]))
    pending, seen = [begin], {begin}
    while pending:
        active = pending.pop()
        for character in (*alphabet, None):
            reached = frozenset(_closure(machines, _step(machines, active, character)))
            if sum(at > 0 for _, at in reached) > MAX_COMPLEXITY or len(seen) > _MAX_STATES:
                return True
            if reached not in seen:
                seen.add(reached)
                pending.append(reached)
    return False


def _tokens(parts: tuple[str, ...]) -> list[str]:
    first, *others = parts
    return [*first, *(token for part in others for token in (_STAR, *part)), '"']


def _step(machines: list[list[str]], active: frozenset[_State], character: str | None) -> Iterator[_State]:
    for number, at in active:
        tokens = machines[number]
        if at and tokens[at - 1] == _STAR:
            yield number, at
        if at < len(tokens) and tokens[at] == character:
            yield number, at + 1


def _closure(machines: list[list[str]], states: Iterator[_State] | list[_State]) -> Iterator[_State]:
    for number, at in states:
        yield number, at
        if at < len(machines[number]) and machines[number][at] == _STAR:
            yield number, at + 1
