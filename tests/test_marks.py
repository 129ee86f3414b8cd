"""Marks and views against a model that writes every number down."""

from hypothesis import given
from hypothesis import strategies as st

from kxmsg.lifetimes import GONE, Lifetimes
from kxmsg.marks import STATUSES, Mark, Marking, Status, View

LIVE = 100
actions = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["unread", "read", "archived", "deleted"]), st.sets(st.integers(1, 60), max_size=10)),
        st.tuples(st.just("all"), st.integers(0, 60)),
        st.tuples(st.just("above"), st.integers(0, 30)),
    ),
    max_size=15,
)


@given(st.integers(0, 40), actions)
def test_a_number_stands_as_it_was_last_marked(first: int, script: list[tuple[str, object]]) -> None:
    mark, floor = Mark.at_first_contact(0, first), 0
    truth: dict[int, str] = {number: "read" if number <= first else "unread" for number in range(1, 61)}
    for verb, what in script:
        if isinstance(what, set):
            how: Marking = verb  # type: ignore[assignment] # drawn from them
            mark = mark.marked(what, how)
            truth |= {number: verb for number in what if truth[number] != "deleted"}
        elif verb == "all" and isinstance(what, int):
            mark = mark.all_read(what, 7)
            truth |= {number: "read" for number in range(1, what + 1) if truth[number] == "unread"}
        elif isinstance(what, int):
            floor = max(floor, what)
            mark = mark.above(what)
        mark = Mark.of(mark.fields())
        for number, status in truth.items():
            expected = None if number <= floor or status == "deleted" else status
            assert mark.status(number) == expected
    view = View.of(60, Lifetimes().grown([LIVE] * 60, 0)[0], [], mark, 1)
    for wanted in (*STATUSES, None):
        mine: set[Status | None] = {wanted} if wanted else {"unread", "read"}
        expected_numbers = [n for n in range(60, floor, -1) if view.status(n) in mine]
        assert view.numbers(wanted, 61, 100) == expected_numbers
        assert view.numbers(wanted, 31, 3) == [n for n in expected_numbers if n < 31][:3]
    assert view.unread == len(view.numbers("unread", 61, 100))


def test_what_is_gone_is_neither_counted_nor_shown() -> None:
    lives, _ = Lifetimes().grown([10, GONE, 30, 30], 0)
    view = View.of(4, lives, [], Mark(), 20)
    assert (view.unread, view.numbers(None, 5, 10)) == (2, [4, 3])
    assert [view.status(number) for number in range(1, 6)] == [None, None, "unread", "unread", None]


def test_at_first_contact_what_came_before_is_read() -> None:
    lives, _ = Lifetimes().grown([30] * 5, 0)
    mark = Mark.at_first_contact(0, 5)
    lives, _ = lives.grown([30, 30], 0)
    view = View.of(7, lives, [], mark, 1)
    assert (view.unread, view.numbers("unread", 8, 9), view.status(5)) == (2, [7, 6], "read")


def test_a_mark_ahead_of_the_head_that_was_read_with_it_does_no_harm() -> None:
    """Two items of one read need not be of the same moment."""
    ahead = Mark(base=6).marked([7, 9], "read")
    view = View.of(5, Lifetimes().grown([30] * 5, 0)[0], [], ahead, 1)
    assert (view.unread, view.numbers(None, 6, 10)) == (0, [])


def test_when_all_was_read_is_known_of_each_and_kept_for_what_still_counts() -> None:
    mark = Mark().all_read(5, 1000).all_read(9, 2000).all_read(9, 3000)
    assert [mark.read_at(number) for number in (1, 5, 6, 9, 10)] == [1000, 1000, 2000, 2000, None]
    assert mark.above(5).steps == ((9, 2000),)


def test_ten_thousand_that_are_all_read_take_no_room_and_every_other_one_little() -> None:
    fields = Mark().all_read(10_000, 1).fields()
    assert (fields["through"], fields["read"]) == (10_000, "")
    assert len(Mark().marked(range(2, 10_000, 2), "read").fields()["read"]) < 1700
