"""Pace and circuit."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kxmsg.retry import Backoff
from kxmsg.runtime.pace import Circuit, Pace


def test_full_polls_ask_for_more() -> None:
    """Up to the most there may be, and only while permits are left."""
    pace = Pace(most=3)
    for _ in range(5):
        pace.polled(10, 10, free=5)
    assert pace.wanted == 3
    pace = Pace(most=3)
    pace.polled(10, 10, free=0)
    assert pace.wanted == 1


def test_emptier_polls_ask_for_fewer() -> None:
    """Down to one; a poll that was mostly full changes nothing."""
    pace = Pace(most=3)
    for _ in range(2):
        pace.polled(10, 10, free=5)
    pace.polled(10, 7, free=5)
    assert pace.wanted == 3
    for _ in range(9):
        pace.polled(10, 0, free=5)
    assert pace.wanted == 1


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(0, 10), st.integers(0, 3))))
def test_there_is_always_a_poll_and_never_too_many(polls: list[tuple[int, int, int]]) -> None:
    """Whatever comes back."""
    pace = Pace(most=4)
    for asked, got, free in polls:
        pace.polled(asked, min(asked, got), free=free)
        assert 1 <= pace.wanted <= 4


def test_the_circuit_opens_after_failures_in_a_row_and_closes_at_a_success() -> None:
    """Each change is told once."""
    circuit = Circuit(Backoff(1, 30), threshold=3)
    assert [circuit.failed(), circuit.failed(), circuit.succeeded()] == [False, False, False]
    assert [circuit.failed(), circuit.failed(), circuit.failed(), circuit.failed()] == [False, False, True, False]
    assert circuit.is_open is True
    assert [circuit.succeeded(), circuit.succeeded(), circuit.is_open] == [True, False, False]


def test_an_open_circuit_probes_with_a_few_messages() -> None:
    """A closed one with none."""
    circuit = Circuit(Backoff(1, 30), threshold=1, most_probes=2)
    wanted = [circuit.wants_probe]
    circuit.failed()
    wanted.append(circuit.wants_probe)
    circuit.probes = 2
    wanted.append(circuit.wants_probe)
    assert wanted == [False, True, False]


def test_probes_become_more_seldom() -> None:
    """With every failure, up to the cap."""
    circuit = Circuit(Backoff(1, 30), threshold=1)
    longest = []
    for _ in range(8):
        circuit.failed()
        rng = Random(1)
        longest.append(max(circuit.delay(rng) for _ in range(50)))
    assert longest == sorted(longest)
    assert 25 < longest[-1] <= 30
