"""One event pattern: every operator, arrays, and what can be asked of a pattern."""

from typing import Any

import pytest

from kxmsg.matching import Pattern


def on(test: list[Any], value: Any) -> bool:
    return Pattern({"detail": {"v": test}}).matches({"detail": {"v": value}})


@pytest.mark.parametrize(
    ("test", "yes", "no"),
    [
        (["x"], ["x", ["y", "x"], [["x"]]], ["X", "", None, [], {}, {"x": 1}, ["y"]]),
        (["x", 1, None], ["x", 1, None, 1.0], ["1", True, "null", 0]),
        ([1], [1, 1.0, [2, 1]], ["1", True, 1.1]),
        ([0], [0, 0.0, -0.0], [False, "", None]),
        ([1.5], [1.5], [1, "1.5"]),
        ([True], [True], [1, "true", False]),
        ([False], [False], [0, None, ""]),
        ([None], [None], ["", 0, False, []]),
        ([""], [""], [None, " ", []]),
        (["::1"], ["::1", "0:0:0:0:0:0:0:1"], ["::2", "1"]),
        (["10:30"], ["10:30"], ["10:31"]),
        ([{"exactly": "x"}], ["x"], ["X"]),
        ([{"prefix": "ab"}], ["ab", "abc", ["x", "abc"]], ["a", "xab", "AB", 1, None]),
        ([{"prefix": ""}], ["", "x"], [1, None, True]),
        ([{"suffix": "ab"}], ["ab", "xab"], ["b", "abx", 1]),
        ([{"suffix": ""}], ["", "x"], [1, None]),
        ([{"prefix": {"equals-ignore-case": "aB"}}], ["ab", "ABc", "Abc"], ["xab", "a", 1]),
        ([{"suffix": {"equals-ignore-case": "aB"}}], ["ab", "xAB"], ["abx", "b", 1]),
        ([{"suffix": {"equals-ignore-case": ""}}], ["", "x"], [1]),
        ([{"equals-ignore-case": "aB"}], ["ab", "AB", "aB"], ["abc", "", None, 1]),
        ([{"equals-ignore-case": "straße"}], ["STRASSE", "Straße"], ["strasse ", "strase"]),
        ([{"equals-ignore-case": "k"}], ["K", "k"], ["\N{KELVIN SIGN}"]),
        ([{"suffix": {"equals-ignore-case": "ß.de"}}], ["xSS.DE", "ß.de"], ["s.de"]),
        ([{"equals-ignore-case": "[a-z]+"}], ["[A-Z]+"], ["abc"]),
        ([{"numeric": ["=", 3]}], [3, 3.0], [3.1, "3", None, True]),
        ([{"numeric": ["=", 1]}], [1], [True]),
        ([{"numeric": ["<", 3]}], [2, -5e9], [3, 4, "2", -6e9]),
        ([{"numeric": ["<=", 3]}], [3, 2], [3.1]),
        ([{"numeric": [">", 3]}], [3.1, 5e9], [3, True, 6e9]),
        ([{"numeric": [">=", 3]}], [3, 4], [2.9]),
        ([{"numeric": [">", 0, "<=", 5]}], [0.1, 5], [0, 5.1, "3"]),
        ([{"numeric": [">=", 0, "<", 5]}, {"numeric": ["=", 9]}], [0, 9], [5, 8]),
        ([{"exists": True}], ["x", None, False, 0, "", [None]], [{}, [], {"x": 1}, [[]]]),
        ([{"exists": False}], [{}, [], {"x": 1}], ["x", None, [1]]),
        ([{"cidr": "10.0.0.0/24"}], ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "10.0.0.256", "x", 10, "::a00:0"]),
        ([{"cidr": "10.0.0.9/24"}], ["10.0.0.1"], ["10.0.1.9"]),
        ([{"cidr": "0.0.0.0/0"}], ["255.1.2.3"], ["::1", "1.2.3", "1.2.3.4\0"]),
        ([{"cidr": "2001:db8::/64"}], ["2001:db8::1", "2001:0DB8:0:0:ffff::"], ["2001:db9::1", "10.0.0.1", ""]),
        ([{"wildcard": "a*c"}], ["ac", "abc", "abcabc"], ["a", "abcd", "xac", 1]),
        ([{"wildcard": "*a*b*"}], ["ab", "xaxbx"], ["ba", "b"]),
        ([{"wildcard": "ab*ba"}], ["abba", "ab-ba"], ["aba"]),
        ([{"wildcard": "*"}], ["", "x"], [1, None]),
        ([{"wildcard": ""}], [""], ["x", None]),
        ([{"wildcard": "a\\*\\\\*"}], ["a*\\", "a*\\x"], ["axx", "a*"]),
        ([{"wildcard": "a.c"}], ["a.c"], ["abc"]),
        ([{"anything-but": "x"}], ["y", 1, None, True, ["x", "y"]], ["x", ["x"], [], {}]),
        ([{"anything-but": ["x", "y"]}], ["z", "", None], ["x", "y"]),
        ([{"anything-but": 1}], [2, "1", True, None, 6e9], [1, 1.0]),
        ([{"anything-but": [1, 2]}], [3], [1, 2.0]),
        ([{"anything-but": {"prefix": "x"}}], ["y", 1, None], ["x", "xy"]),
        ([{"anything-but": {"prefix": ["x", "y"]}}], ["z"], ["xa", "ya"]),
        ([{"anything-but": {"suffix": "x"}}], ["xy", 1], ["yx"]),
        ([{"anything-but": {"suffix": ["x", "y"]}}], ["xz"], ["ax", "ay"]),
        ([{"anything-but": {"equals-ignore-case": "x"}}], ["y", "xx", 1], ["x", "X"]),
        ([{"anything-but": {"equals-ignore-case": ["x", "y"]}}], ["z"], ["X", "Y"]),
        ([{"anything-but": {"wildcard": "*/x/*"}}], ["x", 1], ["a/x/b"]),
        ([{"anything-but": {"wildcard": ["x*", "*y"]}}], ["yx"], ["xz", "zy"]),
        ([{"prefix": "x"}, {"numeric": [">", 5]}, None], ["xy", 6, None], ["y", 5, False]),
        ([{"anything-but": "x"}, {"exists": False}], ["y", [], {}], ["x"]),
    ],
    ids=str,
)
def test_a_test_passes_these_values_and_no_others(test: list[Any], yes: list[Any], no: list[Any]) -> None:
    assert [value for value in yes if not on(test, value)] == []
    assert [value for value in no if on(test, value)] == []


ORDER = {"lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2, "tags": ["x", "y"]}], "state": "new"}


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ({"a": ["1"], "b": ["1"]}, {"a": "1", "b": "2"}, False),
        ({"a": {"b": ["1"]}}, {"a": "1"}, False),
        ({"a": {"b": [{"exists": False}]}}, {}, True),
        ({"a": {"b": [{"exists": False}]}}, {"a": "1"}, True),
        ({"a": {"b": [{"exists": False}]}}, {"a": {"b": None}}, False),
        # keys with dots and nested ones are the same
        ({"a.b": ["1"]}, {"a": {"b": "1"}}, True),
        ({"a": {"b": ["1"]}}, {"a.b": "1"}, True),
        ({"a": {"b": {"c": ["1"]}}}, {"a": {"b.c": "1"}}, True),
        ({"a": {"b": ["1"]}}, {"a": {"b": "2"}, "a.b": "1"}, True),
        ({"a": {"b": [{"exists": False}]}}, {"a.b": "1"}, False),
        ({"a.b": ["1"]}, {"a": {"b.c": "1"}}, False),
        # arrays of objects: all fields of one element
        ({"lines": {"sku": ["a"], "n": [1]}}, ORDER, True),
        ({"lines": {"sku": ["a"], "n": [2]}}, ORDER, False),
        ({"lines": {"sku": ["b"], "tags": ["y"]}, "state": ["new"]}, ORDER, True),
        ({"lines": {"sku": ["a"], "tags": [{"exists": False}]}}, ORDER, True),
        ({"lines": {"sku": ["b"], "tags": [{"exists": False}]}}, ORDER, False),
        ({"lines": {"sku": [{"exists": False}]}}, ORDER, False),
        ({"l": {"a": ["1"], "m": {"b": ["1"], "c": ["1"]}}}, {"l": [{"a": "1", "m": [{"b": "1"}, {"c": "1"}]}]}, False),
        ({"l": {"a": ["1"], "m": {"b": ["1"]}}}, {"l": [{"a": "1", "m": [{"b": "2"}, {"b": "1"}]}]}, True),
        ({"l": {"a": ["1"]}, "m": {"a": ["2"]}}, {"l": [{"a": "1"}], "m": [{}, {"a": "2"}]}, True),
        ({"l": {"a": ["1"], "b": ["2"]}}, {"l": [[{"a": "1"}, {"b": "2"}], {"a": "1", "b": "2"}]}, True),
        ({"l": {"a": ["1"], "b": ["2"]}}, {"l": [[{"a": "1"}, {"b": "2"}]]}, False),
        # $or
        ({"$or": [{"a": ["1"]}, {"b": ["1"]}]}, {"b": "1"}, True),
        ({"$or": [{"a": ["1"]}, {"b": ["1"]}]}, {"b": "2"}, False),
        ({"c": ["1"], "$or": [{"a": ["1"]}, {"b": ["1"]}]}, {"b": "1"}, False),
        ({"d": {"$or": [{"a": ["1"]}, {"b": {"c": ["1"]}}]}}, {"d": {"b": {"c": "1"}}}, True),
        ({"$or": [{"a": ["1"], "$or": [{"b": ["1"]}, {"c": ["1"]}]}, {"d": ["1"]}]}, {"a": "1", "c": "1"}, True),
        ({"$or": [{"a": ["1"], "$or": [{"b": ["1"]}, {"c": ["1"]}]}, {"d": ["1"]}]}, {"a": "1"}, False),
        ({"a": ["1"], "$or": [{"a": ["2"]}, {"b": ["1"]}]}, {"a": "2"}, True),
        ({"$or": {"a": ["1"]}}, {"$or": {"a": "1"}}, True),
        ({"$or": [{"prefix": "x"}, "y"]}, {"$or": "y"}, True),
    ],
    ids=str,
)
def test_fields_are_found_as_eventbridge_finds_them(
    pattern: dict[str, Any], event: dict[str, Any], expected: bool
) -> None:
    assert Pattern(pattern).matches(event) is expected


@pytest.mark.parametrize(
    ("pattern", "exact", "admitted", "refused"),
    [
        ({"t": ["x", "y"]}, ["x", "y"], ["x"], ["z"]),
        ({"t": [{"prefix": "x"}]}, None, ["xy"], ["y"]),
        ({"t": ["y", {"prefix": "x"}]}, None, ["y", "xy"], ["z"]),
        ({"t": ["x", None]}, None, ["x"], ["y"]),
        ({"other": ["x"]}, None, ["anything"], []),
        ({"$or": [{"t": ["x"]}, {"t": ["y"], "a": ["b"]}]}, ["x", "y"], ["x", "y"], ["z"]),
        ({"$or": [{"t": ["x"]}, {"a": ["b"]}]}, None, ["x", "z"], []),
        ({"t": {"nested": ["x"]}}, None, [], ["x"]),
        ({"t": [{"exists": False}]}, None, [], ["x"]),
    ],
    ids=str,
)
def test_a_pattern_tells_what_it_lets_through_at_a_field(
    pattern: dict[str, Any], exact: list[str] | None, admitted: list[str], refused: list[str]
) -> None:
    compiled = Pattern(pattern)
    assert compiled.exact("t") == (None if exact is None else set(exact))
    assert [value for value in admitted if not compiled.admits({"t": value})] == []
    assert [value for value in refused if compiled.admits({"t": value})] == []


@pytest.mark.parametrize(
    ("pattern", "known", "admitted"),
    [
        ({"a": ["x"], "b": ["y"]}, {}, True),
        ({"a": ["x"], "b": ["y"]}, {"a": "x"}, True),
        ({"a": ["x"], "b": ["y"]}, {"a": "x", "b": "y"}, True),
        ({"a": ["x"], "b": ["y"]}, {"a": "x", "b": "z"}, False),
        ({"a": ["x"]}, {"c": "z"}, True),
        # by dotted path
        ({"detail": {"a": ["x"]}}, {"detail.a": "x"}, True),
        ({"detail": {"a": ["x"]}}, {"detail.a": "y"}, False),
        ({"detail": {"a": {"b": ["x"]}}}, {"detail.a": "x"}, False),
        ({"detail": {"a": {"b": [{"exists": False}]}}}, {"detail.a": "x"}, True),
        ({"detail": {"ab": ["x"]}}, {"detail.a": "x"}, True),
        # None stands for absence
        ({"a": ["x"]}, {"a": None}, False),
        ({"a": [None]}, {"a": None}, False),
        ({"a": [{"exists": False}]}, {"a": None}, True),
        ({"a": [{"exists": True}]}, {"a": None}, False),
        ({"a": ["x", {"exists": False}]}, {"a": None}, True),
        ({"a": [{"anything-but": "x"}]}, {"a": None}, False),
        # an alternative suffices
        ({"$or": [{"a": ["x"], "b": ["y"]}, {"a": ["z"]}]}, {"a": "x", "b": "z"}, False),
        ({"$or": [{"a": ["x"], "b": ["y"]}, {"a": ["z"]}]}, {"a": "z", "b": "z"}, True),
    ],
    ids=str,
)
def test_a_pattern_tells_whether_an_event_of_which_this_is_known_could_pass(
    pattern: dict[str, Any], known: dict[str, str | None], admitted: bool
) -> None:
    assert Pattern(pattern).admits(known) is admitted


def test_names_of_fields_are_data_wherever_they_come_from() -> None:
    name = "'], __import__('os').abort() #\n\"\"\"\\"
    assert Pattern({name: {name: [name]}}).matches({name: {name: name}})
    assert Pattern({name: [{"prefix": name}, {"wildcard": "x*"}]}).matches({name: "xy"})


def test_a_deep_pattern_meets_a_deeper_event() -> None:
    pattern: Any = ["x"]
    event: Any = "x"
    for _ in range(90):
        pattern, event = {"a": pattern}, {"a": event}
    assert Pattern(pattern).matches(event)
    assert not Pattern(pattern).matches({"a": {"a": event}})


def test_arrays_in_arrays_are_looked_into_to_a_limit() -> None:
    nested: Any = "x"
    for _ in range(90):
        nested = [nested]
    assert on(["x"], nested)
    for _ in range(100_000):
        nested = [nested]
    assert not on(["x"], nested)


def test_large_arrays_and_long_texts_take_linear_time() -> None:
    many = [{"a": "1", "b": "1", "c": str(n)} for n in range(5000)]
    pattern = Pattern({"l": {"a": ["1"], "b": ["1"], "c": ["none"]}, "m": {"a": ["1"], "b": ["1"], "c": ["4999"]}})
    assert not pattern.matches({"l": many, "m": many})
    assert Pattern({"l": {"a": ["1"], "c": ["4999"]}, "m": {"b": ["1"], "c": ["0"]}}).matches({"l": many, "m": many})
    text = "ab" * 50_000
    assert not on([{"wildcard": "*a*b*c"}], text)
    assert not on([{"suffix": {"equals-ignore-case": "ab" * 400 + "c"}}], text)
