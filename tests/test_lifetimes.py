"""Lifetimes against a model that writes every entry down."""

from hypothesis import given
from hypothesis import strategies as st

from kxmsg.lifetimes import GONE, MAX_RUNS, SEALED_RUNS, Lifetimes, Sealed, flat, live, runs_of
from kxmsg.log import MAX_ENTRIES

untils = st.sampled_from([GONE, 10, 20, 20, 20, 30])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.lists(untils, min_size=1, max_size=8)),
        st.tuples(st.just("spread"), st.integers(1, 3 * MAX_RUNS)),
        st.tuples(st.just("delete"), st.integers(1, 10_000)),
        st.tuples(st.just("wait"), st.integers(1, 6)),
    ),
    max_size=12,
)


def numbers(bits: int, base: int) -> set[int]:
    return {base + 1 + bit for bit in range(bits.bit_length()) if bits >> bit & 1}


class Log:
    """Lifetimes and their pages, beside the plain truth."""

    def __init__(self) -> None:
        self.lives = Lifetimes()
        self.pages: dict[int, Sealed] = {}
        self.truth: dict[int, int] = {}

    def grow(self, untils: list[int], now: float) -> None:
        for until in untils:
            self.truth[len(self.truth) + 1] = until
        for start in range(0, len(untils), MAX_ENTRIES):
            self.lives, sealed = self.lives.grown(untils[start : start + MAX_ENTRIES], now)
            self.pages.update((one.page.last, one) for one in sealed)

    def delete(self, number: int) -> None:
        self.truth[number] = GONE
        page = self.lives.page_of(number)
        self.lives, sealed = self.lives.without(number, self.pages[page.last] if page else None)
        self.pages.update((one.page.last, one) for one in sealed)

    def live(self, base: int, now: float) -> set[int]:
        bits = live(self.lives.runs, self.lives.start, base, now)
        for page in self.lives.pages:
            if page.until > now:
                bits |= live(self.pages[page.last].runs, page.start, base, now)
        return numbers(bits, base)


@given(steps)
def test_what_counts_is_what_was_added_and_neither_expired_nor_was_deleted(script: list[tuple[str, object]]) -> None:
    log, now = Log(), 5.0
    for verb, what in script:
        match verb, what:
            case "grow", list():
                log.grow(what, now)
            case "spread", int():  # no two neighbours expire together
                log.grow([1000 + len(log.truth) % 2 + step % 2 + step for step in range(what)], now)
            case "delete", int() if log.truth:
                log.delete(1 + what % len(log.truth))
            case "wait", int():
                now += what
        expected = {number for number, until in log.truth.items() if until > now}
        floor = log.lives.floor(now)
        assert log.live(0, now) == expected
        assert all(number > floor for number in expected)
        middle = len(log.truth) // 2
        assert log.live(middle, now) == {number for number in expected if number > middle}
        assert len(log.lives.runs) <= MAX_RUNS
        assert all(len(page.runs) <= MAX_RUNS for page in log.pages.values())
        assert Lifetimes.of(log.lives.fields()) == log.lives


def test_neighbours_that_expire_together_are_one_run_however_many() -> None:
    lives, sealed = Lifetimes().grown([50] * 10_000, 0)
    assert (lives.runs, sealed) == (((10_000, 50),), [])
    assert live(lives.runs, 0, 0, 49.9).bit_count() == 10_000
    assert live(lives.runs, 0, 0, 50) == 0


def test_what_is_too_much_for_the_head_goes_to_a_page_oldest_first() -> None:
    lives, (sealed,) = Lifetimes().grown(range(1, MAX_RUNS + 2), 0)
    assert (sealed.page.start, sealed.page.last, sealed.page.until) == (0, SEALED_RUNS, SEALED_RUNS)
    assert lives.page_of(SEALED_RUNS) == sealed.page
    assert lives.page_of(SEALED_RUNS + 1) is None
    assert lives.runs[0] == (SEALED_RUNS + 1, SEALED_RUNS + 1)
    assert runs_of(flat(sealed.runs)) == sealed.runs


def test_a_page_that_is_all_gone_is_named_no_more() -> None:
    lives, _ = Lifetimes().grown(range(10, MAX_RUNS + 12), 0)
    later, _ = lives.grown([10_000], 9_000)
    assert later.pages == ()
    assert later.floor(9_000) == MAX_RUNS + 2
