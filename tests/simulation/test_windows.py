"""Windows in simulation: whatever dies, wherever, a digest counts each entry once and a throttle lets in no more.

Two renderers and two schedulers work at once. A failing seed is replayed with ``pytest tests/simulation -k 'seed-N-'``.
"""

import asyncio
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from kxmsg.bootstrap import App
from kxmsg.codecs.job import encode_render_job
from kxmsg.errors import BackendError
from kxmsg.keys import RECORD, digest_key, tenant_group, throttle_key
from kxmsg.model.envelope import Entry
from kxmsg.model.job import RenderJob
from kxmsg.model.target import Target
from kxmsg.model.window import Window
from kxmsg.ports import Item, Key, Outgoing, Query
from kxmsg.storage.windows import REMEMBERED
from kxmsg.subscriptions import Catalogue, load
from kxmsg.testing.virtual import START, VirtualTimeLoop
from kxmsg.times import iso
from kxmsg.topology import RENDER, SCHEDULE
from kxmsg.transport import send
from tests.simulation.world import PATIENCE, Mishaps, Work, World
from workers import fanout, scheduler, storage_writer, template_renderer

DIGESTED: Final = Window("windows.notification.alarm[0]", "acme", Target("user", "digested"), "")
THROTTLED: Final = Window("windows.notification.alarm[1]", "acme", Target("user", "throttled"), "")

AT_MOST: Final = 2
ALARMS: Final = 16

CRASHES: Final = 4
FIRST, LAST = 20, 3000
"""The crash points' range, in suspensions."""

UNKIND = Mishaps(unkind=True, throttle=0.05, lost_reply=0.05)


@cache
def catalogue() -> Catalogue:
    return load(Path(__file__).parent / "windows")


@dataclass
class Windows(World):
    """A world of alarms, which a digest sums up and a throttle thins out; ``emitted`` is how many were sent."""

    emitted: int = 0
    record: Item = field(default_factory=dict)
    admitted: list[Item] = field(default_factory=list)

    def _app(self, loop: VirtualTimeLoop) -> App:
        app = super()._app(loop)
        app.catalogue = catalogue()
        return app

    async def _run(self, app: App, work: Work) -> dict[str, list[Entry]]:
        other = App(app.settings, app.backend, app.clock)
        other.catalogue, other.gateway = app.catalogue, app.gateway
        stop = asyncio.Event()
        workers = (scheduler.worker, template_renderer.worker, storage_writer.worker, fanout.worker)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for one in (app, other):
                for worker in workers:
                    group.create_task(worker.run(one, stop, rng=random.Random(self.random.random())))
            await self._alarm(app)
            while not await self._at_rest(app):  # noqa: ASYNC110 - nobody can tell when that is
                await asyncio.sleep(1)
            stop.set()
        page = await app.tables.query(SCHEDULE, Query(throttle_key(THROTTLED), begins="ID#", consistent=True))
        self.admitted = page.items
        self.record = await app.tables.get(SCHEDULE, Key(digest_key(DIGESTED), RECORD), consistent=True) or {}
        places = {"digested": DIGESTED.target, "throttled": THROTTLED.target}
        return {name: await app.logs.read("acme", target, limit=1000) for name, target in places.items()}

    async def _alarm(self, app: App) -> None:
        """Have jobs made of each alarm until the queue has said that it has them; some of them come twice."""
        while self.emitted < ALARMS:
            number = self.emitted
            event = {
                "id": f"alarm-{number}",
                "source": "sim",
                "detail-type": "alarm",
                "time": iso(START + number),
                "detail": {"tenantId": "acme", "mark": f"mark-{number}"},
            }
            jobs = [RenderJob("windows", index, event, f"00-{'a' * 32}-{'b' * 16}-01") for index in (0, 1)]
            messages = [Outgoing(encode_render_job(job), tenant_group("acme")) for job in jobs]
            try:
                await send(app.queue(RENDER), messages * self.random.choice([1, 1, 2]))
            except BackendError:
                continue
            self.emitted += 1
            await asyncio.sleep(self.random.random() * 4)


def simulate(world: Windows, crashes: int) -> dict[str, list[Entry]]:
    """Live and die so many times, then live on to the end: what is stored."""
    for _ in range(crashes):
        at = int(math.exp(world.random.uniform(math.log(FIRST), math.log(LAST))))
        stored = world.live(at, Work())
        if stored is not None:
            return stored
    stored = world.live(None, Work())
    assert stored is not None
    return stored


def check(world: Windows, stored: dict[str, list[Entry]]) -> None:
    """All the promises."""
    digests: list[dict[str, Any]] = [entry.envelope.payload["metadata"] for entry in stored["digested"]]
    marks = [mark for one in digests for mark in one["marks"]]
    assert sorted(marks) == sorted(f"mark-{number}" for number in range(ALARMS))
    assert [one["count"] for one in digests] == [len(one["marks"]) for one in digests]
    assert len(digests) == world.record["number"], "one entry per window"

    windows = Counter(item["expiresAt"] - REMEMBERED for item in world.admitted)
    assert max(windows.values()) <= AT_MOST
    ends = sorted(windows)
    assert all(later - earlier >= 7 for earlier, later in pairwise(ends)), "they don't overlap"
    assert {entry.envelope.id for entry in stored["throttled"]} == {item["sk"][3:] for item in world.admitted}
    assert len(stored["throttled"]) == len(world.admitted) < ALARMS


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}-") for seed in range(20)])
def test_processes_that_die_at_any_await_count_each_alarm_once(seed: int) -> None:
    world = Windows(seed)
    check(world, simulate(world, CRASHES))


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}-") for seed in range(10)])
def test_so_do_they_on_queues_and_tables_that_throttle_conflict_and_lose_replies(seed: int) -> None:
    world = Windows(seed, UNKIND)
    check(world, simulate(world, CRASHES // 2))
