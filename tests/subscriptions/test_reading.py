"""Nodes as the maps, lists and texts that the language wants."""

from collections.abc import Callable
from typing import Any

import pytest

from kxmsg.subscriptions.nodes import Node
from kxmsg.subscriptions.problems import Problems
from kxmsg.subscriptions.reading import fields_of, list_of, map_of, text_of
from tests.subscriptions.compiling import read


def asked(text: str, ask: Callable[[Node, Problems], Any]) -> tuple[Any, list[str]]:
    """What is read of a node, and what is wrong with it."""
    root, _ = read(text)
    assert root is not None
    found = Problems()
    return ask(root, found), [problem.removeprefix("a.yaml:1:1: ") for problem in found.lines()]


def test_maps_lists_and_texts_are_read() -> None:
    fields, found = asked("{a: 1}", lambda node, problems: map_of(node, "it", problems))
    assert {name: value.plain for name, (_, value) in fields.items()} == {"a": 1}
    assert found == []
    elements, found = asked("[1, 2]", lambda node, problems: list_of(node, "it", problems))
    assert [one.plain for one in elements] == [1, 2]
    assert found == []
    assert asked("a", lambda node, problems: text_of(node, "it", problems)) == ("a", [])


@pytest.mark.parametrize(
    ("text", "kind"), [("[a]", "list"), ("a", "text"), ("5", "number"), ("~", "empty"), ("true", "bool")]
)
def test_what_is_no_map_is_told(text: str, kind: str) -> None:
    expected = [f"error[shape]: it must be a map, not {kind}; write 'key: value' lines"]
    assert asked(text, lambda node, problems: map_of(node, "it", problems)) == ({}, expected)


@pytest.mark.parametrize("text", ["{a: b}", "a", "~"])
def test_what_is_no_list_is_told(text: str) -> None:
    expected = ["error[shape]: it must be a list; begin each element with '- '"]
    assert asked(text, lambda node, problems: list_of(node, "it", problems)) == ([], expected)


@pytest.mark.parametrize(
    ("text", "shown"), [("5", "5"), ("[a]", "['a']"), ("~", "null"), ("''", "''"), ("true", "true")]
)
def test_what_is_no_text_is_told(text: str, shown: str) -> None:
    expected = [f"error[value]: it must be text, not {shown}; quote it"]
    assert asked(text, lambda node, problems: text_of(node, "it", problems)) == (None, expected)


def test_keys_that_there_are_not_are_told_and_left_out() -> None:
    known = frozenset({"name", "event"})
    fields, found = asked("{nmae: a, event: b, zzz: c}", lambda node, problems: fields_of(node, "it", known, problems))
    assert list(fields) == ["event"]
    assert found == [
        "a.yaml:1:2: error[unknown-key]: it has no 'nmae'; did you mean 'name'?",
        "a.yaml:1:21: error[unknown-key]: it has no 'zzz'; known are event, name",
    ]
