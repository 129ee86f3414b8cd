"""A clock that tests set, and what makes embedded queues."""

import pytest


class ManualClock:
    """A ``Clock`` that stands until it is moved."""

    def __init__(self) -> None:
        self.time = 1_750_000_000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
