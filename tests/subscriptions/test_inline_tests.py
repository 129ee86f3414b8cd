"""What a subscription's own tests expect, and whether it comes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kxmsg.subscriptions import Defaults, Subscription
from kxmsg.subscriptions.inline_tests import Difference, Result, run, untested
from tests.subscriptions.compiling import HEAD, compiled, only

SHIPPED = """\
        targetType: client
        clientId: acme
        when: detail.level > 0
        title: {en: "Level {{ detail.level }}", de: "Stufe {{ detail.level }}"}
        content: "{{ detail.text }}"
        targetUserIds: "{{ detail.users }}"
        metadata: {ok: "{{ detail.ok }}", list: ["{{ detail.ok }}", 1]}
"""

SAMPLE = "{detail-type: shipped, detail: {level: 1, text: hello, users: [ana, bo], ok: true}}"


def subscription(folder: Path, event: str, expect: str, *, more: str = "") -> Subscription:
    text = f"""{HEAD}    sample: {SAMPLE}
    notificationMapping:
      shipped:
{SHIPPED}{more}    tests:
      - {{name: a, event: {event}, expect: {expect}}}
"""
    return only(compiled(folder, a=text))


def differences(folder: Path, event: str, expect: str, *, locale: str = "en", more: str = "") -> Sequence[Difference]:
    (result,) = run(subscription(folder, event, expect, more=more), Defaults(locale=locale))
    assert (result.subscription, result.test.name) == ("orders", "a")
    return result.differences


@pytest.mark.parametrize(
    ("event", "expect"),
    [
        ("{}", "{shipped: {content: hello}}"),
        ("{}", "{shipped: {}}"),
        ("{detail: {text: hi, level: 2}}", "{shipped: {content: hi, title: Level 2}}"),
        ("{}", "{shipped: {title: {en: Level 1, de: Stufe 1}}}"),
        ("{}", "{shipped: {targetType: client, clientId: acme, tenantId: default, targetUserIds: [ana, bo]}}"),
        ("{detail: {tenantId: globex}}", "{shipped: {tenantId: globex}}"),
        ("{}", "{shipped: {metadata: {ok: true, list: [true, 1.0]}}}"),
        ("{}", "{shipped: {priority: ~, icon: ~}}"),
        ("{detail: {level: 0}}", "{shipped: nothing}"),
        ("{source: market}", "no-match"),
        ("{detail-type: gone}", "no-match"),
    ],
)
def test_what_comes_as_expected_differs_in_nothing(tmp_path: Path, event: str, expect: str) -> None:
    assert differences(tmp_path, event, expect) == []


@pytest.mark.parametrize(
    ("event", "expect", "place", "expected", "got"),
    [
        ("{}", "{shipped: {content: hi}}", "shipped.content", "hi", "hello"),
        ("{}", "{shipped: {title: Level 2}}", "shipped.title", "Level 2", "Level 1"),
        (
            "{}",
            "{shipped: {title: {en: Level 1}}}",
            "shipped.title",
            {"en": "Level 1"},
            {"en": "Level 1", "de": "Stufe 1"},
        ),
        ("{}", "{shipped: {targetUserIds: [bo, ana]}}", "shipped.targetUserIds", ["bo", "ana"], ["ana", "bo"]),
        ("{}", "{shipped: {priority: low}}", "shipped.priority", "low", None),
        ("{}", "{shipped: {content: ~}}", "shipped.content", None, "hello"),
        ("{}", "no-match", "eventPattern", "no-match", "match"),
        ("{source: market}", "{shipped: {}}", "eventPattern", "match", "no-match"),
        ("{detail: {level: 0}}", "{shipped: {content: hello}}", "shipped", {"content": "hello"}, "nothing"),
        # a bool is no number, wherever it stands
        ("{detail: {ok: 1}}", "{shipped: {metadata: {ok: true, list: [1, 1]}}}", "shipped.metadata", None, None),
        ("{}", "{shipped: {metadata: {ok: true, list: [1, 1]}}}", "shipped.metadata", None, None),
        ("{}", "{shipped: {metadata: {ok: true}}}", "shipped.metadata", {"ok": True}, None),
        ("{}", "{shipped: {metadata: {ok: true, list: [true]}}}", "shipped.metadata", None, None),
    ],
)
def test_what_comes_otherwise_is_told_at_its_place(
    tmp_path: Path, event: str, expect: str, place: str, expected: Any, got: Any
) -> None:
    (difference,) = differences(tmp_path, event, expect)
    assert difference.place == place
    if expected is not None:
        assert difference.expected == expected
    if got is not None:
        assert difference.got == got


def test_nothing_was_expected_and_something_came(tmp_path: Path) -> None:
    (difference,) = differences(tmp_path, "{}", "{shipped: nothing}")
    assert (difference.place, difference.expected) == ("shipped", "nothing")
    assert difference.got["content"] == "hello"


def test_all_that_differs_is_told(tmp_path: Path) -> None:
    found = differences(tmp_path, "{}", "{shipped: {content: hi, priority: low, title: Level 1}}")
    assert [difference.place for difference in found] == ["shipped.content", "shipped.priority"]


@pytest.mark.parametrize(
    ("locale", "text"), [("en", "Level 1"), ("de", "Stufe 1"), ("de-AT", "Stufe 1"), ("fr", "Level 1")]
)
def test_a_text_is_that_of_the_default_locale(tmp_path: Path, locale: str, text: str) -> None:
    assert differences(tmp_path, "{}", f"{{shipped: {{title: {text}}}}}", locale=locale) == []


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        ("{detail: {text: ~, level: x}}", "when: detail.level > 0 has a string on one side"),
        ("{detail: {text: 5}}", "content must be text, not number"),
        ("{detail: {users: [a, 'b#c']}}", "userId may hold neither '#' nor control characters"),
        ("{detail: {tenantId: 'a#b'}}", "tenantId may hold neither '#' nor control characters"),
    ],
)
@pytest.mark.parametrize("expect", ["{content: hello}", "nothing"])
def test_a_fault_is_told_with_its_place_whatever_was_expected(
    tmp_path: Path, event: str, fault: str, expect: str
) -> None:
    (difference,) = differences(tmp_path, event, f"{{shipped: {expect}}}")
    assert difference.place == "shipped"
    assert difference.expected == ("nothing" if expect == "nothing" else {"content": "hello"})
    assert difference.got.startswith(f"error: {tmp_path}/a.yaml:")
    assert "orders.notification.shipped[0]: " in difference.got
    assert fault.split(" has ")[0] in difference.got


MESSAGE = """\
    messageMapping:
      shipped:
        - {targetType: channel, channelId: desk, content: one}
        - {targetType: channel, channelId: desk, content: two}
"""


def test_a_list_of_templates_is_compared_one_by_one_notifications_first(tmp_path: Path) -> None:
    expect = "{shipped: [{content: hello}, {content: one}, {channelId: desk, content: two}]}"
    assert differences(tmp_path, "{}", expect, more=MESSAGE) == []
    expect = "{shipped: [{content: one}, nothing, {content: two}]}"
    first, second = differences(tmp_path, "{}", expect, more=MESSAGE)
    assert (first.place, first.got) == ("shipped[0].content", "hello")
    assert (second.place, second.expected) == ("shipped[1]", "nothing")


def results(folder: Path, *tests: str) -> tuple[Subscription, list[Result]]:
    lines = "".join(f"      - {test}\n" for test in tests)
    text = f"""{HEAD}    notificationMapping:
      shipped: [{{targetType: broadcast, content: a}}, {{targetType: broadcast, content: b}}]
      lost: {{targetType: broadcast, content: c, when: detail.x}}
    tests:
{lines}"""
    found = only(compiled(folder, a=text))
    return found, list(run(found, Defaults()))


def test_templates_that_no_test_reaches_are_named(tmp_path: Path) -> None:
    reach_none = "{name: a, event: {source: x}, expect: no-match}"
    assert [one.name for one in untested(*results(tmp_path, reach_none))] == [
        "orders.notification.shipped[0]",
        "orders.notification.shipped[1]",
        "orders.notification.lost[0]",
    ]
    shipped = "{name: b, event: {detail-type: shipped}, expect: {shipped: [{}, {}]}}"
    assert [one.name for one in untested(*results(tmp_path, reach_none, shipped))] == ["orders.notification.lost[0]"]
    lost = "{name: c, event: {detail-type: lost, detail: {x: false}}, expect: {lost: nothing}}"
    assert untested(*results(tmp_path, shipped, lost)) == []


def test_a_test_that_did_not_match_reached_nothing(tmp_path: Path) -> None:
    found, made = results(tmp_path, "{name: a, event: {source: x, detail-type: shipped}, expect: {shipped: [{}, {}]}}")
    assert made[0].reached == frozenset()
    assert len(untested(found, made)) == 3
