"""Jobs that stages give each other."""

from dataclasses import dataclass
from typing import Any

from kxmsg.model.envelope import Bundle
from kxmsg.model.preferences import Moment
from kxmsg.model.target import Target


@dataclass(frozen=True, slots=True)
class RenderJob:
    """One template that is due for one event (in EventBridge's shape)."""

    subscription: str
    index: int
    event: dict[str, Any]
    trace: str
    hops: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A committed bundle, to be pushed to one shard of its target's subscribers.

    With a ``moment``, it is pushed again, to those whose quiet hours end then.
    """

    shard: int
    bundle: Bundle
    moment: Moment | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A stored entry, of which some in a shard of its target's readers are to be told when their quiet hours end.

    ``since`` and ``until`` as of :class:`~kxmsg.model.preferences.Moment`.
    """

    tenant: str
    target: Target
    sequence: int
    shard: int
    since: float
    until: int

    @property
    def moment(self) -> Moment:
        """At which it is decided who they are."""
        return Moment(self.since, self.until)
