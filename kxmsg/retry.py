"""Back-off, as pure policy: exponential with full jitter."""

import random
from dataclasses import dataclass
from typing import Final, Protocol


class Jitter(Protocol):
    """Where randomness comes from: a seeded :class:`random.Random`, or the module :mod:`random`."""

    def uniform(self, a: float, b: float) -> float: ...


_MAX_DOUBLINGS: Final = 60
"""Beyond this a float's exponent says nothing more, and far beyond it overflows."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays in seconds: attempt ``n`` (from 0) waits between nothing and ``min(cap, base * 2**n)``.

    Full jitter, since it spreads those who failed together the widest.
    """

    base: float = 0.5
    cap: float = 30.0

    def __post_init__(self) -> None:
        if not 0 < self.base <= self.cap:
            raise ValueError(f"a back-off needs 0 < base <= cap, not {self.base} and {self.cap}")

    def ceiling(self, attempt: int) -> float:
        """The longest that this attempt may wait."""
        return min(self.cap, self.base * 2.0 ** min(max(attempt, 0), _MAX_DOUBLINGS))

    def delay(self, attempt: int, rng: Jitter = random) -> float:
        """How long to wait before the next try."""
        return rng.uniform(0.0, self.ceiling(attempt))
