"""In which locale somebody reads."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.model.notification import locale_key
from kxmsg.services.locale import accepted_locale, reader_locale
from tests.product import caller


@pytest.mark.parametrize(
    ("accepted", "locale"),
    [
        ("de", "de"),
        ("de-AT, de;q=0.9, en;q=0.8", "de-at"),
        ("da, en-gb;q=0.8, en;q=0.7", "da"),  # RFC 9110, section 12.5.4
        ("en;q=0.7,fr;q=0.9", "fr"),
        ("fr;q=0.5, de;q=0.5", "fr"),
        ("de ; Q=0.3\t,\ten;q=0.31", "en"),
        ("en;q=0.1, de;q=1.000", "de"),
        ("de;q=0., en;q=0.001", "en"),
        ("zh-Hant-TW", "zh-hant-tw"),
    ],
)
def test_the_highest_quality_counts_and_of_equals_the_first(accepted: str, locale: str) -> None:
    assert accepted_locale(accepted) == locale


@pytest.mark.parametrize(
    "accepted",
    ["", "*", "*;q=0.5", "de;q=0", "de;q=0.000", ",, ,", "deutsch", "i-klingon", "x", "de--at", "de_at", "de-at-"],
)
def test_what_asks_for_no_language_names_none(accepted: str) -> None:
    assert accepted_locale(accepted) is None


@pytest.mark.parametrize(
    "broken", ["de;q=2", "de;q=1.1", "de;q=-1", "de;q=0.1234", "de;q=", "de;x=1", "de;q=nan", "dé", "ⅾe", "*", "de;q=0"]
)
def test_a_malformed_or_unacceptable_range_does_not_hide_the_others(broken: str) -> None:
    assert accepted_locale(f"{broken}, fr;q=0.1") == "fr"


@given(st.text() | st.text("deq=0.19;,-* \t"))
def test_any_header_names_a_locale_as_variants_are_kept_by_or_none(accepted: str) -> None:
    locale = accepted_locale(accepted)
    assert locale is None or locale_key(locale) == locale


def test_what_the_client_names_goes_before_what_the_user_chose_that_before_what_it_accepts_and_its_token() -> None:
    who = replace(caller(), locale="it")
    assert reader_locale(who, named="de_AT", preferred="es", accepted="fr") == "de-at"
    assert reader_locale(who, preferred="es", accepted="fr") == "es"
    assert reader_locale(who, accepted="fr") == "fr"
    assert reader_locale(who) == "it"
    assert reader_locale(caller()) is None


@pytest.mark.parametrize("nothing", ["", "german", "de/at", "*", "\x00"])
def test_what_is_no_language_counts_as_not_said(nothing: str) -> None:
    who = replace(caller(), locale="it")
    assert reader_locale(who, named=nothing, accepted="fr") == "fr"
    assert reader_locale(who, named=nothing, accepted=nothing) == "it"
