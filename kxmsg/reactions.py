"""Reactions: who has answered a message with which emoji. Pure decisions."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from kxmsg.errors import Conflict, InvalidInput

MAX_KINDS: Final = 20
"""Different emojis of one message."""

MAX_REACTIONS: Final = 400
"""Reactions of one message."""

MAX_BYTES: Final = 16 * 1024
"""Bytes of the users in them, three more for each: they are sent with the message, whose frame is below 128 KB."""

MAX_EMOJI: Final = 64
"""Bytes of one emoji, or of its name as ``:tada:``."""

Reactions: TypeAlias = Mapping[str, Sequence[str]]
"""Users by emoji, both in the order in which they came."""

_FORBIDDEN: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
"""Categories of what is neither emoji nor name: control, spaces. Joiners (Cf) are part of many an emoji."""


def check_emoji(emoji: Any) -> str:
    """An emoji as it was given; raises InvalidInput for what is none nor the name of one."""
    if not isinstance(emoji, str) or not emoji or len(emoji.encode("utf-8", "surrogatepass")) > MAX_EMOJI:
        raise InvalidInput(f"emoji must be a text of 1 to {MAX_EMOJI} bytes", code="invalid_emoji")
    if any(unicodedata.category(character) in _FORBIDDEN for character in emoji):
        raise InvalidInput("emoji may hold neither spaces nor control characters", code="invalid_emoji")
    return emoji


def added(reactions: Reactions, emoji: str, user: str) -> Reactions:
    """With the user's reaction, which each has once. Raises :class:`~kxmsg.errors.Conflict` for too many."""
    users = reactions.get(emoji, ())
    if user in users:
        return reactions
    if emoji not in reactions and len(reactions) >= MAX_KINDS:
        raise Conflict(f"a message takes {MAX_KINDS} different emojis; choose one of them", code="too_many_reactions")
    if sum(map(len, reactions.values())) >= MAX_REACTIONS:
        raise Conflict(f"a message takes {MAX_REACTIONS} reactions", code="too_many_reactions")
    if sum(_size(one) for some in reactions.values() for one in some) + _size(user) > MAX_BYTES:
        raise Conflict(f"a message takes {MAX_BYTES} bytes of reactions", code="too_many_reactions")
    return {**reactions, emoji: [*users, user]}


def removed(reactions: Reactions, emoji: str, user: str) -> Reactions:
    """Without the user's reaction; an emoji that nobody reacts with any more is gone."""
    left = {kind: [one for one in users if (kind, one) != (emoji, user)] for kind, users in reactions.items()}
    return {kind: users for kind, users in left.items() if users}


def _size(user: str) -> int:
    return len(user.encode("utf-8", "surrogatepass")) + 3
