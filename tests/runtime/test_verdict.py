"""Verdicts over a call's messages."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.errors import LeaseLost, Permanent, Poison, StorageFull, Transient
from kxmsg.ports import Delivery
from kxmsg.runtime.held import Held
from kxmsg.runtime.verdict import HALT_DELAY, Failures, Policy, Sentence, first_failures, runs

RNG = Random(1)


def held(order: int = 0, group: str = "", *, receives: int = 1, lost: bool = False) -> Held:
    delivery = Delivery(str(order), b"", str(order), receives, 0.0, group or None)
    return Held(delivery, order, group, 0.0, 30.0, 15.0, lost=lost)


def kinds(policy: Policy, error: BaseException, times: int, *, receives: int = 1) -> list[str]:
    failures = Failures()
    return [policy.sentence(held(receives=receives), error, failures, RNG).kind for _ in range(times)]


POLICY = Policy(max_failures=3, max_receives=10)


@pytest.mark.parametrize("error", [ValueError("x"), Permanent("x"), TimeoutError()])
def test_the_last_of_the_failures_allowed_buries(error: BaseException) -> None:
    """Those before it are retried."""
    assert kinds(POLICY, error, 3) == ["retry", "retry", "bury"]


@pytest.mark.parametrize("error", [Transient("x"), StorageFull("x"), LeaseLost("x")])
def test_a_transient_failure_does_not_count(error: BaseException) -> None:
    """It is not the message's fault."""
    assert set(kinds(POLICY, error, 50)) == {"retry"}


def test_nothing_is_left_for_the_broker_to_bury() -> None:
    """Whatever the cause, before the broker's limit is reached."""
    assert kinds(POLICY, Transient("x"), 1, receives=9) == ["bury"]
    assert kinds(POLICY, ValueError("x"), 1, receives=9) == ["bury"]
    assert kinds(POLICY, ValueError("x"), 1, receives=8) == ["retry"]


def test_poison_is_buried_with_its_own_words() -> None:
    """At once."""
    assert POLICY.sentence(held(), Poison("orderId: missing"), Failures(), RNG) == Sentence(
        "bury", reason="orderId: missing", failures=1
    )


def test_what_is_lost_is_dropped() -> None:
    """It is no longer ours to decide about."""
    assert POLICY.sentence(held(lost=True), ValueError(), Failures(), RNG).kind == "drop"


def test_a_halted_group_waits_long() -> None:
    """On a FIFO queue, and only there, until the broker's limit."""
    policy = Policy(max_failures=1, max_receives=10, on_dead="halt")
    sentence = policy.sentence(held(group="g"), ValueError(), Failures(), RNG)
    assert (sentence.kind, sentence.delay) == ("retry", HALT_DELAY)
    assert policy.sentence(held(), ValueError(), Failures(), RNG).kind == "bury"
    assert policy.sentence(held(group="g", receives=9), ValueError(), Failures(), RNG).kind == "bury"


def test_the_failures_longest_untouched_are_forgotten() -> None:
    """Memory is bounded."""
    failures = Failures(limit=2)
    for ident in ("a", "b", "a", "c"):
        failures.add(ident)
    assert ("a" in failures, "b" in failures, failures.count("a")) == (True, False, 2)
    failures.forget(["a", "c"])
    assert not failures


def test_only_the_first_failure_of_a_group_counts() -> None:
    """On a standard queue every one does."""
    assert first_failures([held(0, "a"), held(1, "b"), held(2, "a"), held(3, "b")], [3, 2, 0]) == [0, 3]
    assert first_failures([held(0), held(1), held(2)], [2, 0]) == [0, 2]


def test_what_follows_a_retry_goes_back_in_order() -> None:
    """What comes before it is done."""
    messages = [held(number, "g") for number in range(4)]
    (run,) = runs(messages, {1: Sentence("retry", delay=5)})
    assert run.next_dead() is None
    assert (run.handled, run.back, run.delay) == (messages[:1], messages[1:], 5)


def test_what_follows_a_buried_message_of_the_handler_goes_back_at_once() -> None:
    """The handler may have left it undone."""
    messages = [held(number, "g") for number in range(3)]
    (run,) = runs(messages, {0: Sentence("bury", reason="r")})
    assert run.next_dead() == (messages[0], Sentence("bury", reason="r"))
    assert run.next_dead() is None
    assert (run.handled, run.back, run.delay) == ([], messages[1:], 0)


def test_what_follows_a_message_that_the_handler_never_saw_was_handled() -> None:
    """It could not be decoded; the others were handed over."""
    messages = [held(number, "g") for number in range(3)]
    (run,) = runs(messages, {1: Sentence("bury", unseen=True)})
    assert run.next_dead() is not None
    assert run.next_dead() is None
    assert (run.handled, run.broken) == ([messages[0], messages[2]], False)


def test_what_could_not_be_buried_goes_back_with_what_follows() -> None:
    """Nothing may pass it."""
    messages = [held(number, "g") for number in range(3)]
    (run,) = runs(messages, {0: Sentence("bury"), 2: Sentence("bury")})
    run.next_dead()
    run.refuse(7)
    assert run.next_dead() is None
    assert (run.back, run.delay) == (messages, 7)


def test_of_what_goes_back_the_lost_is_not_ours_to_give() -> None:
    """A dropped message, too, sends its successors back."""
    messages = [held(0, "g", lost=True), held(1, "g"), held(2, "g", lost=True)]
    (run,) = runs(messages, {0: Sentence("drop"), 2: Sentence("drop")})
    assert run.next_dead() is None
    assert (run.dropped, run.back) == ([messages[0], messages[2]], [messages[1]])


def test_a_parked_message_stays_and_its_successors_go_back() -> None:
    """It is what the consumer probes with."""
    messages = [held(number, "g") for number in range(3)]
    (run,) = runs(messages, {0: Sentence("park", delay=3)})
    assert run.next_dead() is None
    assert (run.parked, run.back, run.delay) == (messages[0], messages[1:], 3)


SENTENCES = st.sampled_from(
    [None, Sentence("retry", 1), Sentence("bury"), Sentence("bury", unseen=True), Sentence("park"), Sentence("drop")]
)


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), SENTENCES), max_size=12), st.lists(st.booleans()))
def test_every_message_comes_to_exactly_one_end(plan: list[tuple[str, Sentence | None]], refusals: list[bool]) -> None:
    """Handled, given back, parked, dropped or buried; and within a group nothing is handled after what is not."""
    batch = [held(order, group) for order, (group, _) in enumerate(plan)]
    given_out = {order: sentence for order, (_, sentence) in enumerate(plan) if sentence is not None}
    ends: list[Held] = []
    for run in runs(batch, given_out):
        buried: list[Held] = []
        while (dead := run.next_dead()) is not None:
            if refusals and refusals.pop():
                run.refuse(1)
            else:
                buried.append(dead[0])
        parked = [run.parked] if run.parked else []
        ends += [*run.handled, *run.back, *run.dropped, *parked, *buried]
        assert [one.order for one in run.back] == sorted(one.order for one in run.back)
        stay = [one.order for one in (*run.back, *parked)]
        assert all(one.order < min(stay) for one in run.handled if stay)
    assert sorted(one.order for one in ends) == list(range(len(plan)))
