"""Jobs that stages give each other."""

from dataclasses import dataclass
from typing import Any

from kxmsg.model.envelope import Bundle


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
    """A committed bundle, to be pushed to one shard of its target's subscribers."""

    shard: int
    bundle: Bundle
