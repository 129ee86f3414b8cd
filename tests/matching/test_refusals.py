"""Patterns that can't be."""

import reprlib
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.matching import Pattern, PatternError, faults


def deep(levels: int) -> dict[str, Any]:
    pattern: dict[str, Any] = {"a": ["x"]}
    for _ in range(levels):
        pattern = {"a": pattern}
    return pattern


@pytest.mark.parametrize(
    ("pattern", "path", "fault"),
    [
        ({}, (), "names no field"),
        ([], (), "must be a map"),
        ({"a": {}}, ("a",), "is empty"),
        ({"a": []}, ("a",), "an empty list"),
        ({"a": "x"}, ("a",), r"must be a list of values, as \['x'\]"),
        ({"a": {"b": None}}, ("a", "b"), r"must be a list of values, as \[null\]"),
        ({1: ["x"]}, (1,), "must be text; quote it"),
        ({"a": [["x"]]}, ("a", 0), "takes a string"),
        ({"a": ["x", date(2026, 1, 1)]}, ("a", 1), "takes a string"),
        ({"a": [2**70]}, ("a", 0), "takes a string, a number"),
        ({"a": [float("inf")]}, ("a", 0), "takes a string, a number"),
        ({"a": [float("nan")]}, ("a", 0), "takes a string, a number"),
        ({"a": [{}]}, ("a", 0), "must have one operator"),
        ({"a": [{"prefix": "x", "suffix": "y"}]}, ("a", 0), "must have one operator"),
        ({"a": [{"prefx": "x"}]}, ("a", 0, "prefx"), "did you mean 'prefix'"),
        ({"a": [{"EXISTS": True}]}, ("a", 0, "EXISTS"), "did you mean 'exists'"),
        ({"a": [{"prefix": 1}]}, ("a", 0, "prefix"), "must be text"),
        ({"a": [{"prefix": ["x"]}]}, ("a", 0, "prefix"), "must be text"),
        ({"a": [{"prefix": {"suffix": "x"}}]}, ("a", 0, "prefix", "suffix"), "is no operator"),
        ({"a": [{"suffix": {"equals-ignore-case": 1}}]}, ("a", 0, "suffix", "equals-ignore-case"), "must be text"),
        ({"a": [{"equals-ignore-case": ["x"]}]}, ("a", 0, "equals-ignore-case"), "must be text"),
        ({"a": [{"exists": "yes"}]}, ("a", 0, "exists"), "must be true or false"),
        ({"a": [{"wildcard": "x**"}]}, ("a", 0, "wildcard"), "two asterisks"),
        ({"a": [{"wildcard": "x\\y"}]}, ("a", 0, "wildcard"), "backslash"),
        ({"a": [{"wildcard": "x\\"}]}, ("a", 0, "wildcard"), "backslash"),
        ({"a": [{"wildcard": "*" + "a" * 20}]}, ("a",), "too complex"),
        ({"a": [{"wildcard": "*:*:*:*:*:x*"}]}, ("a",), "too complex"),
        ({"a": [{"wildcard": f"*/data/*.{kind}"} for kind in ("bif", "tif", "svs")]}, ("a",), "too complex"),
        ({"a": [{"cidr": "10.0.0.0"}]}, ("a", 0, "cidr"), "a slash"),
        ({"a": [{"cidr": "host/8"}]}, ("a", 0, "cidr"), "must be an address"),
        ({"a": [{"cidr": "10.0.0.0/32"}]}, ("a", 0, "cidr"), "0 to 31"),
        ({"a": [{"cidr": "::/x"}]}, ("a", 0, "cidr"), "0 to 127"),
        ({"a": [{"numeric": 1}]}, ("a", 0, "numeric"), "must be a list"),
        ({"a": [{"numeric": [">"]}]}, ("a", 0, "numeric"), "must be a list"),
        ({"a": [{"numeric": ["!", 1]}]}, ("a", 0, "numeric", 0), "must be one of"),
        ({"a": [{"numeric": [">", "1"]}]}, ("a", 0, "numeric", 1), "must be a number"),
        ({"a": [{"numeric": [">", True]}]}, ("a", 0, "numeric", 1), "must be a number"),
        ({"a": [{"numeric": [">", 6e9]}]}, ("a", 0, "numeric", 1), "from -5e9 to 5e9"),
        ({"a": [{"numeric": ["<", 1, ">", 0]}]}, ("a", 0, "numeric", 0), "lower bound"),
        ({"a": [{"numeric": [">", 1, ">", 2]}]}, ("a", 0, "numeric", 2), "upper bound"),
        ({"a": [{"numeric": [">", 1, "<", 1]}]}, ("a", 0, "numeric", 3), "more than the lower"),
        ({"a": [{"anything-but": None}]}, ("a", 0, "anything-but"), "must be text"),
        ({"a": [{"anything-but": []}]}, ("a", 0, "anything-but"), "an empty list"),
        ({"a": [{"anything-but": ["x", 1]}]}, ("a", 0, "anything-but", 1), "must be text"),
        ({"a": [{"anything-but": [1, "x"]}]}, ("a", 0, "anything-but", 1), "must be a number"),
        ({"a": [{"anything-but": {"prefix": ""}}]}, ("a", 0, "anything-but", "prefix"), "is empty"),
        ({"a": [{"anything-but": {"suffix": ["x", ""]}}]}, ("a", 0, "anything-but", "suffix", 1), "is empty"),
        ({"a": [{"anything-but": {"numeric": ["=", 1]}}]}, ("a", 0, "anything-but", "numeric"), "is no operator"),
        ({"$or": [{"a": ["x"]}]}, ("$or",), "at least two"),
        ({"$or": [{"a": ["x"]}, "y"]}, ("$or", 1), "must be a map"),
        ({"$or": [{"a": ["x"]}, {"b": "y"}]}, ("$or", 1, "b"), "must be a list"),
        ({"$or": [{"a": ["x"]}, {"prefix": ["y"]}]}, ("$or", 1, "prefix"), "is an operator"),
        ({n: {"$or": [{"a": ["x"]}] * 10} for n in "abcd"}, ("d", "$or"), "more than 1000"),
        ({"a": [deep(5000)]}, ("a", 0, "a"), "is no operator"),
        ({"a": [[deep(5000)]]}, ("a", 0), "takes a string"),
        ({"a": ["x" * 5000]}, (), "at most 4096"),
        ({"a": ["\ud800"]}, (), "can't be written as JSON"),
        (deep(200), ("a",) * 101, "nested more than 100"),
        (deep(5000), ("a",) * 101, "nested more than 100"),
    ],
    ids=reprlib.repr,
)
def test_the_fault_is_named_with_its_path(pattern: Any, path: tuple[str | int, ...], fault: str) -> None:
    with pytest.raises(PatternError, match=fault) as caught:
        Pattern(pattern)
    assert caught.value.path == path
    assert str(caught.value).startswith(".".join(map(str, path)))


def test_all_faults_are_told_and_the_first_is_raised() -> None:
    pattern = {
        "source": "shop",
        "detail": {"a": ["x", {"prefx": "y"}, {"exists": 1}], "b": {}, "c": []},
        "$or": [{"d": ["x"]}, 5, {"prefix": ["y"]}],
    }
    paths = [(".".join(map(str, fault.path))) for fault in faults(pattern)]
    assert paths == [
        *("source", "detail.a.1.prefx", "detail.a.2.exists", "detail.b", "detail.c"),
        *("$or.1", "$or.2.prefix"),
    ]
    with pytest.raises(PatternError, match=r"^source: must be a list"):
        Pattern(pattern)


def test_too_many_alternatives_are_told_once() -> None:
    (fault,) = faults({n: {"$or": [{"a": ["x"]}] * 10} for n in "abcdef"})
    assert fault.path == ("d", "$or")


def test_a_good_pattern_has_no_faults() -> None:
    assert faults({"source": ["shop"], "$or": ["x"]}) == []


@pytest.mark.parametrize("wildcard", ["*", "a*b", "*/x/*", "arn:aws:*:eu-*:topic/*", "/a/*/b/*/c.txt", "*.png"])
def test_usual_wildcards_are_simple_enough(wildcard: str) -> None:
    assert Pattern({"a": [{"wildcard": wildcard}]}).matches({"a": wildcard})


words = st.sampled_from(
    [
        *(
            "a",
            "$or",
            "prefix",
            "suffix",
            "equals-ignore-case",
            "anything-but",
            "numeric",
            "exists",
            "cidr",
            "wildcard",
        ),
        *("exactly", "=", "<", ">=", "10.0.0.0/8", "*", "\\", "", "\ud800"),
    ]
)
json = st.recursive(
    words | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(words, json, max_size=3), st.dictionaries(words, json, max_size=3))
def test_any_json_is_compiled_or_refused(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    try:
        compiled = Pattern(pattern)
    except PatternError as error:
        place: Any = pattern
        for step in error.path:
            place = place[step]
        return
    assert compiled.matches(event) in {True, False}
