"""kxmsg.cursor: opaque, signed, bound."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.cursor import MAX_CHARS, bound_to, sign, unsign
from kxmsg.errors import InvalidInput
from kxmsg.types import Json

KEY = b"k" * 32
URL_SAFE = set(string.ascii_letters + string.digits + "-_")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def refused(cursor: str, binding: str = "b", key: bytes = KEY) -> bool:
    with pytest.raises(InvalidInput) as caught:
        unsign(key, cursor, binding)
    return caught.value.code == "invalid_cursor"


@given(json_values, st.text(max_size=30))
def test_gives_back_what_was_signed(data: Json, binding: str) -> None:
    """Round trip, in characters that need no escaping in a URL."""
    cursor = sign(KEY, data, binding)
    assert set(cursor) <= URL_SAFE
    assert unsign(KEY, cursor, binding) == data


@given(st.text(max_size=20), st.text(max_size=20))
def test_opens_for_its_binding_alone(one: str, other: str) -> None:
    """Another user's or another query's cursor is refused."""
    cursor = sign(KEY, {"at": 1}, one)
    if one == other:
        assert unsign(KEY, cursor, other) == {"at": 1}
    else:
        assert refused(cursor, other)


def test_another_key_opens_nothing() -> None:
    """A cursor of another installation is refused."""
    assert refused(sign(b"x" * 32, 1, "b"))


@given(st.integers(0, 200), st.integers(1, 63))
def test_any_changed_character_is_noticed(position: int, shift: int) -> None:
    """Neither tag nor text can be altered (the last character may have unused bits)."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    cursor = sign(KEY, {"position": "E#000000000042"}, "b")
    at = position % (len(cursor) - 1)
    changed = alphabet[(alphabet.index(cursor[at]) + shift) % 64]
    assert refused(cursor[:at] + changed + cursor[at + 1 :])


@given(st.text(max_size=100))
def test_garbage_is_refused(text: str) -> None:
    """Whatever text it is, the answer is the same refusal."""
    assert refused(text)


def test_over_long_text_is_refused() -> None:
    """Even if it is signed."""
    assert refused(sign(KEY, "x" * MAX_CHARS, "b"))


def test_text_cannot_move_into_the_binding() -> None:
    """The length of the binding is part of what is signed."""
    cursor = sign(KEY, "b", "")  # signs the text '"b"'
    assert refused(cursor, '"')


@given(st.lists(json_values, max_size=3), st.lists(json_values, max_size=3))
def test_different_parts_bind_differently(one: list[Json], other: list[Json]) -> None:
    """No two lists of parts give one binding: a separator within a part can't imitate another part."""
    same = repr(one) == repr(other)
    assert not same or bound_to(*one) == bound_to(*other)
    assert one == other or bound_to(*one) != bound_to(*other)
