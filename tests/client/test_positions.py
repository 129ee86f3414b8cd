"""kxmsg.client.positions: each entry once, and where to go on."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kxmsg.client.positions import REMEMBERED, Position, Positions


def frame(number: int, target: str = "user#ana", epoch: str = "E", **more: Any) -> dict[str, Any]:
    return {"type": "notification", "targetKey": target, "epoch": epoch, "sequenceNumber": number, **more}


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 9), st.integers(0, 3)), max_size=80))
def test_each_entry_and_each_of_its_changes_is_new_once(pushed: list[tuple[str, int, int]]) -> None:
    """In whatever order they come."""
    positions = Positions()
    new = [one for one in pushed if positions.is_new(frame(one[1], one[0], revision=one[2] or None))]
    assert new == list(dict.fromkeys(pushed))
    for target, position in positions.all().items():
        mine = [one for one in pushed if one[0] == target]
        assert position == Position("E", max(one[1] for one in mine), max(one[2] for one in mine))


def test_what_has_no_number_is_always_new() -> None:
    positions = Positions()
    assert [positions.is_new({"type": "typing", "targetKey": "channel#desk"}) for _ in range(2)] == [True, True]
    assert positions.all() == {}


def test_another_epoch_is_another_log() -> None:
    positions = Positions()
    assert [positions.is_new(frame(7)), positions.is_new(frame(7, epoch="F")), positions.is_new(frame(1, epoch="F"))]
    assert positions.all() == {"user#ana": Position("F", 7, 0)}


def test_memory_is_bounded() -> None:
    positions = Positions()
    for number in range(1, REMEMBERED + 2):
        assert positions.is_new(frame(number))
    assert not positions.is_new(frame(2))
    assert positions.is_new(frame(1))
