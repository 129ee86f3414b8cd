"""What an inbox entry shows, and in which language."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.model.notification import DISPLAY, LOCALIZED, VARIANTS, locale_key, localized, with_variants


def test_texts_and_links_may_have_variants() -> None:
    assert LOCALIZED == ("title", "content", "actionUrl")
    assert set(LOCALIZED) <= set(DISPLAY)
    assert VARIANTS not in DISPLAY


@pytest.mark.parametrize(
    ("tag", "key"),
    [
        ("en", "en"),
        ("EN", "en"),
        (" de ", "de"),
        ("pt-BR", "pt-br"),
        ("pt_BR", "pt-br"),
        ("zh-Hant-TW", "zh-hant-tw"),
        ("es-419", "es-419"),
        ("fil", "fil"),
        ("", None),
        ("e", None),
        ("english", None),
        ("en-", None),
        ("en--us", None),
        ("en us", None),
        ("de-a-b", None),
        ("ÄÖ", None),
        ("en-us-a1-b2-c3", None),
    ],
)
def test_a_tag_is_kept_in_one_form(tag: str, key: str | None) -> None:
    assert locale_key(tag) == key


TEXTS = {"en": "Hello", "de": "Hallo", "de-AT": "Servus"}


@pytest.mark.parametrize(
    ("default", "text", "others"),
    [
        ("en", "Hello", {"de", "de-at"}),
        ("en-GB", "Hello", {"de", "de-at"}),
        ("de", "Hallo", {"en", "de-at"}),
        ("de_at", "Servus", {"en", "de", "de-at"}),  # or the text in de would hide it
        ("de-CH", "Hallo", {"en", "de-at"}),
        ("fr", "Hello", {"de", "de-at"}),
        ("", "Hello", {"de", "de-at"}),
    ],
)
def test_the_default_locales_text_stands_in_the_field_and_the_others_are_its_variants(
    default: str, text: str, others: set[str]
) -> None:
    stored = with_variants({"title": dict(TEXTS), "priority": "low"}, default)
    assert (stored["title"], stored["priority"]) == (text, "low")
    assert set(stored[VARIANTS]) == others
    assert all(set(texts) == {"title"} for texts in stored[VARIANTS].values())


def test_fields_are_brought_together_by_locale() -> None:
    stored = with_variants(
        {"title": {"en": "A", "de": "B"}, "content": {"de": "C", "fr": "D"}, "actionUrl": "/x"}, "en"
    )
    assert stored == {
        "title": "A",
        "content": "C",
        "actionUrl": "/x",
        VARIANTS: {"de": {"title": "B"}, "fr": {"content": "D"}},
    }


def test_texts_without_variants_are_stored_without_any() -> None:
    without: dict[str, Any] = {VARIANTS: {"de": {}}}
    for payload in ({}, {"title": "A"}, {"title": {"en": "A"}}, {"title": "A", VARIANTS: {}}, without):
        assert VARIANTS not in with_variants(dict(payload), "en")


def test_other_maps_are_left_alone() -> None:
    metadata = {"en": "x", "de": "y"}
    assert with_variants({"metadata": metadata}, "en") == {"metadata": metadata}


def test_variants_that_there_were_are_kept_unless_said_anew() -> None:
    payload = {
        "title": {"en": "A", "de": "B"},
        "content": "C",
        VARIANTS: {"de": {"content": "D"}, "fr": {"title": "E"}},
    }
    assert with_variants(payload, "en") == {
        "title": "A",
        "content": "C",
        VARIANTS: {"de": {"content": "D", "title": "B"}, "fr": {"title": "E"}},
    }


STORED: dict[str, Any] = {
    "title": "Hello",
    "content": "You",
    "icon": "x",
    VARIANTS: {"de": {"title": "Hallo", "content": "Du"}, "de-at": {"title": "Servus"}, "fr": {"title": "Salut"}},
}


@pytest.mark.parametrize(
    ("locale", "title", "content"),
    [
        ("en", "Hello", "You"),
        ("de", "Hallo", "Du"),
        ("DE", "Hallo", "Du"),
        ("de-AT", "Servus", "Du"),
        ("de_at", "Servus", "Du"),
        ("de-AT-1996", "Servus", "Du"),
        ("de-CH", "Hallo", "Du"),
        ("fr-CA", "Salut", "You"),
        ("es", "Hello", "You"),
        ("", "Hello", "You"),
        ("not a locale", "Hello", "You"),
        (None, "Hello", "You"),
    ],
)
def test_a_reader_sees_their_locale_or_its_language_or_the_default(
    locale: str | None, title: str, content: str
) -> None:
    assert localized(STORED, locale) == {"title": title, "content": content, "icon": "x"}


def test_what_is_stored_is_left_as_it_is() -> None:
    before = {name: value for name, value in STORED.items() if name != VARIANTS}
    localized(STORED, "de-AT")
    assert {name: value for name, value in STORED.items() if name != VARIANTS} == before
    assert set(STORED[VARIANTS]) == {"de", "de-at", "fr"}


def test_a_payload_without_variants_is_itself() -> None:
    plain = {"title": "Hello"}
    assert localized(plain, "de") is plain
    assert localized({"title": "Hello", VARIANTS: {}}, "de")["title"] == "Hello"


tags = st.sampled_from(["en", "de", "de-AT", "pt_BR", "zh-Hant-TW"])


@given(st.dictionaries(tags, st.text(max_size=3), min_size=1), tags, tags)
def test_each_reader_gets_their_own_text_where_there_is_one(texts: dict[str, str], default: str, reader: str) -> None:
    shown: dict[str, Any] = dict(localized(with_variants({"title": dict(texts)}, default), reader))
    assert VARIANTS not in shown
    if reader in texts:
        assert shown["title"] == texts[reader]
    assert shown["title"] in texts.values()
