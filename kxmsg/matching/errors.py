"""What a pattern or an event can be wrong about."""

from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices that lead from the whole pattern to a part of it."""


class PatternError(ValueError):
    """A pattern that can't be.

    ``path`` leads to the fault; the message begins with it, dotted, and says what would be right.
    """

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(f"{'.'.join(map(str, path))}: {fault}" if path else fault)
        self.path = path
