"""The client against the product, whose gateway is cut off and restarted in the midst of traffic."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kxmsg.bootstrap import App
from kxmsg.client import Client, Events
from kxmsg.client import stream as module
from kxmsg.codecs.envelope import decode_bundle, decode_parcel
from kxmsg.model.connection import Place
from kxmsg.retry import Backoff
from kxmsg.services import missed
from kxmsg.testing.until import until
from kxmsg.topology import FANOUT_FIFO, SEQUENCE
from tests.client.serving import Doors, doors
from tests.client.test_resumption import state
from tests.product import DESK


async def work(app: App) -> None:
    """What the sequence processor and fan-out do."""

    async def store() -> None:
        queue = app.queue(SEQUENCE)
        while True:
            deliveries = await queue.receive(10, wait=5, visibility=30)
            assert await app.ordered.record([decode_parcel(one.body) for one in deliveries]) == [None] * len(deliveries)
            await queue.delete([one.receipt for one in deliveries])

    async def push() -> None:
        queue = app.queue(FANOUT_FIFO)
        while True:
            deliveries = await queue.receive(10, wait=5, visibility=30)
            await app.delivery.deliver([decode_bundle(one.body) for one in deliveries])
            await queue.delete([one.receipt for one in deliveries])

    await asyncio.gather(store(), push())


async def talk(client: Client, dice: random.Random, lines: int) -> None:
    """Say, edit, delete and react to what was said."""
    said: list[str] = []
    for number in range(lines):
        message = await client.send("desk", f"line {number}", wait=5)
        said.append(message["messageId"])
        ident = dice.choice(said)
        match dice.randrange(6):
            case 0:
                await client.edit_message(ident, content=f"edited at {number}")
            case 1:
                await client.delete_message(ident)
                said.remove(ident)
            case 2:
                await client.react(ident, "👍")


async def disturb(product: Doors, dice: random.Random) -> None:
    """Cut off and restart, at moments of chance."""
    while True:
        await asyncio.sleep(dice.random() * 0.15)
        if dice.random() < 0.2:
            await product.restart()
        else:
            product.cut()


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_cut_each_entry_comes_once_in_order_and_with_all_that_was_done_to_it(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BACKOFF", Backoff(base=0.01, cap=0.02))
    monkeypatch.setattr(missed, "PAGE", 1500)
    dice = random.Random(seed)
    got: list[dict[str, Any]] = []

    async def listen(events: Events) -> None:
        async for frame in events:
            got.append(frame)  # noqa: PERF401 - they are looked at before it ends

    async with doors(tmp_path) as product, product.client("adam", "admin") as admin, product.client("ana") as ana:
        await admin.create_channel("group", ["adam", "ana"], channelId="desk")
        async with ana.events() as events:
            tasks = [asyncio.create_task(listen(events)), asyncio.create_task(work(product.app))]

            async def begun() -> bool:
                return "channel#desk" in events.positions

            await until(begun)
            disturbing = asyncio.create_task(disturb(product, dice))
            await talk(admin, dice, 40)
            disturbing.cancel()
            with suppress(asyncio.CancelledError):
                await disturbing
            head = await product.app.logs.head("acme", DESK)

            async def settled() -> bool:
                position = events.positions.get("channel#desk")
                return position is not None and (position.sequence, position.revision) == (head.seq, head.rev)

            await until(settled)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        entries = await product.app.logs.read("acme", DESK, limit=100)
        shown = [frame for frame in got if frame.get("targetKey") == DESK.key and "epoch" in frame]
        numbers = [frame["sequenceNumber"] for frame in shown if frame["type"] == "chat.message"]
        assert numbers == sorted(set(numbers))
        texts, reactions = state(shown, "chat.message")
        assert texts == {one.sequence: one.envelope.payload["content"] for one in entries}
        expected = {one.sequence: set(one.envelope.payload.get("reactions", {})) for one in entries}
        assert {number: reactions.get(number, set()) for number in texts} == expected
        assert "resync" not in {frame["type"] for frame in got}
        assert (await product.app.connections.subscribers(Place("acme", DESK)))[0]
