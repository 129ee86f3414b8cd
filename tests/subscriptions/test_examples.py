"""The tests of a subscription, read and checked."""

from pathlib import Path
from typing import Any

import pytest

from kxmsg.subscriptions.examples import InlineTest, event_of, laid_over
from tests.subscriptions.compiling import HEAD, compiled, only, problems

MAPPINGS = """\
    notificationMapping:
      shipped: {targetType: broadcast, content: hello}
      lost:
        - {targetType: broadcast, content: a}
        - {targetType: user, userId: ana, content: b}
    messageMapping:
      lost: {targetType: channel, channelId: desk, content: c}
"""


def with_tests(*tests: str, sample: str = "", mappings: str = MAPPINGS) -> str:
    """A file whose tests begin in its last lines, each at column 7."""
    lines = "".join(f"    - {test}\n" for test in tests)
    return f"{HEAD}{mappings}{f'    sample: {sample}{chr(10)}' if sample else ''}    tests:\n{lines}"


def inline(folder: Path, *tests: str, sample: str = "") -> list[InlineTest]:
    return list(only(compiled(folder, a=with_tests(*tests, sample=sample))).tests)


SHIPPED = "{name: a, event: {detail-type: shipped}, expect: "


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (
            "x",
            [
                "12:7: error[shape]: a test must be a map, not text",
            ],
        ),
        ("{}", ["12:7: error[missing-key]: a test needs name, event, expect; add it"]),
        ("{name: a, event: {}}", ["12:7: error[missing-key]: a test needs expect; add it"]),
        (
            "{name: a, evnt: {}, expect: no-match}",
            [
                "12:7: error[missing-key]: a test needs event",
                "12:17: error[unknown-key]: a test has no 'evnt'; did you mean",
            ],
        ),
        ("{name: 5, event: {}, expect: no-match}", ["12:14: error[value]: name must be text, not 5; quote it"]),
        ("{name: '', event: {}, expect: no-match}", ["12:14: error[value]: name must be text, not ''; quote it"]),
        ("{name: a, event: [], expect: no-match}", ["12:24: error[shape]: the event must be a map, not list"]),
        (
            "{name: a, event: {severity: high}, expect: no-match}",
            ["12:25: error[unknown-key]: the event has no 'severity'; known are account, detail, detail-type"],
        ),
        (
            "{name: a, event: {detailType: lost}, expect: no-match}",
            ["12:25: error[unknown-key]: the event has no 'detailType'; did you mean 'detail-type'?"],
        ),
        ("{name: a, event: {detail: 5}, expect: no-match}", ["12:24: error[test]: the event's detail must be a map"]),
        (
            "{name: a, event: {}, expect: no-match}",
            ["12:24: error[test]: an empty event tells nothing of the pattern; name fields, or give it a sample"],
        ),
        (f"{SHIPPED}match}}", ["12:56: error[test]: expect must be no-match, or a map as {shipped: {title: …}}"]),
        (f"{SHIPPED}nothing}}", ["12:56: error[test]: expect must be no-match, or a map as"]),
        (f"{SHIPPED}[]}}", ["12:56: error[test]: expect must be no-match, or a map as"]),
        (
            "{name: a, event: {}, expect: x}",
            ["12:36: error[test]: expect must be no-match, or a map as {order.shipped: "],
        ),
        (f"{SHIPPED}{{}}}}", ["12:56: error[test]: expects nothing; name shipped, or write no-match"]),
        (
            f"{SHIPPED}{{shiped: {{}}}}}}",
            ["12:57: error[test]: there is no mapping for 'shiped'; did you mean 'shipped'?"],
        ),
        (
            f"{SHIPPED}{{lost: {{}}}}}}",
            ["12:57: error[test]: the event's detail-type is 'shipped', not 'lost'; expect that, or change the event"],
        ),
        (
            "{name: a, event: {detail-type: gone}, expect: {gone: {}}}",
            ["12:53: error[test]: there is no mapping for 'gone', so nothing comes of it; give it one"],
        ),
        (
            f"{SHIPPED}{{shipped: [{{}}, {{}}]}}}}",
            ["12:66: error[test]: shipped has 1 template and 2 expectations; give a list of one for each"],
        ),
        (
            "{name: a, event: {detail-type: lost}, expect: {lost: {}}}",
            ["12:60: error[test]: lost has 3 templates and 1 expectation; give a list of one for each"],
        ),
        (
            f"{SHIPPED}{{shipped: {{titel: x}}}}}}",
            ["12:67: error[unknown-key]: an expectation has no 'titel'; did you mean"],
        ),
        (f"{SHIPPED}{{shipped: x}}}}", ["12:66: error[shape]: an expectation must be a map, not text"]),
    ],
)
def test_each_mistake_of_a_test_is_told_at_its_place(tmp_path: Path, test: str, expected: list[str]) -> None:
    found = problems(tmp_path, a=with_tests(test))
    assert [
        one for one, beginning in zip(found, expected, strict=False) if not one.startswith(f"a.yaml:{beginning}")
    ] == []
    assert len(found) == len(expected), found


def test_a_test_of_what_nothing_is_made_of_is_told(tmp_path: Path) -> None:
    """Where the pattern lets it through all the same."""
    mappings = "    notificationMapping:\n      shipped: {targetType: broadcast, content: hello}\n"
    text = with_tests("{name: a, event: {detail-type: lost}, expect: {lost: {}}}", mappings=mappings)
    (found,) = problems(tmp_path, a=text)
    assert "error[test]: there is no mapping for 'lost'" in found
    mappings = "    targets: [{id: q, arn: 'arn:aws:sqs:eu-west-1:123456789012:q'}]\n"
    (found,) = problems(tmp_path, b=with_tests(f"{SHIPPED}{{shipped: {{}}}}}}", mappings=mappings), a="")
    assert "error[test]: there is no mapping for 'shipped', so nothing comes of it" in found


def test_all_mistakes_of_all_tests_are_told(tmp_path: Path) -> None:
    one = "{name: a, event: {source: x}, expect: no-match}"
    tests = (one, one, "{name: b}", "5")
    found = problems(tmp_path, a=with_tests(*tests))
    assert [one.split(" ")[0] for one in found] == ["a.yaml:13:14:", "a.yaml:14:7:", "a.yaml:15:7:"]
    assert "'a' stands twice, first in line 12; choose another name" in found[0]


def test_tests_are_a_list(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, a=f"{HEAD}{MAPPINGS}    tests: {{}}\n")
    assert found.startswith("a.yaml:11:12: error[shape]: tests must be a list; begin each element with '- '")


def test_a_test_is_read_with_what_it_expects_of_each_template(tmp_path: Path) -> None:
    lost = "{name: b, event: {detail-type: lost}, expect: {lost: [{content: a}, nothing, {}]}}"
    one, two, three = inline(
        tmp_path, f"{SHIPPED}{{shipped: {{title: ~}}}}}}", lost, "{name: c, event: {source: x}, expect: no-match}"
    )
    assert (one.name, str(one.at), one.expect) == ("a", f"{tmp_path}/a.yaml:12:7", [{"title": None}])
    assert (two.detail_type, two.expect) == ("lost", [{"content": "a"}, None, {}])
    assert (three.name, three.expect, three.event["source"]) == ("c", None, "x")


def test_the_event_is_laid_over_the_sample_and_over_what_the_pattern_leaves_no_choice_of(tmp_path: Path) -> None:
    """The source here, since two detail-types may come."""
    sample = "{detail-type: shipped, detail: {id: 1, of: {a: 1, b: [1, 2]}}}"
    test = "{name: a, event: {detail: {of: {b: [3], c: 4}}}, expect: {shipped: {}}}"
    (read,) = inline(tmp_path, test, sample=sample)
    assert (read.event["source"], read.event["detail-type"]) == ("shop", "shipped")
    assert read.event["detail"] == {"id": 1, "of": {"a": 1, "b": [3], "c": 4}}
    assert {"id", "time", "account", "region", "resources", "version"} < set(read.event)


def test_each_test_has_the_sample_of_its_detail_type_or_the_first(tmp_path: Path) -> None:
    sample = "[{detail-type: shipped, detail: {n: 1}}, {detail-type: lost, detail: {n: 2}}]"
    tests = (
        "{name: a, event: {detail-type: lost}, expect: {lost: [{}, {}, {}]}}",
        "{name: b, event: {}, expect: {shipped: {}}}",
        "{name: c, event: {detail-type: gone}, expect: no-match}",
    )
    assert [one.event["detail"]["n"] for one in inline(tmp_path, *tests, sample=sample)] == [2, 1, 1]


def test_a_schemas_example_is_a_sample_too(tmp_path: Path) -> None:
    schema = "{properties: {detail: {type: object}}, examples: [{detail-type: shipped, detail: {n: 1}}]}"
    (read,) = inline(tmp_path, "{name: a, event: {detail: {m: 2}}, expect: {shipped: {}}}", sample=schema)
    assert read.event["detail"] == {"n": 1, "m": 2}


@pytest.mark.parametrize(
    ("base", "change", "expected"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": 1}, {}, {"a": 1}),
        (1, 2, 2),
    ],
)
def test_maps_are_laid_over_key_by_key_and_all_else_is_replaced(base: Any, change: Any, expected: Any) -> None:
    assert laid_over(base, change) == expected


def test_what_a_test_says_goes_before_the_sample_and_that_before_the_pattern() -> None:
    fixed = {"source": "fixed", "detail-type": "fixed"}
    event = event_of({"detail-type": "own"}, {"source": "sample", "detail-type": "sample"}, fixed)
    assert (event["source"], event["detail-type"], event["detail"]) == ("sample", "own", {})
    assert event_of({}, {}, fixed)["source"] == "fixed"
