"""Many patterns at once, compared with a plain matcher."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.matching import Matcher, Pattern
from tests.matching import strategies as made
from tests.matching.reference import matches


@settings(max_examples=200, deadline=None)
@given(made.patterns, st.lists(made.events, min_size=1, max_size=3))
def test_one_pattern_matches_what_the_plain_matcher_does(pattern: dict[str, Any], events: list[dict[str, Any]]) -> None:
    compiled = Pattern(pattern)
    for event in events:
        assert compiled.matches(event) is matches(pattern, event)


@settings(max_examples=80, deadline=None)
@given(st.lists(made.simple_patterns | made.patterns, max_size=12), st.lists(made.events, min_size=1, max_size=4))
def test_many_patterns_match_as_one_by_one_in_their_order(
    patterns: list[dict[str, Any]], events: list[dict[str, Any]]
) -> None:
    named = {str(number): pattern for number, pattern in enumerate(patterns)}
    matcher = Matcher(named)
    for event in events:
        expected = [name for name, pattern in named.items() if matches(pattern, event)]
        assert matcher.match(event) == expected
        assert matcher.match(orjson.dumps(event)) == expected


def rules() -> dict[str, dict[str, Any]]:
    return {
        f"{source} {kind} {tenant}": {
            "source": [source],
            "detail-type": [kind],
            "detail": {"tenant": [tenant], "total": [{"numeric": [">", total]}]},
        }
        for source in ("shop", "bank")
        for kind in ("placed", "paid", "sent")
        for total, tenant in enumerate(["acme", "ajax", "apex"])
    }


@pytest.mark.parametrize(
    ("detail", "found"),
    [
        ({"tenant": "apex", "total": 3}, ["shop paid apex"]),
        ({"tenant": "apex", "total": 2}, []),
        ({"tenant": ["apex", "acme"], "total": [1, 3]}, ["shop paid acme", "shop paid apex"]),
        ({"tenant": "unknown", "total": 3}, []),
        ({}, []),
    ],
    ids=str,
)
def test_rules_that_name_a_tenant_are_found_among_all_others(detail: dict[str, Any], found: list[str]) -> None:
    assert Matcher(rules()).match({"source": "shop", "detail-type": "paid", "detail": detail}) == found


def test_the_order_is_that_of_the_patterns_wherever_in_the_tree_they_stand() -> None:
    matcher = Matcher(
        {
            "any": {"detail": {"a": [{"exists": True}]}},
            "both": {"source": ["x"], "detail": {"a": ["1"]}},
            "prefix": {"source": [{"prefix": "x"}]},
            "source": {"source": ["x", "y"]},
        }
    )
    assert matcher.match({"source": "x", "detail": {"a": "1"}}) == ["any", "both", "prefix", "source"]


def test_a_pattern_is_found_once_however_many_of_its_alternatives_match() -> None:
    matcher = Matcher({"one": {"$or": [{"a": ["1"]}, {"b": ["1"]}], "c": ["x", "y"]}})
    assert matcher.match({"a": "1", "b": "1", "c": "x"}) == ["one"]
    assert matcher.match({"a": ["1"], "b": "1", "c": ["x", "y"]}) == ["one"]


def test_a_pattern_with_more_strings_than_the_tree_copies_is_found_by_each() -> None:
    strings = [f"s{number}" for number in range(50)]
    matcher = Matcher({"many": {"a": strings, "b": strings}, "one": {"a": ["s7"]}})
    assert all(matcher.match({"a": string, "b": "s1"})[0] == "many" for string in strings)
    assert matcher.match({"a": "s7", "b": "s50"}) == ["one"]


def test_compiled_patterns_are_taken_as_they_are() -> None:
    assert Matcher({"one": Pattern({"a": ["x"]})}).match(b'{"a": "x"}') == ["one"]
    assert Matcher({}).match({"a": "x"}) == []


@pytest.mark.parametrize("event", [b"[]", b'"x"', b"null", b"{", b"", ["x"]], ids=str)
def test_what_is_no_json_object_is_refused(event: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Matcher({"one": {"a": ["x"]}}).match(event)
