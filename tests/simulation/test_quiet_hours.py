"""Quiet hours in simulation: whatever dies, wherever, who sleeps is told of everything when they wake, and not before.

A failing seed is replayed with ``pytest tests/simulation -k 'seed-N-'``.
"""

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import pytest

from kxmsg.audience import inbox
from kxmsg.bootstrap import App
from kxmsg.errors import BackendError
from kxmsg.marks import Marking
from kxmsg.model.connection import Post
from kxmsg.model.envelope import Entry, Envelope
from kxmsg.model.event import Event
from kxmsg.model.preferences import Preferences, QuietHours
from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from kxmsg.ports import Failure, Outcome
from kxmsg.testing.virtual import START, VirtualTimeLoop
from kxmsg.topology import STORAGE
from kxmsg.transport import parcel_messages, send
from tests.product import RecordingBus, caller, connection, envelope
from tests.simulation.world import PATIENCE, Gateway, Mishaps, Work, World
from workers import fanout, scheduler, storage_writer

WAKES: Final = int(START) // 3600 * 3600 + 600
"""Ten past the hour in which it begins, in UTC: some minutes from then."""

ASLEEP: Final = Preferences(quiet_hours=QuietHours(15 * 60, 15 * 60 + 10))
DEAF: Final = Preferences(muted={"ads": frozenset({"websocket", "events"})})

CLIENT: Final = Target("client", "acme")

PEOPLE: Final = {"owl": Preferences(), "lark": ASLEEP, "deaf": DEAF}

CRASHES: Final = 3
FIRST, LAST = 20, 1500
"""The crash points' range, in suspensions."""


def sent() -> list[Envelope]:
    """What is told, to the client and to everybody: of each some that is urgent, some that is an ad."""
    kinds: list[dict[str, Any]] = [{}, {"priority": "urgent"}, {"category": "ads"}]
    return [
        envelope(f"{target.type}-{number}", target, tenant=tenant, payload={"content": "x", **kind})
        for target, tenant in ((CLIENT, "acme"), (BROADCAST, EVERYBODY))
        for number, kind in enumerate(kinds)
    ]


@dataclass
class Told(Gateway):
    """What was pushed to whom, and when."""

    clock: Any = None
    pushed: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    async def post(self, posts: Sequence[Post]) -> list[list[Outcome]]:
        for post in posts:
            frame = orjson.loads(post.data)
            for one in post.connections if frame["type"] == "notification" else ():
                self.pushed.setdefault((one, frame["notificationId"]), []).append(self.clock.now())
        return [["ok"] * len(post.connections) for post in posts]


class TimedBus(RecordingBus):
    """Remembers when each user was told of what, under which id."""

    def __init__(self, told: dict[tuple[str, str], list[tuple[float, str]]], clock: Any) -> None:
        super().__init__()
        self._told = told
        self._clock = clock

    async def put(self, events: Sequence[Event]) -> list[Failure]:
        for event in events:
            if event.detail_type.endswith(".available"):
                key = event.detail["userId"], event.detail["notificationId"]
                self._told.setdefault(key, []).append((self._clock.now(), event.detail["eventId"]))
        return []


@dataclass
class Nights(World):
    """A world in which one sleeps, one is awake, and one wants no ads."""

    gateway: Told = field(default_factory=Told)
    events: dict[tuple[str, str], list[tuple[float, str]]] = field(default_factory=dict)
    mode: str = "all"
    entered: bool = False
    read: str | None = None
    """What the one who sleeps reads before they wake, on another device."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gateway.frames = {}

    def _app(self, loop: VirtualTimeLoop) -> App:
        app = super()._app(loop)
        app.bus = TimedBus(self.events, app.clock)
        app.settings = app.settings.model_copy(update={"available_events": self.mode})
        self.gateway.clock = app.clock
        return app

    async def _run(self, app: App, work: Work) -> dict[str, list[Entry]]:
        stop = asyncio.Event()
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            await self._prepare(app)
            for worker in (scheduler.worker, storage_writer.worker, fanout.worker):
                group.create_task(worker.run(app, stop, rng=random.Random(self.random.random())))
            if not self.entered:
                await send(app.queue(STORAGE), parcel_messages(sent()))
                self.entered = True
            await asyncio.sleep(5)
            if self.read is not None:
                await self._mark(app, self.read, "read")
            while not await self._at_rest(app):  # noqa: ASYNC110 - nobody can tell when that is
                await asyncio.sleep(1)
            stop.set()
        return {}

    async def _prepare(self, app: App) -> None:
        for user, preferences in PEOPLE.items():
            ends = START + 1e9
            opened = connection(user, user, token_expires_at=ends, connected_at=START)
            while True:
                try:
                    await app.directory.touch(caller(user))
                    await app.marks.greet("acme", user)
                    await app.connections.open(opened, inbox("acme", user))
                    await app.users.prefer(caller(user), "me", preferences)
                except BackendError:
                    await asyncio.sleep(0.1)
                else:
                    break

    async def _mark(self, app: App, ident: str, how: Marking) -> None:
        marked = await app.notifications.mark(caller("lark"), "lark", [ident], how)
        assert marked.done == [ident]


def simulate(world: Nights, crashes: int) -> None:
    """Live and die so many times, then live on to the end."""
    for _ in range(crashes):
        at = int(math.exp(world.random.uniform(math.log(FIRST), math.log(LAST))))
        if world.live(at, Work()) is not None:
            return
    assert world.live(None, Work()) is not None


def check(world: Nights) -> None:
    """All the promises, of frames and of events alike."""
    for user in PEOPLE:
        for one in sent():
            ad, urgent = "category" in one.payload, "priority" in one.payload
            frames = world.gateway.pushed.get((user, one.id), [])
            events = world.events.get((user, one.id), [])
            if user == "deaf" and ad:
                assert (frames, events) == ([], []), one.id
                continue
            assert len({ident for _, ident in events}) == 1, "a repeat is the same event"
            for moments in (frames, [moment for moment, _ in events]):
                late = [moment >= WAKES for moment in moments]
                assert moments, (user, one.id)
                if user == "lark" and not urgent:
                    assert all(late), (one.id, moments)
                elif not world.crashes:
                    assert not any(late), (user, one.id, moments)


@pytest.mark.parametrize("mode", ["all", "connected"])
def test_who_sleeps_is_told_when_they_wake_and_the_others_at_once(mode: str) -> None:
    world = Nights(0, mode=mode)
    simulate(world, 0)
    check(world)
    assert {len(moments) for moments in world.gateway.pushed.values()} == {1}
    assert {len(moments) for moments in world.events.values()} == {1}


def test_what_was_read_meanwhile_is_not_told_any_more() -> None:
    world = Nights(0, read="client-0")
    simulate(world, 0)
    assert ("lark", "client-0") not in world.gateway.pushed
    assert ("lark", "client-0") not in world.events
    assert ("lark", "client-2") in world.gateway.pushed


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}-") for seed in range(10)])
def test_processes_that_die_at_any_await_leave_nobody_untold(seed: int) -> None:
    world = Nights(seed)
    simulate(world, CRASHES)
    check(world)


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}-") for seed in range(6)])
def test_nor_do_queues_and_tables_that_throttle_conflict_and_lose_replies(seed: int) -> None:
    world = Nights(seed, Mishaps(unkind=True, throttle=0.05, lost_reply=0.05))
    simulate(world, CRASHES)
    check(world)
