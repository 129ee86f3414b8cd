"""Getters: the parts of a timestamp, in a time zone, and of a duration."""

from collections.abc import Callable
from datetime import datetime, timedelta

from kxmsg.rendering.errors import Fault
from kxmsg.rendering.functions import function
from kxmsg.rendering.locales import literal_zone
from kxmsg.rendering.moments import local


def _of_timestamp(name: str, summary: str, example: str, read: Callable[[datetime], int]) -> None:
    def get(value: datetime, zone: str = "UTC") -> int:
        return read(local(value, zone))

    get.__doc__ = summary
    function(f"{name}(time: timestamp, zone?: string) -> int", example, checks={1: literal_zone})(get)


def _of_both(
    name: str, summary: str, example: str, read: Callable[[datetime], int], count: Callable[[timedelta], int]
) -> None:
    def get(value: datetime | timedelta, zone: str | None = None) -> int:
        if isinstance(value, datetime):
            return read(local(value, zone or "UTC"))
        if zone is not None:
            raise Fault("gives a time zone to a duration")
        return count(value)

    get.__doc__ = summary
    function(f"{name}(time: timestamp|duration, zone?: string) -> int", example, checks={1: literal_zone})(get)


def _whole(value: timedelta, seconds: int) -> int:
    """Whole units, counted towards zero."""
    count = abs(value) // timedelta(seconds=seconds)
    return -count if value < timedelta(0) else count


_DAY = "timestamp('2026-01-31')"
_TIME = "timestamp('2026-01-31T08:00:00Z')"

_of_timestamp("getFullYear", "The year.", f"{_DAY}.getFullYear()", lambda time: time.year)
_of_timestamp("getMonth", "The month, from 0.", f"{_DAY}.getMonth()", lambda time: time.month - 1)
_of_timestamp("getDate", "The day of the month, from 1.", f"{_DAY}.getDate()", lambda time: time.day)
_of_timestamp("getDayOfMonth", "The day of the month, from 0.", f"{_DAY}.getDayOfMonth()", lambda time: time.day - 1)
_of_timestamp(
    "getDayOfWeek",
    "The day of the week, from 0 for Sunday.",
    f"{_DAY}.getDayOfWeek()",
    lambda time: time.isoweekday() % 7,
)
_of_timestamp(
    "getDayOfYear", "The day of the year, from 0.", f"{_DAY}.getDayOfYear()", lambda time: time.timetuple().tm_yday - 1
)
_of_both(
    "getHours",
    "The hour of the day; of a duration, its whole hours.",
    f"{_TIME}.getHours('Europe/Berlin')",
    lambda time: time.hour,
    lambda span: _whole(span, 3600),
)
_of_both(
    "getMinutes",
    "The minute of the hour; of a duration, its whole minutes.",
    "duration('90m').getMinutes()",
    lambda time: time.minute,
    lambda span: _whole(span, 60),
)
_of_both(
    "getSeconds",
    "The second of the minute; of a duration, its whole seconds.",
    "duration('90m').getSeconds()",
    lambda time: time.second,
    lambda span: _whole(span, 1),
)
_of_both(
    "getMilliseconds",
    "The milliseconds of the second.",
    "duration('1.5s').getMilliseconds()",
    lambda time: time.microsecond // 1000,
    lambda span: abs(span) // timedelta(milliseconds=1) % 1000,
)
