"""Back-off."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.retry import Backoff


@given(st.integers(0, 10_000), st.integers(), st.floats(0.001, 10), st.floats(10, 1000))
def test_a_delay_lies_between_nothing_and_its_ceiling(attempt: int, seed: int, base: float, cap: float) -> None:
    """However many attempts there were."""
    backoff = Backoff(base, cap)
    assert 0 <= backoff.delay(attempt, Random(seed)) <= backoff.ceiling(attempt) <= cap


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    """From the base on."""
    backoff = Backoff(base=0.5, cap=5)
    assert [backoff.ceiling(attempt) for attempt in range(6)] == [0.5, 1, 2, 4, 5, 5]


def test_the_same_seed_gives_the_same_delays() -> None:
    """And jitter makes them differ from one another."""
    backoff = Backoff()
    first, second = ([backoff.delay(3, rng) for _ in range(5)] for rng in (Random(7), Random(7)))
    assert first == second
    assert len(set(first)) == 5


@pytest.mark.parametrize(("base", "cap"), [(0, 1), (2, 1), (-1, 1)])
def test_a_back_off_that_makes_no_sense_is_refused(base: float, cap: float) -> None:
    """Base above zero, cap not below it."""
    with pytest.raises(ValueError, match="0 < base <= cap"):
        Backoff(base, cap)
