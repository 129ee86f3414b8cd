"""Backlog: what is in hand and waits for a call, and who may go next. Pure.

Both kinds answer to the same calls. A standard queue's messages go in any order. On a FIFO queue a group is locked from
when its messages are taken until ``done``: groups run in parallel, one group strictly in order.
"""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from kxmsg.runtime.held import Held, in_order


class Backlog(Protocol):
    """Waiting messages. ``len`` counts them."""

    def __len__(self) -> int: ...

    def add(self, messages: Iterable[Held]) -> None:
        """These arrived, in this order."""
        ...

    def take(self, limit: int) -> list[Held]:
        """Up to ``limit`` messages for one call, none where nothing may go now; a message that failed before alone."""
        ...

    def done(self, groups: Iterable[str]) -> None:
        """Nothing of these groups is in work any longer."""
        ...

    def recall(self, group: str) -> list[Held]:
        """Take back what waits of a group, in order: its predecessor failed."""
        ...

    def clear(self) -> list[Held]:
        """Take back everything that waits, in order of arrival."""
        ...


class Unordered:
    """A standard queue's backlog."""

    def __init__(self) -> None:
        self._waiting: deque[Held] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, messages: Iterable[Held]) -> None:
        self._waiting.extend(messages)

    def take(self, limit: int) -> list[Held]:
        waiting = self._waiting
        batch: list[Held] = []
        while waiting and len(batch) < limit and not (batch and waiting[0].alone):
            batch.append(waiting.popleft())
            if batch[0].alone:
                break
        return batch

    def done(self, groups: Iterable[str]) -> None:
        """A standard queue locks nothing."""

    def recall(self, group: str) -> list[Held]:
        return []

    def clear(self) -> list[Held]:
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting


class Grouped:
    """A FIFO queue's backlog. ``together``: how many messages of one group may share a call."""

    def __init__(self, together: int) -> None:
        self._together = together
        self._waiting: dict[str, deque[Held]] = {}
        self._open: deque[str] = deque()  # groups that wait and are not in work, longest first
        self._busy: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, messages: Iterable[Held]) -> None:
        for held in messages:
            queue = self._waiting.get(held.group)
            if queue is None:
                queue = self._waiting[held.group] = deque()
                if held.group not in self._busy:
                    self._open.append(held.group)
            queue.append(held)
            self._count += 1

    def take(self, limit: int) -> list[Held]:
        batch: list[Held] = []
        while self._open and len(batch) < limit:
            group = self._open[0]
            queue = self._waiting[group]
            if batch and queue[0].alone:
                break
            self._open.popleft()
            self._busy.add(group)
            for _ in range(min(len(queue), limit - len(batch), self._together)):
                if batch and queue[0].alone:
                    break
                batch.append(queue.popleft())
                if batch[0].alone:
                    break
            if not queue:
                del self._waiting[group]
            if batch[0].alone:
                break
        self._count -= len(batch)
        return batch

    def done(self, groups: Iterable[str]) -> None:
        for group in groups:
            if group in self._busy:
                self._busy.discard(group)
                if group in self._waiting:
                    self._open.append(group)

    def recall(self, group: str) -> list[Held]:
        queue = self._waiting.pop(group, None)
        if queue is None:
            return []
        if group not in self._busy:
            self._open.remove(group)
        self._count -= len(queue)
        return list(queue)

    def clear(self) -> list[Held]:
        waiting = in_order(held for queue in self._waiting.values() for held in queue)
        self._waiting.clear()
        self._open.clear()
        self._count = 0
        return waiting
