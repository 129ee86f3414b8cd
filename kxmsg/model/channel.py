"""Channel: one conversation, and who takes part in it."""

from dataclasses import dataclass, field
from typing import Any, Literal

ChannelType = Literal["direct", "group", "lead", "thread", "support", "room"]
LeadStatus = Literal["unclaimed", "claimed"]


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
    """A conversation. Times are ISO-8601 UTC.

    ``participants`` are the active ones and ``former`` those who left, where they were read. ``participant_hash`` is of
    the active ones. ``bot`` is whose bot serves the channel, also while a lead is claimed and the bot away. ``agent``
    is who has taken over from it while ``is_human_override``. Each change raises ``revision``. ``deleted_by``: the
    channel is being destroyed, and answers as one that does not exist.
    """

    id: str
    tenant: str
    type: ChannelType
    created_at: str
    created_by: str
    title: str | None = None
    is_active: bool = True
    metadata: dict[str, Any] = field(default_factory=dict)
    participants: tuple[Participant, ...] = ()
    former: tuple[Participant, ...] = ()
    participant_hash: str = ""
    updated_at: str = ""
    revision: int = 1
    bot: str | None = None
    lead_status: LeadStatus | None = None
    claimed_by: str | None = None
    is_human_override: bool = False
    agent: str | None = None
    deleted_by: str | None = None

    def participant(self, user: str) -> Participant | None:
        """The user's active membership, or None."""
        return next((person for person in self.participants if person.user == user), None)

    def once(self, user: str) -> Participant | None:
        """The user's membership that has ended, or None."""
        return next((person for person in self.former if person.user == user), None)


@dataclass(frozen=True, slots=True)
class ChannelChange:
    """What becomes of a channel: itself as it will be, and the memberships that differ from now, as they will be.

    ``renamed`` take part before and after, with another role or name.
    """

    channel: Channel
    entered: tuple[Participant, ...] = ()
    left: tuple[Participant, ...] = ()
    renamed: tuple[Participant, ...] = ()

    @property
    def people(self) -> tuple[Participant, ...]:
        """Every membership to write."""
        return *self.entered, *self.left, *self.renamed
