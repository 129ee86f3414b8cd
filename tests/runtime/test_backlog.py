"""Backlogs: who may go next."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from kxmsg.ports import Delivery
from kxmsg.runtime.backlog import Grouped, Unordered
from kxmsg.runtime.held import Held


def held(order: int, group: str = "", *, alone: bool = False) -> Held:
    delivery = Delivery(str(order), b"", str(order), 1, 0.0, group or None)
    return Held(delivery, order, group, 0.0, 30.0, 15.0, alone=alone)


def orders(batch: list[Held]) -> list[int]:
    return [one.order for one in batch]


def test_a_standard_queue_goes_as_it_comes() -> None:
    """Up to the limit at a time."""
    backlog = Unordered()
    backlog.add(held(number) for number in range(5))
    assert [orders(backlog.take(3)), orders(backlog.take(3)), backlog.take(3)] == [[0, 1, 2], [3, 4], []]


def test_what_failed_before_shares_a_call_with_no_other() -> None:
    """On either kind of queue."""
    for backlog, group in ((Unordered(), ""), (Grouped(10), "g")):
        backlog.add([held(0, group), held(1, group, alone=True), held(2, group)])
        taken = []
        while batch := backlog.take(10):
            taken.append(orders(batch))
            backlog.done([group])
        assert taken == [[0], [1], [2]]


def test_a_group_is_locked_while_it_is_in_work() -> None:
    """Another one is not."""
    backlog = Grouped(1)
    backlog.add([held(0, "a"), held(1, "a"), held(2, "b")])
    assert orders(backlog.take(10)) == [0, 2]
    assert backlog.take(10) == []
    backlog.done(["a"])
    assert orders(backlog.take(10)) == [1]


def test_messages_of_one_group_may_share_a_call() -> None:
    """As many as are allowed together, in order."""
    backlog = Grouped(2)
    backlog.add([held(0, "a"), held(1, "a"), held(2, "a"), held(3, "b")])
    assert orders(backlog.take(10)) == [0, 1, 3]


def test_what_waits_of_a_group_can_be_recalled() -> None:
    """In order; nothing of it is handed over later."""
    backlog = Grouped(1)
    backlog.add([held(0, "a"), held(1, "a"), held(2, "a"), held(3, "b")])
    backlog.take(1)
    assert orders(backlog.recall("a")) == [1, 2]
    backlog.done(["a"])
    assert orders(backlog.take(10)) == [3]
    assert len(backlog) == 0


def test_everything_that_waits_can_be_taken_back() -> None:
    """In order of arrival, over all groups."""
    backlog = Grouped(10)
    backlog.add([held(0, "a"), held(1, "b"), held(2, "a")])
    assert orders(backlog.clear()) == [0, 1, 2]
    assert backlog.take(10) == []


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30),
    st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.sampled_from("abc")), min_size=1, max_size=60),
    st.integers(1, 5),
)
def test_each_message_goes_once_and_its_group_in_order(
    arrivals: list[tuple[str, bool]], steps: list[tuple[int, bool, str]], together: int
) -> None:
    """Whatever is taken, finished and recalled in between; no group is in work twice at a time."""
    backlog = Grouped(together)
    backlog.add(held(order, group, alone=alone) for order, (group, alone) in enumerate(arrivals))
    seen: dict[str, list[int]] = defaultdict(list)
    recalled: list[int] = []
    working: list[list[Held]] = []
    for limit, recall, group in steps:
        if recall:
            recalled += orders(backlog.recall(group))
        batch = backlog.take(limit)
        assert len(batch) <= limit
        assert len(batch) <= 1 or not any(one.alone for one in batch)
        busy = {one.group for other in working for one in other}
        assert not busy & {one.group for one in batch}
        for one in batch:
            seen[one.group].append(one.order)
        if batch:
            working.append(batch)
        elif working:
            backlog.done({one.group for one in working.pop(0)})
    for batch in working:
        backlog.done({one.group for one in batch})
    left: list[int] = []
    while batch := backlog.take(3):  # nothing is stuck
        left += orders(batch)
        backlog.done({one.group for one in batch})
    assert len(backlog) == 0
    assert all(numbers == sorted(numbers) for numbers in seen.values())
    assert sorted([*left, *recalled, *(number for numbers in seen.values() for number in numbers)]) == list(
        range(len(arrivals))
    )
