"""Channel: one conversation, and who takes part in it."""

from dataclasses import dataclass, field
from typing import Any, Literal

ChannelType = Literal["direct", "group", "lead", "thread", "support", "room"]


@dataclass(frozen=True, slots=True)
class Participant:
    """One membership. Times are ISO-8601 UTC; ``is_active`` is False once the user has left."""

    user: str
    role: str
    joined_at: str
    name: str | None = None
    left_at: str | None = None
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Channel:
    """A conversation. ``participants`` are the active ones, where they were read."""

    id: str
    tenant: str
    type: ChannelType
    created_at: str
    created_by: str
    title: str | None = None
    is_active: bool = True
    metadata: dict[str, Any] = field(default_factory=dict)
    participants: tuple[Participant, ...] = ()
