"""JSON values and their types, as messages name them."""

from typing import Any

import pytest

from kxmsg.wording import counted, shown, type_of, types


@pytest.mark.parametrize(
    ("value", "name"),
    [("a", "text"), (1, "number"), (1.5, "number"), (True, "bool"), (None, "null"), ([], "list"), ({}, "map")],
)
def test_types_have_the_names_that_json_and_yaml_give_them(value: Any, name: str) -> None:
    assert type_of(value) == name


def test_types_that_are_named_alike_are_named_once() -> None:
    assert types((int, float, str)) == "number or text"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("lost", "'lost'"),
        (None, "null"),
        (True, "true"),
        ([None, False, {"a": None}], "[null, false, {'a': null}]"),
        (0.5, "0.5"),
    ],
)
def test_values_are_shown_without_words_of_python(value: Any, text: str) -> None:
    assert shown(value) == text


def test_long_values_are_cut_short() -> None:
    assert len(shown("x" * 1000)) == 80
    assert len(shown(["x" * 1000] * 1000)) < 1000


def test_one_is_not_many() -> None:
    assert [counted(count, "test") for count in (0, 1, 2)] == ["0 tests", "1 test", "2 tests"]
