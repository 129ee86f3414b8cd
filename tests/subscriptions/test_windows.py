"""Digests sum up, throttles let few through."""

from typing import Any

import pytest

from kxmsg.errors import Poison
from kxmsg.rendering import RenderError, compile_fields
from kxmsg.subscriptions.windows import MAX_WINDOW, MIN_WINDOW, SUMMARY, SUMMARY_NAMES, Digest, Throttle, window

ITEMS = [
    {"title": "Order 1", "content": "One", "priority": "low", "metadata": {"n": 1}},
    {"title": "Order 2", "content": "Two", "priority": "high", "metadata": {"n": 2}, "icon": "📦"},
]


def digest(**fields: Any) -> Digest:
    return Digest(60, compile_fields(fields, names=SUMMARY_NAMES), "a.yaml:9:9")


def test_a_digest_says_its_fields_of_the_entries_and_the_rest_is_as_in_the_last() -> None:
    said = digest(
        title="{{ count }} orders",
        content="{{ items.map(i, i.title).join(', ') }} from {{ first.title }} to {{ last.title }}",
        metadata={"numbers": "{{ items.map(i, i.metadata.n) }}"},
    )
    assert said.summary(ITEMS, 7, "en") == {
        "title": "7 orders",
        "content": "Order 1, Order 2 from Order 1 to Order 2",
        "priority": "high",
        "metadata": {"numbers": [1, 2]},
        "icon": "📦",
    }


def test_a_digest_that_says_nothing_is_the_last_entry() -> None:
    assert digest().summary(ITEMS, 2, "en") == ITEMS[-1]


def test_a_field_without_a_value_is_as_in_the_last() -> None:
    none = digest(title="{{ count > 2 ? 'many' : null }}")
    assert none.summary(ITEMS, 2, "en")["title"] == "Order 2"
    assert none.summary(ITEMS, 3, "en")["title"] == "many"


def test_the_entries_are_left_as_they_are() -> None:
    items = [{"title": "a", "content": "b", "variants": {"de": {"title": "ä", "content": "ß"}}}]
    digest(title={"en": "x", "de": "y"}).summary(items, 1, "en")
    assert items == [{"title": "a", "content": "b", "variants": {"de": {"title": "ä", "content": "ß"}}}]


LAST = {
    "title": "Hi",
    "content": "You",
    "variants": {"de": {"title": "Hallo", "content": "Du"}, "fr": {"title": "Salut"}},
}


@pytest.mark.parametrize(
    ("fields", "locale", "expected"),
    [
        ({}, "en", LAST),
        (
            {"title": "{{ count }} new"},
            "en",
            {"title": "2 new", "content": "You", "variants": {"de": {"content": "Du"}}},
        ),
        (
            {"title": {"en": "{{ count }} new", "de": "{{ count }} neue"}},
            "en",
            {"title": "2 new", "content": "You", "variants": {"de": {"title": "2 neue", "content": "Du"}}},
        ),
        (
            {"title": {"en": "{{ count }} new", "de": "{{ count }} neue"}},
            "de-AT",
            {"title": "2 neue", "content": "You", "variants": {"de": {"content": "Du"}, "en": {"title": "2 new"}}},
        ),
        ({"title": "t", "content": "c"}, "en", {"title": "t", "content": "c"}),
    ],
)
def test_what_a_digest_says_has_variants_of_its_own_alone(
    fields: dict[str, Any], locale: str, expected: dict[str, Any]
) -> None:
    assert digest(**fields).summary([LAST, LAST], 2, locale) == expected


def test_a_summary_that_can_not_be_rendered_is_poison_with_its_place() -> None:
    with pytest.raises(RenderError, match=r"^a\.yaml:9:9: digest: title: first\.nope is absent"):
        digest(title="{{ first.nope }}").summary(ITEMS, 2, "en")
    with pytest.raises(RenderError, match=r"^a\.yaml:9:9: digest: tags must be list, not number"):
        digest(tags="{{ count }}").summary(ITEMS, 2, "en")
    assert issubclass(RenderError, Poison)


@pytest.mark.parametrize(
    ("value", "span"),
    [
        (60, 60.0),
        ("15m", 900.0),
        ("1h30m", 5400.0),
        (MIN_WINDOW, MIN_WINDOW),
        (MAX_WINDOW, MAX_WINDOW),
        (0, None),
        (-5, None),
        (0.5, None),
        (MAX_WINDOW + 1, None),
        (float("nan"), None),
        (True, None),
        (None, None),
        ([], None),
        ("soon", None),
        ("10ms", None),
    ],
)
def test_a_window_is_a_span_within_limits(value: Any, span: float | None) -> None:
    assert window(value) == span


def test_a_throttle_names_its_share() -> None:
    assert Throttle(2, 60) == Throttle(at_most=2, per=60)


def test_what_a_digest_may_say_is_what_is_shown() -> None:
    assert {"title", "content", "priority", "actionUrl"} <= SUMMARY
    assert SUMMARY.isdisjoint({"userId", "tenantId", "ttl"})
