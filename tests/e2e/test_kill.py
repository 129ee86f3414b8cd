"""Every process is killed, as by ``kill -9``, at many awaits; whatever was accepted is stored, once, in its place.

A failing seed is replayed with ``pytest tests/e2e/test_kill.py -k 'seed-N'``.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import orjson
import pytest

from kxmsg.bootstrap import App, open_app
from kxmsg.model.envelope import Entry
from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from kxmsg.runtime.deadletter import redrive
from kxmsg.testing.stack import COMMANDS, Stack
from kxmsg.testing.until import until
from tests.e2e.clients import rest, socket, token
from tests.e2e.conftest import CONFIG

EVENTS = 150
"""Of each kind."""

DEATHS = 3
"""Of each process."""

FIRST, LAST = 40, 4000
"""The crash points' range: from the first awaits of the start to the midst of the work."""

LOGS = {
    "user": ("acme", Target("user", "ana")),
    "client": ("acme", Target("client", "acme")),
    "broadcast": (EVERYBODY, BROADCAST),
    "channel": ("acme", Target("channel", "lead-desk")),
}


@pytest.fixture
async def doomed(tmp_path: Path) -> AsyncIterator[Stack]:
    """Every process of the Procfile; what a dead one held is free again after two seconds."""
    environment = {"KXMSG_VISIBILITY": "2"}
    async with Stack(tmp_path / "data", CONFIG, environment=environment) as running:
        yield running


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}") for seed in (1, 2, 3)])
async def test_kill_9_at_any_await_loses_doubles_and_skips_nothing(doomed: Stack, tmp_path: Path, seed: int) -> None:
    """Events and chat go in while all processes die again and again."""
    rng = random.Random(seed)
    events = tmp_path / "events.ndjson"
    samples = [orjson.loads(sample.read_bytes()) for sample in sorted(CONFIG.glob("*/samples/*.json"))]
    events.write_bytes(b"\n".join(orjson.dumps(sample) for sample in samples))
    async with socket(doomed, "ana", "acme", query="?threadId=lead-desk"):
        pass
    async with asyncio.TaskGroup() as group:
        chatting = group.create_task(_chat(doomed, "ana", 40))
        for name in COMMANDS:
            group.create_task(_die_again_and_again(doomed, name, rng.randrange(1 << 30)))
        for _ in range(5):
            status, _, err = await doomed.run("emit", str(events), "--count", str(EVENTS // 5))
            assert status == 0, err
    await doomed.ready()
    async with open_app(doomed.settings) as app:
        await until(lambda: _settled(app), 60)
        stored = {name: await app.logs.read(tenant, target, limit=10_000) for name, (tenant, target) in LOGS.items()}
        heads = {name: await app.logs.head(tenant, target) for name, (tenant, target) in LOGS.items()}
    for name, entries in stored.items():
        assert [entry.sequence for entry in entries] == list(range(1, heads[name].seq + 1)), name
        assert len({entry.envelope.id for entry in entries}) == len(entries), name
    assert {name: len(_of_events(entries)) for name, entries in stored.items()} == dict.fromkeys(LOGS, EVENTS)
    assert chatting.result() <= {entry.envelope.id for entry in stored["channel"]}


async def _die_again_and_again(stack: Stack, name: str, seed: int) -> None:
    """Restart ``name`` with a crash point until it has died often enough, then for good."""
    rng = random.Random(seed)
    await stack.kill(name)
    for _ in range(DEATHS):
        at = int(math.exp(rng.uniform(math.log(FIRST), math.log(LAST))))
        await stack.start(name, crash_at=at)
        try:
            async with asyncio.timeout(8):
                await stack.wait(name)
        except TimeoutError:  # it has nothing left to do and will not come so far
            await stack.kill(name)
    await stack.start(name)


async def _chat(stack: Stack, user: str, count: int) -> set[str]:
    """Publish to the channel, again where the API was dead; the ids of what was accepted."""
    accepted: set[str] = set()
    who = await token(stack, user, "acme")
    for number in range(count):
        payload = {"chatId": "lead-desk", "content": f"line {number}"}
        accepted.add(await until(partial(_publish, stack, who, payload), 60))
    return accepted


async def _publish(stack: Stack, who: str, payload: dict[str, str]) -> str:
    """The id of the message once accepted, else nothing."""
    try:
        status, answer = await rest(stack, "POST", "/publish", who, json={"messageType": "fifo", "payload": payload})
    except aiohttp.ClientError:
        return ""
    assert status in (202, 503), answer
    return str(answer["message"]["messageId"]) if status == 202 else ""


async def _settled(app: App) -> bool:
    """Whether all queues are empty; what was dead-lettered on the way has gone back into its queue."""
    for spec in app.topology.queues:
        await redrive(app.queue(spec.dlq), app.queue(spec.name))
        depth = await app.queue(spec.name).depth()
        if depth.visible + depth.in_flight + depth.delayed:
            return False
    return True


def _of_events(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.envelope.payload.get("senderId") in (None, "crm")]
