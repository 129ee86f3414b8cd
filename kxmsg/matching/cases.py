"""Comparing texts in any case, one character at a time as AWS event-ruler does: each in its lower or its upper case.

Python's ``lower()`` and ``casefold()`` differ from that: the Kelvin sign is no ``k`` here, and ``ß`` may be ``SS``.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal


@lru_cache(maxsize=1024)
def ignoring_case(text: str, part: Literal["whole", "prefix", "suffix"]) -> Callable[[str], object]:
    """A function that is true for the values that are, begin with or end with ``text`` in any case."""
    forms = [_forms(character) for character in text]
    if part == "suffix":
        width = sum(max(map(len, form)) for form in forms)
        backwards = re.compile("".join(_either([form[::-1] for form in one]) for one in reversed(forms)))
        return lambda value: backwards.match(value[: -width - 1 : -1])
    pattern = re.compile("".join(map(_either, forms)))
    return pattern.match if part == "prefix" else pattern.fullmatch


def _forms(character: str) -> list[str]:
    if ord(character) > 0xFFFF:  # AWS looks at UTF-16 units, and halves of a pair have no case
        return [character]
    return sorted({character.lower(), character.upper()})


def _either(forms: list[str]) -> str:
    if all(len(form) == 1 for form in forms):
        return f"[{''.join(map(re.escape, forms))}]"
    return f"(?:{'|'.join(map(re.escape, forms))})"
