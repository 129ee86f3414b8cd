"""Functions of strings and lists. Positions and lengths count Unicode code points."""

from typing import Any, Final

from kxmsg.rendering.errors import Exhausted, Fault
from kxmsg.rendering.functions import function
from kxmsg.rendering.kinds import kind_of
from kxmsg.rendering.operators import MAX_DEPTH, STEP, Meter, compared, spend

_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
"""Unicode's White_Space; Python strips a few control characters more."""


@function("size(value: string|list|map) -> int", "size('four')", "[1, 2].size()", style="both")
def size(value: str | list[Any] | dict[Any, Any]) -> int:
    """How many characters, elements or entries there are."""
    return len(value)


def _search(meter: Meter, text: str, part: str) -> None:
    """Charge a search: Python's is slow where a part of up to 100 characters nearly occurs all over the text."""
    spend(meter, len(text) * min(len(part), 100) // 16)


@function("contains(text: string, part: string) -> bool", "'tacocat'.contains('cat')", metered=True)
def contains(meter: Meter, text: str, part: str) -> bool:
    """Whether the part occurs."""
    _search(meter, text, part)
    return part in text


@function("startsWith(text: string, prefix: string) -> bool", "'tacocat'.startsWith('taco')")
def starts_with(text: str, prefix: str) -> bool:
    """Whether it begins so."""
    return text.startswith(prefix)


@function("endsWith(text: string, suffix: string) -> bool", "'tacocat'.endsWith('cat')")
def ends_with(text: str, suffix: str) -> bool:
    """Whether it ends so."""
    return text.endswith(suffix)


@function("lowerAscii(text: string) -> string", "'TacoCat'.lowerAscii()")
def lower_ascii(text: str) -> str:
    """A–Z as a–z."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


@function("upperAscii(text: string) -> string", "'critical'.upperAscii()")
def upper_ascii(text: str) -> str:
    """a–z as A–Z."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


@function("trim(text: string) -> string", "'  text '.trim()")
def trim(text: str) -> str:
    """Without the white space at both ends."""
    return text.strip(_SPACE)


@function("reverse(text: string) -> string", "'abc'.reverse()")
def reverse(text: str) -> str:
    """Its characters from the last to the first."""
    return text[::-1]


def _position(text: str, place: int) -> int:
    if not 0 <= place <= len(text):
        raise Fault("is out of the string's range")
    return place


@function("charAt(text: string, place: int) -> string", "'taco'.charAt(0)")
def char_at(text: str, place: int) -> str:
    """The character there, from 0; empty at the end."""
    return text[_position(text, place) : place + 1]


@function("indexOf(text: string, part: string, start?: int) -> int", "'tacocat'.indexOf('a', 2)", metered=True)
def index_of(meter: Meter, text: str, part: str, start: int = 0) -> int:
    """Where the part is first, from `start` on; -1 where it is not."""
    _search(meter, text, part)
    return text.find(part, _position(text, start))


@function("lastIndexOf(text: string, part: string, start?: int) -> int", "'tacocat'.lastIndexOf('a')", metered=True)
def last_index_of(meter: Meter, text: str, part: str, start: int | None = None) -> int:
    """Where the part is last, beginning no later than `start`; -1 where it is not."""
    _search(meter, text, part)
    end = len(text) if start is None else min(len(text), _position(text, start) + len(part))
    # Python's search from the right may take the product of both lengths; the one from the left does not.
    found = text[:end][::-1].find(part[::-1])
    return end - found - len(part) if found >= 0 else -1


@function(
    "substring(text: string, start: int, end?: int) -> string", "'tacocat'.substring(4)", "'tacocat'.substring(0, 4)"
)
def substring(text: str, start: int, end: int | None = None) -> str:
    """From `start` to before `end`."""
    stop = len(text) if end is None else _position(text, end)
    if _position(text, start) > stop:
        raise Fault("ends before it starts")
    return text[start:stop]


@function(
    "replace(text: string, old: string, new: string, count?: int) -> string",
    "'a-b-c'.replace('-', '+')",
    "'a-b-c'.replace('-', '+', 1)",
    metered=True,
)
def replace(meter: Meter, text: str, old: str, new: str, count: int = -1) -> str:
    """`new` for each `old`, or for the first `count`."""
    _search(meter, text, old)
    hits = text.count(old)
    if count >= 0:
        hits = min(hits, count)
    spend(meter, len(text) + hits * len(new))
    return text.replace(old, new, hits)


@function(
    "split(text: string, separator: string, count?: int) -> list",
    "'a,b,c'.split(',')",
    "'a,b,c'.split(',', 2)",
    metered=True,
)
def split(meter: Meter, text: str, separator: str, count: int = -1) -> list[str]:
    """The parts between separators, at most `count`; the characters where the separator is empty."""
    _search(meter, text, separator)
    spend(meter, len(text) + 1)
    if count == 0:
        return []
    if separator:
        return text.split(separator, count - 1 if count > 0 else -1)
    singles = len(text) if count < 0 else min(count - 1, len(text))
    rest = text[singles:]
    return [*text[:singles], rest] if rest else list(text[:singles])


@function(
    "join(parts: list, separator?: string) -> string",
    "['x', 'y'].join(', ')",
    "join(['x', 'y'])",
    style="both",
    metered=True,
)
def join(meter: Meter, parts: list[Any], separator: str = "") -> str:
    """The strings of a list, one after the other."""
    size = 0
    for part in parts:
        if type(part) is not str:
            raise Fault(f"joins a list that holds {kind_of(part).phrase}; map(x, string(x)) makes text of it")
        size += len(part) + len(separator)
    spend(meter, size + STEP * len(parts))
    return separator.join(parts)


@function(
    "truncate(text: string, limit: int) -> string",
    "truncate('The quick brown fox', 10)",
    "'The quick brown fox'.truncate(10)",
    style="both",
)
def truncate(text: str, limit: int) -> str:
    """At most `limit` characters; the last is … where some are missing."""
    if limit < 1:
        raise Fault("truncates to less than one character")
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


@function("unique(elements: list) -> list", "[1, 2, 1].unique()", "unique([1, 2, 1])", style="both", metered=True)
def unique(meter: Meter, elements: list[Any]) -> list[Any]:
    """The elements without repetitions, in the order of their first."""
    seen: set[Any] = set()
    kept: list[Any] = []
    for element in elements:
        key = _frozen(meter, element, 0)
        if key not in seen:
            seen.add(key)
            kept.append(element)
    return kept


def _frozen(meter: Meter, value: Any, depth: int) -> Any:
    """What can be looked up, and is equal for values that are. Python takes true for 1."""
    kind = type(value)
    spend(meter, STEP)  # for a list or a map, once more below
    if kind is not list and kind is not dict:
        return kind is bool, compared(meter, value)
    if depth >= MAX_DEPTH:
        raise Exhausted(f"compares what is nested deeper than {MAX_DEPTH}")
    spend(meter, STEP)
    if kind is list:
        return tuple(_frozen(meter, element, depth + 1) for element in value)
    return frozenset((type(key) is bool, key, _frozen(meter, inner, depth + 1)) for key, inner in value.items())
