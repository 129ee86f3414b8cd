"""kxmsg.client.positions: each entry and each change once, and where to go on."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kxmsg.client import positions as module
from kxmsg.client.positions import Numbers, Position, Positions


def frame(number: int, target: str = "user#ana", epoch: str = "E", **more: Any) -> dict[str, Any]:
    kind = "notification.updated" if "revision" in more else "notification"
    return {"type": kind, "targetKey": target, "epoch": epoch, "sequenceNumber": number, **more}


def met(**at: tuple[int, int]) -> Positions:
    positions = Positions()
    for target, (sequence, revision) in at.items():
        positions.meet(target, "E", sequence, revision)
    return positions


ranges = st.tuples(st.integers(1, 30), st.integers(0, 5)).map(lambda one: (one[0], one[0] + one[1]))


@given(st.integers(0, 20), st.lists(st.one_of(ranges, st.integers(0, 30)), max_size=25))
def test_numbers_are_settled_or_not_and_complete_as_far_as_none_is_missing(
    complete: int, steps: list[tuple[int, int] | int]
) -> None:
    """As a set would say it."""
    numbers, settled = Numbers(complete), set(range(1, complete + 1))
    for step in steps:
        if isinstance(step, int):
            numbers.reach(step)
            complete = max(complete, step)
        else:
            numbers.settle(*step)
            settled |= set(range(step[0], step[1] + 1))
        while complete + 1 in settled:
            complete += 1
        assert {number for number in range(1, 50) if number in numbers} == settled
        assert numbers.complete == complete


changes = st.tuples(st.sampled_from(["a", "b"]), st.booleans(), st.integers(1, 12))


@given(st.lists(changes, max_size=80))
def test_each_entry_and_each_change_is_new_once(pushed: list[tuple[str, bool, int]]) -> None:
    """In whatever order they come; one stands where none is missing."""
    positions = met(a=(0, 0), b=(0, 0))
    new = [
        one
        for one in pushed
        if positions.is_new(frame(3, one[0], revision=one[2]) if one[1] else frame(one[2], one[0]))
    ]
    assert new == list(dict.fromkeys(pushed))
    for target, position in positions.all().items():
        lines = [{one[2] for one in pushed if one[:2] == (target, kind)} for kind in (False, True)]
        ends = [next(number for number in range(1, 14) if number not in line) - 1 for line in lines]
        assert position == Position("E", ends[0], ends[1], max(lines[0], default=0))


def test_what_has_no_number_is_always_new() -> None:
    """Also a signal that tells of one."""
    positions = Positions()
    for signal in ({"type": "typing"}, {"type": "read", "sequenceNumber": 7}):
        assert [positions.is_new({**signal, "targetKey": "channel#desk"}) for _ in range(2)] == [True, True]
    assert positions.all() == {}


def test_another_epoch_is_another_log() -> None:
    positions = met(**{"user#ana": (6, 2)})
    assert positions.is_new(frame(7))
    assert (positions.is_other(frame(8)), positions.is_other(frame(7, epoch="F"))) == (False, True)
    assert [positions.is_new(frame(7, epoch="F")), positions.is_new(frame(1, epoch="F"))] == [True, True]
    assert positions.all() == {"user#ana": Position("F", 7, None, 7)}


def test_a_log_that_was_not_there_yet_gets_its_epoch_with_its_first_frame() -> None:
    positions = Positions()
    positions.meet("user#ana", None, 0, 0)
    assert positions.all() == {"user#ana": Position(None, 0, 0)}
    assert not positions.is_other(frame(1))
    assert positions.is_new(frame(1))
    assert positions.all() == {"user#ana": Position("E", 1, 0, 1)}


def test_a_change_is_early_where_its_entry_is_still_missing() -> None:
    positions = met(a=(2, 0))
    assert positions.is_new(frame(4, "a"))
    assert [positions.is_early(frame(number, "a", revision=1)) for number in (2, 3, 4, 5)] == [False, True, False, True]
    assert not positions.is_early(frame(5, "a"))
    assert positions.get("a") == Position("E", 2, 0, seen=4)
    entry = {**frame(5, "a"), "revision": 1}
    assert (positions.is_new(entry), positions.has_change("a", 1)) == (True, False)


def test_of_a_log_that_was_not_met_the_changes_are_not_known() -> None:
    positions = Positions()
    assert [positions.is_new(frame(7)), positions.is_new(frame(5)), positions.is_new(frame(5))] == [True, True, False]
    assert positions.get("user#ana") == Position("E", 7, None, 7)
    positions.meet("user#ana", "E", 8, 3)
    assert positions.get("user#ana") == Position("E", 8, 3, 8)
    assert positions.is_new(frame(8))


def test_a_change_that_changed_nothing_is_not_new() -> None:
    assert not met(a=(1, 0)).is_new(frame(1, "a", revision=0))


def test_what_was_told_in_full_is_settled_but_for_numbers_that_had_no_frame() -> None:
    positions = met(a=(2, 1))
    positions.advance("a", "E", 6, 5, gone=[(3, 4)])
    positions.advance("b", "E", 6, 5, gone=[(3, 4)])
    assert positions.all() == {"a": Position("E", 6, 5, 6)}
    assert [positions.is_new(frame(number, "a")) for number in (3, 4, 5, 6)] == [False, False, True, True]
    assert [positions.is_new(frame(1, "a", revision=one)) for one in (1, 5, 6)] == [False, False, True]


def test_what_waits_to_be_taken_is_before_where_one_stands() -> None:
    positions = met(a=(2, 1), b=(2, 1))
    frames = [frame(3, "a"), frame(4, "a"), frame(1, "a", revision=2), frame(3, "b"), frame(9, "c", epoch="F")]
    assert all(positions.is_new(one) for one in frames[:4])
    assert positions.all() == {"a": Position("E", 4, 2, 4), "b": Position("E", 3, 1, 3)}
    assert positions.before(frames[1:]) == {
        "a": Position("E", 3, 1, seen=4),
        "b": Position("E", 2, 1, seen=3),
    }


def test_an_earlier_programs_positions_are_gone_on_from() -> None:
    positions = Positions({"a": Position("E", 5, 2, 5), "b": Position("E", 5, None, 5)})
    assert positions.all() == {"a": Position("E", 5, 2, 5), "b": Position("E", 5, None, 5)}
    assert [positions.is_new(frame(number, "a")) for number in (5, 6)] == [False, True]


def test_memory_is_bounded() -> None:
    """The oldest gap is closed."""
    positions = met(a=(0, 0))
    for number in range(2, 2 * module.MAX_RUNS + 3, 2):
        assert positions.is_new(frame(number, "a"))
    assert [positions.is_new(frame(number, "a")) for number in (3, 5)] == [False, True]
