"""Message: what is stored of one besides what was said."""

from collections.abc import Mapping
from typing import Any, Final

REACTIONS: Final = "reactions"
"""Field of a stored payload: users by emoji."""


def shown_reactions(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who has reacted with what, as readers see it: [{emoji, count, userIds}]."""
    by_emoji: Mapping[str, list[str]] = payload.get(REACTIONS, {})
    return [{"emoji": emoji, "count": len(users), "userIds": list(users)} for emoji, users in by_emoji.items()]
