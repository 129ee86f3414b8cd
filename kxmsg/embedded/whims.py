"""Whims: what AWS may do at any time and seldom does, on purpose and repeatably."""

import random
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

BATCH_LIMIT: Final = 10


class Whims:
    """Each is within SQS's promises ("At-least-once delivery", "Best-effort ordering" in its Developer Guide)."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def failed(self, entries: int) -> set[int]:
        """Positions of a batch that fail for no reason."""
        return {index for index in range(entries) if self._random.random() < 0.02}

    def fewer(self, limit: int) -> int:
        """How many messages a receive gets at most, although there may be more."""
        return self._random.randint(1, limit)

    def copies(self) -> int:
        """How often a standard queue delivers a message, were each delivery acknowledged."""
        return 2 if self._random.random() < 0.02 else 1

    def some(self, available: Sequence[T], limit: int) -> list[T]:
        """Up to ``limit`` of them, out of order."""
        return self._random.sample(available, min(limit, len(available)))
