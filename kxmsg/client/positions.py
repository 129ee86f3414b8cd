"""Positions: which entries of which logs have been seen, so that none is shown twice, and from where to go on. Pure."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from kxmsg.client.records import Frame

REMEMBERED: Final = 1000
"""Entries of one log that are remembered one by one; a repeat comes soon or not at all."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last number and the last revision that were seen of a log, of the ``epoch`` it is in."""

    epoch: str
    sequence: int
    revision: int


@dataclass(slots=True)
class _Log:
    epoch: str
    sequence: int = 0
    revision: int = 0
    seen: "OrderedDict[tuple[int, int], None]" = field(default_factory=OrderedDict)


class Positions:
    """Of all logs that frames came from."""

    def __init__(self) -> None:
        self._logs: dict[str, _Log] = {}

    def is_new(self, frame: Frame) -> bool:
        """Whether it was not seen before; from now on it was. A frame without a number always is."""
        number, target = frame.get("sequenceNumber"), frame.get("targetKey")
        if not isinstance(number, int) or not isinstance(target, str):
            return True
        epoch, revision = str(frame.get("epoch")), int(frame.get("revision") or 0)
        log = self._logs.get(target)
        if log is None or log.epoch != epoch:  # another log is in its place now
            log = self._logs[target] = _Log(epoch)
        if (number, revision) in log.seen:
            return False
        log.seen[number, revision] = None
        if len(log.seen) > REMEMBERED:
            log.seen.popitem(last=False)
        log.sequence, log.revision = max(log.sequence, number), max(log.revision, revision)
        return True

    def all(self) -> dict[str, Position]:
        """By target key."""
        return {target: Position(log.epoch, log.sequence, log.revision) for target, log in self._logs.items()}
