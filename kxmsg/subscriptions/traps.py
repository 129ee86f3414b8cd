"""Traps: what YAML reads otherwise than it was meant. Pure."""

import math
import re
from collections.abc import Iterator
from typing import Final

import yaml

_BOOL: Final = "tag:yaml.org,2002:bool"
_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_DATE: Final = "tag:yaml.org,2002:timestamp"

_OTHER_BASE: Final = re.compile(r"[-+]?(0[0-9_]+|[0-9_]+(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""An octal number by a leading zero, or one to base 60, of YAML 1.1."""

_ASIDE: Final = re.compile(
    r"""(?<![^\s,:\[{])(?:"(?:\\.|[^"\\])*(?:"|$)|'(?:''|[^'])*(?:'|$))  # a text in quotes, or what is left of one
    | (?<!\S)(?P<comment>\#.*)""",
    re.VERBOSE,
)
"""What of a line is in quotes or a comment."""

_BRACES_FIRST: Final = re.compile(r"(?:^\s*|[:\-?]\s+|[,\[{]\s*)(\{\{)")
"""Braces where a value begins."""

_LOST: Final = re.compile(r"#\s*\{\{|#\S.*\{\{")
"""A comment that was meant as text, as in ``Order #{{ … }}``."""

_QUOTED: Final = re.compile(
    r"""(?<![^\s,:\[{])(?:"(?:\\.|[^"\\])*"|'(?:''|[^'])*'(?!')|(?P<open>["']).*|\#.*)""",
)
"""A text in quotes, or a quote that is not closed in its line, or a comment."""

_VALUE_NEXT: Final = re.compile(r"(?:[-:]\s+|[\[{]\s*)$")
"""What stands before a value."""

_DOCUMENT: Final = frozenset({"but found another document", "did not find expected <document start>"})
"""What PyYAML says where a second document begins."""

_JSON_INTS: Final = range(-(2**63), 2**64)
"""Whole numbers that JSON is read and written with."""


def not_json(value: object) -> str | None:
    """What is wrong with a value that JSON has not, or None."""
    if isinstance(value, bytes):
        return "JSON has no binary data; write it as text"
    if isinstance(value, float) and not math.isfinite(value):
        return f"JSON has no number {value}; quote it if it is text"
    if isinstance(value, int) and value not in _JSON_INTS:
        return "the number has more than 64 bits; quote it"
    return None


def misread(node: yaml.ScalarNode, value: object) -> tuple[str, str] | None:
    """Code and text of what is wrong with how a scalar without quotes was read, or None."""
    if node.style or node.value is value:
        return None
    if node.tag == _BOOL and node.value.lower() not in ("true", "false"):
        shown = "true" if value else "false"
        return "yaml-bool", f"{node.value} is read as {shown}; quote it if it is text, or write {shown}"
    if node.tag in (_INT, _FLOAT) and _OTHER_BASE.fullmatch(node.value):
        return "yaml-number", f"{node.value} is read as the number {value}; quote it if it is text, or write {value}"
    if node.tag == _DATE:
        return "yaml-date", f"{node.value} is read as a date, which JSON has not; quote it"
    return None


def cut_off(node: yaml.ScalarNode, lines: list[str]) -> str | None:
    """What a comment cuts off a template without quotes, or None."""
    mark = node.end_mark
    rest = lines[mark.line][mark.column :].strip() if mark.line < len(lines) else ""
    lost = not node.style and rest.startswith("#") and ("{{" in node.value or _LOST.match(rest))
    return rest if lost else None


def bare_braces(lines: list[str], line: int) -> tuple[int, int] | None:
    """Line and column (from 0) of a ``{{`` without quotes that the syntax error of a line comes from, or None."""
    for number, text in _before(lines, line):
        bare = _ASIDE.sub(lambda aside: "." * len(aside[0]), text)
        if found := _BRACES_FIRST.search(bare):
            return number, found.start(1)
        if number == line and "{{" in bare:
            return number, bare.index("{{")
    return None


def lost_comment(lines: list[str], line: int) -> tuple[int, int, str] | None:
    """Line, column (from 0) and text of a comment that the syntax error of a line comes from, or None."""
    for number, text in _before(lines, line):
        for aside in _ASIDE.finditer(text):
            comment = aside["comment"]
            template = _ASIDE.sub("", text[: aside.start()])
            if comment and template.strip(" -") and ("{{" in template or _LOST.match(comment)):
                return number, aside.start(), comment.strip()
    return None


def open_quote(lines: list[str], line: int) -> tuple[int, int] | None:
    """Line and column (from 0) of a quote that is first closed in the line of a syntax error, or never, or None."""
    for number in range(line, -1, -1):
        for found in _QUOTED.finditer(lines[number]) if number < len(lines) else ():
            quote = found["open"]
            if quote and _VALUE_NEXT.search(lines[number][: found.start()]):
                return None if any(quote in text for text in lines[number + 1 : line]) else (number, found.start())
    return None


def explained(problem: str | None) -> str:
    """What PyYAML says of a syntax error, with what would be right."""
    if problem in _DOCUMENT:
        return "a second document begins here; keep one in each file"
    return f"not YAML: {problem}; quote text that holds ': ', ' #' or '{{{{'"


def _before(lines: list[str], line: int) -> Iterator[tuple[int, str]]:
    """The line of an error, and the one before it."""
    return ((number, lines[number]) for number in (line, line - 1) if 0 <= number < len(lines))


def is_braces(node: yaml.MappingNode) -> bool:
    """Whether this map is ``{{ … }}``: a map in braces whose key is one, too."""
    return bool(node.flow_style and node.value and isinstance(node.value[0][0], yaml.MappingNode))
