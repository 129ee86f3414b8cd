"""Fan-out alone: from committed bundles to the connections that want them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import orjson
import pytest

from kxmsg.audience import inbox
from kxmsg.codecs.job import decode_chunk
from kxmsg.model.connection import Place, Post
from kxmsg.model.envelope import Bundle
from kxmsg.model.target import BROADCAST, EVERYBODY
from kxmsg.ports import Depth, Outcome, Queue
from kxmsg.settings import Settings
from kxmsg.testing import Sent, WorkerHarness, run
from kxmsg.testing.until import until
from kxmsg.topology import FANOUT, FANOUT_CHUNK, FANOUT_FIFO
from tests.product import DESK, USER, RecordingBus, bundle, caller, connection, envelope
from workers.fanout import worker


class FakeGateway:
    """Remembers what each connection got."""

    def __init__(self) -> None:
        self.frames: dict[str, list[dict[str, Any]]] = {}

    async def post(self, posts: Sequence[Post]) -> list[list[Outcome]]:
        for post in posts:
            for one in post.connections:
                self.frames.setdefault(one, []).append(orjson.loads(post.data))
        return [["ok"] * len(post.connections) for post in posts]

    async def disconnect(self, gateway: str, connection: str) -> Outcome:
        return "ok"

    async def close(self) -> None:
        """Nothing to close."""

    def numbers(self, connection: str) -> list[int]:
        return [frame["sequenceNumber"] for frame in self.frames.get(connection, [])]


def fan_out(
    settings: Settings, *messages: tuple[str, Any], **options: Any
) -> tuple[FakeGateway, RecordingBus, list[Sent], list[int]]:
    """Send (queue, message) to the worker while ana has two connections, one of them in the channel, and bo one."""

    async def scenario() -> tuple[FakeGateway, RecordingBus, list[Sent], list[int]]:
        gateway, bus = FakeGateway(), RecordingBus()
        async with WorkerHarness(worker, settings=settings, **options) as harness:
            harness.app.gateway, harness.app.bus = gateway, bus
            desk = Place("acme", DESK)
            await harness.app.connections.open(connection("ana-1"), [*inbox("acme", "ana"), desk])
            await harness.app.connections.open(connection("ana-2"), inbox("acme", "ana"))
            await harness.app.connections.open(connection("bo-1", "bo"), inbox("acme", "bo"))
            for user in ("ana", "bo"):
                await harness.app.directory.touch(caller(user))
            sent = [await harness.send(message, queue=queue, group="g") for queue, message in messages]
            await harness.settled()
            shards = [decode_chunk(message.body).shard for message in harness.sent(FANOUT_CHUNK)]
            await until(lambda: _is_empty(harness.app.queue(FANOUT_CHUNK)))
            return gateway, bus, sent, shards

    return run(scenario())


async def _is_empty(queue: Queue) -> bool:
    return await queue.depth() == Depth(0, 0, 0)


def notification(number: int = 1) -> Bundle:
    return bundle(USER, [envelope(f"n{number}")], first=number)


def everybody() -> Bundle:
    made = bundle(BROADCAST, [envelope("all", BROADCAST, tenant=EVERYBODY)])
    return replace(made, tenant=EVERYBODY)


def test_every_connection_of_the_user_gets_the_frame_and_nobody_else(settings: Settings) -> None:
    gateway, _, (sent,), _ = fan_out(settings, (FANOUT, notification()))
    assert {name: gateway.numbers(name) for name in gateway.frames} == {"ana-1": [1], "ana-2": [1]}
    assert sent.outcome == "acknowledged"


def test_a_channels_bundles_come_in_the_order_of_their_numbers(settings: Settings) -> None:
    bundles = [bundle(DESK, [envelope(f"m{n}", DESK)], first=n) for n in range(1, 31)]
    gateway, _, _, _ = fan_out(settings, *((FANOUT_FIFO, one) for one in bundles), aws_like=4)
    assert list(dict.fromkeys(gateway.numbers("ana-1"))) == list(range(1, 31))
    assert set(gateway.frames) == {"ana-1"}


def test_a_broadcast_is_cut_into_a_chunk_for_each_shard_and_reaches_everybody_once(settings: Settings) -> None:
    gateway, _, _, shards = fan_out(settings, (FANOUT, everybody()))
    assert sorted(shards) == [0, 1, 2, 3]
    assert {name: gateway.numbers(name) for name in gateway.frames} == {"ana-1": [1], "ana-2": [1], "bo-1": [1]}


@pytest.mark.parametrize("queue", [FANOUT, FANOUT_FIFO, FANOUT_CHUNK])
def test_poison_is_dead_lettered_at_once_with_its_reason_and_harms_nobody_else(settings: Settings, queue: str) -> None:
    gateway, _, (poison, good), _ = fan_out(settings, (queue, b'{"v":1}'), (FANOUT, notification()))
    assert (poison.outcome, poison.receives) == ("dead-lettered", 1)
    assert "not a" in str(poison.reason)
    assert (gateway.numbers("ana-1"), good.outcome) == ([1], "acknowledged")


@pytest.mark.parametrize(("mode", "told"), [("all", {"ana", "bo"}), ("connected", {"ana", "bo"}), ("none", set())])
def test_users_of_a_broadcast_are_told_as_the_setting_says(
    settings: Settings, mode: Literal["all", "connected", "none"], told: set[str]
) -> None:
    changed = settings.model_copy(update={"available_events": mode})
    _, bus, _, _ = fan_out(changed, (FANOUT, everybody()))
    assert {event.detail["userId"] for event in bus.events} == told
    assert len({event.detail["eventId"] for event in bus.events}) == len(told)
