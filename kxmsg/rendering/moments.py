"""Timestamps and durations: Python's own, to the microsecond, within the ranges that CEL gives them."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from kxmsg.rendering.errors import Fault

_T = TypeVar("_T")

_LIMIT: Final = timedelta(microseconds=(2**63 - 1) // 1000)
"""A duration counts nanoseconds in 64 bits: 292 years."""

_BEYOND: Final = "leaves the range of a timestamp, the years 1 to 9999"

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d))?", re.ASCII
)
_DURATION: Final = re.compile(r"([+-]?)((?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:ns|us|µs|ms|s|m|h))+|0", re.ASCII)
_PART: Final = re.compile(r"(\d*\.?\d*)(ns|us|µs|ms|s|m|h)", re.ASCII)
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_OFFSET: Final = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)


def bounded(span: timedelta) -> timedelta:
    """The duration, within its range."""
    if -_LIMIT <= span <= _LIMIT:
        return span
    raise Fault("leaves the range of a duration, 292 years")


def moment(compute: Callable[[], datetime]) -> datetime:
    """The timestamp that ``compute`` gives, within the years 1 to 9999."""
    try:
        return compute()
    except (OverflowError, ValueError):
        raise Fault(_BEYOND) from None


def timestamp(value: datetime | str | int) -> datetime:
    """A timestamp of an RFC 3339 time, of a date alone (its first moment in UTC) or of Unix seconds."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, int):
        return moment(lambda: EPOCH + timedelta(seconds=value))
    match = _TIMESTAMP.fullmatch(value)
    if match is None:
        raise Fault("is no time; RFC 3339 writes it as 2026-01-31T08:00:00Z")
    day, clock, fraction, zone = match.groups()
    if clock is None:
        clock, zone = "00:00:00", "Z"
    digits = (fraction or "0")[:6].ljust(6, "0")
    offset = "+00:00" if zone in "Zz" else zone
    if day.startswith("0000"):
        raise Fault(_BEYOND)
    date_ = _part(date.fromisoformat, day, "day")
    time_ = _part(time.fromisoformat, f"{clock}.{digits}{offset}", "hour, minute, second or offset")
    return moment(lambda: datetime.combine(date_, time_).astimezone(UTC))


def _part(read: Callable[[str], _T], text: str, name: str) -> _T:
    try:
        return read(text)
    except ValueError:
        raise Fault(f"is no time: there is no such {name}") from None


def duration(value: timedelta | str) -> timedelta:
    """A duration of a text such as ``1h30m``, ``1.5s`` or ``-250ms``."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value)
    if match is None or len(value) > 64:
        raise Fault("is no duration; write it as 1h30m, 1.5s or 250ms")
    nanoseconds = 0
    for number, unit in _PART.findall(value):
        whole, _, fraction = number.partition(".")
        scale = _NANOSECONDS[unit]
        nanoseconds += int(whole or 0) * scale + int(fraction or 0) * scale // 10 ** len(fraction)
    if nanoseconds >= 2**63:
        raise Fault("leaves the range of a duration, 292 years")
    return timedelta(microseconds=(-1 if match[1] == "-" else 1) * (nanoseconds // 1000))


def timestamp_text(value: datetime) -> str:
    """RFC 3339 in UTC, with no more digits than are needed."""
    fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    return f"{value.year:04d}{value:-%m-%dT%H:%M:%S}{fraction}Z"


def duration_text(value: timedelta) -> str:
    """Seconds, as in ``5400s`` and ``1.5s``."""
    seconds, microseconds = divmod(abs(value) // timedelta(microseconds=1), 10**6)
    fraction = f".{microseconds:06d}".rstrip("0") if microseconds else ""
    return f"{'-' if value < timedelta(0) else ''}{seconds}{fraction}s"


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """A zone of the IANA database, or an offset such as ``+02:00``."""
    offset = _OFFSET.fullmatch(name)
    try:
        if offset:
            sign = -1 if offset[1] == "-" else 1
            return timezone(sign * timedelta(hours=int(offset[2]), minutes=int(offset[3])))
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # no such zone raises a KeyError, a name that is a folder an OSError
        raise Fault("names a time zone that is not known; write it as Europe/Berlin or +02:00") from None


def local(value: datetime, zone: str = "UTC") -> datetime:
    """The wall clock of a zone at that time."""
    found = zone_of(zone)
    return moment(lambda: value.astimezone(found))
