"""A world in virtual time: all six workers on one backend in memory, a gateway, people and systems that send.

It dies, as by ``kill -9``, at any suspension of any task, and is begun again on what was committed. What it does
follows from its seed, but for the random part of fresh ids.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import orjson

from kxmsg import Worker
from kxmsg.audience import inbox
from kxmsg.bootstrap import App
from kxmsg.embedded.backend import EmbeddedBackend
from kxmsg.embedded.bus import EmbeddedBus
from kxmsg.embedded.mishaps import AwsLike
from kxmsg.embedded.tables import EmbeddedTables
from kxmsg.errors import BackendError, Conflict
from kxmsg.keys import due_key, outbox_key
from kxmsg.model.connection import Place, Post
from kxmsg.model.envelope import Entry
from kxmsg.model.event import Event
from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from kxmsg.ports import Outcome, Query
from kxmsg.runtime.deadletter import redrive
from kxmsg.settings import Settings
from kxmsg.storage import due, outbox
from kxmsg.subscriptions import Catalogue, load
from kxmsg.testing.crash import Counted, CrashPoint
from kxmsg.testing.virtual import START, VirtualClock, VirtualTimeLoop, _ShuffledDeque
from kxmsg.topology import CHANNELS, SCHEDULE, TOPOLOGY
from tests.product import DESK, USER, caller, connection

CONFIG: Final = Path(__file__).parent / "config"

LOGS: Final = {
    "user": ("acme", USER),
    "client": ("acme", Target("client", "acme")),
    "broadcast": (EVERYBODY, BROADCAST),
    "channel": ("acme", DESK),
}
"""Where events go, by their detail-type."""

ADAM: Final = Target("user", "adam")
"""Who is told of the channel's making, which the outbox owes to the bus."""

PATIENCE: Final = 3600.0
"""Virtual seconds in which everything must come to rest."""


class Crash(Exception):
    """The process is dead."""


@dataclass(frozen=True)
class Mishaps:
    """What goes wrong besides crashes. ``unkind``: queues and tables do what AWS may do to their callers."""

    unkind: bool = False
    throttle: float = 0.0
    lost_reply: float = 0.0


@dataclass
class World:
    """What outlives the crashes: the disk, the wall clock, the gateway's connections, and what senders know."""

    seed: int
    mishaps: Mishaps = field(default_factory=Mishaps)
    now: float = START
    disk: dict[str, Any] = field(default_factory=dict)
    gateway: "Gateway" = field(default_factory=lambda: Gateway())
    sent: Counter[str] = field(default_factory=Counter)
    accepted: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in LOGS})
    chatted: list[str] = field(default_factory=list)
    crashes: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    # ---------------------------------------------------------------------------------------------------- lives

    def live(self, crash_at: int | None, work: "Work") -> dict[str, list[Entry]] | None:
        """One life of all processes, up to the crash point: what is stored in the end, or None where they died."""
        random.seed(self.random.randrange(1 << 30))  # jitter
        loop = VirtualTimeLoop()
        loop._ready = ready = _MortalDeque(random.Random(self.random.randrange(1 << 30)))
        app = self._app(loop)
        point = CrashPoint(0 if crash_at is None else crash_at, ready.die)
        numbered = loop.get_task_factory()
        assert numbered is not None
        loop.set_task_factory(lambda loop, coro, **options: numbered(loop, Counted(coro, point), **options))
        try:
            return loop.run_until_complete(self._run(app, work))
        except Crash:
            self.crashes += 1
            return None
        finally:
            self.now += loop.time() + 1.0
            ready.dead = False
            _bury(loop, app)

    def _app(self, loop: VirtualTimeLoop) -> App:
        """An app on the disk as it is now."""
        settings = Settings(config=CONFIG, visibility=5)
        clock = VirtualClock(loop, start=self.now)
        seed = self.random.randrange(1 << 30)
        unkind = self.mishaps.unkind
        backend = EmbeddedBackend(None, TOPOLOGY, clock, inline=True, aws_like=seed if unkind else None)
        if unkind:
            aws_like = AwsLike(seed, throttle=self.mishaps.throttle, lost_reply=self.mishaps.lost_reply)
            backend.tables = EmbeddedTables(backend._engine, TOPOLOGY, clock, aws_like=aws_like)
        backend._engine._databases |= self.disk
        self.disk = backend._engine._databases
        app = App(settings, backend, clock)
        app.catalogue = _catalogue()
        app.gateway = self.gateway
        rules = app.bus._rules if isinstance(app.bus, EmbeddedBus) else ()
        queues = {rule.queue: app.queue(rule.queue) for rule in rules}
        app.bus = EmbeddedBus(rules, queues, clock, new_id=lambda: f"{self.random.getrandbits(64):016x}")
        return app

    async def _run(self, app: App, work: "Work") -> dict[str, list[Entry]]:
        """Everything at once, until all that was accepted has arrived."""
        stop = asyncio.Event()
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            await self._prepare(app)
            for worker in _workers():
                group.create_task(worker.run(app, stop, rng=random.Random(self.random.random())))
            await asyncio.gather(self._emit(app, work), self._chat(app, work))
            while not await self._at_rest(app):  # noqa: ASYNC110 - nobody can tell when that is
                await asyncio.sleep(1)
            stop.set()
        places = {**LOGS, "adam": ("acme", ADAM)}
        return {name: await _entries(app, *place) for name, place in places.items()}

    async def _prepare(self, app: App) -> None:
        """The channel, and ana's open connection, which outlives the crash of everything behind the gateway."""
        service = app.channel_service
        ana = connection("ana-1", token_expires_at=START + 1e9)
        while True:
            try:
                with contextlib.suppress(Conflict):
                    people = [service.person("ana")]
                    await service.create(caller("adam", "admin"), "group", people, ident=DESK.id)
                await app.directory.touch(caller("ana"))
                return await app.connections.open(ana, [*inbox("acme", "ana"), Place("acme", DESK)])
            except BackendError:
                await asyncio.sleep(0.1)

    async def _at_rest(self, app: App) -> bool:
        """Whether nothing is on its way. What was dead-lettered goes back first: here every fault is a passing one."""
        rest = True
        for spec in TOPOLOGY.queues:
            with contextlib.suppress(BackendError):
                await redrive(app.queue(spec.dlq), app.queue(spec.name))
            for name in (spec.name, spec.dlq):
                depth = await app.queue(name).depth()
                rest = rest and not depth.visible + depth.in_flight + depth.delayed
        waiting = [app.backend.tables.query(SCHEDULE, _all(due_key(shard))) for shard in range(due.SHARDS)]
        owed = [app.backend.tables.query(CHANNELS, _all(outbox_key(shard))) for shard in range(outbox.SHARDS)]
        pages = await asyncio.gather(*waiting, *owed)
        return rest and not any(page.items for page in pages)

    # -------------------------------------------------------------------------------------------------- senders

    async def _emit(self, app: App, work: "Work") -> None:
        """Put each event on the bus until the bus has said that it has it; each try bears a mark of its own."""
        for kind in LOGS:
            for number in range(work.events):
                name = f"{kind}-{number}"
                while not any(mark.startswith(f"{name}/") for mark in self.accepted[kind]):
                    self.sent[name] += 1
                    mark = f"{name}/{self.sent[name]}"
                    event = Event(
                        "sim", kind, {"tenantId": "acme", "mark": mark, "after": self.random.choice([0, 0, 7])}
                    )
                    try:
                        failures = await app.bus.put([event])
                    except BackendError:
                        continue
                    if not failures:
                        self.accepted[kind].add(mark)
                await asyncio.sleep(self.random.random() * 0.2)

    async def _chat(self, app: App, work: "Work") -> None:
        """Ana writes to the channel, the next line once the one before was accepted; a repeat is the same message."""
        for number in range(len(self.chatted), work.lines):
            while len(self.chatted) == number:
                with contextlib.suppress(BackendError):
                    line = f"line {number}"
                    sent = await app.entrance.to_channel(caller(), DESK.id, line, client_id=f"c{number}")
                    self.chatted.append(sent.id)
            await asyncio.sleep(self.random.random() * 0.2)


@dataclass(frozen=True)
class Work:
    """How much is sent: events of each kind, and lines of chat."""

    events: int = 4
    lines: int = 6


class Gateway:
    """Takes every frame and remembers it."""

    def __init__(self) -> None:
        self.frames: dict[str, list[dict[str, Any]]] = {}

    async def post(self, posts: Sequence[Post]) -> list[list[Outcome]]:
        for post in posts:
            frame = orjson.loads(post.data)
            for one in post.connections:
                self.frames.setdefault(one, []).append(frame)
        await asyncio.sleep(0.001)
        return [["ok"] * len(post.connections) for post in posts]

    async def disconnect(self, gateway: str, connection: str) -> Outcome:
        return "ok"

    def numbers(self, connection: str, target: str) -> list[int]:
        """The numbers of a target's frames, in the order in which they were first pushed; signals have none."""
        frames = [frame for frame in self.frames.get(connection, []) if "sequenceNumber" in frame]
        return list(dict.fromkeys(frame["sequenceNumber"] for frame in frames if frame["targetKey"] == target))


class _MortalDeque(_ShuffledDeque):
    """The event loop's queue of what is to run; once dead, nothing does."""

    dead = False

    def die(self) -> None:
        self.dead = True

    def popleft(self) -> asyncio.Handle:
        if self.dead:
            raise Crash
        return super().popleft()


def _bury(loop: VirtualTimeLoop, app: App) -> None:
    """End what still hangs in a dead loop, so that nothing leaks into the next test. It can't reach the disk."""
    assert isinstance(app.backend, EmbeddedBackend)
    app.backend._engine._closed = True
    loop.set_exception_handler(lambda *_: None)
    loop.set_task_factory(None)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(_ended(asyncio.all_tasks(loop)))
    loop.close()


async def _ended(tasks: set["asyncio.Task[Any]"]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def _entries(app: App, tenant: str, target: Target) -> list[Entry]:
    return await app.logs.read(tenant, target, limit=10_000)


def _all(partition: str) -> Query:
    return Query(partition, consistent=True)


@cache
def _catalogue() -> Catalogue:
    return load(CONFIG)


@cache
def _workers() -> list[Worker]:
    return [import_module(spec.module).worker for spec in TOPOLOGY.workers]
