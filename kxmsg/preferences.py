"""Preferences, decided: whether a user is told of an entry now, later or never. Pure, but for the zones' database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from kxmsg.model.connection import Place
from kxmsg.model.envelope import Entry, Envelope
from kxmsg.model.job import Wait
from kxmsg.model.preferences import DAY, OTHERS, Moment, Preferences, QuietHours, Way

MESSAGES: Final = "messages"
"""Category of everything that is said, in channels and to inboxes."""


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """Names of the IANA database."""
    return frozenset(available_timezones())


@dataclass(frozen=True, slots=True)
class Told:
    """``now``, or else ``later``: at the end of quiet hours, epoch seconds; None: never, or already."""

    now: bool
    later: int | None = None


NOW: Final = Told(True)
NEVER: Final = Told(False)


def told(preferences: Preferences | None, way: Way, envelope: Envelope, moment: Moment) -> Told:
    """Whether one is told of an entry by this way.

    It rests on the first time alone, whenever it is asked, so that who was left to wait is known without a list.
    """
    silent = preferences is not None and preferences.silences
    due = _due(preferences, way, envelope, moment.since) if silent and preferences is not None else NOW
    if moment.until is None:
        return due
    return NOW if due.later == moment.until else NEVER


def _due(preferences: Preferences, way: Way, envelope: Envelope, since: float) -> Told:
    muted = preferences.muted
    if way in muted.get(category(envelope), muted.get(OTHERS, ())):
        return NEVER
    quiet = preferences.quiet_hours
    if quiet is None or (quiet.allow_urgent and envelope.payload.get("priority") == "urgent"):
        return NOW
    until = quiet_until(quiet, preferences.time_zone, since)
    return NOW if until is None else Told(False, until)


def waits(place: Place, entry: Entry, shard: int, moment: Moment, decided: Iterable[Told]) -> set[Wait]:
    """What some readers of an entry, in one shard of its log's, were left to wait for."""
    ends = {how.later for how in decided if how.later is not None}
    return {Wait(place.tenant, place.target, entry.sequence, shard, moment.since, until) for until in ends}


def category(envelope: Envelope) -> str:
    """What it counts as; empty for a notification of no category."""
    return MESSAGES if envelope.kind == "message" else str(envelope.payload.get("category", ""))


def quiet_until(quiet: QuietHours, time_zone: str, at: float) -> int | None:
    """When the quiet hours end that ``at`` is in, both epoch seconds; None where it is in none.

    Of an end that clocks pass twice, it is the first; of one that they skip, that of the time as it was before.
    """
    zone = ZoneInfo(time_zone)
    local = datetime.fromtimestamp(at, zone)
    minute = local.hour * 60 + local.minute
    length = (quiet.end - quiet.start) % DAY
    if (minute - quiet.start) % DAY >= length:
        return None
    day = local.date() + timedelta(days=1 if quiet.end <= minute else 0)
    end = ceil(datetime(day.year, day.month, day.day, quiet.end // 60, quiet.end % 60, tzinfo=zone).timestamp())
    return end if end > at else None
