"""One event pattern."""

from typing import Any

import pytest

from kxmsg.matching import Pattern, PatternError

EVENT: dict[str, Any] = {
    "source": "shop",
    "detail-type": "order",
    "resources": ["arn:1", "arn:2"],
    "detail": {
        "n": 1,
        "f": 1.5,
        "yes": True,
        "none": None,
        "zero": 0,
        "empty": "",
        "tags": ["a", "b", 3],
        "lines": [{"sku": "x", "gift": False}, {"sku": "y"}],
        "deep": {"er": {"x": "y"}},
    },
}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ({"source": ["shop"]}, True),
        ({"source": ["Shop"]}, False),
        ({"source": ["x", "shop"]}, True),
        ({"source": ["shop"], "detail-type": ["other"]}, False),
        ({"resources": ["arn:2"]}, True),
        ({"detail": {"n": [1]}}, True),
        ({"detail": {"n": [1.0]}}, True),
        ({"detail": {"n": ["1"]}}, False),
        ({"detail": {"n": [True]}}, False),
        ({"detail": {"yes": [1]}}, False),
        ({"detail": {"yes": [True]}}, True),
        ({"detail": {"zero": [False]}}, False),
        ({"detail": {"f": [1.5]}}, True),
        ({"detail": {"none": [None]}}, True),
        ({"detail": {"absent": [None]}}, False),
        ({"detail": {"empty": [None]}}, False),
        ({"detail": {"empty": [""]}}, True),
        ({"detail": {"tags": ["b"]}}, True),
        ({"detail": {"tags": [3]}}, True),
        ({"detail": {"tags": ["3"]}}, False),
        ({"detail": {"lines": {"sku": ["y"]}}}, True),
        ({"detail": {"lines": {"sku": ["z"]}}}, False),
        ({"detail": {"lines": {"gift": [False]}}}, True),
        ({"detail": {"deep": {"er": {"x": ["y"]}}}}, True),
        ({"detail": {"deep": {"er": ["y"]}}}, False),
        ({"detail": {"n": {"x": [1]}}}, False),
    ],
    ids=str,
)
def test_exact_values_match_as_eventbridge_does(pattern: dict[str, Any], matches: bool) -> None:
    assert Pattern(pattern).matches(EVENT) is matches


@pytest.mark.parametrize(
    ("pattern", "path", "fault"),
    [
        ({}, (), "names no field"),
        ({"source": "shop"}, ("source",), "must be a list of values, as \\['shop'\\]"),
        ({"source": []}, ("source",), "an empty list matches nothing"),
        ({"detail": {}}, ("detail",), "is empty"),
        ({"detail": {"a": [{"prefix": "x"}]}}, ("detail", "a"), "takes strings, numbers"),
        ({"detail": {"a": [["x"]]}}, ("detail", "a"), "takes strings, numbers"),
        ({"detail": {"a": None}}, ("detail", "a"), "must be a list"),
    ],
    ids=str,
)
def test_a_pattern_that_can_not_be_says_where_and_what_would_be_right(
    pattern: dict[str, Any], path: tuple[str, ...], fault: str
) -> None:
    with pytest.raises(PatternError, match=fault) as caught:
        Pattern(pattern)
    assert caught.value.path == path
    assert str(caught.value).startswith(".".join(path))
