"""The runtime on the embedded broker: workers that come and go, and a broker as unkind as AWS may be."""

import asyncio
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest

from kxmsg import Context, Worker
from kxmsg.bootstrap import App, memory_app, open_app
from kxmsg.errors import Transient
from kxmsg.ports import Outgoing
from kxmsg.runtime.deadletter import look, redrive
from kxmsg.settings import Settings
from kxmsg.testing.virtual import VirtualClock, run
from kxmsg.topology import RENDER, SEQUENCE, TOPOLOGY
from kxmsg.transport import send

NUMBERS = range(15)
GROUPS = "abcd"


def recorder(rng: Random, done: dict[str, dict[int, None]]) -> Worker:
    """A worker that notes in which order each group's numbers were first done; it dawdles and fails at random."""
    worker = Worker("recorder")

    @worker.handler(queue=SEQUENCE, batch=rng.choice([1, 4, 10]), concurrency=rng.choice([3, 30]))
    async def record(bodies: list[str], context: Context[App]) -> None:
        await asyncio.sleep(rng.choice([0.0, 0.1, 5.0, 50.0]))
        if rng.random() < 0.1:
            raise rng.choice([ValueError("no"), Transient("down")])
        for index, body in enumerate(bodies):
            if context.blocked(index):
                continue
            if rng.random() < 0.05:
                context.fail(index, ValueError("no"))
                continue
            context.check_lease(index)
            group, number = body.split(":")
            done[group].setdefault(int(number))

    return worker


async def live(app: App, worker: Worker, rng: Random, over: asyncio.Event) -> None:
    """Processes, one after the other, until ``over``."""
    while not over.is_set():
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(app, stop, rng=rng))
        await asyncio.sleep(rng.choice([0.5, 20, 200]))
        stop.set()
        await running


@pytest.mark.parametrize("seed", range(8))
def test_order_holds_and_nothing_is_lost_on_an_unkind_broker(seed: int) -> None:
    """What was dead-lettered is told with its reason, and a redrive brings it back."""

    async def scenario() -> None:
        rng = Random(seed)
        done: dict[str, dict[int, None]] = defaultdict(dict)
        app = memory_app(clock=VirtualClock(asyncio.get_running_loop()), aws_like=seed)
        queue, dlq = app.queue(SEQUENCE), app.queue(TOPOLOGY.queue(SEQUENCE).dlq)
        over = asyncio.Event()
        first: dict[str, list[int]] = {}
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(live(app, recorder(rng, done), rng, over))
            await send(
                queue,
                [
                    Outgoing(f"{name}:{number}".encode(), name, f"{name}{number}")
                    for number in NUMBERS
                    for name in GROUPS
                ],
            )
            while sum(map(len, done.values())) < len(NUMBERS) * len(GROUPS):
                await asyncio.sleep(50)
                depth = await queue.depth()
                if not depth.visible and not depth.in_flight:
                    first = first or {name: list(numbers) for name, numbers in done.items()}
                    assert all("reason" in letter.about for letter in await look(dlq, 100))
                    await redrive(dlq, queue)
            over.set()
        for numbers in (first or done).values():
            assert list(numbers) == sorted(numbers)
        await app.close()

    run(scenario(), seed=seed)


async def test_it_works_on_files_and_in_real_time(tmp_path: Path) -> None:
    """Two workers on the files that separate processes would use."""
    worker = Worker("renderer", queue=RENDER)
    seen: set[bytes] = set()
    all_seen = asyncio.Event()

    @worker.handler
    async def handle(bodies: list[bytes]) -> None:
        seen.update(bodies)
        if len(seen) == 500:
            all_seen.set()

    stop = asyncio.Event()
    async with open_app(Settings(_env_file=None, data=tmp_path)) as app, asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(worker.run(app, stop, heartbeats=tmp_path / "health"))
        await send(app.queue(RENDER), [Outgoing(str(number).encode()) for number in range(500)])
        async with asyncio.timeout(20):
            await all_seen.wait()
        stop.set()
    async with open_app(Settings(_env_file=None, data=tmp_path)) as app:
        depth = await app.queue(RENDER).depth()
        assert (depth.visible, depth.in_flight) == (0, 0)
