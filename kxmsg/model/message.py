"""Message: what is stored of one besides what was said."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from kxmsg.model.envelope import Envelope

REACTIONS: Final = "reactions"
"""Field of a stored payload: users by emoji."""


def shown_reactions(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who has reacted with what, as readers see it: [{emoji, count, userIds}]."""
    by_emoji: Mapping[str, list[str]] = payload.get(REACTIONS, {})
    return [{"emoji": emoji, "count": len(users), "userIds": list(users)} for emoji, users in by_emoji.items()]


def with_reactions(envelope: Envelope, reactions: Mapping[str, Sequence[str]]) -> Envelope:
    """The message with these reactions, users by emoji, and no others."""
    others = {name: value for name, value in envelope.payload.items() if name != REACTIONS}
    return replace(envelope, payload={**others, REACTIONS: reactions} if reactions else others)
