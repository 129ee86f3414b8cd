"""kxmsg.reactions: who has answered with which emoji."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.errors import Conflict, InvalidInput
from kxmsg.reactions import MAX_BYTES, MAX_KINDS, MAX_REACTIONS, Reactions, added, check_emoji, removed

steps = st.lists(st.tuples(st.booleans(), st.sampled_from("🎉👍❤"), st.sampled_from(["ana", "bob", "cleo"])))


@given(steps)
def test_any_sequence_leaves_each_user_at_most_once_with_each_emoji(said: list[tuple[bool, str, str]]) -> None:
    """As a set of pairs would."""
    reactions: Reactions = {}
    pairs: set[tuple[str, str]] = set()
    for on, emoji, user in said:
        reactions = (added if on else removed)(reactions, emoji, user)
        (pairs.add if on else pairs.discard)((emoji, user))
    assert sorted((emoji, user) for emoji, users in reactions.items() for user in users) == sorted(pairs)
    assert all(reactions.values())


def test_kinds_and_reactions_of_one_message_are_limited() -> None:
    kinds: Reactions = {str(number): ["ana"] for number in range(MAX_KINDS)}
    assert added(kinds, "0", "bob")["0"] == ["ana", "bob"]
    with pytest.raises(Conflict, match="different emojis"):
        added(kinds, "new", "ana")
    full: Reactions = {"👍": [str(number) for number in range(MAX_REACTIONS)]}
    assert added(full, "👍", "0") == full
    with pytest.raises(Conflict, match=f"{MAX_REACTIONS} reactions"):
        added(full, "👍", "new")
    long: Reactions = {"👍": [f"{number:0>253}" for number in range(MAX_BYTES // 256)]}
    with pytest.raises(Conflict, match=f"{MAX_BYTES} bytes"):
        added(long, "👍", "new")


@pytest.mark.parametrize("emoji", ["👍", "👩‍👩‍👧", "❤️", "🇩🇪", ":tada:", "+1"])
def test_an_emoji_is_taken_as_it_is(emoji: str) -> None:
    assert check_emoji(emoji) == emoji


@pytest.mark.parametrize("wrong", ["", None, 7, "a b", "\n", "\x00", "\ud800", "x" * 65, ["👍"]], ids=repr)
def test_what_is_no_emoji_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInput):
        check_emoji(wrong)
