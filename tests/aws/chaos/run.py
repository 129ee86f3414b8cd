"""Run: the whole product in one process, under a load, while calls fail; and what came of it."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from kxmsg.aws.account import Account
from kxmsg.aws.control import Control
from kxmsg.aws.desired import desired
from kxmsg.aws.names import Names
from kxmsg.aws.provision import Provisioner
from kxmsg.bootstrap import App, open_app
from kxmsg.cli.serve import find_worker
from kxmsg.errors import BackendError, StartError
from kxmsg.keys import due_key
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Entry
from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from kxmsg.ports import Delivery, Query, Queue
from kxmsg.runtime.deadletter import redrive
from kxmsg.settings import Settings
from kxmsg.storage import due
from kxmsg.subscriptions import load
from kxmsg.topology import SCHEDULE, bus_rules
from kxmsg.topology import TOPOLOGY as PRODUCT
from kxmsg.worker import Worker
from tests.aws.chaos.load import CHANNELS, LOGS, PEOPLE, TENANT, Load, mark_in
from tests.aws.chaos.proxy import Proxy
from tests.product import CONFIG, caller, connection

VISIBILITY: Final = 2.0
CALL_TIMEOUT: Final = 0.7
STOP_TIMEOUT: Final = 8.0
PATIENCE: Final = 120.0
"""Seconds from the last message's acceptance until all must be at rest."""

LETTER_VISIBILITY: Final = 3.0
"""Seconds, where a redrive takes 60, for which its lost answers would hold up dead letters."""

TOPOLOGY: Final = replace(PRODUCT, queues=tuple(replace(spec, max_receives=3) for spec in PRODUCT.queues))
"""Messages are given up after 3 receives instead of 10, so that there are dead letters."""

PATH: Final = (
    *(name for spec in TOPOLOGY.queues[:2] for name in (spec.name, spec.dlq)),
    SCHEDULE,
    *(name for spec in TOPOLOGY.queues[2:] for name in (spec.name, spec.dlq)),
)
"""The places where a message may be, in their order: rendered, it may wait in the schedule."""

ECHOES: Final = Path(__file__).with_name("config")
GATEWAY: Final = "local"


@dataclass(slots=True)
class Run:
    """What happened. ``dead`` counts dead letters by queue and reason, ``letters`` has their ids.

    ``buried`` has the marks of ordered messages among them.
    """

    load: Load
    proxy: Proxy
    dead: Counter[str] = field(default_factory=Counter)
    letters: set[str] = field(default_factory=set)
    buried: set[str] = field(default_factory=set)
    restarts: int = 0
    drain_seconds: float = 0.0
    seconds: float = 0.0
    stored: dict[str, list[Entry]] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    connected: set[str] = field(default_factory=set)


async def provision(folder: Path) -> Settings:
    """Make everything, on what the environment leads to, under a prefix of its own; the settings to run with."""
    config = folder / "config"
    shutil.copytree(CONFIG, config)
    shutil.copytree(ECHOES, config / "echoes")
    prefix = f"chaos-{uuid4().hex[:8]}"
    account = Account()
    control = Control(account)
    try:
        names = Names(prefix, await account.account_id(), account.region)
        rules = bus_rules(load(config))
        await Provisioner(control, prefix, desired(TOPOLOGY, names, rules), lambda _: None).apply()
    finally:
        await control.close()
    return Settings(
        backend="aws",
        config=config,
        data=folder / "data",
        prefix=prefix,
        visibility=VISIBILITY,
        aws_timeout=CALL_TIMEOUT,
        stop_timeout=STOP_TIMEOUT,
    )


@asynccontextmanager
async def onlooker(settings: Settings) -> AsyncIterator[App]:
    """An app to look with, on what the environment leads to now: the emulator itself."""
    async with open_app(settings, TOPOLOGY) as app:
        await app.check(spec.name for spec in TOPOLOGY.queues)  # asks for every endpoint, and so remembers it
        yield app


async def run(settings: Settings, proxy: Proxy, load: Load, onlooker: App) -> Run:
    """Everything, from the start to the check; the environment leads to the proxy, ``onlooker`` does not."""
    run = Run(load, proxy)
    await _populate(onlooker)
    async with open_app(settings, TOPOLOGY) as app:
        app.gateway = app.backend.gateways({GATEWAY: proxy.url})
        proxy.on = True
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            loading = group.create_task(load.run(app))
            async with _workers(app, run):
                await load.half.wait()
                stopping = time.monotonic()
            run.drain_seconds = time.monotonic() - stopping
            async with _workers(app, run):
                await loading
                with suppress(TimeoutError):  # then what is left is told
                    async with asyncio.timeout(PATIENCE):
                        await _settle(app, onlooker, run)
                run.seconds = time.monotonic() - started
    await _look(onlooker, run)
    return run


async def _populate(app: App) -> None:
    """The channels with people in them, and a connection of each, open for a minute already."""
    service, now = app.channel_service, app.clock.now()
    for channel in CHANNELS:
        await service.create(caller("adam", "admin"), "group", [service.person(user) for user in PEOPLE], ident=channel)
    for user in PEOPLE:
        await app.directory.touch(caller(user, tenant=TENANT))
        opened = connection(f"{user}-1", user, connected_at=now - 60, token_expires_at=now + 86_400)
        targets = [Target("channel", channel) for channel in CHANNELS] + [Target("client", TENANT)]
        await app.connections.open(
            opened, [*(Place(TENANT, target) for target in targets), Place(EVERYBODY, BROADCAST)]
        )


@asynccontextmanager
async def _workers(app: App, run: Run) -> AsyncIterator[None]:
    """All six, while inside; then they are told to stop, and drain."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for spec in TOPOLOGY.workers:
            group.create_task(_keep(find_worker(spec.name), app, run, stop))
        yield
        stop.set()


async def _keep(worker: Worker, app: App, run: Run, stop: asyncio.Event) -> None:
    """Start it again where it could not start, as ECS would."""
    while True:
        try:
            return await worker.run(app, stop)
        except StartError:
            run.restarts += 1


class _Letters:
    """A dead-letter queue of which it is told what was taken."""

    def __init__(self, queue: Queue, run: Run) -> None:
        self._queue = queue
        self._run = run

    async def receive(self, limit: int, *, wait: float, visibility: float) -> list[Delivery]:
        taken = await self._queue.receive(limit, wait=wait, visibility=LETTER_VISIBILITY)
        for letter in taken:
            if letter.id in self._run.letters:
                continue  # taken before, when the answer or its deletion was lost
            self._run.letters.add(letter.id)
            self._run.dead[f"{self._queue.name}: {letter.attributes.get('reason', 'the broker')[:60]}"] += 1
            if self._queue.fifo:
                self._run.buried |= {mark_in(part) for part in letter.body.decode().split('"content"')[1:]}
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


async def _settle(app: App, onlooker: App, run: Run) -> None:
    """Until nothing is on its way. What was dead-lettered goes back.

    Twice in a row nothing, since what passed behind the first look, an echo, only passes once.
    """
    while await _on_the_way(onlooker) or await _on_the_way(onlooker):
        redrives = [redrive(_Letters(app.queue(spec.dlq), run), app.queue(spec.name)) for spec in TOPOLOGY.queues]
        outcomes = await asyncio.gather(*redrives, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, BackendError):
                raise outcome
        await asyncio.sleep(0.2)


async def _on_the_way(onlooker: App) -> dict[str, int]:
    """How much there is of what has not arrived, by place; in the order of the path, so that nothing slips by."""
    found: dict[str, int] = {}
    for name in PATH:
        if name == SCHEDULE:
            shards = [Query(due_key(shard), consistent=True) for shard in range(due.SHARDS)]
            pages = await asyncio.gather(*(onlooker.tables.query(SCHEDULE, shard) for shard in shards))
            found[name] = sum(len(page.items) for page in pages)
        else:
            depth = await onlooker.queue(name).depth()
            found[name] = depth.visible + depth.in_flight + depth.delayed
    return {name: count for name, count in found.items() if count}


async def _look(app: App, run: Run) -> None:
    run.left = await _on_the_way(app)
    for name, (tenant, target) in LOGS.items():
        run.stored[name] = await app.logs.read(tenant, target, limit=100_000)
        run.heads[name] = (await app.logs.head(tenant, target)).seq
    run.connected = {user for user in PEOPLE if await app.connections.get(f"{user}-1") is not None}
