"""Verdict: what becomes of each message after its call. Pure.

A call's messages are split into runs, one per FIFO group (on a standard queue each message is a run of its own). Within
a run, what follows a message that the handler failed goes back, in order, and nothing of it counts as failed: whether
it was handled is not known.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from kxmsg.errors import LeaseLost, Poison, Transient
from kxmsg.retry import Backoff, Jitter
from kxmsg.runtime.faults import describe
from kxmsg.runtime.held import Held

HALT_DELAY: Final = 900.0
"""Seconds between the tries of a message that halts its group."""

REMEMBERED: Final = 10_000
"""Messages whose failures are remembered; who falls out of memory still has the broker's receive count."""

OnDead = Literal["skip", "halt"]
"""A FIFO message that is given up: its group goes on without it, or waits for it."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Of one message that was not handled.

    ``retry``: back to its queue for ``delay`` seconds. ``bury``: to the dead-letter queue with ``reason``. ``park``:
    kept in hand to probe with. ``drop``: its lease was lost, it is no longer ours. ``unseen``: the handler did not get
    it, so what follows it in its group was handled all the same.
    """

    kind: Literal["retry", "bury", "park", "drop"]
    delay: float = 0.0
    reason: str = ""
    failures: int = 0
    unseen: bool = False


class Failures:
    """How often each message failed in this process; the longest untouched is forgotten first."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._counts: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, ident: str) -> bool:
        return ident in self._counts

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, ident: str) -> int:
        """One more; returns how many by now."""
        count = self._counts.pop(ident, 0) + 1
        self._counts[ident] = count
        if len(self._counts) > self._limit:
            self._counts.popitem(last=False)
        return count

    def count(self, ident: str) -> int:
        return self._counts.get(ident, 0)

    def forget(self, idents: Iterable[str]) -> None:
        """These were handled, or are no longer ours."""
        for ident in idents:
            self._counts.pop(ident, None)


@dataclass(frozen=True, slots=True)
class Policy:
    """When a message is given up. ``max_receives`` is the broker's limit, beyond which it buries without a reason."""

    max_failures: int
    max_receives: int
    on_dead: OnDead = "skip"
    backoff: Backoff = field(default=Backoff(base=1.0, cap=60.0))

    def sentence(self, held: Held, error: BaseException, failures: Failures, rng: Jitter) -> Sentence:
        """What to do with ``held``, whose handler failed with ``error``; counts the failure unless it is transient."""
        ident = held.delivery.id
        if held.lost:
            return Sentence("drop")
        last_chance = held.delivery.receives >= self.max_receives - 1
        if isinstance(error, Transient | LeaseLost):
            count = failures.count(ident)
            if not last_chance:
                return Sentence("retry", self.backoff.delay(held.delivery.receives - 1, rng), failures=count)
        elif isinstance(error, Poison):
            count = failures.add(ident)
        else:
            count = failures.add(ident)
            if count < self.max_failures and not last_chance:
                return Sentence("retry", self.backoff.delay(count - 1, rng), failures=count)
        if self.on_dead == "halt" and held.group and not last_chance:
            return Sentence("retry", HALT_DELAY, failures=count)
        return Sentence("bury", reason=describe(error), failures=count)


@dataclass(slots=True)
class Run:
    """A call's messages of one group, in order, and what is decided about them so far.

    Each message ends in ``handled``, ``back``, ``parked``, ``dropped`` or is told by :meth:`next_dead`.
    """

    group: str
    messages: Sequence[Held]
    sentences: Mapping[int, Sentence]  # by Held.order
    handled: list[Held] = field(default_factory=list)
    back: list[Held] = field(default_factory=list)
    dropped: list[Held] = field(default_factory=list)
    parked: Held | None = None
    delay: float = 0.0
    _position: int = 0
    _stopped: bool = False

    @property
    def broken(self) -> bool:
        """Some message was not brought to an end, so what follows in its group must go back too."""
        return bool(self.back or self.dropped or self.parked)

    def next_dead(self) -> tuple[Held, Sentence] | None:
        """Decide on; stop at the next message to bury and return it, or None at the end of the run."""
        while self._position < len(self.messages):
            held = self.messages[self._position]
            sentence = self.sentences.get(held.order)
            if self._stopped:
                self._break(Sentence("retry"))
            elif sentence is None:
                self.handled.append(held)
                self._position += 1
            elif sentence.kind == "bury":
                self._position += 1
                self._stopped = not sentence.unseen
                return held, sentence
            else:
                self._break(sentence)
        return None

    def refuse(self, delay: float) -> None:
        """The message that :meth:`next_dead` returned could not be buried: it goes back, with all that follows it."""
        self._position -= 1
        self._break(Sentence("retry", delay))

    def _break(self, sentence: Sentence) -> None:
        first, rest = self.messages[self._position], list(self.messages[self._position + 1 :])
        self._position = len(self.messages)
        self.delay = sentence.delay
        if sentence.kind == "drop":
            self.dropped.append(first)
        elif sentence.kind == "park":
            self.parked = first
        else:
            rest.insert(0, first)
        self.give_back(rest)

    def give_back(self, messages: Iterable[Held]) -> None:
        """These follow a message that went back; of them, too, what is lost is no longer ours to give."""
        for held in messages:
            (self.dropped if held.lost else self.back).append(held)


def first_failures(batch: Sequence[Held], failed: Iterable[int]) -> list[int]:
    """Of the positions that failed those that count: on a FIFO queue the first of each group."""
    groups: set[str] = set()
    counted: list[int] = []
    for position in sorted(failed):
        group = batch[position].group
        if not group or group not in groups:
            counted.append(position)
            groups.add(group)
    return counted


def runs(batch: Sequence[Held], sentences: Mapping[int, Sentence]) -> list[Run]:
    """The runs of a call."""
    groups: dict[str | int, list[Held]] = {}
    for held in batch:
        groups.setdefault(held.group or held.order, []).append(held)
    return [Run(messages[0].group, messages, sentences) for messages in groups.values()]
