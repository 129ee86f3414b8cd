"""Times as JSON carries them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.times import epoch_of, iso


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_survives_the_round_trip_to_the_millisecond(ms: int) -> None:
    assert round(epoch_of(iso(ms / 1000), -1) * 1000) == ms


def test_times_are_utc_with_milliseconds() -> None:
    assert iso(1_769_846_400.0) == "2026-01-31T08:00:00.000Z"


@pytest.mark.parametrize("text", ["2026-01-31T08:00:00Z", "2026-01-31T09:00:00+01:00", "2026-01-31T08:00:00"])
def test_a_zone_counts_and_its_absence_means_utc(text: str) -> None:
    assert epoch_of(text, 0) == 1_769_846_400.0


@pytest.mark.parametrize("text", ["", "yesterday", "1960-01-01T00:00:00Z", "0001-01-01", "2026-02-30"])
def test_what_is_no_time_since_1970_gives_the_default(text: str) -> None:
    assert epoch_of(text, 7.0) == 7.0
