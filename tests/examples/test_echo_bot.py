"""The example bot, against the product's doors in this process."""

import asyncio
from pathlib import Path
from typing import Any

from examples.echo_bot import run
from kxmsg.codecs.envelope import decode_parcel
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Envelope
from kxmsg.model.target import Target
from kxmsg.testing.until import until
from tests.client.serving import doors
from tests.product import envelope

DESK = Target("channel", "desk")


def said(ident: str, text: str, sender: str, **metadata: Any) -> Envelope:
    return envelope(ident, DESK, payload={"content": text, "senderId": sender, "metadata": metadata})


async def test_it_answers_people_once_and_neither_itself_nor_others_of_its_kind(tmp_path: Path) -> None:
    async with doors(tmp_path) as product, product.client("adam", "admin") as admin, product.client("echo") as client:
        await admin.create_channel("group", channelId="desk")
        running = asyncio.create_task(run(client, "echo", ["desk"]))

        async def listens() -> bool:
            return bool((await product.app.connections.subscribers(Place("acme", DESK)))[0])

        await until(listens)
        for one in (
            said("m1", "Hello!", "ana"),
            said("m1", "Hello!", "ana"),
            said("m2", "You said: Hello!", "echo"),
            said("m3", "You said: Hello!", "other", echo="m1"),
            said("m4", "Bye!", "ana"),
        ):
            await product.app.delivery.deliver([await product.app.logs.append("acme", DESK, [one])])
        answers: list[dict[str, Any]] = []
        while len(answers) < 2:
            for delivery in await product.app.entrances["fifo"].receive(10, wait=5, visibility=30):
                answers += [one.payload for one in decode_parcel(delivery.body).envelopes]
        running.cancel()
        await asyncio.wait([running])
    assert [(one["content"], one["metadata"], one["senderId"]) for one in answers] == [
        ("You said: Hello!", {"echo": "m1"}, "echo"),
        ("You said: Bye!", {"echo": "m4"}, "echo"),
    ]
