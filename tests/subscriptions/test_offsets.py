"""Places of the characters of texts, in every style that YAML writes them."""

import string
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.subscriptions.nodes import Node, Unreadable, parse
from kxmsg.subscriptions.problems import Problems

_BREAKS = "\n\x85\u2028\u2029"


def character(source: str, line: int, column: int) -> str:
    """The character at a place, a line end as one."""
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    for one in _BREAKS:
        text = text.replace(one, f"{one}\0")
    return text.split("\0")[line - 1][column - 1 : column]


def texts(node: Node) -> Iterator[Node]:
    """All texts of a document; braces without quotes are a map, and told as such."""
    if isinstance(node.value, str) and node.scalar:
        yield node
    for inside in node.value if isinstance(node.value, list) else []:
        yield from texts(inside)
    for _, inside in (node.value if isinstance(node.value, dict) else {}).values():
        yield from texts(inside)


def read(source: str) -> Node | None:
    """The document, None where it is not YAML or nothing is in it."""
    try:
        return parse(Path("a.yaml"), source, Problems())
    except Unreadable:
        return None


def check(source: str) -> None:
    """Every character is found where it is said to be, or stands there as an escape or a folded line end."""
    root = read(source)
    for node in texts(root) if root else ():
        assert isinstance(node.value, str)
        last = (0, 0)
        for offset, expected in enumerate(node.value):
            at = node.at_offset(offset)
            found = character(source, at.line, at.column)
            written = {"\\"} if _style(node) == '"' else set[str]()
            folded = set(_BREAKS) if expected in f" {_BREAKS}" else set[str]()
            assert found in {expected} | written | folded, (source, offset, at)
            assert (at.line, at.column) > last, (source, offset, at)
            last = (at.line, at.column)
        end = node.at_offset(len(node.value))
        assert (end.line, end.column) >= last


def _style(node: Node) -> str:
    return node.scalar.style if node.scalar else ""


WORDS = st.text(st.sampled_from("ab {}'\"\\:#-\t\né😀\u2028\x85"), max_size=30) | st.text(string.printable, max_size=30)


@given(WORDS, st.sampled_from([None, "'", '"', "|", ">"]), st.sampled_from([10, 80]), st.booleans())
@settings(max_examples=200)
def test_texts_that_yaml_wrote_are_found(text: str, style: str, width: int, unicode: bool) -> None:
    source = yaml.dump(
        {"a": ["x", text, {"b": text}]}, default_style=style, width=width, allow_unicode=unicode, indent=4
    )
    check(source)


PARTS = [
    "a",
    "bc",
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n",
    "\n  ",
    "\n    ",
    "\n      ",
    "\r\n   ",
    "\\\n   ",
    "''",
    "'",
    r"\x41",
]
PARTS += [r"\u00e9", r"\U0001f431", r"\n", r"\"", '"', "# c", "{{", "}}", "\u2028   ", "\x85   "]
HEADS = ["", "'", '"', "|\n   ", ">\n   ", "|2-\n    ", ">1+\n  ", ">- # c\n\n   ", "&a ", "!!str '", "&b !!str\n  "]


@given(st.sampled_from(HEADS), st.lists(st.sampled_from(PARTS), max_size=12), st.sampled_from(["", "'", '"', "\nb: c"]))
@settings(max_examples=600)
def test_texts_written_by_hand_are_found(head: str, parts: list[str], tail: str) -> None:
    check(f"a: {head}{''.join(parts)}{tail}\n")


@pytest.mark.parametrize(
    ("source", "offset", "place"),
    [
        ("a: bcd", 2, "1:6"),
        ("a: 'bcd'", 2, "1:7"),
        ("a: 'ü😀d'", 2, "1:7"),
        ("a: 'b''d'", 2, "1:8"),
        ("a: 'b''d'", 1, "1:6"),
        (r'a: "b\u00e9d"', 2, "1:12"),
        ("a: bcd\n  e", 4, "2:3"),
        ("a: bcd\n  e", 3, "1:7"),
        ("a: 'b\n\n  c'", 2, "3:3"),
        ('a: "b\\\n   c"', 1, "2:4"),
        ("a: |\n  bcd\n  efg\n", 5, "3:4"),
        ("a: |4\n      bcd\n", 2, "2:7"),
        ("a: >-  # c\n\n  bcd\n  e\n\n  f\n", 5, "4:3"),
        ("a: >\n  b\n    c\n  d\n", 4, "3:5"),
        ("a: >\r\n  b\r\n  c\r\n", 2, "3:3"),
        ("a: !!str bcd", 2, "1:12"),
        ("a: &b !!str\n  'cd'", 1, "2:5"),
        ("a: |\n  b", 7, "2:4"),
    ],
)
def test_a_character_of_each_style_has_its_place(source: str, offset: int, place: str) -> None:
    root = read(source)
    assert root is not None
    _, node = root.value["a"]
    assert str(node.at_offset(offset)) == f"a.yaml:{place}"
