"""What each field of a template may hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.model.notification import DISPLAY, LOCALIZED
from kxmsg.model.target import TARGET_TYPES
from kxmsg.rendering.errors import Fault
from kxmsg.subscriptions.fields import (
    CONTENT,
    FIELDS,
    MAX_SECONDS,
    REQUIRED,
    check_address,
    check_field,
    check_null,
    check_seconds,
    check_variants,
    misplaced,
    needed,
    seconds,
)

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("targetType", list(TARGET_TYPES), ["all", None, ["user"], ""]),
        ("userId", ["ana", 7], [None, 1.5, True, ["ana"]]),
        ("clientId", ["acme", 7], [None, {}]),
        ("channelId", ["desk", 7], [None, False]),
        ("tenantId", ["acme", 7], [None, []]),
        ("targetUserIds", [[], ["ana", 7]], ["ana", None, {}]),
        ("targetClientIds", [[], ["acme"]], ["acme", None]),
        ("title", ["", "x", {"en": "x"}], [5, None, ["x"], {}, {"en": 5}]),
        ("content", ["x", {"en": "x", "pt-BR": "y"}], [5, None, "", {}, {"en": "x", "de": ""}]),
        ("actionUrl", ["/x", {"en": "/x"}], [5, None]),
        ("priority", ["low", "medium", "high", "urgent"], ["top", "LOW", None, 1, ["low"]]),
        ("icon", ["📦"], [5, {"en": "x"}]),
        ("category", ["x"], [None]),
        ("sound", ["x"], [True]),
        ("tags", [[], ["x", ""]], ["x", None, {}, ["x", 5], [None], [{"a": 1}]]),
        (
            "displayDuration",
            [0, 5, 1.5, MAX_SECONDS],
            [-1, "5", True, None, float("nan"), float("inf"), MAX_SECONDS + 1],
        ),
        ("metadata", [{}, {"a": [1]}], [[], "x", None]),
        ("senderId", ["crm", 7], [None, 1.5]),
        ("messageType", ["chat", "notification", "text", "email"], ["sms", None]),
        (
            "ttl",
            [0, 1.5, "90s", "1h30m", "30d", "1.5d12h30m", MAX_SECONDS],
            [-1, "-90s", "soon", "", "d", "1d-1h", "1h1d", "4000d", True, None, float("nan"), float("inf")],
        ),
        ("deliverAfter", [0, "15m"], [-0.1, "15 minutes", [], MAX_SECONDS + 1, "90000h"]),
    ],
)
def test_each_field_takes_these_values_and_no_others(name: str, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if check_field(name, value) is not None] == []
    assert [value for value in bad if check_field(name, value) is None] == []


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("priority", "top", "priority must be one of low, medium, high, urgent, not 'top'"),
        ("userId", [], "userId must be text or number, not list"),
        ("metadata", None, "metadata must be map, not null"),
        ("ttl", "soon", "ttl must be 0 to 3660d, as 90 (seconds), 15m, 1h30m or 30d, not 'soon'"),
        ("ttl", None, "ttl must be 0 to 3660d, as 90 (seconds), 15m, 1h30m or 30d, not null"),
        ("content", "", "content is empty; give it a text, or use when"),
        ("content", {"en": ""}, "content: the text for en is empty; give it one, or leave en out"),
        (
            "content",
            {"cases": [], "en": "x"},
            "content: cases can't stand beside other keys; move them into its values, as use: {en: …}",
        ),
        ("tags", ["a", 1], "tags must be texts, not 1; quote it, or use string()"),
        ("displayDuration", -1, f"displayDuration must be 0 to {MAX_SECONDS}, not -1"),
        ("title", {}, "title has no text; give it one for a locale, as {en: …}"),
        ("title", {"english": "x"}, "title: 'english' is no locale; write it as en, de or pt-BR"),
        ("title", {"en": 5}, "title: the text for en must be text, not number"),
        ("title", {"pt-BR": "x", "pt_br": "y"}, "title: pt_br and pt-BR are the same locale; keep one"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(name: str, value: Any, fault: str) -> None:
    assert check_field(name, value) == fault


def test_literal_ids_must_be_able_to_stand_in_a_key() -> None:
    assert check_address("userId", "ana") is None
    assert check_address("userId", 7) is None
    assert check_address("targetUserIds", ["ana", 7]) is None
    assert check_address("userId", "") == "userId must be a non-empty string"
    assert check_address("channelId", "a#b") == "channelId may hold neither '#' nor control characters"
    assert check_address("targetClientIds", ["a", None]) == "targetClientIds must be a non-empty string"
    assert check_address("targetUserIds", ["a", True]) == "targetUserIds must be a non-empty string"
    assert check_address("title", "a#b") is None


def test_the_tenant_of_everybody_is_reserved() -> None:
    reserved = "may not be '*', which stands for everybody; name another"
    for name in ("tenantId", "clientId"):
        assert check_address(name, "*", "client") == f"{name} {reserved}"
    assert check_address("targetClientIds", ["a", "*"], "broadcast") == f"targetClientIds {reserved}"
    assert check_address("tenantId", "*", "broadcast") is None
    assert check_address("userId", "*", "user") is None


def test_null_is_no_audience_and_no_text() -> None:
    """Else a list that is missing would be everybody."""
    assert "[] for nobody" in str(check_null("targetUserIds", "client"))
    assert "[] for nobody" in str(check_null("targetClientIds", "broadcast"))
    assert "a template for a user needs it" in str(check_null("userId", "user"))
    assert "a template for a broadcast needs it" in str(check_null("content", "broadcast"))
    assert [name for name in FIELDS if needed(name, "client")] == [
        "clientId",
        "targetUserIds",
        "targetClientIds",
        "content",
    ]
    assert check_null("title", "user") is check_null("clientId", "user") is None


def test_variants_may_name_any_language_tag() -> None:
    assert check_variants("title", {"en": "", "de-AT": "", "zh-Hant-TW": "", "sr_Latn": ""}) is None


def test_spans_are_seconds_or_texts() -> None:
    assert [seconds(span) for span in (5, 1.5, "90s", "1h30m", "250ms")] == [5, 1.5, 90, 5400, 0.25]
    assert [seconds(span) for span in ("30d", "1d12h", "0.5d")] == [30 * 86_400, 129_600, 43_200]
    with pytest.raises(Fault):
        seconds("soon")
    assert check_seconds("ttl", "9" * 400 + "h") is not None


def test_lists_that_narrow_are_for_one_target_type() -> None:
    assert misplaced("targetUserIds", "client") is None
    assert misplaced("targetUserIds", "user") == "targetUserIds is for templates with targetType: client; remove it"
    assert misplaced("targetClientIds", "client") == (
        "targetClientIds is for templates with targetType: broadcast; remove it"
    )
    assert misplaced("userId", "broadcast") is None


def test_what_is_required_localized_and_passed_on_are_fields() -> None:
    assert set(REQUIRED) == set(TARGET_TYPES)
    assert {name for names in REQUIRED.values() for name in names} <= set(FIELDS)
    assert {name for name, field in FIELDS.items() if field.localized} == set(LOCALIZED)
    assert set(DISPLAY) < set(CONTENT) < set(FIELDS)


@given(st.sampled_from(sorted(FIELDS)), json)
def test_any_value_is_right_or_wrong(name: str, value: Any) -> None:
    fault = check_field(name, value)
    assert fault is None or fault.startswith(name)
    if fault is None:
        check_address(name, value)
