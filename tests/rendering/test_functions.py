"""Functions: the examples of the table, and the edges of each."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.rendering import compile_expression
from kxmsg.rendering.errors import Fault
from kxmsg.rendering.functions import FUNCTIONS, function
from tests.rendering.events import EVENT


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_has_examples_that_agree_with_its_type(name: str) -> None:
    entry = FUNCTIONS[name]
    assert entry.examples
    for example in entry.examples:
        assert f"{name}(" in example
        compile_expression(example)(EVENT)


def test_a_function_without_docstring_or_signature_is_refused() -> None:
    with pytest.raises(ValueError, match="not a signature"):
        function("nonsense")(lambda: None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("size('πέντε')", 5),
        ("detail.map.size()", 2),
        ("''.contains('')", True),
        ("'TacoCÆt'.lowerAscii()", "tacocÆt"),
        ("'TacoCæt'.upperAscii()", "TACOCæT"),
        (r"'\u0085\u00a0text\u2003\u3000'.trim()", "text"),
        (r"'\u200btext'.trim()", "\u200btext"),
        ("'abc'.charAt(3)", ""),
        ("'abc'.indexOf('z')", -1),
        ("'abc'.indexOf('', 3)", 3),
        ("'tacocat'.lastIndexOf('a', 3)", 1),
        ("'tacocat'.lastIndexOf('')", 7),
        ("'abc'.substring(3)", ""),
        ("'aaa'.replace('a', 'b', 2)", "bba"),
        ("'aaa'.replace('a', 'b', 0)", "aaa"),
        ("'ab'.replace('', '-')", "-a-b-"),
        ("'a b c'.split(' ', 0)", []),
        ("'a b c'.split(' ', 1)", ["a b c"]),
        ("'a b c'.split(' ', -1)", ["a", "b", "c"]),
        ("'abc'.split('')", ["a", "b", "c"]),
        ("'abc'.split('', 2)", ["a", "bc"]),
        ("'ab'.split('', 9)", ["a", "b"]),
        ("''.split('')", []),
        ("''.split(',')", [""]),
        ("[].join()", ""),
        ("detail.names.join(', ')", "Ada, Bob, Ada"),
        ("detail.names.unique()", ["Ada", "Bob"]),
        ("[{1: [2]}, {true: [2]}, {1: [2.0]}, [], {}, [[]], [{}], [[]]].unique().size()", 6),
        ("'abcabc'.lastIndexOf('bc', 4)", 4),
        ("'abcabc'.lastIndexOf('bc', 3)", 1),
        ("'abcabc'.lastIndexOf('bc', 6)", 4),
        ("'abc'.lastIndexOf('x', 3)", -1),
        ("'abc'.lastIndexOf('', 1)", 1),
        ("[1, 1.0, true, dyn('1'), [1], [1.0], {'a': 1}, {'a': 1}].unique()", [1, True, "1", [1], {"a": 1}]),
        ("truncate('abc', 3)", "abc"),
        ("truncate('abcd', 3)", "ab…"),
        ("truncate('ab cd', 4)", "ab…"),
        ("truncate('ab', 1)", "…"),
        ("bool('FALSE')", False),
        ("bool(detail.yes)", True),
        ("timestamp(timestamp(0)) == timestamp(0)", True),
        ("duration(duration('1s')) == duration('1s')", True),
        ("int(-7.9)", -7),
        ("int(timestamp('1969-12-31T23:59:59.5Z'))", -1),
        ("double(3)", 3.0),
        ("double('-1.5e3')", -1500.0),
        ("string(-0.0)", "0"),
        ("string(1e15)", "1000000000000000"),
        ("string(true)", "true"),
        ("string(type(1))", "int"),
        ("string(duration('1h'))", "3600s"),
        ("string(timestamp('2026-01-31T01:00:00+02:00'))", "2026-01-30T23:00:00Z"),
        ("string(timestamp('0099-01-01'))", "0099-01-01T00:00:00Z"),
        ("duration('1h1m1s1ms1us1000ns') == duration('3661.001002s')", True),
        ("duration('-1.5h').getHours()", -1),
        ("duration('.5s').getMilliseconds()", 500),
        ("timestamp(detail.at).getDate('Europe/Berlin')", 1),
        ("timestamp(detail.at).getHours('-09:30')", 14),
        ("timestamp('2026-02-01').getDayOfWeek()", 0),
        ("plural(1, {'one': 'a', 'other': 'b'})", "a"),
        ("plural(0, {'one': 'a', 'other': 'b'})", "b"),
        ("plural(0, {'one': 'a', 'other': 'b'}, 'fr')", "a"),
        ("plural(-1, {'one': 'a', 'other': 'b'})", "a"),
        ("plural(5, {'one': 'a', 'few': 'b', 'many': 'c', 'other': 'd'}, 'ru')", "c"),
        ("plural(2, {'one': 'a', 'other': 'b'}, 'ru')", "b"),
        ("plural(detail.n, {'one': 'an item', 'other': string(detail.n) + ' items'})", "2 items"),
        ("formatNumber(1234567.891)", "1,234,567.891"),
        ("formatNumber(1234567, 'de')", "1.234.567"),
        ("formatNumber(1e27)", "1,000,000,000,000,000,000,000,000,000"),
        ("formatNumber(9223372036854775807, 'de', 20)", "9.223.372.036.854.775.807," + "0" * 20),
        ("formatNumber(123456789012345678, 'en', 15)", "123,456,789,012,345,678." + "0" * 15),
        ("size(formatNumber(-1.7e308, 'en', 20))", 433),
        ("formatNumber(5e-324, 'en', 20)", "0." + "0" * 20),
        ("size(formatPercent(1.7e308))", 415),
        ("size(formatCurrency(1.7e308, 'EUR'))", 415),
        ("plural(1.7e308, {'other': 'x'}, 'ar')", "x"),
        ("formatNumber(0.5, 'de', 0)", "0"),
        ("formatPercent(0.5, 'de')", "50\xa0%"),
        ("formatCurrency(1234.5, 'USD', 'de')", "1.234,50\xa0$"),
        ("formatDate(timestamp(detail.at))", "Jan 31, 2026"),
        ("formatDate(timestamp(detail.at), 'full', 'de', 'Europe/Berlin')", "Sonntag, 1. Februar 2026"),
        ("formatDate(timestamp(detail.at), 'yyyy')", "2026"),
        ("formatDateTime(timestamp(detail.at), 'yyyy-MM-dd HH:mm', 'en', '+05:30')", "2026-02-01 05:00"),
        ("formatTime(timestamp(detail.at), 'short', 'de', 'Europe/Berlin')", "00:30"),
    ],
)
def test_the_edges_of_each_function(text: str, expected: Any) -> None:
    value = compile_expression(text)(EVENT)
    assert value == expected
    assert type(value) is type(expected)


LOCALES = ["en", "de", "ar", "fa", "he", "ja", "hi", "my", "pl", "zh-Hant", "und"]
TIMES = [datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, 8, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)]


@given(
    st.sampled_from(["formatDate", "formatTime", "formatDateTime"]),
    st.text(st.sampled_from("GyYuQqMLwWdDFEecabBhHKkmsSAzZOvVXx' ,.-\\{}(%"), max_size=8)
    | st.builds(
        lambda letter, count: letter * count, st.sampled_from("GyYuQqMLwWdDFEecabBhHKkmsSAzZOvVXx"), st.integers(1, 7)
    ),
    st.sampled_from(TIMES),
    st.sampled_from(LOCALES),
    st.sampled_from(["UTC", "Europe/Berlin", "+02:00", "-23:59"]),
)
@settings(max_examples=400)
def test_no_pattern_makes_anything_but_a_text_or_a_fault(
    name: str, pattern: str, time: datetime, locale: str, zone: str
) -> None:
    with suppress(Fault):
        assert isinstance(FUNCTIONS[name].run(time, pattern, locale, zone), str)


@pytest.mark.parametrize("name", ["formatDate", "formatTime", "formatDateTime"])
@pytest.mark.parametrize("letter", sorted("GyYuQqMLwWdDFEecabBhHKkmsSAzZOvVXx"))
def test_every_letter_of_a_pattern_is_written_or_refused(name: str, letter: str) -> None:
    for locale in LOCALES:
        for count in range(1, 7):
            with suppress(Fault):
                assert isinstance(FUNCTIONS[name].run(TIMES[1], letter * count, locale, "Europe/Berlin"), str)
