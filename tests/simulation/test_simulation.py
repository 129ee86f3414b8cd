"""Deterministic simulation: whatever dies, wherever, nothing accepted is lost, doubled or misnumbered.

A failing seed is replayed with ``pytest tests/simulation -k 'seed-N-'``.
"""

import math

import pytest

from kxmsg.model.envelope import Entry
from kxmsg.model.target import Target
from tests.product import DESK
from tests.simulation.world import LOGS, Mishaps, Work, World

CRASHES = 4
FIRST, LAST = 20, 1500
"""The crash points' range, in suspensions."""

UNKIND = Mishaps(unkind=True, throttle=0.05, lost_reply=0.05)


def simulate(world: World, work: Work, crashes: int) -> dict[str, list[Entry]]:
    """Live and die so many times, then live on to the end: what is stored."""
    for _ in range(crashes):
        at = int(math.exp(world.random.uniform(math.log(FIRST), math.log(LAST))))
        stored = world.live(at, work)
        if stored is not None:
            return stored
    stored = world.live(None, work)
    assert stored is not None
    return stored


def check(world: World, stored: dict[str, list[Entry]]) -> None:
    """All the promises."""
    told = [entry.envelope.payload["content"] for entry in stored.pop("adam")]
    assert told == [DESK.id]
    for name, entries in stored.items():
        numbers = [entry.sequence for entry in entries]
        assert numbers == list(range(1, len(entries) + 1)), name
        assert len({entry.envelope.id for entry in entries}) == len(entries), name
        marks = [str(entry.envelope.payload["content"]) for entry in entries]
        assert len(set(marks)) == len(marks), f"{name}: stored twice"
        assert world.accepted[name] <= set(marks), f"{name}: lost"
        target: Target = LOGS[name][1]
        assert set(world.gateway.numbers("ana-1", target.key)) == set(numbers), f"{name}: not pushed"
    lines = [entry.envelope.id for entry in stored["channel"] if entry.envelope.payload["senderId"] == "ana"]
    assert lines == world.chatted
    assert world.gateway.numbers("ana-1", "channel#desk") == [entry.sequence for entry in stored["channel"]]


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}-") for seed in range(50)])
def test_processes_that_die_at_any_await_lose_double_and_misnumber_nothing(seed: int) -> None:
    world = World(seed)
    check(world, simulate(world, Work(), CRASHES))


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}-") for seed in range(15)])
def test_neither_do_they_on_queues_and_tables_that_throttle_conflict_and_lose_replies(seed: int) -> None:
    world = World(seed, UNKIND)
    check(world, simulate(world, Work(events=3, lines=4), crashes=2))
