"""kxmsg.preferences: who is told of what, now, later or never."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.model.envelope import Envelope
from kxmsg.model.preferences import DAY, Moment, Preferences, QuietHours
from kxmsg.preferences import NEVER, NOW, Told, quiet_until, time_zones, told
from tests.product import DESK, envelope

BERLIN = "Europe/Berlin"
NIGHT = QuietHours(22 * 60, 7 * 60)


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def notification(**payload: Any) -> Envelope:
    return envelope("n", payload=payload)


NOON = Moment(at("2026-11-20T12:00"))
MIDNIGHT = Moment(at("2026-11-20T00:00"))
MORNING = int(at("2026-11-20T07:00"))


def test_who_never_said_anything_is_told_of_everything_at_once() -> None:
    for preferences in (
        None,
        Preferences(),
        Preferences(locale="de", time_zone=BERLIN),
        Preferences(muted={"x": frozenset()}),
    ):
        assert told(preferences, "events", notification(category="x"), MIDNIGHT) == NOW


@pytest.mark.parametrize(
    ("entry", "way", "expected"),
    [
        (notification(category="ads"), "websocket", NOW),
        (notification(category="ads"), "events", NEVER),
        (notification(category="ads", priority="urgent"), "events", NEVER),
        (notification(category="orders"), "events", NOW),
        (notification(category="news"), "events", NOW),
        (notification(category="news"), "websocket", NEVER),
        (notification(), "websocket", NEVER),
        (envelope("m", DESK), "events", NOW),
        (envelope("m", DESK), "websocket", NEVER),
    ],
    ids=str,
)
def test_a_category_is_muted_by_way_and_the_star_stands_for_those_that_are_not_named(
    entry: Envelope, way: Any, expected: Told
) -> None:
    muted = {
        "ads": frozenset({"events"}),
        "orders": frozenset[Any](),
        "messages": frozenset({"websocket"}),
        "*": frozenset({"websocket"}),
    }
    assert told(Preferences(muted=muted), way, entry, NOON) == expected


def test_what_comes_in_quiet_hours_is_told_at_their_end_but_for_what_is_urgent() -> None:
    asleep = Preferences(time_zone=BERLIN, quiet_hours=NIGHT)
    later = Told(False, MORNING)
    assert told(asleep, "websocket", notification(priority="high"), MIDNIGHT) == later
    assert told(asleep, "websocket", notification(priority="high"), NOON) == NOW
    assert told(asleep, "websocket", notification(priority="urgent"), MIDNIGHT) == NOW
    strict = Preferences(time_zone=BERLIN, quiet_hours=QuietHours(NIGHT.start, NIGHT.end, allow_urgent=False))
    assert told(strict, "events", notification(priority="urgent"), MIDNIGHT) == later


def test_at_the_end_of_quiet_hours_those_are_told_who_waited_for_it_and_no_others() -> None:
    end = Moment(MIDNIGHT.since, MORNING)
    entry = notification()
    waited = Preferences(time_zone=BERLIN, quiet_hours=NIGHT)
    assert told(waited, "websocket", entry, end) == NOW
    for other in (
        None,  # was told at once
        Preferences(time_zone="Europe/London", quiet_hours=NIGHT),  # waits an hour more
        Preferences(time_zone=BERLIN, quiet_hours=QuietHours(0, 60)),  # was told at one
        Preferences(time_zone=BERLIN, quiet_hours=NIGHT, muted={"*": frozenset({"websocket"})}),
    ):
        assert told(other, "websocket", entry, end) == NEVER


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-03-28T23:00", "2026-03-29T07:00"),  # a night of 23 hours
        ("2026-10-24T23:00", "2026-10-25T07:00"),  # a night of 25 hours
        ("2026-11-20T21:59:59", None),
        ("2026-11-20T22:00", "2026-11-21T07:00"),
        ("2026-11-20T06:59:59", "2026-11-20T07:00"),
        ("2026-11-20T07:00", None),
    ],
)
def test_hours_are_those_of_the_users_clock(moment: str, end: str | None) -> None:
    assert quiet_until(NIGHT, BERLIN, at(moment)) == (None if end is None else int(at(end)))


def test_an_end_that_clocks_skip_or_pass_twice_ends_them_once() -> None:
    to_half_past_two = QuietHours(22 * 60, 2 * 60 + 30)
    before_the_gap = quiet_until(to_half_past_two, BERLIN, at("2026-03-29T01:00"))
    assert before_the_gap == datetime(2026, 3, 29, 1, 30, tzinfo=UTC).timestamp()
    before_the_fold = quiet_until(to_half_past_two, BERLIN, at("2026-10-25T01:00"))
    assert before_the_fold == datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    assert quiet_until(to_half_past_two, BERLIN, before_the_fold + 1800) is None


@given(
    start=st.integers(0, DAY - 1),
    length=st.integers(1, DAY - 1),
    zone=st.sampled_from([BERLIN, "UTC", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]),
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - in the zone drawn
)
def test_quiet_hours_end_when_the_clock_says_so(start: int, length: int, zone: str, moment: datetime) -> None:
    """Within a day, at the hour said, and then they are over; but for the nights when clocks are set."""
    quiet = QuietHours(start, (start + length) % DAY)
    now = moment.replace(tzinfo=ZoneInfo(zone))
    end = quiet_until(quiet, zone, now.timestamp())
    if end is None:
        return
    assert now.timestamp() < end <= now.timestamp() + timedelta(hours=25).total_seconds()
    local = datetime.fromtimestamp(end, ZoneInfo(zone))
    if local.utcoffset() == now.utcoffset():
        assert local.hour * 60 + local.minute == quiet.end
    assert quiet_until(quiet, zone, end) is None or local.utcoffset() != now.utcoffset()


def test_preferences_survive_being_stored() -> None:
    whole = Preferences("de", BERLIN, {"ads": frozenset({"events"}), "orders": frozenset()}, NIGHT)
    for preferences in (whole, Preferences()):
        assert Preferences.of(preferences.fields()) == preferences


def test_the_zones_are_those_of_the_database() -> None:
    assert {BERLIN, "UTC", "America/New_York"} <= time_zones()
