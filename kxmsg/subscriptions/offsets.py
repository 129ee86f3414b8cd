"""Offsets: where the characters of a text stand in the YAML that it was read from. Pure.

As libyaml reads: a plain or quoted text and a folded block have other line ends than the file, a quoted text may have
escapes, and a block has its indentation removed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

_BREAK: Final = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_KEPT: Final = frozenset("\u2028\u2029")
"""Line ends that folding keeps."""

_PROPERTIES: Final = re.compile(r"(?:[!&]\S*\s*(?:#[^\r\n\x85\u2028\u2029]*\s*)*)*")
"""The tag and the anchor before a value."""

_SPACE: Final = " \t"
_BREAKS: Final = r"(?:\r\n|[\r\n\x85\u2028\u2029])"
_FOLD: Final = rf"(?P<fold>[ \t]*{_BREAKS}(?:[ \t]*{_BREAKS})*[ \t]*)"
_FLOW: Final = {
    "": re.compile(rf"{_FOLD}|.", re.DOTALL),
    "'": re.compile(rf"{_FOLD}|''|.", re.DOTALL),
    '"': re.compile(
        rf"{_FOLD}|(?P<joined>\\{_BREAKS}(?:[ \t]*{_BREAKS})*[ \t]*)"
        r"|\\x.{2}|\\u.{4}|\\U.{8}|\\.|.",
        re.DOTALL,
    ),
}
"""What one character of a text, or several line ends, are written as; by the quote."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as a file has it: from ``start`` to ``end`` of the file's ``source``, in one of YAML's styles.

    ``style`` is a quote, ``|`` or ``>``, or empty; ``value`` is what it stands for.
    """

    source: str
    start: int
    end: int
    style: str
    value: str

    def place(self, offset: int) -> tuple[int, int]:
        """Lines and columns from the scalar's start to a character of the value.

        The column counts from the start of its line, unless it is the line where the scalar starts.
        """
        index = next(islice(self._places(), offset, None), self.end)
        breaks = list(_BREAK.finditer(self.source, self.start, index))
        return len(breaks), index - (breaks[-1].end() if breaks else self.start)

    def _places(self) -> Iterator[int]:
        """Where in the source each character of the value is written, and its end."""
        properties = _PROPERTIES.match(self.source, self.start, self.end)
        start = properties.end() if properties else self.start
        return self._block(start) if self.style in {"|", ">"} else self._flow(start)

    def _flow(self, start: int) -> Iterator[int]:
        quote = len(self.style)
        end = self.end - quote
        for match in _FLOW[self.style].finditer(self.source, start + quote, end):
            if match.lastgroup is None:
                yield match.start()
                continue
            ends = [found.start() for found in _BREAK.finditer(match[0])]
            # One line end is a space, of several the first is left out; behind a backslash it is left out as well.
            alone = match.lastgroup == "fold" and (len(ends) == 1 or match[0][ends[0]] in _KEPT)
            yield from (match.start() + place for place in ends[0 if alone else 1 :])
        yield end

    def _block(self, start: int) -> Iterator[int]:
        indent = self._indent(start)
        ends: list[int] = []  # of the last line that holds something, and of the empty ones behind it
        indented = True
        for begin, end in self._lines(start):
            line = self.source[begin:end]
            if line[:indent].strip(" "):
                break
            if len(line) <= indent:
                ends.append(end)
                continue
            foldable = not indented and line[indent] not in _SPACE and self.source[ends[0]] not in _KEPT
            yield from ends[1:] if self.style == ">" and foldable and len(ends) > 1 else ends
            yield from range(begin + indent, end)
            indented = line[indent] in _SPACE
            ends = [end]
        yield from ends
        yield self.end

    def _lines(self, start: int) -> Iterator[tuple[int, int]]:
        """Where each line below the block's head begins and ends."""
        head = _BREAK.search(self.source, start)
        begin = head.end() if head else self.end
        while begin < self.end:
            found = _BREAK.search(self.source, begin)
            yield begin, found.start() if found else len(self.source)
            begin = found.end() if found else self.end

    def _indent(self, start: int) -> int:
        """The spaces that every line of a block begins with: those that the file has and the value lacks."""
        values = re.split("[\n\u2028\u2029]", self.value)
        value = next((line for line in values if line.strip(" ")), "")
        longest = 0
        for begin, end in self._lines(start):
            line = self.source[begin:end]
            if text := line.lstrip(" "):
                return len(line) - len(text) - (len(value) - len(value.lstrip(" ")))
            longest = max(longest, len(line))
        return longest - max(map(len, values))
