"""Loops: mappings that would answer what they make themselves. Pure.

What was stored is told to the bus under our own source, so a mapping of such an event may make what tells it again.
A mapping with ``when`` may end its loop itself; the limit of hops ends the others that can't be foreseen here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kxmsg.matching import Pattern
from kxmsg.model.event import OWN_SOURCE
from kxmsg.model.target import TargetType
from kxmsg.own_events import caused_by
from kxmsg.subscriptions.problems import At


@dataclass(frozen=True, slots=True)
class Answer:
    """A mapping as far as loops go. ``priority`` is None where there is none, and absent where the event decides it."""

    name: str
    at: At
    pattern: Pattern
    detail_type: str
    kind: str
    target_type: TargetType
    known: Mapping[str, str | None]

    def causes(self, other: "Answer") -> bool:
        """Whether what this makes may be answered by ``other``."""
        if other.detail_type not in caused_by(self.kind, self.target_type):
            return False
        event = {"source": OWN_SOURCE, "detail-type": other.detail_type, "detail.eventType": other.detail_type}
        return other.pattern.admits({**event, "detail.targetType": self.target_type, **self.known})


def loops(answers: Sequence[Answer]) -> Iterator[list[Answer]]:
    """For each mapping that would come to answer itself, the way there and back, shortest first."""
    own = [answer for answer in answers if answer.pattern.admits({"source": OWN_SOURCE})]
    following = {answer.name: [other for other in own if answer.causes(other)] for answer in own}
    for start in own:
        ways = [[start]]
        seen: set[str] = set()
        while ways:
            way = ways.pop(0)
            for answer in following[way[-1].name]:
                if answer is start:
                    ways = []
                    yield way
                    break
                if answer.name not in seen:
                    seen.add(answer.name)
                    ways.append([*way, answer])
