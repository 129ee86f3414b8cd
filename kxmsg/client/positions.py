"""Positions: which entries and changes of which logs are settled, so that none is shown twice, and from where to go on.

Pure.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from kxmsg.client.records import Frame

MAX_RUNS: Final = 1000
"""Runs of numbers that are remembered of one log; beyond it, the oldest gap counts as closed."""

_ENTRIES: Final = frozenset({"notification", "chat.message", "message"})


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where nothing of a log is missing: its number, and its revision (None: not known yet).

    ``epoch`` None: there was no such log yet. ``seen``: the last number that was had; where it is higher, something
    between is missing, or will never come.
    """

    epoch: str | None
    sequence: int
    revision: int | None
    seen: int = 0


class Numbers:
    """Which numbers of one line are settled, ``last`` the last of them, which may be an earlier program's.

    ``complete``: up to here none is missing, be it settled or not to come.
    """

    def __init__(self, complete: int = 0, last: int = 0) -> None:
        self.complete = complete
        self.last = max(complete, last)
        self._runs: list[list[int]] = [[1, complete]] if complete else []

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._runs, number, key=_first) - 1
        return at >= 0 and number <= self._runs[at][1]

    def settle(self, first: int, last: int) -> None:
        """These have been shown, or never will be."""
        begin = bisect_left(self._runs, first - 1, key=_last)
        end = bisect_right(self._runs, last + 1, key=_first)
        touched = [[first, last], *self._runs[begin:end]]  # they become one
        self._runs[begin:end] = [[min(map(_first, touched)), max(map(_last, touched))]]
        if len(self._runs) > MAX_RUNS:
            self._runs[:2] = [[self._runs[0][0], self._runs[1][1]]]
        self.reach(self.complete)

    def reach(self, number: int) -> None:
        """Nothing is missing up to here; what is not settled may still come."""
        self.complete = max(self.complete, number)
        self.last = max(self.last, self.complete, self._runs[-1][1] if self._runs else 0)
        at = bisect_right(self._runs, self.complete + 1, key=_first) - 1
        if at >= 0:
            self.complete = max(self.complete, self._runs[at][1])


def _first(run: list[int]) -> int:
    return run[0]


def _last(run: list[int]) -> int:
    return run[1]


@dataclass(slots=True)
class _Log:
    """``met``: where it stands was once told by its head, or by a page of what was missed."""

    epoch: str | None
    numbers: Numbers = field(default_factory=Numbers)
    revisions: Numbers = field(default_factory=Numbers)
    met: bool = False


class Positions:
    """Of all logs. ``known`` are those where an earlier program was."""

    def __init__(self, known: Mapping[str, Position] | None = None) -> None:
        self._logs: dict[str, _Log] = {}
        for target, position in (known or {}).items():
            numbers, revisions = Numbers(position.sequence, position.seen), Numbers(position.revision or 0)
            self._logs[target] = _Log(position.epoch, numbers, revisions, position.revision is not None)

    def all(self) -> dict[str, Position]:
        """By target key."""
        return {target: self._position(log) for target, log in self._logs.items()}

    def before(self, waiting: Iterable[Frame]) -> dict[str, Position]:
        """As :meth:`all`, as if these frames had not come."""
        positions = self.all()
        for frame in filter(is_numbered, waiting):
            at = positions.get(frame["targetKey"])
            if at is None or at.epoch != frame["epoch"]:
                continue
            if not is_change(frame):
                at = replace(at, sequence=min(at.sequence, frame["sequenceNumber"] - 1))
            elif at.revision is not None:
                at = replace(at, revision=min(at.revision, frame["revision"] - 1))
            positions[frame["targetKey"]] = at
        return positions

    def get(self, target: str) -> Position | None:
        """Of one log."""
        log = self._logs.get(target)
        return None if log is None else self._position(log)

    def is_other(self, frame: Frame) -> bool:
        """Whether it is of another log than the one that was in its place."""
        log = self._logs.get(str(frame.get("targetKey")))
        return is_numbered(frame) and log is not None and log.epoch not in (None, frame["epoch"])

    def is_new(self, frame: Frame) -> bool:
        """Whether it was not settled before; from now on it is. A frame without a number always is."""
        if not is_numbered(frame):
            return True
        number, target, epoch = frame["sequenceNumber"], frame["targetKey"], frame["epoch"]
        log = self._logs.get(target)
        if log is None or log.epoch not in (None, epoch):
            log = self._logs[target] = _Log(epoch)
        log.epoch = epoch
        if not log.met:
            log.numbers.reach(number)
        line, at = (log.revisions, frame["revision"]) if is_change(frame) else (log.numbers, number)
        if at in line or at < 1:  # a change without a revision has changed nothing
            return False
        line.settle(at, at)
        return True

    def is_early(self, frame: Frame) -> bool:
        """Whether it changes an entry that has not come yet."""
        log, number = self._logs.get(frame["targetKey"]), frame["sequenceNumber"]
        if log is None or not log.met or not is_change(frame):
            return False
        return number > log.numbers.complete and number not in log.numbers

    def has_change(self, target: str, revision: int) -> bool:
        """Whether a change is settled."""
        log = self._logs.get(target)
        return log is not None and revision in log.revisions

    def settle_change(self, target: str, revision: int) -> None:
        """The program made this change itself."""
        log = self._logs.get(target)
        if log is not None:
            log.revisions.settle(revision, revision)

    def meet(self, target: str, epoch: str | None, sequence: int, revision: int) -> None:
        """A log stands here when it is first met: what came before is not missed."""
        log = self._logs.setdefault(target, _Log(epoch))
        log.met = True
        log.numbers.reach(sequence)
        log.revisions.reach(revision)

    def advance(
        self, target: str, epoch: str | None, sequence: int, revision: int, gone: Iterable[tuple[int, int]]
    ) -> None:
        """All has been told up to here: changes are settled and what is gone; of other numbers frames may come."""
        log = self._logs.get(target)
        if log is None:  # it was forgotten meanwhile
            return
        log.epoch, log.met = epoch, True
        for first, last in gone:
            log.numbers.settle(first, last)
        log.numbers.reach(sequence)
        if revision:
            log.revisions.settle(1, revision)

    def restart(self, target: str, epoch: str | None, sequence: int, revision: int) -> None:
        """What came before is known from elsewhere."""
        self._logs[target] = _Log(epoch, Numbers(sequence), Numbers(revision), met=True)

    def forget(self, target: str) -> None:
        """The log concerns the program no more."""
        self._logs.pop(target, None)

    @staticmethod
    def _position(log: _Log) -> Position:
        revision = log.revisions.complete if log.met else None
        return Position(log.epoch, log.numbers.complete, revision, log.numbers.last)


def is_change(frame: Frame) -> bool:
    """Whether it tells what was done to an entry. An entry has a revision too, if it was changed before it came."""
    return "revision" in frame and frame["type"] not in _ENTRIES


def is_numbered(frame: Frame) -> bool:
    """Whether it shows an entry of a log, or a change of one. Signals may name a number, but no epoch."""
    number, target, epoch = (frame.get(name) for name in ("sequenceNumber", "targetKey", "epoch"))
    return isinstance(number, int) and isinstance(target, str) and isinstance(epoch, str)
