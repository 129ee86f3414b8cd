"""What depends on a language: plurals, numbers, dates, by the CLDR data of Babel.

Babel is imported, and a locale's data read from its file, at first use: for a locale that a template names, that is
when the template is compiled.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Context, localcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from kxmsg.rendering.errors import Fault
from kxmsg.rendering.functions import function
from kxmsg.rendering.moments import zone_of

if TYPE_CHECKING:
    from babel import Locale

CATEGORIES: Final = frozenset({"zero", "one", "two", "few", "many", "other"})
"""The plural forms of CLDR; a language has some of them, and always ``other``."""

STYLES: Final = frozenset({"short", "medium", "long", "full"})

LOCALE_COST: Final = 300
"""Units of work of what writes for a locale, in a loop."""

_DIGITS: Final = Context(prec=400)
"""Babel computes with Python's decimals: wide enough for the largest double and 20 digits behind the point."""

_MAX_PATTERN: Final = 64
_PATTERN_LETTERS: Final = frozenset("GyYuQqMLwWdDFEecabBhHKkmsSAzZOvVXx")


@lru_cache(maxsize=128)
def locale_of(name: str) -> "Locale":
    """The locale of a tag such as ``de`` or ``pt-BR``."""
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(name.replace("-", "_"))
        _ = locale.plural_form, locale.decimal_formats  # reads the file
    except (UnknownLocaleError, ValueError, TypeError):
        raise Fault("names a locale that is not known; write it as en, de or pt-BR") from None
    return locale


def plural_forms(forms: Any) -> str | None:
    """What is wrong with the forms that a template names, or None."""
    if unknown := set(forms) - CATEGORIES:
        return f"plural forms are {', '.join(sorted(CATEGORIES))}, not {min(map(str, unknown))!r}"
    return None if "other" in forms else "the form 'other' is missing: every language needs it"


def date_style(style: str) -> str | None:
    """What is wrong with a style, or None. Letters that no CLDR pattern has are taken for a misspelt style."""
    if style in STYLES or (len(style) <= _MAX_PATTERN and (not style.isalpha() or set(style) <= _PATTERN_LETTERS)):
        return None
    return f"writes a date in a style other than {', '.join(sorted(STYLES))} or a CLDR pattern such as 'dd.MM.yyyy'"


def currency_code(code: str) -> str | None:
    known = len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()
    return None if known else "names a currency by other than its ISO 4217 code, such as EUR"


def literal_locale(name: str) -> str | None:
    """What is wrong with a locale that a template names, or None; reads the locale's data."""
    return _fault(locale_of, name)


def literal_zone(name: str) -> str | None:
    return _fault(zone_of, name)


def _fault(read: Callable[[str], object], name: str) -> str | None:
    try:
        read(name)
    except Fault as fault:
        return str(fault)
    return None


@function(
    "plural(count: number, forms: map, locale?: string) -> dyn",
    "plural(1, {'one': 'item', 'other': 'items'})",
    "plural(3, {'one': 'plik', 'few': 'pliki', 'other': 'plików'}, 'pl')",
    style="function",
    cost=LOCALE_COST,
    checks={1: plural_forms, 2: literal_locale},
)
def plural(count: float, forms: dict[Any, Any], locale: str = "en") -> Any:
    """The form that the language has for this count, by CLDR. `other` must be among the forms; the locale is `en`
    unless given."""
    category = _written(count, lambda: locale_of(locale).plural_form(abs(count)))
    if category in forms:
        return forms[category]
    if "other" not in forms:
        raise Fault("has no form for 'other'")
    return forms["other"]


@function(
    "formatNumber(value: number, locale?: string, digits?: int) -> string",
    "formatNumber(1234.5, 'de', 2)",
    style="function",
    cost=LOCALE_COST,
    checks={1: literal_locale},
)
def format_number(value: float, locale: str = "en", digits: int | None = None) -> str:
    """As the locale writes numbers, with as many digits after the point."""
    from babel.numbers import format_decimal

    if digits is None:
        return _written(value, lambda: format_decimal(value, locale=locale_of(locale)))
    if not 0 <= digits <= 20:
        raise Fault("asks for other than 0 to 20 digits")
    pattern = "#,##0." + "0" * digits if digits else "#,##0"
    return _written(value, lambda: format_decimal(value, pattern, locale=locale_of(locale)))


@function(
    "formatPercent(value: number, locale?: string) -> string",
    "formatPercent(0.25, 'en')",
    style="function",
    cost=LOCALE_COST,
    checks={1: literal_locale},
)
def format_percent(value: float, locale: str = "en") -> str:
    """A share, as the locale writes percentages."""
    from babel.numbers import format_percent as write

    return _written(value, lambda: write(value, locale=locale_of(locale)))


@function(
    "formatCurrency(value: number, currency: string, locale?: string) -> string",
    "formatCurrency(9.5, 'EUR', 'en')",
    style="function",
    cost=LOCALE_COST,
    checks={1: currency_code, 2: literal_locale},
)
def format_currency(value: float, currency: str, locale: str = "en") -> str:
    """An amount, as the locale writes that currency (ISO 4217)."""
    from babel.numbers import format_currency as write

    if fault := currency_code(currency):
        raise Fault(fault)
    return _written(value, lambda: write(value, currency, locale=locale_of(locale)))


def _written(value: float, write: Callable[[], str]) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        raise Fault("is no finite number")
    with localcontext(_DIGITS):
        return write()


_UNWRITABLE: Final = (ValueError, OverflowError, LookupError, AttributeError, TypeError)
"""What Babel raises for one date pattern or another."""

_DATE_CHECKS: Final = {1: date_style, 2: literal_locale, 3: literal_zone}


@function(
    "formatDate(time: timestamp, style?: string, locale?: string, zone?: string) -> string",
    "formatDate(timestamp('2026-01-31T23:30:00Z'), 'long', 'de', 'Europe/Berlin')",
    style="function",
    cost=LOCALE_COST,
    checks=_DATE_CHECKS,
)
def format_date(value: datetime, style: str = "medium", locale: str = "en", zone: str = "UTC") -> str:
    """The date on the calendar of the zone: `short`, `medium`, `long`, `full` or a CLDR pattern."""
    from babel.dates import format_date as write

    return _write(lambda day: write(day, style, locale_of(locale)), value, style, zone)


@function(
    "formatTime(time: timestamp, style?: string, locale?: string, zone?: string) -> string",
    "formatTime(timestamp('2026-01-31T23:30:00Z'), 'short', 'de', 'Europe/Berlin')",
    style="function",
    cost=LOCALE_COST,
    checks=_DATE_CHECKS,
)
def format_time(value: datetime, style: str = "short", locale: str = "en", zone: str = "UTC") -> str:
    """The time on the clock of the zone, in the same styles."""
    from babel.dates import format_time as write

    clock = zone_of(zone)
    return _write(lambda time: write(time, style, tzinfo=clock, locale=locale_of(locale)), value, style, zone)


@function(
    "formatDateTime(time: timestamp, style?: string, locale?: string, zone?: string) -> string",
    "formatDateTime(timestamp('2026-01-31T23:30:00Z'), 'dd.MM.yyyy HH:mm')",
    style="function",
    cost=LOCALE_COST,
    checks=_DATE_CHECKS,
)
def format_date_time(value: datetime, style: str = "medium", locale: str = "en", zone: str = "UTC") -> str:
    """Date and time, in the same styles."""
    from babel.dates import format_datetime as write

    clock = zone_of(zone)
    return _write(lambda time: write(time, style, tzinfo=clock, locale=locale_of(locale)), value, style, zone)


def _write(write: Callable[[datetime], str], value: datetime, style: str, zone: str) -> str:
    if fault := date_style(style):
        raise Fault(fault)
    try:
        return write(value.astimezone(zone_of(zone)))
    except _UNWRITABLE:
        raise Fault("has a date pattern that can't be written") from None
